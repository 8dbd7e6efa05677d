import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from inglenook.kit.errors import BadInput
from inglenook.models.engine.quantize import Stopped
from inglenook.models.errors import BadModelFile, CannotCarry
from inglenook.models.hub.base import Step
from inglenook.models.hub.create import Recipe, create
from inglenook.models.hub.layout import ModelStore
from tests.support.gguf import CHATML, tiny_llama
from tests.support.gguf_shapes import tiny_lora, tiny_projector

Blob = Callable[[Path], str]


@pytest.fixture
def blob(models: ModelStore) -> Blob:
    return lambda path: models.put_blob(path.read_bytes(), "").digest


def _left(models: ModelStore) -> list[str]:
    return sorted(path.name for path in models.blobs.iterdir())


def test_quantising_tells_its_progress_and_shows_the_level(models: ModelStore, blob: Blob, tmp_path: Path) -> None:
    full = create(models, "full", Recipe(files={"m.gguf": blob(tiny_llama(tmp_path / "m.gguf"))}))
    steps: list[Step] = []
    small = create(models, "small", Recipe(base="full", quantize="q8_0", system="Short."), steps.append)
    assert (small.details.quantization_level, full.details.quantization_level) == ("Q8_0", "F32")
    assert small.gguf.stat().st_size < full.gguf.stat().st_size / 2
    assert small.system == "Short."
    packing = [step for step in steps if step.status == "quantizing F32 model to Q8_0"]
    assert packing[-1].completed == packing[-1].total > 0
    assert all(step.digest for step in packing)
    assert [step.status for step in steps[-2:]] == [steps[-2].status, "writing manifest"]
    assert not [name for name in _left(models) if "partial" in name]


def test_quantising_that_is_stopped_leaves_the_store_as_it_was(models: ModelStore, blob: Blob, tmp_path: Path) -> None:
    create(models, "full", Recipe(files={"m.gguf": blob(tiny_llama(tmp_path / "m.gguf"))}))
    before, stop = _left(models), threading.Event()
    stop.set()
    with pytest.raises(Stopped):
        create(models, "small", Recipe(base="full", quantize="q4_K_M"), stop=stop)
    assert _left(models) == before
    assert [model.name for model in models.list()] == ["full:latest"]


def test_what_cannot_be_quantised_is_refused(models: ModelStore, blob: Blob, tmp_path: Path) -> None:
    create(models, "full", Recipe(files={"m.gguf": blob(tiny_llama(tmp_path / "m.gguf"))}))
    with pytest.raises(BadInput, match="unsupported quantization type q4_x"):
        create(models, "small", Recipe(base="full", quantize="q4_x"))
    create(models, "small", Recipe(base="full", quantize="q4_0"))
    with pytest.raises(BadInput, match="this one is Q4_0"):
        create(models, "smaller", Recipe(base="small", quantize="q8_0"))


def test_adapters_and_projectors_stay_with_what_is_made_of_it(models: ModelStore, blob: Blob, tmp_path: Path) -> None:
    files = {
        "m.gguf": blob(tiny_llama(tmp_path / "m.gguf")),
        "eyes.gguf": blob(tiny_projector(tmp_path / "eyes.gguf")),
        "lora.gguf": blob(tiny_lora(tmp_path / "lora.gguf")),
    }
    create(models, "whole", Recipe(files=files))
    small = create(models, "small", Recipe(base="whole", quantize="q8_0"))
    assert (len(small.projectors), len(small.adapters)) == (1, 1)
    assert small.config["capabilities"] == ["completion", "vision"]
    other = blob(tiny_lora(tmp_path / "other.gguf", general__name="Other"))
    changed = create(models, "changed", Recipe(base="whole", adapters={"o": other}, scales={"o": 0.25}))
    assert [path.name for path in changed.adapters] == [other.replace(":", "-")]
    assert changed.config["adapter_scales"] == {other: 0.25}


def test_files_without_weights_or_with_two_are_refused(models: ModelStore, blob: Blob, tmp_path: Path) -> None:
    lora, one = blob(tiny_lora(tmp_path / "l.gguf")), blob(tiny_llama(tmp_path / "m.gguf"))
    two = blob(tiny_llama(tmp_path / "n.gguf", seed=2))
    for files in ({"l.gguf": lora}, {"m.gguf": one, "n.gguf": two}):
        with pytest.raises(CannotCarry, match="one GGUF file of weights"):
            create(models, "m", Recipe(files=files))
    with pytest.raises(BadModelFile, match="odd: "):
        create(models, "m", Recipe(files={"odd": models.put_blob(b"no such thing", "").digest}))


def test_a_template_in_jinja_is_kept_and_one_in_go_refused(models: ModelStore, blob: Blob, tmp_path: Path) -> None:
    files = {"m.gguf": blob(tiny_llama(tmp_path / "m.gguf"))}
    assert create(models, "m", Recipe(files=files, template=CHATML)).template == CHATML
    with pytest.raises(CannotCarry, match="models here take Jinja"):
        create(models, "m", Recipe(files=files, template="{{ .Prompt }}"))
