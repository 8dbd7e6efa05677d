"""The face of OpenAI's Responses: `/v1/responses`, and what is kept of them.

A conversation may stay here (`store`, `previous_response_id`) whoever answers: providers are sent the whole of it and
keep nothing. Tools that OpenAI's own servers run are theirs alone: with other models they are refused by name.
"""

from functools import partial
from typing import Any

import orjson

from inglenook.accounts.principal import Principal
from inglenook.gateway.call import Call
from inglenook.gateway.errors import PreviousResponseNotFound
from inglenook.gateway.faces import responses_requests, responses_tools
from inglenook.gateway.faces.answering import JSON, give, headers_of, parted
from inglenook.gateway.faces.asking import asker, flag, json_body, model_named, wish, without_nulls
from inglenook.gateway.faces.openai_answers import render_error
from inglenook.gateway.faces.responses_answers import Answer, Stream, Wanted
from inglenook.gateway.faces.responses_items import is_sealed_here
from inglenook.gateway.faces.responses_relay import Relay
from inglenook.gateway.faces.responses_requests import Items
from inglenook.gateway.gateway import Gateway
from inglenook.gateway.kept.service import Kept, Responses, check_size
from inglenook.gateway.wire.routes import Handler, WireRequest, WireResponse, WireRoute
from inglenook.kit.errors import BadInput, NotFound
from inglenook.kit.ids import new_id
from inglenook.kit.time import now_ms
from inglenook.models.calls import Event, Notice, Operation, Passthrough, Routed, Usage

_LONGEST_PAGE = 100


class ResponsesFace:
    """Decodes requests of OpenAI's Responses into calls, encodes their events, and keeps what is to be kept."""

    def __init__(self, gateway: Gateway, kept: Responses) -> None:
        self._gateway = gateway
        self._kept = kept

    def routes(self) -> list[WireRoute]:
        """The face's routes."""

        def route(method: str, path: str, handler: Handler) -> WireRoute:
            return WireRoute(method, path, handler, needs="use model", render_error=render_error)

        return [
            route("POST", "/v1/responses", self._create),
            route("POST", "/v1/responses/input_tokens", self._count),
            route("GET", "/v1/responses/{id}", self._get),
            route("DELETE", "/v1/responses/{id}", self._delete),
            route("GET", "/v1/responses/{id}/input_items", self._input_items),
            route("POST", "/v1/responses/{id}/cancel", self._cancel),
        ]

    # ------------------------------------------------------------------------------------------------ making

    async def _create(self, request: WireRequest, response: WireResponse) -> None:
        principal = asker(self._gateway, request)
        body = await json_body(request)
        responses_requests.check(body)
        given = responses_requests.items_of(body.get("input", []))
        keeps = body.get("store") is not False and self._kept.keeps
        if keeps:
            check_size(given)
        items = [*await self._history(principal, body), *given]
        if not items and body.get("prompt") is None:
            raise BadInput("input: text or at least one item is required", field="input")
        turn = Turn(self._kept, principal, body, given, items, keeps=keeps)
        wish(request, turn.call)
        await give(
            self._gateway,
            turn.call,
            response,
            whole=turn.whole,
            stream=turn.stream,
            broken=turn.relay.broken,
            told=responses_tools.left_out(body.get("tools")),
            editor=turn.relay,
            settle=turn.keep if keeps else None,
        )

    async def _history(self, principal: Principal, body: dict[str, Any]) -> Items:
        """The items of the conversation so far."""
        previous = body.get("previous_response_id")
        if previous is None:
            return []
        try:
            chain = await self._kept.chain(principal.user_id, str(previous))
        except NotFound:
            raise PreviousResponseNotFound(
                f"Previous response with id '{previous}' not found.", field="previous_response_id"
            ) from None
        return [item for kept in chain for item in (*kept.input, *kept.response["output"])]

    async def _count(self, request: WireRequest, response: WireResponse) -> None:
        principal = asker(self._gateway, request)
        body = await json_body(request)
        responses_requests.check(body)
        given = responses_requests.items_of(body.get("input", []))
        items = [*await self._history(principal, body), *given]
        call = _call(principal, body, items, Operation.COUNT, f"resp_{new_id('resp')[5:]}")
        wish(request, call)
        routed, notices, events = parted(await self._gateway.whole(call))
        count = sum(event.input for event in events if type(event) is Usage)
        found = {"object": "response.input_tokens", "input_tokens": count}
        response.send(200, orjson.dumps(found), JSON, headers_of(call, routed, notices))

    # ------------------------------------------------------------------------------------------- what is kept

    async def _get(self, request: WireRequest, response: WireResponse) -> None:
        principal = asker(self._gateway, request)
        if request.query.get("stream") == "true":
            raise BadInput("stream: only responses in the background can be streamed again", field="stream")
        kept = await self._kept.get(principal.user_id, request.params["id"])
        response.send(200, orjson.dumps(kept.response), JSON)

    async def _delete(self, request: WireRequest, response: WireResponse) -> None:
        principal = asker(self._gateway, request)
        await self._kept.delete(principal.user_id, request.params["id"])
        gone = {"id": request.params["id"], "object": "response", "deleted": True}
        response.send(200, orjson.dumps(gone), JSON)

    async def _input_items(self, request: WireRequest, response: WireResponse) -> None:
        principal = asker(self._gateway, request)
        *before, last = await self._kept.chain(principal.user_id, request.params["id"])
        items = [item for kept in before for item in (*kept.input, *kept.response["output"])] + last.input
        response.send(200, orjson.dumps(_page(items, request.query)), JSON)

    async def _cancel(self, request: WireRequest, response: WireResponse) -> None:
        principal = asker(self._gateway, request)
        await self._kept.get(principal.user_id, request.params["id"])
        raise BadInput("only responses in the background can be cancelled; this one is done", field="id")


class Turn:
    """One response in the making.

    Args:
        given: The items that are new.
        items: The whole conversation.
        keeps: Whether it is kept.
    """

    def __init__(
        self, kept: Responses, principal: Principal, body: dict[str, Any], given: Items, items: Items, *, keeps: bool
    ) -> None:
        self._kept = kept
        self._principal = principal
        self._body = body
        self._given = given
        self._id = f"resp_{new_id('resp')[5:]}"
        self._previous: str | None = body.get("previous_response_id")
        self._keeps = keeps
        self._items = items
        self._answer: Answer | None = None
        self.call = _call(principal, body, items, Operation.CHAT, self._id)
        self.relay = Relay({"id": self._id, "previous_response_id": self._previous, "store": keeps})

    def whole(self, routed: Routed, notices: list[Notice], events: list[Event]) -> bytes:
        """See `answering.give`."""
        answer = self._begin(routed, notices)
        for event in events:
            answer.event(event)
        return orjson.dumps(answer.finish(), default=str)

    def stream(self, routed: Routed, notices: list[Notice]) -> Stream:
        """See `answering.give`."""
        return Stream(self._begin(routed, notices))

    async def keep(self) -> None:
        """Keep it, if it is worth that."""
        response = self._answer.finish() if self._answer is not None else self.relay.response
        if response.get("status") in ("completed", "incomplete"):
            kept = Kept(id=self._id, previous_id=self._previous, input=self._given, response=response)
            await self._kept.put(self._principal.user_id, kept)

    def _begin(self, routed: Routed, notices: list[Notice]) -> Answer:
        body = self._body
        reasoning = body.get("reasoning") or {}
        include = body.get("include") or []
        wanted = Wanted(
            names=responses_tools.names_of(responses_requests.tools_in(body, self._items)),
            summary=bool(reasoning.get("summary") or reasoning.get("generate_summary")),
            seals=self._keeps or responses_requests.SEALED in include,
            logprobs=responses_requests.LOGPROBS in include or bool(body.get("top_logprobs")),
        )
        self._answer = Answer(self._head(routed.model), wanted, notices)
        return self._answer

    def _head(self, model: str) -> dict[str, Any]:
        """The response before anything is in it: what was asked, completed by what that means."""
        body = without_nulls(self._body)
        text = body.get("text") or {}
        reasoning = body.get("reasoning") or {}
        return {
            "id": self._id,
            "object": "response",
            "created_at": now_ms() // 1000,
            "status": "in_progress",
            "background": False,
            "completed_at": None,
            "error": None,
            "incomplete_details": None,
            "instructions": body.get("instructions"),
            "max_output_tokens": body.get("max_output_tokens"),
            "max_tool_calls": body.get("max_tool_calls"),
            "metadata": body.get("metadata") or {},
            "model": model,
            "output": [],
            "parallel_tool_calls": body.get("parallel_tool_calls", True),
            "previous_response_id": self._previous,
            "prompt_cache_key": body.get("prompt_cache_key"),
            "reasoning": {"effort": reasoning.get("effort"), "summary": reasoning.get("summary")},
            "safety_identifier": body.get("safety_identifier"),
            "service_tier": "default",
            "store": self._keeps,
            "temperature": body.get("temperature", 1.0),
            "text": {"format": text.get("format") or {"type": "text"}, "verbosity": text.get("verbosity", "medium")},
            "tool_choice": body.get("tool_choice", "auto"),
            "tools": body.get("tools") or [],
            "top_logprobs": body.get("top_logprobs", 0),
            "top_p": body.get("top_p", 1.0),
            "truncation": body.get("truncation", "disabled"),
            "usage": None,
            "user": body.get("user"),
        }


def _call(principal: Principal, body: dict[str, Any], items: Items, operation: Operation, response_id: str) -> Call:
    stream = operation is Operation.CHAT and flag(body, "stream")
    shared = body.get("prompt_cache_key") or body.get("previous_response_id")
    asked = {name: value for name, value in body.items() if name != "previous_response_id"}
    passthrough = None
    if operation is Operation.CHAT:
        passthrough = Passthrough("openai.responses", _relayed(asked, items), stream)
    return Call(
        id=f"call_{response_id[5:]}",
        operation=operation,
        model=model_named(body),
        decode=partial(responses_requests.decode_response, {**asked, "input": items}),
        stream=stream,
        passthrough=passthrough,
        principal=principal,
        source="responses",
        needs=responses_requests.needs(body, items),
        conversation=shared if isinstance(shared, str) else None,
    )


def _relayed(asked: dict[str, Any], items: Items) -> dict[str, Any]:
    """The body for a provider that speaks the protocol: the whole conversation, of which it keeps nothing."""
    body = {**asked, "input": [_foreign(item) for item in items if not is_sealed_here(item)], "store": False}
    include = body.get("include") or []
    if body.get("reasoning") and responses_requests.SEALED not in include:
        # What it thought can only come back to it sealed, since it does not keep it.
        body["include"] = [*include, responses_requests.SEALED]
    return body


def _foreign(item: dict[str, Any]) -> dict[str, Any]:
    """An item as a provider takes it that does not know our ids."""
    return {name: value for name, value in item.items() if name not in ("id", "status") or item["type"] not in _OURS}


#: Items whose ids we may have made up.
_OURS = frozenset(
    {
        "message",
        "reasoning",
        "function_call",
        "function_call_output",
        "custom_tool_call",
        "custom_tool_call_output",
    }
)


def _page(items: Items, query: dict[str, str]) -> dict[str, Any]:
    """A page of a list, as `limit`, `order` and `after` ask; newest first unless told otherwise."""
    limit = query.get("limit", "20")
    if not limit.isdecimal() or not 1 <= int(limit) <= _LONGEST_PAGE:
        raise BadInput(f"limit must be between 1 and {_LONGEST_PAGE}, got {limit!r}", field="limit")
    if query.get("order", "desc") != "asc":
        items = items[::-1]
    start = 0
    if after := query.get("after"):
        start = next((place + 1 for place, item in enumerate(items) if item.get("id") == after), 0)
    shown = [{"status": "completed", **item} for item in items[start : start + int(limit)]]
    return {
        "object": "list",
        "data": shown,
        "first_id": shown[0]["id"] if shown else None,
        "last_id": shown[-1]["id"] if shown else None,
        "has_more": start + int(limit) < len(items),
    }
