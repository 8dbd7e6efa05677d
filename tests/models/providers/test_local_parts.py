"""Adapters, projectors and rerankers of models here, each with a tiny file that the real engine loads."""

import base64
import math
import struct
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from inglenook.kit.errors import BadInput
from inglenook.models.calls import (
    ChatRequest,
    EmbeddingRequest,
    Finished,
    ImagePart,
    LocalOptions,
    Message,
    Notice,
    Operation,
    RerankRequest,
    Sampling,
    Score,
    Scores,
    TextDelta,
    TextPart,
    Usage,
    Vectors,
)
from inglenook.models.engine.parts import check_adapter, kind_of, projector
from inglenook.models.engine.service import Engine
from inglenook.models.engine.wire import PromptTooLong
from inglenook.models.errors import BadModelFile
from inglenook.models.hub.create import Recipe, create
from inglenook.models.hub.layout import ModelStore
from inglenook.models.providers.local import LocalProvider
from tests.support.engine import ask, of
from tests.support.gguf import tiny_bert, tiny_llama
from tests.support.gguf_shapes import tiny_lora, tiny_projector

Blob = Callable[[Path], str]


@pytest.fixture
def models(engine: Engine) -> ModelStore:
    return ModelStore(engine.settings.models_dir)


@pytest.fixture
def blob(models: ModelStore) -> Blob:
    """Puts a file among the blobs, as an upload does."""
    return lambda path: models.put_blob(path.read_bytes(), "").digest


@pytest.fixture
def base(tmp_path: Path, blob: Blob) -> str:
    return blob(tiny_llama(tmp_path / "base.gguf"))


def _chat(content: Any, tokens: int = 24) -> ChatRequest:
    return ChatRequest(
        messages=[Message(role="user", content=content)], sampling=Sampling(max_tokens=tokens, temperature=0)
    )


async def _says(local: LocalProvider, name: str, content: Any = "hello") -> str:
    return "".join(event.text for event in of(TextDelta, await ask(local, name, _chat(content))))


def png(width: int, height: int, colour: tuple[int, int, int]) -> str:
    """A picture of one colour, base64."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    rows = b"".join(b"\0" + bytes(colour) * width for _ in range(height))
    head = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    data = b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")
    return base64.b64encode(data).decode()


# ----------------------------------------------------------------------------------------------- adapters


async def test_an_adapter_changes_what_a_model_says_by_its_scale(
    local: LocalProvider, models: ModelStore, blob: Blob, base: str, tmp_path: Path
) -> None:
    lora = blob(tiny_lora(tmp_path / "lora.gguf"))
    create(models, "plain", Recipe(files={"m.gguf": base}))
    create(models, "tuned", Recipe(base="plain", adapters={"lora.gguf": lora}))
    create(models, "muted", Recipe(base="plain", adapters={"lora.gguf": lora}, scales={"lora.gguf": 0.0}))
    plain, tuned, muted = [await _says(local, name) for name in ("plain", "tuned", "muted")]
    assert tuned != plain
    assert muted == plain
    assert [len(models.resolve(name).adapters) for name in ("plain", "tuned", "muted")] == [0, 1, 1]


async def test_several_adapters_add_up(
    local: LocalProvider, models: ModelStore, blob: Blob, base: str, tmp_path: Path
) -> None:
    lora = blob(tiny_lora(tmp_path / "lora.gguf"))
    same = blob(tiny_lora(tmp_path / "same.gguf", general__name="The same, called otherwise"))
    files = {"m.gguf": base}
    create(models, "one", Recipe(files=files, adapters={"a": lora}))
    create(models, "halves", Recipe(files=files, adapters={"a": lora, "b": same}, scales={"a": 0.5, "b": 0.5}))
    assert await _says(local, "halves") == await _says(local, "one")


async def test_an_adapter_that_does_not_fit_is_refused_by_name(
    models: ModelStore, blob: Blob, base: str, tmp_path: Path
) -> None:
    other = blob(tiny_lora(tmp_path / "o.gguf", general__architecture="qwen2"))
    with pytest.raises(BadModelFile, match=r"other: adapter .* is for models of qwen2, this one is of llama") as caught:
        create(models, "m", Recipe(files={"m.gguf": base}, adapters={"other": other}))
    assert caught.value.field == "adapters.other"
    with pytest.raises(BadModelFile, match="is no LoRA adapter"):
        create(models, "m", Recipe(files={"m.gguf": base}, adapters={"x": base}))
    wide = tiny_llama(tmp_path / "w.gguf")
    with pytest.raises(BadModelFile, match="is no LoRA adapter"):
        check_adapter(tiny_lora(tmp_path / "l.gguf", adapter__type="control_vector"), wide)
    with pytest.raises(BadInput, match="no adapter b to scale"):
        create(models, "m", Recipe(files={"m.gguf": base}, scales={"b": 1.0}))
    assert models.list() == []


async def test_an_adapter_counts_in_the_estimate(
    engine: Engine, models: ModelStore, blob: Blob, base: str, tmp_path: Path
) -> None:
    path = tiny_lora(tmp_path / "lora.gguf")
    create(models, "tuned", Recipe(files={"m.gguf": base, "lora.gguf": blob(path)}))
    assert (await engine.estimate("tuned")).adapters == path.stat().st_size


# --------------------------------------------------------------------------------------------- projectors


async def test_a_model_with_a_projector_sees(
    local: LocalProvider, models: ModelStore, blob: Blob, base: str, tmp_path: Path
) -> None:
    eyes = blob(tiny_projector(tmp_path / "eyes.gguf"))
    made = create(models, "seer", Recipe(files={"m.gguf": base, "mmproj.gguf": eyes}))
    assert made.config["capabilities"] == ["completion", "vision"]
    [facts] = await local.models()
    assert facts.capabilities == {"completion", "vision"}

    async def look(colour: tuple[int, int, int]) -> list[Any]:
        picture = ImagePart("image/png", png(28, 28, colour))
        return await ask(local, "seer", _chat([picture, TextPart("What is it?")]))

    red, blue = await look((255, 0, 0)), await look((0, 0, 255))
    said = ["".join(event.text for event in of(TextDelta, events)) for events in (red, blue)]
    assert said[0] != said[1]
    text_only = of(Usage, await ask(local, "seer", _chat("What is it?")))[0].input
    assert of(Usage, red)[0].input >= text_only + 4  # a token for each patch
    assert of(Finished, red)[0].reason == "length"


async def test_a_picture_for_a_model_without_eyes_is_refused(
    local: LocalProvider, models: ModelStore, base: str
) -> None:
    create(models, "blind", Recipe(files={"m.gguf": base}))
    with pytest.raises(BadInput, match="blind:latest does not support images"):
        await ask(local, "blind", _chat([ImagePart("image/png", png(4, 4, (0, 0, 0)))]))


async def test_what_is_no_picture_is_refused_and_the_model_goes_on(
    local: LocalProvider, models: ModelStore, blob: Blob, base: str, tmp_path: Path
) -> None:
    eyes = blob(tiny_projector(tmp_path / "eyes.gguf"))
    create(models, "seer", Recipe(files={"m.gguf": base, "mmproj.gguf": eyes}))
    with pytest.raises(BadInput):
        await ask(local, "seer", _chat([ImagePart("image/png", base64.b64encode(b"no picture").decode())]))
    assert await _says(local, "seer")


def test_kinds_of_files(tmp_path: Path) -> None:
    assert kind_of(tiny_llama(tmp_path / "m.gguf")) == "model"
    assert kind_of(tiny_lora(tmp_path / "l.gguf")) == "adapter"
    assert kind_of(tiny_projector(tmp_path / "p.gguf")) == "projector"
    with pytest.raises(BadModelFile, match="neither sees nor hears"):
        projector(tiny_projector(tmp_path / "q.gguf", clip__has_vision_encoder=False))


# -------------------------------------------------------------------------------------------------- rerank


async def _rank(
    provider: LocalProvider, query: str, documents: list[str], top_n: int | None = None, **options: Any
) -> list[Any]:
    request = RerankRequest(query=query, documents=documents, top_n=top_n, local=LocalOptions(**options))
    return await ask(provider, "ranker", request, operation=Operation.RERANK)


@pytest.fixture
def ranker(models: ModelStore, tmp_path: Path) -> None:
    models.import_gguf(tiny_bert(tmp_path / "r.gguf", ranks=True), "ranker")


@pytest.mark.usefixtures("ranker")
async def test_a_reranker_scores_documents_best_first(local: LocalProvider) -> None:
    [facts] = await local.models()
    assert facts.capabilities == {"rerank"}
    documents = ["abc def", "xyz", "q w e r t y", *["zz"] * 20]
    events = await _rank(local, "abc", documents)
    scores: list[Score] = of(Scores, events)[0].scores
    assert sorted(score.index for score in scores) == list(range(23))
    assert [score.score for score in scores] == sorted((score.score for score in scores), reverse=True)
    assert all(0 < score.score < 1 for score in scores)
    assert len({round(score.score, 6) for score in scores if score.index >= 3}) == 1  # the same text, the same score
    assert of(Usage, events)[0].input > 0
    alone = of(Scores, await _rank(local, "abc", documents[:1]))[0].scores[0].score
    assert alone == pytest.approx(next(score.score for score in scores if score.index == 0), abs=1e-4)
    best = of(Scores, await _rank(local, "abc", documents, top_n=2))[0].scores
    assert [score.index for score in best] == [score.index for score in scores[:2]]


@pytest.mark.usefixtures("ranker")
async def test_a_document_too_long_is_cut_and_said_so_or_refused(local: LocalProvider) -> None:
    events = await _rank(local, "abc", ["a " * 200, "b"])
    assert of(Notice, events)[0].kind == "truncated"
    assert len(of(Scores, events)[0].scores) == 2
    with pytest.raises(PromptTooLong, match="a document with its question"):
        await _rank(local, "abc", ["a " * 200], truncate=False)
    with pytest.raises(PromptTooLong, match="the question"):
        await _rank(local, "a " * 200, ["b"])


@pytest.mark.usefixtures("ranker")
async def test_a_reranker_does_nothing_else(local: LocalProvider, models: ModelStore, base: str) -> None:
    with pytest.raises(BadInput, match="does not support chat; it makes scores of documents"):
        await _says(local, "ranker")
    create(models, "plain", Recipe(files={"m.gguf": base}))
    with pytest.raises(BadInput, match="plain:latest does not support reranking"):
        await ask(local, "plain", RerankRequest(query="a", documents=["b"]), operation=Operation.RERANK)


# ----------------------------------------------------------------------------------------------- embedding


async def test_vectors_are_pooled_as_the_file_says_and_have_length_one(
    local: LocalProvider, models: ModelStore, tmp_path: Path
) -> None:
    found: dict[str, list[float]] = {}
    for name, kind in (("none", 0), ("mean", 1), ("cls", 2), ("last", 3)):
        models.import_gguf(tiny_bert(tmp_path / f"{name}.gguf", bert__pooling_type=kind), name)
        [vectors] = of(Vectors, await ask(local, name, EmbeddingRequest(inputs=["abc", "xyz"])))
        assert len(vectors.vectors) == 2
        found[name] = vectors.vectors[0]
        assert math.hypot(*found[name]) == pytest.approx(1)
        few = of(Vectors, await ask(local, name, EmbeddingRequest(inputs=["abc"], dimensions=8)))[0].vectors[0]
        assert (len(few), math.hypot(*few)) == (8, pytest.approx(1))
    assert found["none"] == pytest.approx(found["mean"], abs=1e-5)  # left open, it is the mean
    assert found["cls"] != found["mean"] != found["last"]
