"""Errors that somebody catches or that mean something to a client."""

from typing import Any

from inglenook.kit.errors import Conflict, InglenookError


class LeaseLost(Conflict):
    """Another holder has taken this run over; what was to be written is refused."""

    code = "lease_lost"


class RunEnded(Conflict):
    """The run has already ended."""

    code = "run_ended"


class EffectFailed(InglenookError):
    """An effect of the run failed.

    The same error comes at the first attempt and when its result is read from the journal after a takeover.

    Attributes:
        effect: The effect's name.
        error: What was journaled: `code`, `status`, `message`, and `retry_after` (seconds) where there was one.
    """

    status = 502
    code = "effect_failed"

    def __init__(self, effect: str, error: dict[str, Any]) -> None:
        details = {"effect": effect, "code": error["code"]}
        super().__init__(error["message"], details=details, retry_after=error.get("retry_after"))
        self.effect = effect
        self.error = error


class OutcomeUnknown(InglenookError):
    """It was begun, and there was no answer that says whether it was done.

    For the function of a *once* effect (a POST that timed out): the run is parked and a person asked, as after a
    crash. Its message is for that person and reads on after the effect's label.
    """

    status = 504
    code = "outcome_unknown"


class Suspended(Exception):
    """The run was put to rest (`waiting`, `parked`). `execute` lets it through; only `runs` catches it."""
