"""Chat: questions, answers, and the runs that write them."""

import asyncio
from contextlib import suppress
from functools import partial
from typing import NamedTuple

from sqlalchemy.orm import Session

from inglenook.accounts.principal import Principal
from inglenook.chat.answer import KIND, ChatAnswer
from inglenook.chat.models import ChatModels
from inglenook.conversations import service as conversations
from inglenook.conversations.schemas import ConversationSettings
from inglenook.conversations.tables import ConversationRow, MessageRow
from inglenook.gateway.gateway import Gateway
from inglenook.kit.errors import BadInput, Conflict, Unavailable
from inglenook.kit.ids import new_id
from inglenook.runs.errors import RunEnded
from inglenook.runs.service import Runs
from inglenook.store.database import Store, after_commit


class LatestMessage:
    """Stands for "below the message the conversation's owner looks at"."""


LATEST = LatestMessage()


class Sent(NamedTuple):
    """A question, the answer that is being written, and the run that writes it."""

    question: MessageRow
    answer: MessageRow
    run_id: str


class Rewritten(NamedTuple):
    """An answer that is being written again or continued, and the run that does it."""

    answer: MessageRow
    run_id: str


class Chat:
    """What a person does in the chat. Everything here concerns the principal's own conversations; others' are
    `NotFound`.

    Questions, answers and their runs come to be in one transaction, after every check has passed.
    """

    def __init__(self, store: Store, runs: Runs, gateway: Gateway) -> None:
        self._store = store
        self._runs = runs
        self._cancelling: set[asyncio.Task[None]] = set()
        self.models = ChatModels(store, gateway)
        runs.register(ChatAnswer(store, gateway, erase=runs.erase))

    # ------------------------------------------------------------------------------------------ conversations

    async def create(
        self, principal: Principal, *, title: str | None = None, settings: ConversationSettings | None = None
    ) -> ConversationRow:
        """Begin a conversation.

        Raises:
            BadInput: the title will not do, or the model cannot chat.
            NotFound: there is no such model.
        """
        self._check_model(principal, settings)
        return await self._store.write(
            lambda session: conversations.create(session, principal.user_id, title=title, settings=settings)
        )

    async def change(
        self,
        principal: Principal,
        conversation_id: str,
        *,
        title: str | None = None,
        settings: ConversationSettings | None = None,
        leaf_id: str | None = None,
    ) -> ConversationRow:
        """Rename, change settings (merge patch), switch to the branch of message `leaf_id`; None leaves as it is.

        Raises:
            BadInput: the title will not do, or the model cannot chat.
            NotFound: there is no such conversation, message or model.
        """
        self._check_model(principal, settings)

        def write(session: Session) -> ConversationRow:
            row = conversations.get(session, principal.user_id, conversation_id)
            if title is not None:
                conversations.rename(row, title)
            if settings is not None:
                conversations.change_settings(row, settings)
            if leaf_id is not None:
                conversations.look_at(session, row, leaf_id)
            return row

        return await self._store.write(write)

    async def delete(self, principal: Principal, conversation_id: str) -> None:
        """Delete a conversation with its messages, stop the answers being written, and empty its runs' journals.

        Raises:
            NotFound: there is no such conversation.
        """

        def write(session: Session) -> None:
            conversations.get(session, principal.user_id, conversation_id)
            self._let_go(session, conversation_id=conversation_id)
            conversations.remove(session, conversation_id)

        await self._store.write(write)

    def forget_user(self, session: Session, user_id: str) -> None:
        """Delete all conversations of a user, in the transaction that deletes the user."""
        self._let_go(session, owner_id=user_id)
        conversations.remove_all_of(session, user_id)

    # ---------------------------------------------------------------------------------------------- messages

    async def send(
        self,
        principal: Principal,
        conversation_id: str,
        content: str,
        *,
        parent_id: str | LatestMessage | None = LATEST,
        model: str | None = None,
    ) -> Sent:
        """Ask, and have it answered.

        Args:
            parent_id: The answer the question follows; None asks a first question (a new root). To edit a question,
                send the new text below the parent of the old one: it becomes its sibling.
            model: Answers this and the following questions of the conversation; by default the one it is set to,
                else the one its owner used last, else the first chat model that runs here.

        Raises:
            BadInput, TooLarge: the content will not do, or the question would not follow an answer.
            Conflict: the answer the question follows is still being written; or there is no model at all.
            NotFound: there is no such conversation, parent or model.
        """
        chosen = await self._choose(principal, conversation_id, model)

        def write(session: Session) -> Sent:
            row = conversations.get(session, principal.user_id, conversation_id)
            parent = row.leaf_id if isinstance(parent_id, LatestMessage) else parent_id
            if parent is not None:
                _check_follows(conversations.message(session, row.id, parent))
            row.settings = {**row.settings, "model": chosen}
            question = conversations.add_question(session, row, parent, content)
            answer, run_id = self._answer(session, principal, row, question.id, chosen)
            return Sent(question, answer, run_id)

        return await self._store.write(write)

    async def regenerate(
        self, principal: Principal, conversation_id: str, message_id: str, *, model: str | None = None
    ) -> Rewritten:
        """Have a question answered anew: a sibling of the answer.

        Args:
            message_id: The question, or any of its answers.
            model: Answers this time only; by default the conversation's.

        Raises:
            NotFound: there is no such conversation, message or model.
            Conflict: there is no model at all.
        """
        chosen = await self._choose(principal, conversation_id, model)

        def write(session: Session) -> Rewritten:
            row = conversations.get(session, principal.user_id, conversation_id)
            message = conversations.message(session, row.id, message_id)
            question_id = message.id if message.role == "user" else message.parent_id
            return Rewritten(*self._answer(session, principal, row, question_id or "", chosen))

        return await self._store.write(write)

    async def continue_answer(self, principal: Principal, conversation_id: str, message_id: str) -> Rewritten:
        """Go on with an answer that was stopped, interrupted, broken off or cut at a length limit, in its own row.

        What holds of the join is said at `chat.answer.ChatAnswer`.

        Raises:
            NotFound: there is no such conversation or message, or the model that wrote it is gone.
            Conflict: the answer is whole, still being written, or already followed by a question.
        """

        def find(session: Session) -> tuple[ConversationRow, MessageRow]:
            row = conversations.get(session, principal.user_id, conversation_id)
            answer = conversations.message(session, row.id, message_id)
            _check_can_continue(answer, conversations.messages(session, row.id))
            return row, answer

        conversation, found = await self._store.read(find)
        chosen = conversations.settings_of(conversation).model
        model = self.models.again(principal, found.model or "", chosen)

        def write(session: Session) -> Rewritten:
            row, answer = find(session)  # again: much may have happened since
            if answer.run_id is not None:
                self._runs.erase(session, answer.run_id)  # the row has its text, and forgets that run now
            answer.run_id, answer.model = new_id("run"), model
            answer.status, answer.finish_reason = "streaming", None
            answer.error = answer.error_code = answer.error_details = None
            conversations.look_at(session, row, answer.id)
            conversations.touch(row)
            return Rewritten(answer, self._start(session, principal, row, answer, continues=True))

        return await self._store.write(write)

    async def stop(self, principal: Principal, conversation_id: str, message_id: str) -> None:
        """Stop an answer; one that is no longer being written is left as it is.

        Raises:
            NotFound: there is no such conversation or message.
        """

        def find(session: Session) -> MessageRow:
            row = conversations.get(session, principal.user_id, conversation_id)
            return conversations.message(session, row.id, message_id)

        found = await self._store.read(find)
        if found.status == "streaming" and found.run_id is not None:
            await self._cancel(found.run_id)

    # ------------------------------------------------------------------------------------------------ within

    def _answer(
        self, session: Session, principal: Principal, row: ConversationRow, question_id: str, model: str
    ) -> tuple[MessageRow, str]:
        answer = conversations.add_answer(session, row, question_id, model=model, run_id=new_id("run"))
        return answer, self._start(session, principal, row, answer, continues=False)

    def _start(
        self, session: Session, principal: Principal, row: ConversationRow, answer: MessageRow, *, continues: bool
    ) -> str:
        given = {"conversation_id": row.id, "message_id": answer.id, "continues": continues}
        return self._runs.create(
            session, kind=KIND, actor=principal, input=given, run_id=answer.run_id, title=row.title
        )

    def _check_model(self, principal: Principal, settings: ConversationSettings | None) -> None:
        if settings is not None and settings.model is not None:
            self.models.check(principal, settings.model)

    async def _choose(self, principal: Principal, conversation_id: str, model: str | None) -> str:
        row = await self._store.read(lambda s: conversations.get(s, principal.user_id, conversation_id))
        wanted = model or conversations.settings_of(row).model
        return self.models.check(principal, wanted) if wanted else await self.models.default(principal)

    def _let_go(self, session: Session, *, conversation_id: str | None = None, owner_id: str | None = None) -> None:
        """Empty the journals of the runs behind what is being deleted; those that still write stop, then do so."""
        # A few statements for all of them: the one thread that writes must not be held up by who leaves.
        self._runs.erase(session, *conversations.runs(session, conversation_id=conversation_id, owner_id=owner_id))
        for run_id in conversations.runs(session, conversation_id=conversation_id, owner_id=owner_id, unfinished=True):
            after_commit(session, partial(self._cancel_soon, run_id))

    def _cancel_soon(self, run_id: str) -> None:
        task = asyncio.get_running_loop().create_task(self._cancel(run_id), name=f"cancel {run_id}")
        self._cancelling.add(task)
        task.add_done_callback(self._cancelling.discard)

    async def _cancel(self, run_id: str) -> None:
        with suppress(RunEnded, Unavailable):  # it came to its end meanwhile, or the server does
            await self._runs.cancel(run_id)


def _check_follows(parent: MessageRow) -> None:
    if parent.role != "assistant":
        raise BadInput(
            f"a question follows an answer, and message {parent.id} is a question; to edit that one, send with its "
            "own parent_id",
            field="parent_id",
        )
    if parent.status == "streaming":
        raise Conflict(
            "the answer is still being written; wait for its end, or stop it, then ask on", field="parent_id"
        )


def _check_can_continue(answer: MessageRow, messages: list[MessageRow]) -> None:
    if answer.role != "assistant":
        raise BadInput(f"message {answer.id} is a question; only an answer can be continued")
    if answer.status == "streaming":
        raise Conflict("the answer is still being written")
    if answer.status == "complete" and answer.finish_reason != "length":
        raise Conflict("the answer is whole; regenerate it to get another one")
    if any(message.parent_id == answer.id for message in messages):
        raise Conflict("the conversation has gone on below this answer; regenerate it to get another one")
