"""The cache through the real gateway: what is kept, who gets it, what it costs."""

import asyncio
from collections.abc import Callable
from contextlib import aclosing
from typing import Any

import pytest
from msgspec.structs import replace

from inglenook.gateway.call import Call
from inglenook.gateway.gateway import Gateway
from inglenook.kit.errors import UpstreamFailed
from inglenook.models.calls import (
    ChatRequest,
    Event,
    Finished,
    Operation,
    Passthrough,
    Raw,
    RawHead,
    ReasoningDelta,
    Routed,
    TextDelta,
    Timings,
    Usage,
)
from inglenook.models.prices import Prices
from tests.gateway.routing.conftest import Board
from tests.support.routing import Actor, Gate, entry, route, text_of

ANSWER = [ReasoningDelta("hm "), "one ", "two", Usage(input=5, output=7), Timings(predicted_ms=9), Finished("stop")]


def keep(board: Board, actor: Actor, **given: Any) -> None:
    board.models(actor, prices=Prices(input=1_000_000, output=1_000_000))
    board.route(actor.name, cache={"ttl": 60, **given})


def why(events: list[Event]) -> list[str]:
    routed = events[0]
    assert isinstance(routed, Routed)
    return [reason["why"] for reason in routed.reasons if reason["step"] == "cache"]


async def test_the_same_call_is_answered_from_the_cache(board: Board) -> None:
    actor = Actor("a", ANSWER)
    keep(board, actor)
    first = await board.events()
    board.clock.now += 12
    second = await board.events()
    assert len(actor.asked) == 1
    assert second[1:] == [event for event in first[1:] if not isinstance(event, Timings)]  # a stream as a stream
    assert [type(event) for event in second[1:4]] == [ReasoningDelta, TextDelta, TextDelta]
    assert (why(first), why(second)) == (["miss"], ["hit"])
    assert second[0].reasons[-1] == {"step": "cache", "why": "hit", "model": "a", "age": 12}  # type: ignore[union-attr]
    hit, miss = await board.desk.ledger.entries()
    assert (miss.replayed, miss.cost, miss.attempts) == (False, 12_000, 1)
    assert (hit.replayed, hit.cost, hit.attempts, hit.status) == (True, 0, 0, "finished")
    assert (hit.model, hit.input_tokens, hit.output_tokens) == ("a", 5, 7)


async def test_nothing_is_kept_unless_a_route_says_so(board: Board) -> None:
    actor = Actor("a")
    board.models(actor)
    board.route("a")
    for name in ("smart", "a", "smart", "a"):
        assert why(await board.events(name)) == []
    assert len(actor.asked) == 4
    assert board.answers.stats().in_memory == 0


async def test_an_answer_lives_as_long_as_the_route_says(board: Board) -> None:
    actor = Actor("a", "first", "second")
    keep(board, actor, ttl=30)
    assert await board.ask() == "first"
    board.clock.now += 29
    assert await board.ask() == "first"
    board.clock.now += 1
    assert await board.ask() == "second"


@pytest.mark.parametrize(
    "other",
    [{"text": "something else"}, {"stream": False}, {"max_tokens": 5}, {"model": "also"}],
)
async def test_another_call_is_asked(board: Board, other: dict[str, Any]) -> None:
    actor = Actor("a")
    board.models(actor)
    board.routes(*(route(name, "a", cache={"ttl": 60}) for name in ("smart", "also")))
    await board.ask()
    await board.ask(**other)
    assert len(actor.asked) == 2


async def test_other_targets_make_another_call(board: Board) -> None:
    first, second = Actor("a"), Actor("b")
    board.models(first, second)
    board.route("a", {"model": "b", "when": {"tags": ["batch"]}}, cache={"ttl": 60})
    await board.ask()
    assert why(await board.events(tags=frozenset({"batch"}))) == ["miss"]
    assert why(await board.events()) == ["hit"]


@pytest.mark.parametrize(("shared", "asked"), [("user", 3), ("team", 2), ("everyone", 1)])
async def test_an_answer_is_given_to_whom_the_route_says(board: Board, shared: str, asked: int) -> None:
    actor = Actor("a")
    keep(board, actor, shared=shared)
    ada = board.desk.principal
    people = [replace(ada, team_id="grp_1"), replace(ada, user_id="eve", team_id="grp_1"), replace(ada, user_id="out")]
    for person in people * 2:
        board.desk.principal = person
        await board.ask()
    assert len(actor.asked) == asked


async def test_who_may_not_use_the_route_gets_nothing_from_its_cache(board: Board) -> None:
    from inglenook.models.errors import ModelNotFound

    keep(board, Actor("a"), shared="everyone")
    await board.ask()
    board.desk.principal = replace(board.desk.principal, models=frozenset({"other"}))
    with pytest.raises(ModelNotFound):
        await board.ask()


async def test_only_whole_answers_are_kept(board: Board) -> None:
    gate = Gate()
    broken: list[Any] = ["one ", UpstreamFailed("down")]
    actor = Actor("a", broken, ["one ", "two"], ["one ", gate], "whole", "not asked")
    keep(board, actor)
    for _ in range(2):
        with pytest.raises(UpstreamFailed):
            await board.ask()
    leaving = asyncio.create_task(board.ask())
    await gate.reached()
    leaving.cancel()
    await asyncio.gather(leaving, return_exceptions=True)
    assert await board.ask() == "whole"
    assert await board.ask() == "whole"


async def test_who_leaves_before_the_very_end_leaves_nothing_behind(board: Board) -> None:
    actor = Actor("a", ["one", Finished("stop"), Finished("stop", 1)], ["two", Finished("stop")])
    keep(board, actor)
    async with aclosing(board.desk.gateway.call(board.call())) as events:
        async for event in events:
            if isinstance(event, Finished):
                break
    assert (await board.desk.ledger.entries())[0].status == "finished"
    assert await board.ask() == "two"


async def test_a_caller_may_have_it_asked_anew(board: Board) -> None:
    keep(board, Actor("a", "first", "second", "third"))
    assert await board.ask() == "first"
    assert await board.ask(cache="renew") == "second"
    assert await board.ask() == "second"
    assert await board.ask(cache="off") == "third"
    assert await board.ask() == "second"


async def test_an_answer_that_another_target_gave_is_kept(board: Board) -> None:
    first = Actor("a", UpstreamFailed("down"))
    board.models(first, Actor("b"))
    board.route("a", "b", cache={"ttl": 60})
    assert await board.ask() == "b"
    events = await board.events()
    assert (text_of(events), events[0].model) == ("b", "b")  # type: ignore[union-attr]
    assert len(first.asked) == 1


async def test_an_answer_is_there_although_its_target_rests(board: Board) -> None:
    keep(board, Actor("a", "kept"))
    await board.ask()
    leaf = board.desk.routes.targets.leaf(board.desk.shelf.resolve("a"))
    leaf.lanes[0].limit.hurt(board.clock.now, probe=False, at_least=500)
    assert await board.ask() == "kept"


async def test_a_route_that_stops_keeping_forgets(board: Board) -> None:
    actor = Actor("a")
    keep(board, actor)
    await board.ask()
    board.route("a")
    assert why(await board.events()) == []
    assert len(actor.asked) == 2


async def test_answers_outlive_the_gateway(board: Board) -> None:
    actor = Actor("a")
    keep(board, actor)
    await board.ask()
    await board.answers.stop()
    await board.answers.start()
    board.answers._memory.clear()  # as after a restart: only the file has it
    assert why(await board.events()) == ["hit"]
    assert len(actor.asked) == 1


async def test_a_kept_answer_promises_nothing(board: Board) -> None:
    """The budget is not asked for what is there already: nothing is reserved, and a spent budget does not matter."""
    from inglenook.accounts.principal import CONSOLE
    from inglenook.accounts.snapshot import LimitFacts
    from inglenook.gateway.errors import BudgetExceeded

    keep(board, Actor("a", [*ANSWER]))
    limits = board.desk.accounts.limits
    await limits.put(CONSOLE, ("user", board.desk.principal.user_id), LimitFacts(amount_per_day=10_000_000))
    assert text_of(await board.events(max_tokens=100)) == "one two"
    await limits.put(CONSOLE, ("user", board.desk.principal.user_id), LimitFacts(amount_per_day=1))
    assert why(await board.events(max_tokens=100)) == ["hit"]
    with pytest.raises(BudgetExceeded):
        await board.ask(text="something else", max_tokens=100)


def relayed(board: Board, *, stream: bool = False) -> Callable[[], Call]:
    def decode() -> ChatRequest:
        raise AssertionError("it is passed through")

    def call() -> Call:
        body = {"model": "smart", "messages": [{"role": "user", "content": "Hello"}]}
        return Call(
            operation=Operation.CHAT,
            model="smart",
            decode=decode,
            stream=stream,
            principal=board.desk.principal,
            passthrough=Passthrough("openai.chat", body, stream),
        )

    return call


@pytest.mark.parametrize("stream", [False, True])
async def test_bytes_are_given_again_as_they_came(board: Board, stream: bool) -> None:
    said = [RawHead(200, "text/event-stream"), Raw(b'data: {"a":1}\n\n'), Raw(b"data: [DONE]\n\n"), Usage(input=2)]
    actor = Actor("a", said, wires=["openai.chat"])
    keep(board, actor)
    make = relayed(board, stream=stream)

    async def ask(gateway: Gateway) -> list[Event]:
        if not stream:
            return await gateway.whole(make())
        return [event async for event in gateway.call(make())]

    first, second = await ask(board.desk.gateway), await ask(board.desk.gateway)
    assert first[1:] == second[1:] == said
    assert len(actor.asked) == 1


async def test_a_refusal_that_was_relayed_is_not_kept(board: Board) -> None:
    actor = Actor("a", [RawHead(400, "application/json"), Raw(b"{}")], wires=["openai.chat"])
    keep(board, actor)
    make = relayed(board)
    await board.desk.gateway.whole(make())
    assert (await board.desk.gateway.whole(make()))[1:] == [RawHead(200, "application/json"), Raw(b'{"said":"a"}')]


async def test_what_cannot_be_read_is_asked_anew(board: Board) -> None:
    actor = Actor("a")
    keep(board, actor)
    await board.ask()
    ((key, answer),) = board.answers._memory.items()
    board.answers._memory[key] = replace(answer, events=b"\x91\x81\xa4type\xa4gone")
    assert why(await board.events()) == ["miss"]
    assert why(await board.events()) == ["hit"]


async def test_a_model_known_by_two_names_shares_nothing_between_routes(board: Board) -> None:
    actor = Actor("a")
    board.desk.shelf.show(entry("one", actor, upstream="u"), entry("two", actor, upstream="u"))
    board.routes(route("r1", "one", cache={"ttl": 60}), route("r2", "two", cache={"ttl": 60}))
    await board.ask("r1")
    await board.ask("r2")
    assert len(actor.asked) == 2
