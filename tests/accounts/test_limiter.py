"""Attempts are counted by name and by address."""

import pytest

from inglenook.accounts.limiter import FORGET_AFTER, PER_ADDRESS, PER_NAME, Limiter
from inglenook.kit.errors import TooMany


class Clock:
    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def limiter(clock: Clock) -> Limiter:
    return Limiter(clock)


def wait_of(limiter: Limiter, name: str, address: str | None) -> float:
    with pytest.raises(TooMany) as refused:
        limiter.attempt(name, address)
    assert refused.value.retry_after is not None
    return refused.value.retry_after


def test_the_wait_for_a_name_doubles_up_to_a_minute(limiter: Limiter, clock: Clock) -> None:
    for n in range(PER_NAME.free):
        limiter.attempt("ada", f"203.0.113.{n}")
    waits = []
    for n in range(8):
        wait = wait_of(limiter, "ada", f"198.51.100.{n}")
        waits.append(wait)
        clock.now += wait
        limiter.attempt("ada", f"198.51.100.{n}")
    assert waits == [1, 2, 4, 8, 16, 32, 60, 60]
    limiter.attempt("bob", "192.0.2.1")


def test_an_address_that_tries_many_names_is_stopped(limiter: Limiter, clock: Clock) -> None:
    for n in range(PER_ADDRESS.free):
        limiter.attempt(f"name{n}", "203.0.113.7")
    assert wait_of(limiter, "another", "203.0.113.7") == 1
    limiter.attempt("another", "203.0.113.8")
    longest = 0.0
    for n in range(20):
        wait = wait_of(limiter, f"more{n}", "203.0.113.7")
        longest = max(longest, wait)
        clock.now += wait
        limiter.attempt(f"more{n}", "203.0.113.7")
    assert longest == PER_ADDRESS.longest


def test_success_forgets_the_name_but_not_the_other_failures_of_the_address(limiter: Limiter) -> None:
    for _ in range(PER_NAME.free - 1):
        limiter.attempt("ada", "203.0.113.7")
    limiter.attempt("ada", "203.0.113.7")
    limiter.succeeded("ada", "203.0.113.7")
    for _ in range(PER_NAME.free):
        limiter.attempt("ada", None)
    for n in range(PER_ADDRESS.free - PER_NAME.free + 1):
        limiter.attempt(f"name{n}", "203.0.113.7")
    wait_of(limiter, "last", "203.0.113.7")


def test_quiet_names_are_forgotten(limiter: Limiter, clock: Clock) -> None:
    for _ in range(PER_NAME.free):
        limiter.attempt("ada", None)
    clock.now += FORGET_AFTER + 1
    for _ in range(PER_NAME.free):
        limiter.attempt("ada", None)


def test_one_customer_of_ipv6_is_one_address(limiter: Limiter) -> None:
    for n in range(PER_ADDRESS.free):
        limiter.attempt(f"name{n}", f"2001:db8:1:2::{n:x}")
    wait_of(limiter, "ada", "2001:db8:1:2:ffff::1")
    limiter.attempt("ada", "2001:db8:1:3::1")
    for n in range(PER_ADDRESS.free):
        limiter.attempt(f"mapped{n}", "::ffff:192.0.2.1")
    wait_of(limiter, "bob", "192.0.2.1")


def test_memory_is_bounded(clock: Clock) -> None:
    limiter = Limiter(clock, size=100)
    for n in range(1000):
        limiter.attempt(f"name{n}", f"10.0.{n // 250}.{n % 250}")
    assert len(limiter) <= 100
