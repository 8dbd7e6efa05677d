"""The OpenAI face: `/v1/models`, `/v1/chat/completions`, `/v1/completions`, `/v1/embeddings`.

Beyond the protocol: `keep_alive`, `num_ctx` and `truncate` are understood for models run here; answers name their
model in `x-inglenook-model`; and a prompt that was cut is told of in `x-inglenook-notice` and under `inglenook`.
"""

from collections.abc import AsyncIterator, Callable
from functools import lru_cache, partial
from typing import Any
from urllib.parse import quote

import orjson

from inglenook.accounts.principal import Principal
from inglenook.gateway.call import Call
from inglenook.gateway.faces import openai_answers, openai_requests
from inglenook.gateway.faces.asking import credential, inside, json_body
from inglenook.gateway.faces.openai_answers import Answer, ChatStream, CompletionStream, Stream, Whole, render_error
from inglenook.gateway.gateway import Gateway
from inglenook.gateway.wire.routes import WireRequest, WireResponse, WireRoute
from inglenook.kit.errors import BadInput, InglenookError
from inglenook.models.calls import Event, Notice, Operation, Passthrough, Raw, RawHead, Request, Routed
from inglenook.models.catalogue import Catalogue, Entry

_JSON = "application/json"
_SSE = "text/event-stream; charset=utf-8"
_NONE: frozenset[str] = frozenset()


class OpenAIFace:
    """Decodes OpenAI's requests into calls and encodes their events."""

    def __init__(self, gateway: Gateway, catalogue: Catalogue) -> None:
        self._gateway = gateway
        self._catalogue = catalogue

    def routes(self) -> list[WireRoute]:
        """The face's routes."""

        def route(method: str, path: str, handler: Any, needs: str) -> WireRoute:
            return WireRoute(method, path, handler, needs=needs, render_error=render_error)

        return [
            route("POST", "/v1/chat/completions", self._chat, "use model"),
            route("POST", "/v1/completions", self._complete, "use model"),
            route("POST", "/v1/embeddings", self._embed, "use model"),
            route("GET", "/v1/models", self._models, "use model"),
            route("GET", "/v1/models/{id:path}", self._model, "use model"),
        ]

    def _principal(self, request: WireRequest) -> Principal:
        """Who asks; known before the body is looked at.

        Raises:
            Unauthenticated: nobody we know.
        """
        return inside(request) or self._gateway.principal(credential(request))

    # ---------------------------------------------------------------------------------------------- models

    async def _models(self, request: WireRequest, response: WireResponse) -> None:
        principal = self._principal(request)
        data = [_model_object(entry) for entry in self._gateway.visible(principal)]
        response.send(200, orjson.dumps({"object": "list", "data": data}))

    async def _model(self, request: WireRequest, response: WireResponse) -> None:
        principal = self._principal(request)
        response.send(200, orjson.dumps(_model_object(self._gateway.find(principal, request.params["id"]))))

    # ----------------------------------------------------------------------------------------------- calls

    async def _chat(self, request: WireRequest, response: WireResponse) -> None:
        principal = self._principal(request)
        body = json_body(request)
        needs = openai_requests.chat_needs(body)
        call = _call(principal, body, Operation.CHAT, "openai.chat", openai_requests.decode_chat, needs)
        logprobs = body.get("logprobs") is True
        await self._answer(call, body, response, "chatcmpl-", ChatStream, Whole.chat, logprobs)

    async def _complete(self, request: WireRequest, response: WireResponse) -> None:
        principal = self._principal(request)
        body = json_body(request)
        needs = frozenset({"insert"}) if body.get("suffix") else _NONE
        call = _call(
            principal, body, Operation.COMPLETION, "openai.completions", openai_requests.decode_completion, needs
        )
        logprobs = body.get("logprobs") is not None
        await self._answer(call, body, response, "cmpl-", CompletionStream, Whole.completion, logprobs)

    async def _embed(self, request: WireRequest, response: WireResponse) -> None:
        principal = self._principal(request)
        body = json_body(request)
        call = _call(principal, body, Operation.EMBEDDING, "openai.embeddings", openai_requests.decode_embedding, _NONE)
        call.stream = False
        encoding = body.get("encoding_format") or "float"
        await self._answer(call, body, response, "", Stream, lambda whole: whole.embeddings(encoding), False)

    async def _answer(
        self,
        call: Call,
        body: dict[str, Any],
        response: WireResponse,
        prefix: str,
        stream: type[Stream],
        render: Callable[[Whole], bytes],
        logprobs: bool,
    ) -> None:
        def answer(routed: Routed, notices: list[Notice]) -> Answer:
            return Answer(
                id=prefix + call.id[5:],
                model=routed.model,
                include_usage=_include_usage(body),
                logprobs=logprobs,
                notices=notices,
            )

        if not call.stream:
            routed, notices, rest = _parted(await self._gateway.whole(call))
            headers = _headers(call, routed, notices)
            first = rest[0]
            if type(first) is RawHead:
                response.send(first.status, _relayed(rest, notices), first.content_type, headers)
                return
            whole = Whole(answer(routed, notices))
            for event in rest:
                whole.add(event)
            response.send(200, render(whole), _JSON, headers)
            return
        events = self._gateway.call(call)
        try:
            routed, notices, first = await _prelude(events)
            headers = _headers(call, routed, notices)
            if type(first) is RawHead:
                await _relay_stream(events, first, notices, headers, response)
            else:
                await _write_stream(events, first, stream(answer(routed, notices)), headers, response)
        except BaseException:
            await events.aclose()  # settles the call
            raise


def _call(
    principal: Principal,
    body: dict[str, Any],
    operation: Operation,
    wire: str,
    decode: Callable[[dict[str, Any]], Request],
    needs: frozenset[str],
) -> Call:
    model = body.get("model")
    if type(model) is not str or not model:
        raise BadInput("model: the name of a model is required; GET /v1/models lists them", field="model")
    stream = body.get("stream")
    if stream is not None and type(stream) is not bool:
        raise BadInput("stream must be true or false", field="stream")
    return Call(
        operation=operation,
        model=model,
        decode=partial(decode, body),
        stream=bool(stream),
        passthrough=Passthrough(wire, body, bool(stream)),
        principal=principal,
        source="openai",
        needs=needs,
    )


def _include_usage(body: dict[str, Any]) -> bool:
    options = body.get("stream_options")
    if options is None:
        return False
    if type(options) is not dict or not body.get("stream"):
        raise BadInput("stream_options must be an object, and only with stream: true", field="stream_options")
    return bool(options.get("include_usage"))


async def _prelude(events: AsyncIterator[Event]) -> tuple[Routed, list[Notice], Event]:
    """What precedes the answer, and the answer's first event. The gateway never ends a call without one."""
    routed = await anext(events)
    assert isinstance(routed, Routed)
    notices: list[Notice] = []
    while type(event := await anext(events)) is Notice:
        notices.append(event)
    return routed, notices, event


def _parted(events: list[Event]) -> tuple[Routed, list[Notice], list[Event]]:
    """The same of a whole answer: what precedes it, and the answer's events, of which there is at least one."""
    routed = events[0]
    assert isinstance(routed, Routed)
    at = 1
    while type(events[at]) is Notice:
        at += 1
    return routed, [event for event in events[1:at] if type(event) is Notice], events[at:]


def _headers(call: Call, routed: Routed, notices: list[Notice]) -> list[tuple[bytes, bytes]]:
    headers = [(b"x-request-id", call.id.encode()), (b"x-inglenook-model", _header(routed.model))]
    if notices:
        headers.append((b"x-inglenook-notice", b", ".join({notice.kind.encode(): None for notice in notices})))
    return headers


@lru_cache(maxsize=1024)
def _header(name: str) -> bytes:
    """A model's name as a header can hold it."""
    return quote(name, safe="/:@ ").encode()


async def _write_stream(
    events: AsyncIterator[Event],
    first: Event,
    stream: Stream,
    headers: list[tuple[bytes, bytes]],
    response: WireResponse,
) -> None:
    response.start(200, _SSE, headers)
    try:
        if data := stream.event(first):
            await response.write(data)
        async for event in events:
            if data := stream.event(event):
                await response.write(data)
    except Exception as error:
        await _break(error, response)
        raise
    await response.write(stream.end())
    response.end()


async def _relay_stream(
    events: AsyncIterator[Event],
    head: RawHead,
    notices: list[Notice],
    headers: list[tuple[bytes, bytes]],
    response: WireResponse,
) -> None:
    response.start(head.status, head.content_type, headers)
    waiting = b"" if notices else None
    try:
        async for event in events:
            if type(event) is not Raw:
                continue
            data = event.data
            if waiting is not None:
                waiting, data = _told(waiting + data, notices)
            if data:
                await response.write(data)
    except Exception as error:
        await _break(error, response)
        raise
    response.end()


def _relayed(events: list[Event], notices: list[Notice]) -> bytes:
    """The body of a relayed answer."""
    parts = [event.data for event in events if type(event) is Raw]
    data = parts[0] if len(parts) == 1 else b"".join(parts)
    if notices:
        data = orjson.dumps(orjson.loads(data) | {"inglenook": openai_answers.notices_object(notices)})
    return data


def _told(data: bytes, notices: list[Notice]) -> tuple[bytes | None, bytes]:
    """Put the notices into the first event of a relayed stream; gives what still waits for it, and what may go."""
    before, found, after = data.partition(b"data: {")
    if not found:
        return data, b""
    told = orjson.dumps(openai_answers.notices_object(notices))
    return None, b'%bdata: {"inglenook":%b,%b' % (before, told, after)


async def _break(error: Exception, response: WireResponse) -> None:
    """Say what went wrong. The caller then raises, which breaks the connection, so that nobody takes the part for
    the whole."""
    shown = error if isinstance(error, InglenookError) else InglenookError()
    await response.write(b"\n\ndata: %b\n\n" % render_error(shown))


def _model_object(entry: Entry) -> dict[str, Any]:
    return {
        "id": entry.name,
        "object": "model",
        "created": (entry.modified_at or 0) // 1000,
        "owned_by": "library" if entry.local else entry.provider_id,
    }
