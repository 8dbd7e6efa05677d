"""In what order targets are asked."""

from collections import Counter
from collections.abc import Callable, Sequence
from random import Random
from typing import Any

import pytest

from inglenook.gateway.routing.conditions import Asked
from inglenook.gateway.routing.strategies import STRATEGIES, Option, View, lot_of
from inglenook.gateway.routing.targets import Leaf, Targets
from inglenook.models import prices
from inglenook.models.prices import Prices
from tests.support.routing import chat, entry, exchange

TARGETS = Targets(clock=lambda: 0.0)


def leaf(name: str, **facts: Any) -> Leaf:
    return Targets(clock=lambda: 0.0).leaf(entry(name, **facts))


def options(*leaves: Leaf, weights: Sequence[float] = ()) -> list[Option]:
    return [Option(weight, (leaf,)) for leaf, weight in zip(leaves, weights or [1] * len(leaves), strict=True)]


def view(draw: Callable[[str], float] = lambda _: 0.5, *, stream: bool = True, **call: Any) -> View:
    made = exchange(chat("m", stream=stream, **call), prompt_tokens=1000)
    return View(Asked(made, prices.cost), 0.0, draw)


def arranged(strategy: str, given: list[Option], look: View) -> list[str]:
    return [option.leaves[0].entry.name for option in STRATEGIES[strategy](given, look)]


def test_ordered_is_as_written() -> None:
    assert arranged("ordered", options(leaf("b"), leaf("a"), weights=(0, 1)), view()) == ["b", "a"]


def test_weighted_gives_shares_and_takes_the_rest_likewise() -> None:
    chance = Random(7)
    given = options(leaf("a"), leaf("b"), leaf("c"), weights=(6, 3, 1))
    look = view(lambda _: chance.random())
    draws = [arranged("weighted", given, look) for _ in range(20_000)]
    first = Counter(order[0] for order in draws)
    assert [first[name] / len(draws) for name in "abc"] == pytest.approx([0.6, 0.3, 0.1], abs=0.01)
    second = Counter(order[1] for order in draws if order[0] == "a")
    assert second["b"] / second.total() == pytest.approx(0.75, abs=0.01)


def test_weighted_keeps_the_weightless_for_last() -> None:
    chance = Random(7)
    given = options(leaf("spare"), leaf("a"), weights=(0, 0.001))
    look = view(lambda _: chance.random())
    assert {tuple(arranged("weighted", given, look)) for _ in range(200)} == {("a", "spare")}


def test_a_conversation_draws_the_same_lot_and_loses_it_only_with_its_target() -> None:
    names = [f"m{number}" for number in range(5)]
    given = {name: Option(1, (leaf(name),)) for name in names}

    def first(conversation: str, among: Sequence[str]) -> str:
        return arranged("weighted", [given[name] for name in among], view(lot_of(conversation)))[0]

    talks = [f"talk {number}" for number in range(2000)]
    before = {talk: first(talk, names) for talk in talks}
    assert before == {talk: first(talk, list(reversed(names))) for talk in talks}
    shares = Counter(before.values())
    assert min(shares.values()) > 300
    after = {talk: first(talk, names[1:]) for talk in talks}
    assert [talk for talk in talks if before[talk] != "m0" and after[talk] != before[talk]] == []


@pytest.mark.parametrize(
    ("flights", "weights", "first"),
    [
        ((3, 1, 2), (1, 1, 1), "b"),
        ((4, 1, 2), (10, 1, 1), "a"),
        ((0, 1, 2), (0, 1, 1), "b"),
        ((0, 0, 0), (1, 1, 1), "c"),
    ],
)
def test_least_busy(flights: Sequence[int], weights: Sequence[float], first: str) -> None:
    leaves = [leaf(name) for name in "abc"]
    for one, count in zip(leaves, flights, strict=True):
        one.health.in_flight = count
    lots = {"a": 0.9, "b": 0.5, "c": 0.1}  # which decide among equals
    assert arranged("least-busy", options(*leaves, weights=weights), view(lots.__getitem__))[0] == first


@pytest.mark.parametrize(
    ("latencies", "flights", "order"),
    [
        ({"a": 300, "b": 100, "c": 200}, {}, "bca"),
        ({"a": 300, "b": 100, "c": 200}, {"b": 3}, "cab"),  # 100 ms times four
        ({"a": 300, "b": 100}, {}, "cba"),  # nobody knows how quick c is
        ({"a": 300, "b": 100}, {"c": 1}, "bac"),  # somebody is finding out
        ({}, {}, "abc"),
    ],
)
def test_least_latency(latencies: dict[str, float], flights: dict[str, int], order: str) -> None:
    leaves = [leaf(name) for name in "abc"]
    for one in leaves:
        if one.entry.name in latencies:
            one.health.streamed.observe(0, latencies[one.entry.name])
        one.health.in_flight = flights.get(one.entry.name, 0)
    assert "".join(arranged("least-latency", options(*leaves), view())) == order


def test_least_latency_tells_streams_from_whole_answers() -> None:
    quick, slow = leaf("quick to begin"), leaf("quick to end")
    quick.health.streamed.observe(0, 10)
    quick.health.whole.observe(0, 900)
    slow.health.streamed.observe(0, 50)
    slow.health.whole.observe(0, 500)
    given = options(slow, quick)
    assert arranged("least-latency", given, view())[0] == "quick to begin"
    assert arranged("least-latency", given, view(stream=False))[0] == "quick to end"


def test_cheapest_asks_what_this_call_costs() -> None:
    reads = leaf("dear to write", prices=Prices(input=100_000, output=10_000_000))
    writes = leaf("dear to read", prices=Prices(input=1_000_000, output=2_000_000))
    given = options(leaf("unknown"), reads, writes)
    assert arranged("cheapest", given, view(max_tokens=10)) == ["dear to write", "dear to read", "unknown"]
    assert arranged("cheapest", given, view(max_tokens=2000)) == ["dear to read", "dear to write", "unknown"]
    here = leaf("here", local=True)
    assert arranged("cheapest", [*given, *options(here)], view())[0] == "here"


def test_a_route_behind_a_route_is_judged_by_its_first() -> None:
    busy, idle, middling = leaf("busy"), leaf("idle"), leaf("middling")
    busy.health.in_flight, middling.health.in_flight = 9, 5
    found = STRATEGIES["least-busy"]([Option(1, (busy, idle)), Option(1, (middling,))], view())
    assert [option.leaves[0] for option in found] == [middling, busy]
