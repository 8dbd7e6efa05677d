import numpy as np
import pytest

from inglenook.kit.errors import BadInput
from inglenook.models.calls import (
    ChatRequest,
    EmbeddingRequest,
    Finished,
    LocalOptions,
    Message,
    Timings,
    Usage,
    Vectors,
)
from inglenook.models.engine.service import Engine
from inglenook.models.engine.source import E5_NAME
from inglenook.models.engine.wire import PromptTooLong
from inglenook.models.providers.embedding import EmbeddingProvider
from tests.support.engine import ask, of


async def _vectors(provider: EmbeddingProvider, request: EmbeddingRequest) -> np.ndarray:
    return np.array(of(Vectors, await ask(provider, E5_NAME, request))[0].vectors)


async def test_like_texts_are_near(embedding: EmbeddingProvider) -> None:
    questions = await _vectors(
        embedding, EmbeddingRequest(inputs=["how warm is the sun?", "谁画了蒙娜丽莎？"], purpose="query")
    )
    passages = await _vectors(
        embedding,
        EmbeddingRequest(inputs=["达芬奇画了蒙娜丽莎。", "The sun's surface has 5,500 °C."], purpose="passage"),
    )
    assert questions.shape == (2, 384)
    assert np.allclose(np.linalg.norm(questions, axis=1), 1, atol=1e-3)
    assert (questions @ passages.T).argmax(axis=1).tolist() == [1, 0]


async def test_questions_and_passages_are_embedded_differently(embedding: EmbeddingProvider) -> None:
    async def one(text: str, **options: object) -> np.ndarray:
        return (await _vectors(embedding, EmbeddingRequest(inputs=[text], **options)))[0]  # type: ignore[arg-type]

    query, passage = await one("the sea", purpose="query"), await one("the sea", purpose="passage")
    assert not np.allclose(query, passage, atol=1e-3)
    assert np.allclose(await one("the sea"), query, atol=1e-4)
    assert np.allclose(await one("query: the sea"), query, atol=1e-4)
    assert np.allclose(await one("passage: the sea"), passage, atol=1e-4)


async def test_usage_dimensions_and_order(embedding: EmbeddingProvider) -> None:
    inputs = [f"number {n}" for n in range(40)]
    events = await ask(embedding, E5_NAME, EmbeddingRequest(inputs=inputs, dimensions=16))
    assert [type(event) for event in events] == [Vectors, Usage, Timings, Finished]
    vectors = np.array(events[0].vectors)  # type: ignore[union-attr]
    assert vectors.shape == (40, 16)
    assert np.allclose(np.linalg.norm(vectors, axis=1), 1, atol=1e-3)
    assert events[1].input > 40 * 3  # type: ignore[union-attr]
    alone = await _vectors(embedding, EmbeddingRequest(inputs=[inputs[33]], dimensions=16))
    assert vectors[33] @ alone[0] > 0.99


async def test_a_long_text_is_not_cut(embedding: EmbeddingProvider) -> None:
    beginning = "grain " * 520
    longer = EmbeddingRequest(inputs=[beginning, beginning + "dragons and castles " * 50])
    vectors = await _vectors(embedding, longer)
    assert vectors[0] @ vectors[1] < 0.99
    longer.local.truncate = False
    with pytest.raises(PromptTooLong, match=r"has \d+ tokens, but the context length is 512"):
        await ask(embedding, E5_NAME, longer)


async def test_a_zero_byte_does_not_end_a_text(embedding: EmbeddingProvider) -> None:
    vectors = await _vectors(embedding, EmbeddingRequest(inputs=["cat", "cat\0 quantum chromodynamics"]))
    assert vectors[0] @ vectors[1] < 0.99


async def test_refusals(embedding: EmbeddingProvider) -> None:
    with pytest.raises(BadInput, match="cannot chat"):
        await ask(embedding, E5_NAME, ChatRequest(messages=[Message(role="user", content="hi")]))
    with pytest.raises(BadInput, match="between 1 and 384"):
        await ask(embedding, E5_NAME, EmbeddingRequest(inputs=["a"], dimensions=500))


async def test_loads_and_unloads(embedding: EmbeddingProvider, engine: Engine) -> None:
    assert (await ask(embedding, E5_NAME, EmbeddingRequest(inputs=[])))[-1] == Finished("load")
    [model] = engine.status()
    assert (model.name, model.context_length, model.state) == (E5_NAME, 512, "ready")
    unload = EmbeddingRequest(inputs=[], local=LocalOptions(keep_alive=0))
    assert (await ask(embedding, E5_NAME, unload))[-1] == Finished("unload")
    assert engine.status() == []
    [facts] = await embedding.models()
    assert facts.embedding_length == 384
    assert "zh" in facts.languages
