"""Plans: what is asked after what, by table and by chance."""

from collections import Counter
from collections.abc import Sequence
from itertools import cycle, islice
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as some

from inglenook.gateway.call import Candidate, Exchange
from inglenook.gateway.routing import failures
from inglenook.gateway.routing.definition import RouteRetries
from inglenook.gateway.routing.failures import FAILURES, MOVE_ON, kind_of
from inglenook.gateway.routing.plan import NAMED_RETRY_AFTER, NAMED_WAIT, NamedPlan, RoutePlan, Rules, Turn
from inglenook.gateway.routing.targets import Targets
from inglenook.kit.errors import (
    BadInput,
    Conflict,
    Forbidden,
    InglenookError,
    NotFound,
    TooMany,
    Unavailable,
    UpstreamFailed,
    UpstreamTimeout,
)
from inglenook.models.errors import (
    BrokenModel,
    CannotCarry,
    ContentRefused,
    ContextTooLong,
    DiskFull,
    KeyRefused,
    OutOfCredit,
)
from tests.support.routing import Actor, Clock, chat, entry, exchange

ERRORS: dict[str, type[InglenookError]] = {
    "timeout": UpstreamTimeout,
    "failed": UpstreamFailed,
    "overloaded": Unavailable,
    "limited": TooMany,
    "key_refused": KeyRefused,
    "out_of_credit": OutOfCredit,
    "not_found": NotFound,
    "context_too_long": ContextTooLong,
    "cannot_carry": CannotCarry,
    "content_refused": ContentRefused,
    "bad_input": BadInput,
}


def test_every_failure_has_its_error() -> None:
    assert {kind_of(error()) for error in ERRORS.values()} == {*FAILURES, "bad_input"}


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        (BrokenModel(), "failed"),
        (Conflict(), "failed"),
        (DiskFull(), "failed"),
        (InglenookError(), "failed"),
        (ValueError("a mistake of ours"), "failed"),
        (Forbidden(), "bad_input"),
    ],
)
def test_other_errors(error: Exception, kind: str) -> None:
    assert kind_of(error) == kind


class Play:
    """A plan, and the walk through it: every target that is asked fails as it is told."""

    def __init__(
        self, targets: Sequence[tuple[str, int, int]], *, fallback: frozenset[str] = MOVE_ON, **retries: Any
    ) -> None:
        """Targets as name, number of keys, context length."""
        self.clock = Clock()
        self.draw = 0.5
        self.targets = Targets(self.clock, lambda: self.draw)
        self.leaves = [
            self.targets.leaf(entry(name, Actor(name, keys=keys), context=context)) for name, keys, context in targets
        ]
        self.rules = Rules("smart", fallback, RouteRetries(**retries))
        self.exchange: Exchange = exchange(chat("smart"))

    def plan(self) -> RoutePlan:
        return RoutePlan([Turn(leaf, None) for leaf in self.leaves], self.rules, self.targets, why="ordered")

    def walk(self, *errors: InglenookError) -> tuple[list[str], list[float]]:
        """Who is asked (`name.key`), and the waits before each."""
        plan = self.plan()
        asked, waits = [], []
        following: tuple[Candidate, float] | None = (plan.first(self.exchange), 0.0)
        for error in errors:
            assert following is not None, f"nobody is left for {error!r}"
            candidate, wait = following
            self.clock.now += wait
            asked.append(f"{candidate.entry.name}.{candidate.key}")
            waits.append(wait)
            plan.began(candidate, self.exchange)
            plan.ended(candidate, self.exchange, error, 0.0)
            following = plan.next(self.exchange, candidate, error)
        asked.append(f"{following[0].entry.name}.{following[0].key}" if following else "nobody")
        waits.append(following[1] if following else 0.0)
        return asked, waits


ONE, TWO, THREE = ("a", 1, 8000), ("b", 1, 32_000), ("c", 1, 0)


@pytest.mark.parametrize("kind", sorted(MOVE_ON - {"context_too_long"}))
def test_the_next_target_is_asked_at_once(kind: str) -> None:
    assert Play([ONE, TWO]).walk(ERRORS[kind]()) == (["a.0", "b.0"], [0, 0])


@pytest.mark.parametrize("kind", ["bad_input", "content_refused"])
def test_what_no_other_would_do_better_stops(kind: str) -> None:
    assert Play([ONE, TWO]).walk(ERRORS[kind]())[0] == ["a.0", "nobody"]


def test_a_definition_says_what_moves_on_and_what_stops() -> None:
    play = Play([ONE, TWO], fallback=frozenset({"content_refused"}), times=0)
    assert play.walk(ContentRefused())[0] == ["a.0", "b.0"]
    assert play.walk(UpstreamFailed())[0] == ["a.0", "nobody"]


def test_a_prompt_that_is_too_long_goes_to_longer_contexts_only() -> None:
    short = ("short", 1, 4000)
    assert Play([ONE, short, TWO]).walk(ContextTooLong())[0] == ["a.0", "b.0"]
    assert Play([TWO, ONE, THREE]).walk(ContextTooLong())[0] == ["b.0", "c.0"]  # whose length nobody knows
    assert Play([TWO, ONE, short]).walk(ContextTooLong())[0] == ["b.0", "nobody"]
    told = ContextTooLong(details={"context_length": 40_000})
    assert Play([ONE, TWO]).walk(told)[0] == ["a.0", "nobody"]


def test_keys_are_tried_before_the_next_target() -> None:
    three_keys = ("a", 3, 0)
    play = Play([three_keys, TWO])
    asked, waits = play.walk(KeyRefused(), OutOfCredit(), TooMany(retry_after=1))
    assert sorted(asked[:3]) == ["a.0", "a.1", "a.2"]
    assert asked[3] == "b.0"
    assert waits == [0, 0, 0, 0]


def test_a_failing_server_is_not_asked_with_its_other_keys() -> None:
    assert Play([("a", 3, 0), TWO]).walk(UpstreamFailed())[0][1] == "b.0"


def test_a_target_is_asked_again_after_all_others() -> None:
    play = Play([ONE, TWO], times=2, wait=1)
    asked, waits = play.walk(UpstreamFailed(), Unavailable(), Unavailable(), Unavailable())
    assert asked == ["a.0", "b.0", "a.0", "b.0", "nobody"]
    assert waits == [0, 0, 0.5, 1.0, 0]  # half of 1 s, and of 2 s


def test_a_target_is_asked_again_before_all_others() -> None:
    play = Play([ONE, TWO], times=2, order="same", wait=1)
    asked, _ = play.walk(UpstreamFailed(), UpstreamFailed(), UpstreamFailed(), UpstreamFailed())
    assert asked == ["a.0", "a.0", "a.0", "b.0", "nobody"]


@pytest.mark.parametrize("kind", sorted({*FAILURES, "bad_input"} - failures.AGAIN))
def test_only_what_says_try_again_is_tried_again(kind: str) -> None:
    assert Play([ONE], times=3).walk(ERRORS[kind]())[0] == ["a.0", "nobody"]


def test_the_wait_doubles_up_to_the_longest() -> None:
    play = Play([ONE], times=5, wait=1, max_wait=4)
    play.draw = 1.0
    assert play.walk(*[UpstreamFailed()] * 6)[1] == [0, 1, 2, 4, 4, 4, 0]


def test_the_wait_is_fully_random() -> None:
    play = Play([ONE], wait=1)
    play.draw = 0.0
    assert play.walk(UpstreamFailed())[1] == [0, 0]


def test_a_provider_is_not_asked_before_it_said() -> None:
    play = Play([ONE], wait=1)
    assert play.walk(TooMany(retry_after=3))[1] == [0, 3.5]


def test_a_provider_that_wants_too_much_patience_is_not_waited_for() -> None:
    assert Play([ONE], max_retry_after=10).walk(TooMany(retry_after=11))[0] == ["a.0", "nobody"]


def test_the_one_that_is_ready_first_is_asked_again() -> None:
    asked, waits = Play([ONE, TWO], wait=1).walk(TooMany(retry_after=9), TooMany(retry_after=2))
    assert asked == ["a.0", "b.0", "b.0"]
    assert waits == [0, 0, 2.5]


def test_a_refused_key_is_not_among_those_that_are_asked_again() -> None:
    play = Play([("a", 2, 0)], times=2)
    first, second, third = play.walk(KeyRefused(), UpstreamFailed())[0]
    assert first != second
    assert third == second


def test_targets_that_rest_are_passed_over_and_asked_when_nobody_else_is_left() -> None:
    play = Play([ONE, TWO, THREE])
    for _ in range(3):
        play.leaves[0].health.hurt(play.clock.now, probe=False)
    asked, _ = play.walk(UpstreamTimeout(), UpstreamTimeout(), UpstreamTimeout())
    assert asked == ["b.0", "c.0", "a.0", "nobody"]
    whys = [(reason["model"], reason["why"], reason["for"]) for reason in play.exchange.reasons]
    assert whys == [
        ("a", "passed", "resting"),
        ("b", "taken", "ordered"),
        ("c", "taken", "fallback"),
        ("a", "taken", "nobody_else"),
    ]


def test_when_every_provider_said_not_yet_nobody_is_asked() -> None:
    play = Play([ONE, TWO])
    for leaf, seconds in zip(play.leaves, (20, 9), strict=True):
        leaf.lanes[0].limit.hurt(play.clock.now, probe=False, at_least=seconds)
    with pytest.raises(TooMany, match="every target of 'smart' is at its provider's limit; try again in 9 s") as told:
        play.plan().first(play.exchange)
    assert told.value.retry_after == 9


# --------------------------------------------------------------------------------------- a model that was named


def named(*, keys: int = 1, local: bool = False) -> tuple[NamedPlan, Exchange, Targets]:
    targets = Targets(Clock(), lambda: 0.5)
    return (
        NamedPlan(targets.leaf(entry("m", Actor("m", keys=keys), local=local)), targets),
        exchange(chat("m")),
        targets,
    )


def test_a_named_model_is_asked_once_more() -> None:
    plan, call, _ = named()
    first = plan.first(call)
    assert plan.next(call, first, UpstreamFailed()) == (first, NAMED_WAIT / 2)
    assert plan.next(call, first, UpstreamFailed()) is None


@pytest.mark.parametrize("kind", sorted({*FAILURES, "bad_input"} - failures.AGAIN))
def test_a_named_model_is_asked_again_only_if_it_says_so(kind: str) -> None:
    plan, call, _ = named()
    assert plan.next(call, plan.first(call), ERRORS[kind]()) is None


def test_a_named_model_is_waited_for_a_little() -> None:
    plan, call, _ = named()
    first = plan.first(call)
    assert plan.next(call, first, TooMany(retry_after=NAMED_RETRY_AFTER + 0.1)) is None
    assert plan.next(call, first, TooMany(retry_after=2)) == (first, 2 + NAMED_WAIT / 2)


def test_a_named_models_keys_are_tried() -> None:
    plan, call, _ = named(keys=3)
    first = plan.first(call)
    asked = [first.key]
    candidate = first
    while (following := plan.next(call, candidate, KeyRefused())) is not None:
        candidate = following[0]
        asked.append(candidate.key)
        assert following[1] == 0
    assert sorted(asked) == [0, 1, 2]


def test_a_named_model_is_asked_although_it_rests() -> None:
    plan, call, targets = named(keys=2)
    for lane in targets.leaf(plan.first(call).entry).lanes:
        lane.limit.hurt(targets.clock(), probe=False, at_least=99 - lane.candidate.key)
    assert plan.first(call).key == 1  # the one that is ready sooner


def test_a_conversation_keeps_its_key() -> None:
    targets = Targets(Clock())
    leaf = targets.leaf(entry("m", Actor("m", keys=4)))
    keys = [
        {NamedPlan(leaf, targets).first(exchange(chat("m", conversation=f"talk {talk}"))).key for _ in range(20)}
        for talk in range(40)
    ]
    assert {len(each) for each in keys} == {1}
    assert set().union(*keys) == {0, 1, 2, 3}


def test_the_least_busy_key_is_taken() -> None:
    targets = Targets(Clock())
    leaf = targets.leaf(entry("m", Actor("m", keys=3)))
    calls = Counter[int]()
    for _ in range(30):
        plan, call = NamedPlan(leaf, targets), exchange(chat("m"))
        candidate = plan.first(call)
        plan.began(candidate, call)
        calls[candidate.key] += 1
    assert calls == {0: 10, 1: 10, 2: 10}


def test_a_model_that_runs_here_is_asked_directly() -> None:
    assert named(local=True)[0].direct
    assert not named()[0].direct


# ---------------------------------------------------------------------------------------------------- by chance

failing = some.tuples(some.sampled_from(sorted(ERRORS)), some.sampled_from([None, 0.0, 1.0, 12.0, 40.0]))
#: More failures than any plan can have: 5 targets with 3 keys, 6 repeats with 3 keys each.
ENOUGH = 5 * 3 + 6 * 3 + 1


@settings(max_examples=300, deadline=None)
@given(
    contexts=some.lists(some.sampled_from([0, 4000, 8000, 32_000]), min_size=1, max_size=5),
    keys=some.lists(some.integers(1, 3), min_size=5, max_size=5),
    hurt=some.lists(some.sampled_from(["no", "rests", "limited", "refused"]), min_size=5, max_size=5),
    fallback=some.frozensets(some.sampled_from(sorted(FAILURES))),
    retries=some.builds(
        dict,
        times=some.integers(0, 6),
        order=some.sampled_from(["next", "same"]),
        wait=some.floats(0, 4),
        max_wait=some.floats(0, 10),
        max_retry_after=some.floats(0, 30),
    ),
    draw=some.floats(0, 0.999),
    failed=some.lists(failing, min_size=1, max_size=12),
)
def test_every_plan_ends_and_keeps_its_word(
    contexts: list[int],
    keys: list[int],
    hurt: list[str],
    fallback: frozenset[str],
    retries: dict[str, Any],
    draw: float,
    failed: list[tuple[str, float | None]],
) -> None:
    play = Play(
        [(f"m{n}", count, context) for n, (context, count) in enumerate(zip(contexts, keys, strict=False))],
        fallback=fallback,
        **retries,
    )
    play.draw = draw
    now = play.clock.now
    for leaf, how in zip(play.leaves, hurt, strict=False):
        for _ in range(3 if how == "rests" else 0):
            leaf.health.hurt(now, probe=False)
        if how == "limited":
            leaf.lanes[0].limit.hurt(now, probe=False, at_least=50)
        if how == "refused":
            leaf.lanes[0].key.hurt(now, probe=False)

    plan = play.plan()
    try:
        candidate = plan.first(play.exchange)
    except TooMany:
        assert all(leaf.limited(play.clock.now) for leaf in play.leaves)
        return
    asked: Counter[tuple[str, int]] = Counter()
    last: dict[str, InglenookError] = {}
    rules = play.rules.retries
    repeats = 0
    wait = 0.0
    for kind, retry_after in islice(cycle(failed), ENOUGH):
        error = ERRORS[kind](retry_after=retry_after)
        name, place = candidate.entry.name, (candidate.entry.name, candidate.key)
        if name in last and (asked[place] or wait or kind_of(last[name]) not in failures.OTHER_KEY):
            repeats += 1
            assert kind_of(last[name]) in failures.AGAIN
            assert (last[name].retry_after or 0) <= rules.max_retry_after
        else:
            assert not wait, "only who is asked again is waited for"
        assert wait <= rules.max_wait + rules.max_retry_after
        asked[place] += 1
        last[name] = error
        play.clock.now += wait
        plan.began(candidate, play.exchange)
        plan.ended(candidate, play.exchange, error, 0.0)
        following = plan.next(play.exchange, candidate, error)
        if following is None:
            break
        if kind_of(error) not in fallback and following[0].entry.name != name:
            raise AssertionError("it moved on after what should stop it")
        candidate, wait = following
    else:
        raise AssertionError("the plan does not end")
    assert repeats <= rules.times
    assert all(leaf.health.in_flight == 0 for leaf in play.leaves)
    assert all(lane.limit.in_flight == 0 for leaf in play.leaves for lane in leaf.lanes)
    assert not any(
        rest.probing for leaf in play.leaves for lane in leaf.lanes for rest in (leaf.health, lane.limit, lane.key)
    )
