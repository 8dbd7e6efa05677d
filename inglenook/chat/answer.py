"""The run that writes an answer: asks the gateway, journals what comes, and brings the message in line at the end.

A crash interrupts it: what was journaled is kept in the message, and a person may have it continued.
"""

from collections.abc import Callable
from contextlib import aclosing
from typing import Any, Literal

from msgspec import Struct
from sqlalchemy.orm import Session

from inglenook.chat import prompt
from inglenook.chat.deltas import Deltas
from inglenook.chat.draft import Draft
from inglenook.conversations import service as conversations
from inglenook.conversations.schemas import ConversationSettings
from inglenook.conversations.tables import ConversationRow, MessageRow
from inglenook.gateway.call import Call
from inglenook.gateway.gateway import Gateway
from inglenook.kit.errors import NotFound
from inglenook.kit.time import now_ms
from inglenook.models.calls import (
    ChatRequest,
    Event,
    Finished,
    Notice,
    Operation,
    ReasoningDelta,
    Routed,
    TextDelta,
    Timings,
    Usage,
)
from inglenook.models.catalogue import Entry
from inglenook.runs.kinds import RunContext, RunEvent
from inglenook.store.database import Store

KIND = "chat.answer"

#: What a run's end other than by finishing makes of the message.
_STATUS = {"failed": "failed", "cancelled": "stopped", "interrupted": "interrupted", "parked": "interrupted"}


class _Task(Struct, kw_only=True):
    """What a run is to do, read when it begins: the branch ends in the question, or in the answer to continue."""

    message_id: str
    model: str
    branch: list[MessageRow]
    settings: ConversationSettings
    continues: bool
    draft: Draft


class ChatAnswer:
    """Run kind `chat.answer`. Input: `conversation_id`, `message_id` and `continues` (bool); all else is in their rows.

    Deltas: `{"type": "text" | "reasoning", "text"}`. Events: `chat.started {model, provider, reasons}`,
    `chat.notice {kind, message, details}`, `chat.usage` (as `conversations.schemas.MessageUsage`). State: `text`,
    `reasoning`, `model`, `provider`, `reasons`, `notices`, `usage`, `finish_reason`, `error` (`code`, `message`,
    `details`?), each once it is known.

    A run that continues an answer first sends what there is of it as deltas, so the text of a run is always the
    whole text of its message. What holds of the join:

    - A model run here, and one whose facts say `prefill`, is handed the beginning of its answer and goes on from
      there; the result reads like one uninterrupted answer. White space at the cut is kept once.
    - Any other model, and one that thinks before it answers, is asked in words to go on. Most do; some repeat
      themselves or begin anew, and nothing is cut out of what they say.
    - An answer that was cut before its first word of text is begun afresh.
    """

    name = KIND
    on_crash: Literal["resume", "interrupt"] = "interrupt"

    def __init__(self, store: Store, gateway: Gateway, *, erase: Callable[[Session, str], None]) -> None:
        """
        Args:
            erase: Empties the journal of a run, for answers that are deleted while they are written.
        """
        self._store = store
        self._erase = erase
        self._gateway = gateway

    def fold(self, state: dict[str, Any], event: RunEvent) -> dict[str, Any]:
        """The state after `event`."""
        match event.type:
            case "run.delta":
                more: dict[str, list[str]] = {}
                for delta in event.payload.get("deltas", []):
                    more.setdefault(delta["type"], []).append(delta["text"])
                return state | {type_: state.get(type_, "") + "".join(texts) for type_, texts in more.items()}
            case "chat.started":
                return state | event.payload
            case "chat.notice":
                return state | {"notices": [*state.get("notices", []), event.payload]}
            case "chat.usage":
                return state | {"usage": event.payload}
            case "run.finished":
                return state | {"finish_reason": (event.payload.get("output") or {}).get("finish_reason")}
            case "run.failed":
                return state | {"error": event.payload.get("error", {})}
            case _:
                return state

    async def execute(self, run: RunContext) -> None:
        """Ask the model and write its answer."""
        task = await self._store.read(lambda session: _read_task(session, run.run_id, run.input))
        draft = task.draft
        deltas = Deltas(run.delta)
        call = Call(
            operation=Operation.CHAT,
            model=task.model,
            decode=lambda: _request(task),
            tailored=lambda entry: _request(task, entry),
            conversation=run.input["conversation_id"],
            cache="off",  # a person who asks again wants another answer
            principal=run.actor,
            source="chat",
            run_id=run.run_id,
        )
        draft.asked_at = now_ms()
        try:
            deltas.add("reasoning", draft.reasoning)
            deltas.add("text", draft.text)
            # Closing at once, not when the collector comes by, is what stops the model.
            async with aclosing(self._gateway.call(call)) as events:
                async for event in events:
                    if (fact := _take(draft, deltas, event)) is not None:
                        deltas.flush()
                        await run.append(fact)
        finally:
            deltas.flush()
        if (usage := self._told(draft)) is not None:
            await run.append(RunEvent(type="chat.usage", payload=usage))
        output = {"message_id": task.message_id, "finish_reason": draft.finish_reason}
        await run.finish(output, project=lambda session: self._complete(session, run.run_id, draft, usage))

    def _told(self, draft: Draft) -> dict[str, Any] | None:
        """What an answer's usage tells, with what it cost and why its model was asked; None if nothing was counted."""
        usage = draft.pace()
        if usage is None or draft.usage is None:
            return usage
        if any(reason.get("why") != "named" for reason in draft.reasons):
            usage["reasons"] = draft.reasons
        cost = self._gateway.cost_of(draft.model, draft.usage)
        return usage if cost is None else {**usage, "cost": cost, "currency": self._gateway.money.currency}

    def settle(self, session: Session, run_id: str, status: str, state: dict[str, Any], error: str | None) -> None:
        """Keep in the message what had arrived, and say why there is no more."""
        row = conversations.message_of_run(session, run_id)
        if row is None:
            self._erase(session, run_id)
            return
        row.status = _STATUS[status]
        row.error = _storable(error) if error is not None and status != "cancelled" else None
        facts = state.get("error", {})
        row.error_code, row.error_details = facts.get("code"), facts.get("details")
        if "text" in state or "reasoning" in state:
            row.text = _storable(state.get("text", ""))
            row.reasoning = _storable(state.get("reasoning", ""))
        row.notices = state.get("notices", [])
        row.usage = state.get("usage", {})

    def _complete(self, session: Session, run_id: str, draft: Draft, usage: dict[str, Any] | None) -> None:
        row = conversations.message_of_run(session, run_id)
        if row is None:
            self._erase(session, run_id)
            return
        row.text = _storable(draft.text)
        row.reasoning = _storable(draft.reasoning)
        row.model = draft.model
        row.status = "complete"
        row.finish_reason = draft.finish_reason
        row.usage = usage or {}
        row.notices = draft.notices
        row.error = row.error_code = row.error_details = None


def _read_task(session: Session, run_id: str, given: dict[str, Any]) -> _Task:
    row = conversations.message_of_run(session, run_id)
    conversation = session.get(ConversationRow, given["conversation_id"])
    if row is None or conversation is None or row.parent_id is None:
        raise NotFound("the conversation was deleted before its answer could be written")
    continues = bool(given["continues"]) and bool(row.text.strip())
    return _Task(
        message_id=row.id,
        model=row.model or "",
        branch=conversations.path_to(session, conversation.id, row.id if continues else row.parent_id),
        settings=conversations.settings_of(conversation),
        continues=continues,
        draft=Draft.after(row.text, row.reasoning) if continues else Draft(),
    )


def _request(task: _Task, entry: Entry | None = None) -> ChatRequest:
    """What to ask, and of whom: how an answer is continued depends on the model."""
    if not task.continues:
        return prompt.request(task.branch, task.settings)
    capabilities = entry.facts.capabilities if entry is not None else frozenset()
    prefill = entry is not None and (entry.local or "prefill" in capabilities) and "thinking" not in capabilities
    return prompt.continuation(task.branch, task.settings, prefill=prefill)


def _take(draft: Draft, deltas: Deltas, event: Event) -> RunEvent | None:
    """Note what came; returns what the journal is to be told of it besides deltas."""
    match event:
        case TextDelta(text=text):
            deltas.add("text", draft.add_text(text))
        case ReasoningDelta(text=text):
            deltas.add("reasoning", draft.add_reasoning(text))
        case Routed():
            draft.model, draft.reasons = event.model, event.reasons
            started = {"model": event.model, "provider": event.provider, "reasons": event.reasons}
            return RunEvent(type="chat.started", payload=started)
        case Notice():
            note = {"kind": event.kind, "message": event.message, "details": event.details}
            draft.notices.append(note)
            return RunEvent(type="chat.notice", payload=note)
        case Usage():
            draft.usage = event
        case Timings():
            draft.timings = event
        case Finished(reason=reason):
            draft.finish_reason = reason
    return None


def _storable(text: str) -> str:
    """What a model wrote, as a database can keep it: without NUL, half surrogate pairs replaced."""
    return text.replace("\0", "").encode("utf-8", "replace").decode()
