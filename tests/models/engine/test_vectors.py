import base64
import struct

import numpy as np
import pytest

from inglenook.kit.errors import BadInput, UpstreamFailed
from inglenook.models.engine.vectors import batches, decode, finish


def test_vectors_come_as_base64_or_numbers() -> None:
    packed = base64.b64encode(struct.pack("<3f", 1, 2, 3)).decode()
    assert decode(packed).tolist() == decode([1.0, 2.0, 3.0]).tolist() == [1, 2, 3]


def test_a_cut_vector_has_unit_length() -> None:
    rows = [np.array([3, 4, 12], dtype=np.float32), np.array([0, 0, 1], dtype=np.float32)]
    assert finish(rows, 2) == [pytest.approx([0.6, 0.8]), [0, 0]]
    assert finish([], 2) == []


@pytest.mark.parametrize("dimensions", [0, -1, 4])
def test_more_dimensions_than_there_are(dimensions: int) -> None:
    with pytest.raises(BadInput, match="between 1 and 3"):
        finish([np.ones(3, dtype=np.float32)], dimensions)


def test_what_is_no_number_is_a_failure() -> None:
    with pytest.raises(UpstreamFailed):
        finish([np.array([np.nan, 1], dtype=np.float32)], None)


def test_batches_are_bounded_and_keep_order() -> None:
    inputs = ["a" * size for size in (1, 5000, 1, 4000, 200, *[1] * 40)]
    found = list(batches(inputs))
    assert [text for batch in found for text in batch] == inputs
    assert all(len(batch) <= 16 for batch in found)
    assert all(len(batch) == 1 or sum(map(len, batch)) <= 4096 for batch in found)
    assert list(batches([])) == []
