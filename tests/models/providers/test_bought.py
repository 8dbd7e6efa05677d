"""What every bought provider does alike, each in its own protocol, played on loopback byte by byte."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import aclosing

import pytest

from inglenook.kit.errors import BadInput, InglenookError, TooMany, Unavailable, UpstreamFailed, UpstreamTimeout
from inglenook.kit.http.pool import HttpPool
from inglenook.kit.settings_schema import secret_names
from inglenook.models.calls import Event, Finished, LocalOptions, ReasoningDelta, TextDelta, Usage
from inglenook.models.errors import CannotCarry, KeyRefused, OutOfCredit
from inglenook.models.providers.base import Provider, ProviderParts
from inglenook.models.providers.registry import get
from tests.support.bought import HI, KEY, answers, collect, job, provider, read_into, refuses, stalls
from tests.support.bought_cases import CASES, SAID, Case
from tests.support.upstream import Asked, Upstream, open_upstream


@pytest.fixture
async def upstream(case: Case) -> AsyncIterator[Upstream]:
    async with open_upstream() as opened:
        opened.beside = case.beside
        yield opened


@pytest.fixture(params=CASES, ids=lambda case: f"{case.kind}-{case.model}")
def case(request: pytest.FixtureRequest) -> Case:
    found: Case = request.param
    return found


@pytest.fixture
def asked(case: Case, upstream: Upstream, http: HttpPool) -> Provider:
    return provider(case.kind, http, **case.settings(f"http://127.0.0.1:{upstream.port}"))


@pytest.mark.parametrize("size", [0, 1, 2, 3, 7, 50])
async def test_text_arrives_wherever_the_stream_is_cut(
    case: Case, asked: Provider, upstream: Upstream, size: int
) -> None:
    answers(upstream, case.first + case.rest, size, case.content_type)
    *said, usage, finished = await collect(asked, job(HI, case.model))
    assert "".join(event.text for event in said if isinstance(event, TextDelta)) == SAID
    assert len(said) == 3
    assert isinstance(usage, Usage)
    assert (usage.input, usage.output) == (9, 3)
    assert finished == Finished("stop")
    assert upstream.asked[0].path == case.path
    if case.proof is not None:
        name, value = case.proof(KEY)
        assert upstream.asked[0].headers[name] == value


@pytest.mark.parametrize("missing", ["the end", "half an event"])
async def test_a_stream_that_ends_too_early(case: Case, asked: Provider, upstream: Upstream, missing: str) -> None:
    rest = b"" if missing == "the end" else case.rest[: len(case.rest) // 3]
    answers(upstream, case.first + rest, 0, case.content_type)
    seen: list[Event] = []
    with pytest.raises(UpstreamFailed, match="before its answer was whole"):
        await read_into(seen, asked, job(HI, case.model))
    assert seen[0] == TextDelta("Grüß ")
    assert not any(isinstance(event, Finished) for event in seen)


async def test_a_connection_that_breaks(case: Case, asked: Provider, upstream: Upstream) -> None:
    async def answer(request: Asked) -> None:
        await request.begin(case.content_type)
        await request.piece(case.first)
        request.cut()

    upstream.answer = answer
    with pytest.raises(UpstreamFailed, match="broke the connection"):
        await collect(asked, job(HI, case.model))


async def test_a_malformed_chunk(case: Case, asked: Provider, upstream: Upstream) -> None:
    answers(upstream, case.first + case.nonsense + case.rest, 0, case.content_type)
    seen: list[Event] = []
    with pytest.raises(UpstreamFailed, match="malformed"):
        await read_into(seen, asked, job(HI, case.model))
    assert seen == [TextDelta("Grüß ")]


async def test_an_error_in_the_middle(case: Case, asked: Provider, upstream: Upstream) -> None:
    answers(upstream, case.first + case.broken, 0, case.content_type)
    seen: list[Event] = []
    with pytest.raises(case.broken_as) as caught:
        await read_into(seen, asked, job(HI, case.model))
    assert type(caught.value) is case.broken_as
    assert seen == [TextDelta("Grüß ")]


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        (400, BadInput),
        (401, KeyRefused),
        (402, OutOfCredit),
        (403, KeyRefused),
        (404, BadInput),
        (429, TooMany),
        (500, UpstreamFailed),
        (503, Unavailable),
        (504, UpstreamTimeout),
        (529, Unavailable),
        (302, UpstreamFailed),
    ],
)
async def test_refusals(
    case: Case, asked: Provider, upstream: Upstream, status: int, kind: type[InglenookError]
) -> None:
    refuses(upstream, status, case.refusal(f"no, not with {KEY}"), retry_after="3")
    with pytest.raises(kind, match="no, not with") as caught:
        await collect(asked, job(HI, case.model))
    assert type(caught.value) is kind
    assert KEY not in caught.value.message
    assert caught.value.retry_after == (3 if kind in (TooMany, Unavailable) else None)


async def test_a_refusal_that_is_no_json(case: Case, asked: Provider, upstream: Upstream) -> None:
    refuses(upstream, 502, b"<html>Bad gateway</html>", content_type="text/html")
    with pytest.raises(UpstreamFailed, match=r"status 502$"):
        await collect(asked, job(HI, case.model))


async def test_a_whole_answer_is_no_stream(case: Case, asked: Provider, upstream: Upstream) -> None:
    refuses(upstream, 200, {"content": []})
    with pytest.raises(UpstreamFailed, match="asked for a stream"):
        await collect(asked, job(HI, case.model))


async def test_who_leaves_cancels_upstream(case: Case, asked: Provider, upstream: Upstream) -> None:
    stalls(upstream, case.first, case.content_type)
    async with aclosing(asked.stream(job(HI, case.model))) as events:  # type: ignore[type-var]
        async for event in events:
            assert isinstance(event, TextDelta | ReasoningDelta)
            break
    async with asyncio.timeout(10):
        assert await upstream.left.get() == case.path


async def test_who_leaves_before_the_first_byte_cancels_upstream(
    case: Case, asked: Provider, upstream: Upstream
) -> None:
    there = stalls(upstream, b"")
    task = asyncio.create_task(collect(asked, job(HI, case.model)))
    await there.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    async with asyncio.timeout(10):
        assert await upstream.left.get() == case.path


async def test_silence_is_a_timeout(case: Case, upstream: Upstream, http: HttpPool) -> None:
    stalls(upstream, case.first, case.content_type)
    settings = {**case.settings(f"http://127.0.0.1:{upstream.port}"), "first_byte_timeout": 1, "idle_timeout": 0.1}
    asked = get(case.kind).make(settings, ProviderParts(http=http))
    with pytest.raises(UpstreamTimeout, match="fell silent"):
        await collect(asked, job(HI, case.model))


async def test_each_key_is_used_when_it_is_chosen(case: Case, upstream: Upstream, http: HttpPool) -> None:
    if case.proof is None:
        pytest.skip("it has one credential only")
    settings = {**case.settings(f"http://127.0.0.1:{upstream.port}"), "api_key": "sk-one, sk-two"}
    asked = provider(case.kind, http, **settings)
    assert getattr(asked, "keys", 1) == 2
    answers(upstream, case.first + case.rest, 0, case.content_type)
    for key, secret in ((0, "sk-one"), (1, "sk-two")):
        await collect(asked, job(HI, case.model, key=key))
        name, value = case.proof(secret)
        assert upstream.asked[key].headers[name] == value


async def test_a_key_is_proven_by_asking_a_model(case: Case, asked: Provider, upstream: Upstream) -> None:
    answers(upstream, case.first + case.rest, 0, case.content_type)
    assert await asked.prove(0, case.model) is None  # type: ignore[attr-defined]
    assert upstream.asked[0].path == case.path
    refuses(upstream, 401, case.refusal("no"))
    with pytest.raises(KeyRefused):
        await asked.prove(0, case.model)  # type: ignore[attr-defined]
    with pytest.raises(KeyRefused):
        await asked.prove(0)  # type: ignore[attr-defined]


def test_models_are_known_without_asking(case: Case, asked: Provider) -> None:
    kind = get(case.kind)
    assert kind.docs.startswith("https://")
    assert kind.keys_page.startswith("https://")
    for facts in kind.known():
        known = asked.known(facts.name)  # type: ignore[attr-defined]
        assert known == facts


async def test_what_only_models_here_can_do_is_refused(case: Case, asked: Provider, upstream: Upstream) -> None:
    for name, local in (("num_ctx", LocalOptions(num_ctx=9)), ("context", LocalOptions(context=[1]))):
        request = type(HI)(messages=HI.messages, local=local)
        with pytest.raises(CannotCarry) as caught:
            await collect(asked, job(request, case.model))
        assert caught.value.field == name
    assert upstream.asked == []


def test_it_is_shown_in_both_languages(case: Case) -> None:
    kind = get(case.kind)
    assert secret_names(kind.settings_schema)
    words = kind.translations["zh-CN"]
    shown = [
        rule[key]
        for rule in kind.settings_schema["properties"].values()
        for key in ("title", "description")
        if key in rule
    ]
    assert [word for word in shown if word not in words] == []


def test_wrong_settings_are_refused(case: Case, http: HttpPool) -> None:
    for wrong in ("ftp://x", "http://user:pw@host/", "no url"):
        with pytest.raises(BadInput):
            provider(case.kind, http, **{**case.settings("http://x"), "base_url": wrong})
    with pytest.raises(BadInput, match="header"):
        provider(case.kind, http, **{**case.settings("http://x"), "headers": {"a": "b\r\nc"}})
