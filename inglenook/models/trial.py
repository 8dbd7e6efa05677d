"""Trying a provider out: does it answer, with every one of its keys, and if not, what is wrong in plain words."""

import asyncio
from collections.abc import Awaitable, Callable
from time import monotonic

from msgspec import Struct

from inglenook.kit.errors import BadInput, InglenookError, TooMany, Unavailable, UpstreamFailed, UpstreamTimeout
from inglenook.models.errors import KeyRefused, OutOfCredit
from inglenook.models.providers.base import ModelFacts, Provider

#: Seconds each key has.
PATIENCE = 20.0

#: By the most particular class first.
_CODES: tuple[tuple[type[InglenookError], str], ...] = (
    (KeyRefused, "key_refused"),
    (OutOfCredit, "out_of_credit"),
    (UpstreamTimeout, "timeout"),
    (TooMany, "limited"),
    (Unavailable, "overloaded"),
    (UpstreamFailed, "failed"),
    (BadInput, "refused"),
)
_WORDS = {
    "unreachable": "Nobody answers at this address; check the base URL, and that the server runs",
    "tls": "The address answers, but a safe connection to it cannot be made",
    "timeout": "It did not answer in time; check the base URL, and that nothing blocks the way",
    "wrong_url": "Something answers at this address, but not this API; check the base URL",
}


class Problem(Struct):
    """What is wrong; `schemas.ProviderProblem` says which codes there are."""

    code: str
    message: str


class KeyTrial(Struct):
    """How one key did, counted from 1."""

    number: int
    ok: bool
    latency_ms: float | None = None
    problem: Problem | None = None


class Trial(Struct):
    """How a provider did. `models`: how many it lists; None: it was asked a model instead, or did not answer."""

    ok: bool
    latency_ms: float | None = None
    models: int | None = None
    problem: Problem | None = None
    keys: list[KeyTrial] = []


async def tried(provider: Provider, model: str | None = None) -> Trial:
    """Ask a provider once with each of its keys.

    Args:
        model: Whom to ask for one token; None: what is listed, where it has a list.
    """
    count: int = getattr(provider, "keys", 1)
    results = await asyncio.gather(*(_with(provider, key, model) for key in range(count)))
    keys = [trial for trial, _ in results]
    failed = next((trial for trial in keys if not trial.ok), None)
    good = [trial.latency_ms for trial in keys if trial.latency_ms is not None]
    return Trial(
        ok=failed is None,
        latency_ms=min(good, default=None),
        models=next((len(listed) for _, listed in results if listed is not None), None),
        problem=None if failed is None else _numbered(failed, count),
        keys=keys,
    )


async def _with(provider: Provider, key: int, model: str | None) -> tuple[KeyTrial, list[ModelFacts] | None]:
    prove: Callable[[int, str | None], Awaitable[list[ModelFacts] | None]] | None = getattr(provider, "prove", None)
    began = monotonic()
    try:
        async with asyncio.timeout(PATIENCE):
            listed = await provider.models() if prove is None else await prove(key, model)
    except TimeoutError:
        return KeyTrial(key + 1, False, problem=Problem("timeout", f"{_WORDS['timeout']} ({PATIENCE:.0f} s).")), None
    except InglenookError as error:
        return KeyTrial(key + 1, False, problem=explained(error)), None
    return KeyTrial(key + 1, True, latency_ms=round((monotonic() - began) * 1000, 1)), listed


def explained(error: InglenookError) -> Problem:
    """What an error says of a provider's settings."""
    code = _code(error)
    return Problem(code, f"{_WORDS[code]}. ({error.message})" if code in _WORDS else error.message)


def _code(error: InglenookError) -> str:
    cause = error.details.get("cause")
    if cause in ("tls", "unreachable"):
        return str(cause)
    if error.details.get("status") in (404, 405) or cause == "no_such_api":
        return "wrong_url"
    return next((code for kind, code in _CODES if isinstance(error, kind)), "failed")


def _numbered(trial: KeyTrial, count: int) -> Problem:
    assert trial.problem is not None
    if count == 1:
        return trial.problem
    return Problem(trial.problem.code, f"Key {trial.number} of {count}: {trial.problem.message}")
