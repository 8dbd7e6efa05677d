import base64
import math
import struct

import pytest

from inglenook.kit.errors import BadInput, UpstreamFailed
from inglenook.models.engine.vectors import batches, unit


def test_vectors_come_as_base64_or_numbers() -> None:
    packed = base64.b64encode(struct.pack("<2f", 3, 4)).decode()
    assert unit(packed, None) == unit([3.0, 4.0], None) == pytest.approx([0.6, 0.8])


def test_a_cut_vector_has_unit_length() -> None:
    assert unit([3.0, 4.0, 12.0], 2) == pytest.approx([0.6, 0.8])
    assert unit([0.0, 0.0, 1.0], 2) == [0, 0]


@pytest.mark.parametrize("dimensions", [0, -1, 4])
def test_more_dimensions_than_there_are(dimensions: int) -> None:
    with pytest.raises(BadInput, match="between 1 and 3"):
        unit([1.0, 1.0, 1.0], dimensions)


@pytest.mark.parametrize("odd", [math.nan, math.inf])
def test_what_is_no_number_is_a_failure(odd: float) -> None:
    with pytest.raises(UpstreamFailed):
        unit([odd, 1.0], None)


def test_batches_are_bounded_and_keep_order() -> None:
    inputs = ["a" * size for size in (1, 5000, 1, 4000, 200, *[1] * 40)]
    found = list(batches(inputs))
    assert [text for batch in found for text in batch] == inputs
    assert all(len(batch) <= 16 for batch in found)
    assert all(len(batch) == 1 or sum(map(len, batch)) <= 4096 for batch in found)
    assert list(batches([])) == []
