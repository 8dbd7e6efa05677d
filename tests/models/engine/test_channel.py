"""What becomes of a call whose child does odd things."""

import asyncio
from collections.abc import AsyncIterator, Callable

import pytest

from inglenook.kit.errors import UpstreamTimeout
from inglenook.kit.http.pool import HttpPool, Response
from inglenook.models.engine import channel
from inglenook.models.engine.channel import Channel
from inglenook.models.engine.service import Engine
from tests.support.scripted_child import SLOW, ScriptedSource


@pytest.fixture
async def http() -> AsyncIterator[HttpPool]:
    pool = HttpPool()
    yield pool
    await pool.close()


async def _post(on: Channel, what: str) -> Response:
    return await on.post("/v1/chat/completions", {"messages": [{"role": "user", "content": what}]})


async def test_a_long_prompt_beside_an_answer_nobody_reads_is_no_hang(
    make_engine: Callable[..., Engine], http: HttpPool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(channel, "HANG_CHECK", SLOW / 10)
    engine = make_engine()
    async with engine.lease(ScriptedSource()) as first, engine.lease(ScriptedSource()) as second:
        unread = await _post(Channel(http, first), "quick")
        try:
            async with await _post(Channel(http, second), "slow") as response:
                assert b"[DONE]" in await response.read()
        finally:
            unread.close()


async def test_an_answer_that_never_begins_is_given_up(
    make_engine: Callable[..., Engine], http: HttpPool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(channel, "HANG_CHECK", 0.1)
    engine = make_engine()
    async with asyncio.timeout(10), engine.lease(ScriptedSource()) as lease:
        with pytest.raises(UpstreamTimeout, match="began no answer"):
            await _post(Channel(http, lease), "hang")


async def test_a_child_that_says_nothing_any_more_is_ended_even_if_who_seized_it_has_left(
    make_engine: Callable[..., Engine], http: HttpPool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(channel, "HANG_CHECK", 0.1)
    monkeypatch.setattr(channel, "SILENCE", 0.8)
    engine = make_engine()
    async with asyncio.timeout(10):
        async with engine.lease(ScriptedSource()) as lease:
            with pytest.raises(TimeoutError):
                await asyncio.wait_for(_post(Channel(http, lease), "seize"), 0.3)
        async with engine.lease(ScriptedSource()) as lease:
            with pytest.raises(UpstreamTimeout, match="no sign of life"):
                await _post(Channel(http, lease), "quick")
            ended = lease.child.pid
        async with engine.lease(ScriptedSource()) as lease:
            assert lease.child.pid != ended
            async with await _post(Channel(http, lease), "quick") as response:
                assert b"[DONE]" in await response.read()


async def test_a_child_that_works_is_not_silent(
    make_engine: Callable[..., Engine], http: HttpPool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(channel, "HANG_CHECK", 0.1)
    monkeypatch.setattr(channel, "SILENCE", SLOW / 2)
    engine = make_engine()
    async with engine.lease(ScriptedSource()) as lease, await _post(Channel(http, lease), "slow") as response:
        assert b"[DONE]" in await response.read()
