"""What a model is expected to take, against what llama.cpp says it sets aside and what its process takes."""

import re
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from inglenook.kit.config import Settings
from inglenook.kit.http.pool import HttpPool
from inglenook.models.engine import process
from inglenook.models.engine.channel import Channel
from inglenook.models.engine.memory import MIB, Load, checkpoints, estimate
from inglenook.models.engine.model_file import inspect
from inglenook.models.engine.process import Child
from inglenook.models.engine.quantize import quantize
from inglenook.models.engine.service import Engine
from inglenook.models.engine.source import BOUNDLESS, Source, from_path
from tests.support.engine import starter_gguf
from tests.support.gguf import tiny_bert, tiny_llama
from tests.support.gguf_shapes import tiny_deepseek2, tiny_gemma3, tiny_mamba


@pytest.fixture(autouse=True)
def whole_log(monkeypatch: pytest.MonkeyPatch) -> None:
    """Children's logs are kept whole, to be read."""
    monkeypatch.setattr(process, "_LOG_LINES", 100_000)


@pytest.fixture(autouse=True)
def whole_logs(monkeypatch: pytest.MonkeyPatch) -> None:
    """A child that is asked to say everything says more than is usually kept."""
    monkeypatch.setattr("inglenook.models.engine.process._LOG_LINES", 100_000)


async def _set_aside(source: Source, context: int, settings: Settings) -> dict[str, float]:
    """MiB that the engine says it sets aside: `KV`, `RS` (states), `compute`, `output`."""
    spec = source.plan(context, settings, BOUNDLESS).spec
    spec.config["verbosity"] = 10
    child = await Child.start(spec, 60)
    await child.stop()  # then its log is whole
    found: dict[str, float] = {}
    for line in child.log:
        if match := re.search(r"(KV|RS|compute|output|model) buffer size = +([\d.]+) MiB", line):
            found[match[1]] = found.get(match[1], 0) + float(match[2])
    return found


@pytest.mark.parametrize(
    "make",
    [
        tiny_llama,
        lambda path: tiny_llama(path, llama__context_length=8192, llama__attention__head_count_kv=[2, 2]),
        tiny_gemma3,
        tiny_deepseek2,
        tiny_mamba,
    ],
    ids=["llama", "by layer", "window", "latent", "state"],
)
@pytest.mark.parametrize("cache_type", ["f16", "q8_0"])
async def test_the_cache_is_what_the_engine_sets_aside(
    make: Callable[[Path], Path], cache_type: Any, tmp_path: Path
) -> None:
    settings = Settings(data=tmp_path, parallel=2, kv_cache_type=cache_type)
    source = from_path(make(tmp_path / "m.gguf"))
    said = await _set_aside(source, 2048, settings)
    expected = source.estimate(settings, 2048)
    assert expected.cache / MIB == pytest.approx(said.get("KV", 0) + said.get("RS", 0), abs=0.02)
    assert expected.work / MIB >= said["compute"] * 0.95
    assert expected.work / MIB == pytest.approx(said["compute"] + said["output"], rel=0.6, abs=4)


async def test_an_embedding_model_keeps_nothing_and_works_on_whole_texts(tmp_path: Path) -> None:
    source = from_path(tiny_bert(tmp_path / "m.gguf", context=512))
    settings = Settings(data=tmp_path)
    said = await _set_aside(source, 512, settings)
    expected = source.estimate(settings, 512)
    assert (expected.cache, said.get("KV", 0), expected.prompts) == (0, 0, 0)
    assert expected.work / MIB == pytest.approx(said["compute"], rel=0.6, abs=4)


@pytest.mark.parametrize("level", ["Q8_0", "Q4_0", "IQ4_NL", "Q4_1", "F16"])
async def test_weights_that_are_kept_in_another_order_are_there_once(level: str, tmp_path: Path) -> None:
    quantize(tiny_llama(tmp_path / "m.gguf"), tmp_path / "q.gguf", level)
    source, settings = from_path(tmp_path / "q.gguf"), Settings(data=tmp_path)
    said = await _set_aside(source, 512, settings)
    # The file has its head beside the weights.
    assert source.estimate(settings, 512).weights / MIB == pytest.approx(said["model"], abs=0.02)


@pytest.mark.slow
async def test_a_real_model_in_use_takes_what_was_expected(
    make_engine: Callable[..., Engine], http: HttpPool, tmp_path: Path
) -> None:
    engine = make_engine(parallel=2, context_length=1024, load_timeout=60)
    # A file of its own: what other processes map too would count in part only.
    source = from_path(Path(shutil.copy(starter_gguf(), tmp_path / "starter.gguf")), "starter")
    async with engine.lease(source) as lease:
        channel = Channel(http, lease)
        for turn in range(3):  # enough for both slots to be full, and for prompts to be kept
            prompt = [100 + turn, *[10] * 900]
            await channel.ask("/completion", {"prompt": prompt, "n_predict": 8, "stream": False})
        taken = lease.child.memory()
    expected = source.estimate(engine.settings)
    assert taken == pytest.approx(expected.total, rel=0.15)
    assert taken <= expected.total * 1.05


async def test_the_context_of_a_window_grows_with_its_few_whole_layers(tmp_path: Path) -> None:
    shape = inspect(tiny_gemma3(tmp_path / "m.gguf")).shape
    one = 2 * (32 + 32)  # a layer's key and value of one token
    assert (shape.window, shape.key, shape.window_key) == (256, 32, 5 * 32)
    assert shape.cache(8192) - shape.cache(4096) == 4096 * one
    assert shape.cache(8192) == 8192 * one + 5 * 768 * one


async def test_what_is_kept_of_prompts_is_limited(tmp_path: Path) -> None:
    for make in (tiny_gemma3, tiny_mamba, tiny_llama):
        shape = inspect(make(tmp_path / f"{make.__name__}.gguf")).shape
        load = Load(context=8192, slots=64, weights=0)
        assert estimate(shape, load).prompts <= 2 * 256 * MIB
        assert checkpoints(shape, load) * 64 * shape.checkpoint(8192) <= 256 * MIB
