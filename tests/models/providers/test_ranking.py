"""Jina and Voyage, and reranking by servers of the OpenAI family: each in its own documented shape."""

import json
from collections.abc import AsyncIterator
from typing import Any

import pytest

from inglenook.kit.errors import BadInput, TooMany, UpstreamFailed
from inglenook.kit.http.pool import HttpPool
from inglenook.models.calls import (
    EmbeddingRequest,
    LocalOptions,
    Operation,
    Raw,
    RawHead,
    RerankRequest,
    Score,
    Scores,
    Usage,
    Vectors,
)
from inglenook.models.errors import CannotCarry, KeyRefused
from inglenook.models.providers.base import Provider
from inglenook.models.providers.registry import get
from inglenook.models.providers.wires.rerank import read_ranking
from tests.support.bought import HI, KEY, collect, job, passing, provider, refuses
from tests.support.upstream import Asked, Upstream, open_upstream

RANK = RerankRequest(query="q", documents=["a", "b", "c"], top_n=2)
RESULTS = [{"index": 2, "relevance_score": 0.9}, {"index": 0, "relevance_score": 0.2}]


@pytest.fixture
async def upstream() -> AsyncIterator[Upstream]:
    async with open_upstream() as opened:
        yield opened


@pytest.fixture
def jina(upstream: Upstream, http: HttpPool) -> Provider:
    return provider("jina", http, base_url=upstream.url, api_key=KEY)


@pytest.fixture
def voyage(upstream: Upstream, http: HttpPool) -> Provider:
    return provider("voyage", http, base_url=upstream.url, api_key=KEY)


@pytest.fixture
def server(upstream: Upstream, http: HttpPool) -> Provider:
    return provider("openai-compatible", http, base_url=upstream.url, api_key=KEY)


async def embed(asked: Asked) -> None:
    texts = asked.json["input"]
    data = [{"object": "embedding", "index": at, "embedding": [float(text)]} for at, text in enumerate(texts)]
    await asked.whole({"object": "list", "data": data[::-1], "usage": {"total_tokens": len(texts)}})


# ----------------------------------------------------------------------------------------------- embeddings


async def test_embeddings_of_jina(jina: Provider, upstream: Upstream) -> None:
    upstream.answer = embed
    request = EmbeddingRequest(
        inputs=[str(number) for number in range(130)],
        purpose="passage",
        dimensions=1,
        local=LocalOptions(truncate=False),
    )
    vectors, usage = await collect(jina, job(request, "jina-embeddings-v3"))
    assert isinstance(vectors, Vectors)
    assert [vector[0] for vector in vectors.vectors] == list(range(130))
    assert usage == Usage(input=130)
    first, second = upstream.asked
    assert first.path == "/v1/embeddings"
    assert first.headers["authorization"] == f"Bearer {KEY}"
    assert {name: value for name, value in second.json.items() if name != "input"} == {
        "model": "jina-embeddings-v3",
        "embedding_type": "float",
        "task": "retrieval.passage",
        "dimensions": 1,
        "truncate": False,
    }


@pytest.mark.parametrize(
    ("model", "task"),
    [
        ("jina-embeddings-v4", "retrieval.query"),
        ("jina-code-embeddings-0.5b", "nl2code.query"),
        ("jina-embeddings-v2-base-zh", None),
    ],
)
async def test_what_a_text_is_for(jina: Provider, upstream: Upstream, model: str, task: str | None) -> None:
    upstream.answer = embed
    await collect(jina, job(EmbeddingRequest(inputs=["1"], purpose="query"), model))
    assert upstream.asked[0].json.get("task") == task


async def test_vectors_that_cannot_be_shorter(jina: Provider) -> None:
    with pytest.raises(CannotCarry) as caught:
        await collect(jina, job(EmbeddingRequest(inputs=["1"], dimensions=9), "jina-embeddings-v2-base-en"))
    assert caught.value.field == "dimensions"


async def test_embeddings_of_voyage(voyage: Provider, upstream: Upstream) -> None:
    upstream.answer = embed
    request = EmbeddingRequest(inputs=["1", "2"], purpose="passage", dimensions=1)
    assert await collect(voyage, job(request, "voyage-4")) == [Vectors([[1], [2]]), Usage(input=2)]
    assert upstream.asked[0].path == "/v1/embeddings"
    assert upstream.asked[0].json == {
        "model": "voyage-4",
        "input": ["1", "2"],
        "truncation": True,
        "input_type": "document",
        "output_dimension": 1,
    }


@pytest.mark.parametrize(
    ("body", "says"),
    [
        (b"{", "malformed embeddings"),
        ({"data": []}, "0 usable vectors for 1"),
        ({"data": [{"embedding": []}]}, "1 usable"),
    ],
)
@pytest.mark.parametrize("kind", ["jina", "voyage"])
async def test_embeddings_that_are_none(upstream: Upstream, http: HttpPool, kind: str, body: Any, says: str) -> None:
    refuses(upstream, 200, body)
    asked = provider(kind, http, base_url=upstream.url, api_key=KEY)
    with pytest.raises(UpstreamFailed, match=says):
        await collect(asked, job(EmbeddingRequest(inputs=["a"])))


# ------------------------------------------------------------------------------------------------- reranking


@pytest.mark.parametrize(
    ("kind", "answer", "usage", "top"),
    [
        ("jina", {"results": RESULTS, "usage": {"total_tokens": 30}}, Usage(input=30), "top_n"),
        ("voyage", {"object": "list", "data": RESULTS, "usage": {"total_tokens": 31}}, Usage(input=31), "top_k"),
        # vLLM, SiliconFlow and Cohere's shape
        ("openai-compatible", {"id": "x", "results": RESULTS, "usage": {"total_tokens": 32}}, Usage(input=32), "top_n"),
        (
            "openai-compatible",
            {"results": RESULTS, "meta": {"tokens": {"input_tokens": 33, "output_tokens": 0}}},
            Usage(input=33),
            "top_n",
        ),
        (
            "openai-compatible",
            {"results": RESULTS, "meta": {"billed_units": {"search_units": 1}}},
            Usage(searches=1),
            "top_n",
        ),
    ],
)
async def test_reranking(
    upstream: Upstream, http: HttpPool, kind: str, answer: dict[str, Any], usage: Usage, top: str
) -> None:
    refuses(upstream, 200, answer)
    asked = provider(kind, http, base_url=upstream.url, api_key=KEY)
    assert Operation.RERANK in asked.operations  # type: ignore[attr-defined]
    events = await collect(asked, job(RANK, "ranker", Operation.RERANK))
    assert events == [Scores([Score(2, 0.9), Score(0, 0.2)]), usage]
    assert upstream.asked[0].path == "/v1/rerank"
    assert upstream.asked[0].json == {"model": "ranker", "query": "q", "documents": ["a", "b", "c"], top: 2}
    nothing = RerankRequest(query="q", documents=[])
    assert await collect(asked, job(nothing, "ranker", Operation.RERANK)) == [Scores([])]
    assert len(upstream.asked) == 1


@pytest.mark.parametrize("kind", ["jina", "openai-compatible"])
async def test_callers_of_the_shape_pass_through(upstream: Upstream, http: HttpPool, kind: str) -> None:
    told = json.dumps({"model": "x", "results": RESULTS, "usage": {"total_tokens": 30}}).encode()
    refuses(upstream, 200, told)
    asked = provider(kind, http, base_url=upstream.url, api_key=KEY)
    assert "rerank" in asked.wires
    body = {"model": "alias", "query": "q", "documents": ["a", "b", "c"], "return_documents": False}
    expected = [RawHead(200, "application/json"), Raw(told), Usage(input=30)]
    assert await asked.relay(passing("rerank", dict(body), "ranker")) == expected  # type: ignore[attr-defined]
    assert await collect(asked, passing("rerank", dict(body), "ranker")) == expected
    assert upstream.asked[0].json == {**body, "model": "ranker"}


@pytest.mark.parametrize(
    ("body", "says"),
    [
        (b"{", "malformed ranking"),
        (b'{"ok": true}', "has no results"),
        (b'{"results": [{"index": 3, "relevance_score": 1}]}', "not among the 3"),
        (b'{"results": [{"index": 0}]}', "not among the 3"),
    ],
)
def test_a_ranking_that_is_none(body: bytes, says: str) -> None:
    with pytest.raises(UpstreamFailed, match=says):
        list(read_ranking(body, 3))


def test_the_best_comes_first() -> None:
    body = b'{"results": [{"index": 0, "score": -2.5}, {"index": 1, "score": 7}]}'
    assert list(read_ranking(body, 2)) == [Scores([Score(1, 7), Score(0, -2.5)])]


# --------------------------------------------------------------------------------------------------- others


@pytest.mark.parametrize("kind", ["jina", "voyage"])
async def test_refusals(upstream: Upstream, http: HttpPool, kind: str) -> None:
    asked = provider(kind, http, base_url=upstream.url, api_key=f"{KEY}, sk-two")
    assert asked.keys == 2  # type: ignore[attr-defined]
    for status, error in ((401, KeyRefused), (429, TooMany), (422, BadInput), (500, UpstreamFailed)):
        refuses(upstream, status, {"detail": f"no, not with {KEY}"}, retry_after="4")
        for work in (job(RANK), job(EmbeddingRequest(inputs=["a"]))):
            with pytest.raises(error, match="no, not with") as caught:
                await collect(asked, work)
            assert KEY not in caught.value.message
            assert caught.value.retry_after == (4 if status == 429 else None)
    with pytest.raises(CannotCarry, match="no way to do this"):
        await collect(asked, job(HI))
    with pytest.raises(CannotCarry):
        await collect(asked, job(EmbeddingRequest(inputs=["a"], local=LocalOptions(num_ctx=9))))


@pytest.mark.parametrize("kind", ["jina", "voyage"])
async def test_a_key_is_proven_by_the_smallest_request(upstream: Upstream, http: HttpPool, kind: str) -> None:
    asked = provider(kind, http, base_url=upstream.url, api_key=KEY)

    async def answer(request: Asked) -> None:
        await request.whole({"data": [{"index": 0, "embedding": [1]}]})

    upstream.answer = answer
    assert await asked.prove(0) is None  # type: ignore[attr-defined]
    assert upstream.asked[0].json["input"] == ["hi"]
    assert await asked.models() == list(get(kind).known())


@pytest.mark.parametrize("kind", ["jina", "voyage"])
def test_it_is_shown_in_both_languages(kind: str) -> None:
    found = get(kind)
    words = found.translations["zh-CN"]
    rules = found.settings_schema["properties"].values()
    assert [
        rule[key] for rule in rules for key in ("title", "description") if rule.get(key, "") not in {*words, ""}
    ] == []
