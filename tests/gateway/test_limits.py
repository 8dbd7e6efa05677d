"""Requests and tokens a minute, and requests at once."""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import aclosing
from typing import Any

import pytest

from inglenook.accounts.principal import CONSOLE
from inglenook.accounts.snapshot import ALL_TOGETHER, EACH_USER, LimitFacts, Subject
from inglenook.gateway.call import Call
from inglenook.gateway.errors import RateLimited
from inglenook.kit.errors import NotFound, UpstreamFailed
from inglenook.kit.time import now_ms
from inglenook.models.calls import ChatRequest, EmbeddingRequest, Message, Operation, Sampling, TextDelta
from tests.gateway.test_gateway import chat, collect
from tests.support.gateway import Desk


class Clock:
    """Seconds as the test says."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock(desk: Desk) -> Clock:
    clock = Clock()
    desk.gateway.limits._clock = clock
    return clock


Limit = Callable[..., Awaitable[None]]


@pytest.fixture
def limit(desk: Desk) -> Limit:
    async def limit(subject: Subject | None = None, **limits: int) -> None:
        subject = subject or ("key", desk.principal.key_id or "")
        await desk.accounts.limits.put(CONSOLE, subject, LimitFacts(**limits))

    return limit


async def refused(desk: Desk, call: Call) -> RateLimited:
    with pytest.raises(RateLimited) as caught:
        await collect(desk, call)
    return caught.value


def by_key(desk: Desk, model: str = "echo", text: str = "one two three", **more: Any) -> Call:
    return chat(model, text, credential=desk.key.encode(), **more)


async def test_requests_a_minute(desk: Desk, clock: Clock, limit: Limit) -> None:
    await limit(requests_per_minute=3)
    for second in (0, 0, 20):
        clock.now = 1000 + second
        await collect(desk, by_key(desk))
    error = await refused(desk, by_key(desk))
    assert (error.status, error.code, error.retry_after) == (429, "rate_limited", 41)
    assert error.message == "this API key is limited to 3 requests a minute; try again in 41 s"
    assert abs(error.details.pop("resets_at") - now_ms() - 41_000) < 5000
    assert error.details == {
        "limit": "requests_per_minute",
        "allowed": 3,
        "used": 3,
        "subject_kind": "key",
        "subject_id": desk.principal.key_id,
    }
    assert len(desk.fake.jobs) == 3
    clock.now += 41
    for _ in range(2):
        await collect(desk, by_key(desk))
    assert (await refused(desk, by_key(desk))).retry_after == 20
    assert len(await desk.ledger.entries()) == 5


async def test_what_is_refused_by_one_limit_counts_for_none(desk: Desk, clock: Clock, limit: Limit) -> None:
    await limit(requests_per_minute=1)
    await limit(ALL_TOGETHER, requests_per_minute=5)
    await collect(desk, by_key(desk))
    for _ in range(9):
        assert (await refused(desk, by_key(desk))).details["subject_kind"] == "key"
    assert desk.gateway.limits.use(ALL_TOGETHER).requests == 1


async def test_limits_stack(desk: Desk, clock: Clock, limit: Limit) -> None:
    group = await desk.accounts.groups.create(CONSOLE, "Kitchen", members=[desk.principal.user_id])
    user = ("user", desk.principal.user_id)
    await limit(EACH_USER, requests_per_minute=2)
    await limit(("group", group.id), requests_per_minute=3)
    await limit(ALL_TOGETHER, requests_per_minute=4)
    await collect(desk, by_key(desk))
    browser = desk.accounts.snapshot.principal_for_user(desk.principal.user_id)
    await collect(desk, chat("echo", principal=browser))
    error = await refused(desk, by_key(desk))
    assert error.details["subject_kind"] == "user"
    assert error.message.startswith("the user ada is limited to 2 requests a minute")
    await limit(user, requests_per_minute=9)
    await collect(desk, by_key(desk))
    assert (await refused(desk, by_key(desk))).message.startswith("the team Kitchen is limited to 3")
    await limit(("group", group.id), requests_per_minute=9)
    await collect(desk, by_key(desk))
    assert (await refused(desk, by_key(desk))).message.startswith("everybody together is limited to 4")
    await desk.accounts.limits.remove(CONSOLE, ALL_TOGETHER)
    await collect(desk, by_key(desk))


async def test_each_user_has_the_default_for_themselves(desk: Desk, clock: Clock, limit: Limit) -> None:
    from inglenook.accounts.principal import Role
    from inglenook.accounts.users import add_user

    await desk.accounts.snapshot.write(lambda session: add_user(session, CONSOLE, "bob", "!", Role.MEMBER))
    other = (await desk.accounts.create_key("bob", "k")).encode()
    await limit(EACH_USER, requests_per_minute=1)
    await collect(desk, by_key(desk))
    await collect(desk, chat("echo", credential=other))
    await refused(desk, by_key(desk))
    await refused(desk, chat("echo", credential=other))


async def test_tokens_are_reserved_and_then_counted(desk: Desk, clock: Clock, limit: Limit) -> None:
    await limit(tokens_per_minute=1000)
    key = ("key", desk.principal.key_id or "")
    held = chat("echo", '{"steps": [{"text": "one"}, {"wait": "gate"}]}', credential=desk.key.encode())
    task = asyncio.create_task(collect(desk, held))
    await desk.fake.gate("gate").reached()
    assert 125 < desk.gateway.limits.use(key).tokens < 200  # the prompt, and what an answer may come to
    assert desk.gateway.limits.use(key).concurrent == 1
    error = await refused(desk, by_key(desk, text="word " * 700))
    assert (error.details["limit"], error.retry_after) == ("tokens_per_minute", 61)
    desk.fake.gate("gate").open()
    await task
    entry = (await desk.ledger.entries())[0]
    assert desk.gateway.limits.use(key).tokens == entry.input_tokens + entry.output_tokens
    await collect(desk, by_key(desk))


async def test_a_small_limit_lets_one_call_at_a_time_through(desk: Desk, clock: Clock, limit: Limit) -> None:
    await limit(tokens_per_minute=50)
    await collect(desk, by_key(desk))  # three words in, three out
    await collect(desk, by_key(desk))
    await collect(desk, by_key(desk, model="long"))  # 200 words
    error = await refused(desk, by_key(desk))
    assert error.details["used"] > 200
    clock.now += 61
    await collect(desk, by_key(desk))


async def test_a_prompt_that_never_fits_is_told_so(desk: Desk, clock: Clock, limit: Limit) -> None:
    await limit(tokens_per_minute=50)
    error = await refused(desk, by_key(desk, text="word " * 100))
    assert error.retry_after is None
    assert "make it shorter" in error.message
    assert error.details["wanted"] > 100


async def test_the_callers_own_limit_is_what_is_reserved(desk: Desk, clock: Clock, limit: Limit) -> None:
    await limit(tokens_per_minute=100)
    for _ in range(2):
        request = ChatRequest(messages=[Message("user", "one two")], sampling=Sampling(max_tokens=5))
        call = Call(operation=Operation.CHAT, model="echo", decode=lambda r=request: r, credential=desk.key.encode())
        await collect(desk, call)
    assert desk.gateway.limits.use(("key", desk.principal.key_id or "")).tokens == 8


async def test_embeddings_count_their_tokens(desk: Desk, clock: Clock, limit: Limit) -> None:
    await limit(tokens_per_minute=1000)
    request = EmbeddingRequest(inputs=["a b", "c"])
    call = Call(operation=Operation.EMBEDDING, model="embed", decode=lambda: request, credential=desk.key.encode())
    await collect(desk, call)
    assert desk.gateway.limits.use(("key", desk.principal.key_id or "")).tokens == 3


@pytest.mark.parametrize("model", ["error-429", "cut", "nothing"])
async def test_what_fails_gives_back_what_it_did_not_use(desk: Desk, clock: Clock, limit: Limit, model: str) -> None:
    await limit(tokens_per_minute=1000, concurrent_requests=1)
    errors = {"cut": UpstreamFailed, "nothing": NotFound}.get(model, Exception)
    with pytest.raises(errors):
        await collect(desk, by_key(desk, model=model))
    use = desk.gateway.limits.use(("key", desk.principal.key_id or ""))
    assert use.concurrent == 0
    assert use.tokens < 30
    await collect(desk, by_key(desk))


async def test_calls_at_once(desk: Desk, limit: Limit) -> None:
    await limit(concurrent_requests=1)
    script = '{"steps": [{"text": "one two"}, {"wait": "gate"}]}'
    async with aclosing(desk.gateway.call(by_key(desk, text=script))) as events:
        async for event in events:
            if isinstance(event, TextDelta):
                break
        error = await refused(desk, by_key(desk))
        assert error.details["limit"] == "concurrent_requests"
        assert error.message == "this API key is limited to 1 request at once; try again when one has ended"
    await collect(desk, by_key(desk))


async def test_nothing_is_allowed_where_the_limit_is_nothing(desk: Desk, limit: Limit) -> None:
    await limit(requests_per_minute=0)
    error = await refused(desk, by_key(desk))
    assert (error.message, error.retry_after) == ("this API key is limited to 0 requests a minute", None)


async def test_a_new_limit_knows_what_was_used(desk: Desk, clock: Clock, limit: Limit) -> None:
    await limit(requests_per_minute=9)
    for _ in range(3):
        await collect(desk, by_key(desk))
    await limit(requests_per_minute=3)
    await refused(desk, by_key(desk))


async def test_servers_share_a_limit(desk: Desk, clock: Clock, limit: Limit) -> None:
    await limit(requests_per_minute=5)
    desk.gateway.limits.share_among(2)
    for _ in range(2):
        await collect(desk, by_key(desk))
    await refused(desk, by_key(desk))
    desk.gateway.limits.share_among(1)
    for _ in range(3):
        await collect(desk, by_key(desk))


async def test_subjects_that_rest_are_forgotten(desk: Desk, clock: Clock, limit: Limit) -> None:
    await limit(requests_per_minute=9)
    await collect(desk, by_key(desk))
    assert len(desk.gateway.limits._rates) == 1
    clock.now += 61
    await limit(ALL_TOGETHER, requests_per_minute=9)
    assert desk.gateway.limits._rates == {}
