"""Google's cloud: tokens for a service account, and the two protocols behind it."""

import asyncio
import base64
import json
from collections.abc import AsyncIterator
from typing import Any
from urllib.parse import parse_qs

import pytest
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.hashes import SHA256

from inglenook.kit.errors import BadInput, UpstreamFailed
from inglenook.kit.http.pool import HttpPool
from inglenook.models.calls import (
    ChatRequest,
    EmbeddingRequest,
    Finished,
    Message,
    Operation,
    Raw,
    RawHead,
    Sampling,
    Usage,
    Vectors,
)
from inglenook.models.errors import KeyRefused
from inglenook.models.providers.base import Provider, ProviderParts
from inglenook.models.providers.registry import get
from inglenook.models.providers.service_account import ServiceAccount
from inglenook.models.providers.vertex import Vertex
from tests.support.bought import HI, KEY, answers, collect, job, passing, provider, refuses
from tests.support.bought_cases import ANTHROPIC, GEMINI, give_token, service_account, service_account_key
from tests.support.upstream import Asked, Upstream, open_upstream

AT = "/v1/projects/p-1/locations/global/publishers"


@pytest.fixture
async def upstream() -> AsyncIterator[Upstream]:
    async with open_upstream() as opened:
        opened.beside["/token"] = give_token
        yield opened


@pytest.fixture
def account(upstream: Upstream, http: HttpPool) -> ServiceAccount:
    return ServiceAccount(service_account(f"http://127.0.0.1:{upstream.port}"), http)


@pytest.fixture
def vertex(upstream: Upstream, http: HttpPool) -> Provider:
    url = f"http://127.0.0.1:{upstream.port}"
    return provider("vertex", http, base_url=f"{url}/v1", service_account=service_account(url))


def decoded(part: str) -> bytes:
    return base64.urlsafe_b64decode(part + "=" * (-len(part) % 4))


# --------------------------------------------------------------------------------------------------- tokens


async def test_a_token_is_asked_for_by_signature(account: ServiceAccount, upstream: Upstream) -> None:
    forms: list[dict[str, list[str]]] = []

    async def answer(asked: Asked) -> None:
        forms.append(parse_qs(asked.body.decode()))
        assert asked.headers["content-type"] == "application/x-www-form-urlencoded"
        await give_token(asked)

    upstream.beside["/token"] = answer
    assert await account.token() == KEY
    (form,) = forms
    assert form["grant_type"] == ["urn:ietf:params:oauth:grant-type:jwt-bearer"]
    signed, _, signature = form["assertion"][0].rpartition(".")
    service_account_key().public_key().verify(decoded(signature), signed.encode(), PKCS1v15(), SHA256())
    head, claims = (json.loads(decoded(part)) for part in signed.split("."))
    assert head == {"alg": "RS256", "typ": "JWT", "kid": "k-1"}
    assert claims["iss"] == "robot@p-1.iam.gserviceaccount.com"
    assert claims["aud"] == f"http://127.0.0.1:{upstream.port}/token"
    assert claims["scope"] == "https://www.googleapis.com/auth/cloud-platform"
    assert claims["exp"] - claims["iat"] == 3600


async def test_a_token_is_asked_for_once(account: ServiceAccount, upstream: Upstream) -> None:
    given: list[str] = []

    async def answer(asked: Asked) -> None:
        given.append(f"t{len(given)}")
        await asked.whole({"access_token": given[-1], "expires_in": 3599})

    upstream.beside["/token"] = answer
    assert set(await asyncio.gather(*(account.token() for _ in range(20)))) == {"t0"}
    account.forget("another")
    assert await account.token() == "t0"
    account.forget("t0")
    assert await account.token() == "t1"


async def test_a_token_about_to_end_is_replaced(account: ServiceAccount, upstream: Upstream) -> None:
    given: list[int] = []

    async def answer(asked: Asked) -> None:
        given.append(1)
        await asked.whole({"access_token": "t", "expires_in": 200})

    upstream.beside["/token"] = answer
    await account.token()
    await account.token()
    assert len(given) == 2


@pytest.mark.parametrize(
    ("status", "body", "kind", "says"),
    [
        (400, {"error": "invalid_grant", "error_description": "Invalid JWT Signature."}, KeyRefused, "Invalid JWT"),
        (401, {"error": "deleted_client"}, KeyRefused, "deleted_client"),
        (500, b"oops", UpstreamFailed, "500"),
        (200, {"token": "t"}, UpstreamFailed, "did not answer with a token"),
    ],
)
async def test_no_token(
    vertex: Provider, upstream: Upstream, status: int, body: Any, kind: type[Exception], says: str
) -> None:
    async def answer(asked: Asked) -> None:
        await asked.whole(body, status)

    upstream.beside["/token"] = answer
    with pytest.raises(kind, match=says):
        await collect(vertex, job(HI))
    assert upstream.asked == []


async def test_a_refused_token_is_not_used_again(vertex: Provider, upstream: Upstream) -> None:
    given: list[str] = []

    async def answer(asked: Asked) -> None:
        given.append(f"token-{len(given)}")
        await asked.whole({"access_token": given[-1], "expires_in": 3599})

    upstream.beside["/token"] = answer
    refuses(upstream, 401, {"error": {"code": 401, "message": "token-0 expired", "status": "UNAUTHENTICATED"}})
    with pytest.raises(KeyRefused) as caught:
        await collect(vertex, job(HI))
    assert "token-0" not in caught.value.message
    answers(upstream, GEMINI.first + GEMINI.rest)
    await collect(vertex, job(HI))
    assert [asked.headers["authorization"] for asked in upstream.asked] == ["Bearer token-0", "Bearer token-1"]


@pytest.mark.parametrize(
    "wrong",
    ["not json", "{}", '{"client_email": "a", "private_key": "-----BEGIN PRIVATE KEY-----\\nAA\\n"}'],
)
def test_key_files_that_are_none(http: HttpPool, wrong: str) -> None:
    with pytest.raises(BadInput) as caught:
        ServiceAccount(wrong, http)
    assert caught.value.field == "settings.service_account"


@pytest.mark.parametrize(
    ("location", "url"),
    [
        ("", "https://aiplatform.googleapis.com/v1/projects/p-1/locations/global"),
        ("eu", "https://aiplatform.eu.rep.googleapis.com/v1/projects/p-1/locations/eu"),
        ("europe-west1", "https://europe-west1-aiplatform.googleapis.com/v1/projects/p-1/locations/europe-west1"),
    ],
)
def test_where_it_is(http: HttpPool, location: str, url: str) -> None:
    settings = {"service_account": service_account("https://example.com"), "location": location}
    made = get("vertex").make(settings, ProviderParts(http=http))
    assert isinstance(made, Vertex)
    found = made._endpoint.url("")
    assert f"{found.scheme}://{found.host}{found.target}" == url


# --------------------------------------------------------------------------------------------------- Gemini


async def test_a_prompt_is_counted(vertex: Provider, upstream: Upstream) -> None:
    refuses(upstream, 200, {"totalTokens": 31})
    request = ChatRequest(messages=[Message("system", "s"), Message("user", "hi")])
    assert await collect(vertex, job(request, operation=Operation.COUNT)) == [Usage(input=31), Finished("stop")]
    (asked,) = upstream.asked
    assert asked.path == f"{AT}/google/models/up-model:countTokens"
    assert set(asked.json) == {"contents", "systemInstruction"}


async def test_embeddings_of_gemini(vertex: Provider, upstream: Upstream) -> None:
    refuses(upstream, 200, {"embeddings": [{"values": [1, 2]}, {"values": [3, 4]}]})
    request = EmbeddingRequest(inputs=["a", "b"], purpose="query", dimensions=2)
    assert await collect(vertex, job(request, "gemini-embedding-001")) == [Vectors([[1, 2], [3, 4]])]
    (asked,) = upstream.asked
    assert asked.path == f"{AT}/google/models/gemini-embedding-001:batchEmbedContents"
    assert asked.json["requests"][1] == {
        "content": {"parts": [{"text": "b"}]},
        "embedContentConfig": {"outputDimensionality": 2, "taskType": "RETRIEVAL_QUERY"},
    }


async def test_embeddings_of_older_models(vertex: Provider, upstream: Upstream) -> None:
    def predicted(*values: float) -> dict[str, Any]:
        return {"embeddings": {"values": list(values), "statistics": {"token_count": 2, "truncated": False}}}

    refuses(upstream, 200, {"predictions": [predicted(1, 2), predicted(3, 4)]})
    request = EmbeddingRequest(inputs=["a", "b"], purpose="passage", dimensions=2)
    events = await collect(vertex, job(request, "text-embedding-005"))
    assert events == [Vectors([[1, 2], [3, 4]]), Usage(input=4)]
    (asked,) = upstream.asked
    assert asked.path == f"{AT}/google/models/text-embedding-005:predict"
    assert asked.json == {
        "instances": [
            {"content": "a", "task_type": "RETRIEVAL_DOCUMENT"},
            {"content": "b", "task_type": "RETRIEVAL_DOCUMENT"},
        ],
        "parameters": {"outputDimensionality": 2},
    }


# --------------------------------------------------------------------------------------------------- Claude


async def test_claude_is_asked_in_its_own_protocol(vertex: Provider, upstream: Upstream) -> None:
    answers(upstream, ANTHROPIC.first + ANTHROPIC.rest)
    await collect(vertex, job(HI, "claude-opus-5-5"))
    old = ChatRequest(messages=HI.messages, sampling=Sampling(temperature=0.1, max_tokens=5))
    await collect(vertex, job(old, "claude-haiku-4-5@20251001"))
    new, old_one = upstream.asked
    assert new.path == f"{AT}/anthropic/models/claude-opus-5-5:streamRawPredict"
    assert "model" not in new.json
    assert (new.json["anthropic_version"], new.json["max_tokens"]) == ("2026-10-21", 128_000)
    assert "anthropic-version" not in new.headers
    assert old_one.path == f"{AT}/anthropic/models/claude-haiku-4-5@20251001:streamRawPredict"
    assert old_one.json["anthropic_version"] == "vertex-2023-10-16"


async def test_claude_counts(vertex: Provider, upstream: Upstream) -> None:
    refuses(upstream, 200, {"input_tokens": 14})
    events = await collect(vertex, job(HI, "claude-opus-5-5", Operation.COUNT))
    assert events == [Usage(input=14), Finished("stop")]
    (asked,) = upstream.asked
    assert asked.path == f"{AT}/anthropic/models/count-tokens:rawPredict"
    assert asked.json["model"] == "claude-opus-5-5"


async def test_callers_of_claude_pass_through(vertex: Provider, upstream: Upstream) -> None:
    told = json.dumps({"type": "message", "usage": {"input_tokens": 9, "output_tokens": 3}}).encode()
    refuses(upstream, 200, told)
    work = passing("anthropic.messages", {"model": "m", "messages": []}, "claude-x", {"anthropic-beta": "b"})
    assert work.passthrough is not None
    assert vertex.passes("claude-x", work.passthrough)  # type: ignore[attr-defined]
    assert not vertex.passes("gemini-x", work.passthrough)  # type: ignore[attr-defined]
    expected = [RawHead(200, "application/json"), Raw(told), Usage(input=9, output=3)]
    assert await vertex.relay(work) == expected  # type: ignore[attr-defined]
    (asked,) = upstream.asked
    assert asked.path == f"{AT}/anthropic/models/claude-x:rawPredict"
    assert asked.json == {"messages": [], "anthropic_version": "vertex-2023-10-16"}
    assert asked.headers["anthropic-beta"] == "b"


def test_what_is_known(vertex: Provider) -> None:
    for name, input_price in (
        ("claude-haiku-4-5@20251001", 1_000_000),
        ("publishers/google/models/gemini-3.8-flash", 750_000),
    ):
        facts = vertex.known(name)  # type: ignore[attr-defined]
        assert facts.name == name
        assert facts.prices.input == input_price
    assert vertex.known("claude-haiku-4-5").name == "claude-haiku-4-5"  # type: ignore[attr-defined]
    assert vertex.known("x") is None  # type: ignore[attr-defined]
