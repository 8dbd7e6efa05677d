"""Effects: the steps of a run that a crash must neither lose nor double. `RunContext.effect` says how to use them.

The journal holds for each attempt an intent (`run.effect.started`) and a result (`run.effect.finished`: an output or
an error). After a takeover the work is executed from the beginning; effects whose result is journaled give it again
without running, and what became of an intent without a result is a question of the effect's class.
"""

import hashlib
import logging
from collections import deque
from collections.abc import Awaitable, Callable, Iterable
from typing import Any, NamedTuple, NoReturn, Protocol, get_args

import orjson

from inglenook.kit.errors import BadInput, Conflict, InglenookError
from inglenook.runs.endings import Ending, facts_of, parked
from inglenook.runs.errors import EffectFailed, LeaseLost, OutcomeUnknown, RunEnded, Suspended
from inglenook.runs.journal import EFFECT_FINISHED, EFFECT_STARTED, encode
from inglenook.runs.kinds import Attempt, EffectClass, RunEvent, RunInput

log = logging.getLogger(__name__)

RETRY, SKIP = "retry", "skip"
#: Inputs that answer a parked run. They are for `runs`; kinds are not given them.
ANSWERS = frozenset({RETRY, SKIP})
#: Characters of an effect's name.
NAME_LIMIT = 200


class Scribe(Protocol):
    """What effects need of the execution."""

    async def record(self, event: RunEvent) -> None:
        """Commit `event`, with all that came before it, even when the caller is cancelled meanwhile."""
        ...

    def defer(self, event: RunEvent) -> None:
        """Have `event` committed soon, and before anything that comes after it."""
        ...

    async def rest(self, ending: Ending) -> NoReturn:
        """Put the run to rest; leaves by `Suspended`."""
        ...

    def calmed(self) -> None:
        """No effect that cannot be repeated is under way any more."""
        ...


class _Outcome(NamedTuple):
    output: Any
    error: dict[str, Any] | None


class Effects:
    """The effects of one execution of a run."""

    def __init__(self, run_id: str, scribe: Scribe) -> None:
        self._run_id = run_id
        self._scribe = scribe
        #: Results that earlier executions left, in order, and how many attempts there were.
        self._outcomes: dict[str, deque[_Outcome]] = {}
        self._attempts: dict[str, int] = {}
        #: The class of those with an intent of an earlier execution and no result.
        self._open: dict[str, str] = {}
        #: Names under way, and those that gave their output, in this execution.
        self._busy: set[str] = set()
        self._done: set[str] = set()
        self._unrepeatable = 0

    @property
    def unrepeatable(self) -> bool:
        """Whether an effect is under way of which nobody could tell, if it were cut now, whether it was done."""
        return self._unrepeatable > 0

    def recall(self, events: Iterable[RunEvent]) -> None:
        """Learn what earlier executions journaled."""
        for event in events:
            if event.type == "run.input" and event.payload.get("kind") == RETRY:
                self._open.pop(event.payload["payload"].get("effect", ""), None)
            elif event.type in (EFFECT_STARTED, EFFECT_FINISHED) and event.payload:  # an erased one holds nothing
                name = event.payload["name"]
                self._attempts[name] = event.payload["attempt"]
                if event.type == EFFECT_STARTED:
                    self._open[name] = event.payload["class"]
                else:
                    self._open.pop(name, None)
                    outcome = _Outcome(event.payload.get("output"), event.payload.get("error"))
                    self._outcomes.setdefault(name, deque()).append(outcome)

    def answer(self, given: RunInput) -> list[RunEvent]:
        """What an answer to the parked run adds to the journal beside its `run.input`; `recall` both."""
        if given.kind != SKIP:
            return []
        name = given.payload["effect"]
        facts = {"name": name, "label": given.payload["label"], "class": "once", "skipped": True}
        result = {"attempt": self._attempts.get(name, 0), "output": given.payload["output"]}
        return [RunEvent(type=EFFECT_FINISHED, payload=facts | result)]

    async def perform(
        self, name: str, effect_class: EffectClass, do: Callable[[Attempt], Awaitable[Any]], label: str | None
    ) -> Any:
        """As `RunContext.effect`."""
        self._check(name, effect_class)
        if outcomes := self._outcomes.get(name):
            return self._give(name, outcomes.popleft(), None)
        attempt = Attempt(name=name, number=self._attempts.get(name, 0) + 1, key=_key(self._run_id, name))
        facts = {"name": name, "label": label or name, "class": effect_class, "attempt": attempt.number}
        self._busy.add(name)
        try:
            if effect_class == "pure":
                outcome, cause = await self._try(do, attempt)
                self._attempts[name] = attempt.number
                self._scribe.defer(RunEvent(type=EFFECT_FINISHED, payload=_finished(facts, outcome)))
            else:
                left = self._open.get(name)
                if left is not None and "once" in (left, effect_class):
                    await self._ask(facts, "the server stopped while this was being done")
                await self._scribe.record(RunEvent(type=EFFECT_STARTED, payload=facts))
                self._open.pop(name, None)
                self._attempts[name] = attempt.number
                outcome, cause = await self._carry_out(do, attempt, facts)
        finally:
            self._busy.discard(name)
        return self._give(name, outcome, cause)

    async def _carry_out(
        self, do: Callable[[Attempt], Awaitable[Any]], attempt: Attempt, facts: dict[str, Any]
    ) -> tuple[_Outcome, Exception | None]:
        """Do it and commit the result."""
        once = facts["class"] == "once"
        self._unrepeatable += once
        try:
            outcome, cause = await self._try(do, attempt)
            if once and isinstance(cause, OutcomeUnknown):
                await self._ask(facts, cause.message)
            await self._scribe.record(RunEvent(type=EFFECT_FINISHED, payload=_finished(facts, outcome)))
        finally:
            self._unrepeatable -= once
            if once and not self._unrepeatable:
                self._scribe.calmed()
        return outcome, cause

    async def _try(
        self, do: Callable[[Attempt], Awaitable[Any]], attempt: Attempt
    ) -> tuple[_Outcome, Exception | None]:
        try:
            # What is given now must be what is read from the journal later: tuples become lists here already.
            return _Outcome(orjson.loads(encode(await do(attempt))), None), None
        except (Suspended, LeaseLost, RunEnded):
            raise
        except Exception as error:
            if not isinstance(error, InglenookError):
                log.exception("effect %s of run %s failed", attempt.name, self._run_id)
            return _Outcome(None, facts_of(error)), error

    def _give(self, name: str, outcome: _Outcome, cause: Exception | None) -> Any:
        if outcome.error is not None:
            raise EffectFailed(name, outcome.error) from cause
        self._done.add(name)
        return outcome.output

    async def _ask(self, facts: dict[str, Any], why: str) -> NoReturn:
        reason = (
            f"{facts['label']}: {why}, so nobody knows whether it was done; find out, then retry it or skip it and "
            "say what it gave"
        )
        await self._scribe.rest(parked(reason, effect=facts["name"], label=facts["label"], answers=[RETRY, SKIP]))

    def _check(self, name: str, effect_class: str) -> None:
        if not 0 < len(name) <= NAME_LIMIT:
            raise ValueError(f"the name of an effect has 1 to {NAME_LIMIT} characters, not {len(name)}")
        if effect_class not in get_args(EffectClass):
            raise ValueError(f"effect {name}: its class is one of {', '.join(get_args(EffectClass))}")
        if name in self._busy:
            raise ValueError(f"effect {name} is under way: each needs a name of its own within its run")
        if name in self._done:
            raise ValueError(f"effect {name} was done before: each needs a name of its own within its run")


def _key(run_id: str, name: str) -> str:
    # Hashed: receivers limit the length and the characters of a key.
    return "ink-" + hashlib.sha256(f"{run_id}\n{name}".encode()).hexdigest()[:40]


def _finished(facts: dict[str, Any], outcome: _Outcome) -> dict[str, Any]:
    return {**facts, "output": outcome.output} if outcome.error is None else {**facts, "error": outcome.error}


def check_answer(kind: str, payload: dict[str, Any], asked: dict[str, Any]) -> dict[str, Any]:
    """The payload of a `retry` or `skip` for the question in the payload of `run.parked`, made complete.

    Raises:
        BadInput: a skip that says no output, or where there is nothing to skip.
        Conflict: it is the answer to another question.
    """
    effect = asked.get("effect")
    if payload.get("effect", effect) != effect:
        raise Conflict(f"the run does not ask about effect {payload['effect']!r}; read it again", field="effect")
    if kind == SKIP and effect is None:
        raise BadInput("there is no effect to skip here; the run can be retried or cancelled")
    if kind == SKIP and "output" not in payload:
        raise BadInput("skipping an effect needs the output it gave (null if it gives none)", field="output")
    return payload if effect is None else {**payload, "effect": effect, "label": asked.get("label", effect)}
