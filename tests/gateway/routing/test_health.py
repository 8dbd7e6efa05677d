"""Rests, latencies and loads, on a clock of numbers."""

import pytest

from inglenook.gateway.routing.health import DECAY, UNKNOWN, Health, Latency, Rest


def failing(rest: Rest, times: int, now: float) -> None:
    for _ in range(times):
        rest.hurt(now, probe=False)


def test_it_rests_after_failures_in_a_row_only() -> None:
    rest = Rest(5, 120, patience=3)
    failing(rest, 2, 0)
    rest.well()
    failing(rest, 2, 0)
    assert rest.may(0)
    failing(rest, 1, 0)
    assert not rest.may(0)
    assert not rest.may(4.9)
    assert rest.may(5)


def test_after_a_rest_one_caller_at_a_time_tries() -> None:
    rest = Rest(5, 120)
    assert not rest.begin(0)  # nothing is tried while all is well
    failing(rest, 1, 0)
    assert not rest.begin(4)
    assert rest.state(4) == "resting"
    assert rest.state(6) == "waiting"
    assert rest.begin(6)
    assert rest.state(6) == "probing"
    assert not rest.may(6)
    assert not rest.begin(6)
    rest.leave()  # the probe's caller went away
    assert rest.begin(7)
    rest.well()
    assert rest.may(7)
    assert rest.state(7) == "ready"


def test_each_rest_is_twice_as_long_up_to_the_longest() -> None:
    rest = Rest(5, 30)
    now, rests = 0.0, []
    for _ in range(5):
        probe = rest.begin(now)
        rest.hurt(now, probe=probe)
        rests.append(rest.until - now)
        now = rest.until
    assert rests == [5, 10, 20, 30, 30]
    rest.begin(now)
    rest.well()
    rest.hurt(now, probe=False)
    assert rest.until - now == 5


def test_a_provider_that_names_a_time_is_left_alone_until_then() -> None:
    rest = Rest(5, 30, patience=3)
    rest.hurt(0, probe=False, at_least=60)
    assert not rest.may(59)
    assert rest.may(60)
    rest.hurt(10, probe=False, at_least=100)  # of a call that had begun before
    assert rest.until == 110


def test_callers_who_had_begun_before_do_not_make_a_rest_longer() -> None:
    rest = Rest(5, 120, patience=3)
    failing(rest, 3, 0)
    failing(rest, 20, 1)
    assert rest.until == 5


def test_a_failure_beside_the_probe_does_not_take_its_place() -> None:
    rest = Rest(5, 120)
    failing(rest, 1, 0)
    assert rest.begin(6)
    rest.hurt(6, probe=False)  # somebody who had nobody else to ask
    assert rest.probing
    rest.hurt(6, probe=True)
    assert not rest.probing


def test_latency_believes_bad_news_at_once_and_good_news_by_and_by() -> None:
    latency = Latency()
    assert latency.read(0) == 0
    latency.observe(0, 100)
    latency.observe(1, 900)
    assert latency.value == 900
    latency.observe(2, 100)
    assert 800 < latency.value < 900
    for second in range(3, 200):
        latency.observe(second, 100)
    assert latency.value == pytest.approx(100, rel=0.05)


def test_latency_fades_with_time() -> None:
    latency = Latency()
    latency.observe(0, 1000)
    assert latency.read(DECAY) == pytest.approx(1000 / 2.718, rel=0.01)
    assert latency.read(20 * DECAY) < 0.01


def test_load_counts_what_is_on_its_way() -> None:
    health = Health()
    assert health.load(0, stream=True) == 0
    health.in_flight = 1
    assert health.load(0, stream=True) == 2 * UNKNOWN
    health.streamed.observe(0, 50)
    assert health.load(0, stream=True) == 100
    health.in_flight = 3
    assert health.load(0, stream=True) == 200
    assert health.load(0, stream=False) == 4 * UNKNOWN  # whole answers are another matter
