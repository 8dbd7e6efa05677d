"""HTTP routes of conversations and their messages. An answer is watched at `/api/v1/runs/{run_id}/events`."""

from typing import Annotated, Any

import orjson
from fastapi import APIRouter, Query, Request, Response
from sqlalchemy.orm import Session

from inglenook.accounts.permissions import needs
from inglenook.accounts.principal import Principal, Verb
from inglenook.chat.schemas import (
    ChatDefaults,
    ConversationChange,
    ConversationCreate,
    Question,
    Regenerate,
    RewrittenView,
    SentView,
)
from inglenook.chat.service import LATEST, Chat
from inglenook.conversations import service as conversations
from inglenook.conversations.schemas import (
    ConversationDetail,
    ConversationPage,
    ConversationSummary,
    conversation_json,
    message_json,
)
from inglenook.kit.errors import Conflict

router = APIRouter(prefix="/api/v1", tags=["chat"])

Reader = Annotated[Principal, needs(Verb.READ, "conversation")]
Writer = Annotated[Principal, needs(Verb.EDIT, "conversation")]
Creator = Annotated[Principal, needs(Verb.CREATE, "conversation")]


@router.get("/chat/defaults", response_model=ChatDefaults)
async def defaults(request: Request, principal: Reader) -> Response:
    """The model a new conversation would use."""
    try:
        model = await _chat(request).models.default(principal)
    except Conflict:
        model = None
    return _json({"model": model})


@router.get("/conversations", response_model=ConversationPage)
async def list_conversations(
    request: Request,
    principal: Reader,
    q: Annotated[str, Query(max_length=200)] = "",
    before: str | None = None,
    limit: Annotated[int, Query(ge=1, le=conversations.PAGE_LIMIT)] = 50,
) -> Response:
    """The caller's conversations, latest first; `q` searches titles, `before` is the `next` of the page before."""

    def read(session: Session) -> dict[str, Any]:
        rows, cursor = conversations.page(session, principal.user_id, q=q, before=before, limit=limit)
        return {"conversations": [conversation_json(row) for row in rows], "next": cursor}

    return _json(await request.app.state.store.read(read))


@router.post("/conversations", response_model=ConversationSummary, status_code=201)
async def create_conversation(request: Request, principal: Creator, body: ConversationCreate) -> Response:
    """Begin a conversation."""
    row = await _chat(request).create(principal, title=body.title, settings=body.settings)
    return _json(conversation_json(row), 201)


@router.get("/conversations/{conversation_id}", response_model=ConversationDetail)
async def read_conversation(request: Request, principal: Reader, conversation_id: str) -> Response:
    """A conversation with all messages of its tree, ordered by id."""

    def read(session: Session) -> bytes:
        row = conversations.get(session, principal.user_id, conversation_id)
        messages = [message_json(message) for message in conversations.messages(session, row.id)]
        # Dumped here, in a reading thread: a long conversation must not hold up the event loop.
        return orjson.dumps({**conversation_json(row), "messages": messages})

    return Response(await request.app.state.store.read(read), media_type="application/json")


@router.patch("/conversations/{conversation_id}", response_model=ConversationSummary)
async def change_conversation(
    request: Request, principal: Writer, conversation_id: str, body: ConversationChange
) -> Response:
    """Rename it, change its settings (merge patch: null takes away), or switch branch."""
    row = await _chat(request).change(
        principal, conversation_id, title=body.title, settings=body.settings, leaf_id=body.leaf_id
    )
    return _json(conversation_json(row))


@router.delete("/conversations/{conversation_id}", status_code=204)
async def delete_conversation(request: Request, principal: Writer, conversation_id: str) -> Response:
    """Delete a conversation for good; an answer being written is stopped."""
    await _chat(request).delete(principal, conversation_id)
    return Response(status_code=204)


@router.post("/conversations/{conversation_id}/messages", response_model=SentView, status_code=201)
async def send_message(request: Request, principal: Writer, conversation_id: str, body: Question) -> Response:
    """Ask, and have it answered."""
    parent_id = body.parent_id if "parent_id" in body.model_fields_set else LATEST
    sent = await _chat(request).send(principal, conversation_id, body.content, parent_id=parent_id, model=body.model)
    view = {"question": message_json(sent.question), "answer": message_json(sent.answer), "run_id": sent.run_id}
    return _json(view, 201)


@router.post(
    "/conversations/{conversation_id}/messages/{message_id}/regenerate", response_model=RewrittenView, status_code=201
)
async def regenerate_answer(
    request: Request, principal: Writer, conversation_id: str, message_id: str, body: Regenerate | None = None
) -> Response:
    """Have a question answered anew: a sibling of the answer; `message_id` is either of the two."""
    model = body.model if body is not None else None
    done = await _chat(request).regenerate(principal, conversation_id, message_id, model=model)
    return _json({"answer": message_json(done.answer), "run_id": done.run_id}, 201)


@router.post("/conversations/{conversation_id}/messages/{message_id}/continue", response_model=RewrittenView)
async def continue_answer(request: Request, principal: Writer, conversation_id: str, message_id: str) -> Response:
    """Go on with an answer that was stopped, interrupted or cut, in place. Its run sends the whole text again."""
    done = await _chat(request).continue_answer(principal, conversation_id, message_id)
    return _json({"answer": message_json(done.answer), "run_id": done.run_id})


@router.post("/conversations/{conversation_id}/messages/{message_id}/stop", status_code=204)
async def stop_answer(request: Request, principal: Writer, conversation_id: str, message_id: str) -> Response:
    """Stop an answer being written; what there is of it is kept."""
    await _chat(request).stop(principal, conversation_id, message_id)
    return Response(status_code=204)


def _chat(request: Request) -> Chat:
    chat: Chat = request.app.state.chat
    return chat


def _json(value: dict[str, Any], status: int = 200) -> Response:
    return Response(orjson.dumps(value), status, media_type="application/json")
