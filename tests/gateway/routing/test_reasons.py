"""The decisions as headers."""

from typing import Any

from inglenook.gateway.routing.reasons import MOST, headers

ROUTE = {"step": "route", "why": "route", "route": "smart", "strategy": "ordered"}


def passed(model: str, why: str) -> dict[str, Any]:
    return {"step": "route", "why": "passed", "model": model, "for": why}


def failed(model: str, code: str) -> dict[str, Any]:
    return {"step": "attempt", "why": "failed", "model": model, "provider": "prv_1", "code": code}


def taken(model: str, why: str) -> dict[str, Any]:
    return {"step": "route", "why": "taken", "model": model, "for": why}


def test_a_model_that_was_named() -> None:
    assert headers([{"step": "route", "why": "named"}]) == [(b"x-inglenook-route", b"named")]


def test_a_model_that_was_asked_again() -> None:
    told = headers([{"step": "route", "why": "named"}, failed("gpt-4o", "upstream_failed")])
    assert told == [(b"x-inglenook-route", b"named, gpt-4o;failed=upstream_failed")]


def test_a_route() -> None:
    reasons = [ROUTE, passed("gpt-4o", "context"), taken("sonnet", "ordered"), failed("sonnet", "too_many")]
    assert headers([*reasons, taken("mistral", "fallback")]) == [
        (
            b"x-inglenook-route",
            b"smart;strategy=ordered, gpt-4o;passed=context, sonnet;taken=ordered, sonnet;failed=too_many, "
            b"mistral;taken=fallback",
        )
    ]


def test_names_are_encoded() -> None:
    ((_, line),) = headers([ROUTE | {"route": '智能, \r\n;"x'}, taken("org/m:7b", "only")])
    assert line == b'"%E6%99%BA%E8%83%BD, %0D%0A;\\"x";strategy=ordered, org/m:7b;taken=only'


def test_a_kept_answer() -> None:
    told = headers(
        [{"step": "route", "why": "route", "route": "smart", "strategy": "ordered"}, {"step": "cache", "why": "hit"}]
    )
    assert told == [(b"x-inglenook-route", b"smart;strategy=ordered"), (b"x-inglenook-cache", b"hit")]


def test_what_is_too_much_for_a_header_is_left_out() -> None:
    many = [passed(f"model-{number}", "capability") for number in range(60)]
    ((_, line),) = headers([ROUTE, *many, taken("last", "ordered")])
    assert line == b"smart;strategy=ordered, last;taken=ordered"
    often = [failed(f"model-{number}", "upstream_failed") for number in range(60)]
    ((_, line),) = headers([ROUTE, *often])
    assert len(line) <= MOST
    assert line.endswith(b";failed=upstream_failed")
