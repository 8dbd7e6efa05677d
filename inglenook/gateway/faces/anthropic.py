"""The Anthropic face: `/v1/messages` and `/v1/messages/count_tokens`.

Keys are taken from `x-api-key` or `Authorization`; any `anthropic-version` will do. Beyond the protocol: `keep_alive`,
`num_ctx` and `truncate` are understood for models run here, and what there is to tell of an answer stands under
`inglenook` and in `x-inglenook-notice`.
"""

from collections.abc import Awaitable, Callable
from functools import partial
from typing import Any

import orjson

from inglenook.accounts.principal import Principal
from inglenook.gateway.call import Call
from inglenook.gateway.faces import anthropic_requests
from inglenook.gateway.faces.answering import give, never
from inglenook.gateway.faces.anthropic_answers import Answer, Stream, broken, error_body, render_error
from inglenook.gateway.faces.asking import asker, flag, json_body, model_named, wish
from inglenook.gateway.gateway import Gateway
from inglenook.gateway.wire.routes import WireRequest, WireResponse, WireRoute
from inglenook.kit.errors import InglenookError
from inglenook.kit.ids import new_id
from inglenook.models.calls import Event, Notice, Operation, Passthrough, Routed, Usage

#: Header fields of the protocol that go with a body which passes through.
_HEADERS = (b"anthropic-version", b"anthropic-beta")

Handler = Callable[[WireRequest, WireResponse, str], Awaitable[None]]


class AnthropicFace:
    """Decodes Anthropic's requests into calls and encodes their events."""

    def __init__(self, gateway: Gateway) -> None:
        self._gateway = gateway

    def routes(self) -> list[WireRoute]:
        """The face's routes."""

        def route(path: str, handler: Handler) -> WireRoute:
            return WireRoute("POST", path, _numbered(handler), needs="use model", render_error=render_error)

        return [route("/v1/messages", self._messages), route("/v1/messages/count_tokens", self._count)]

    async def _messages(self, request: WireRequest, response: WireResponse, number: str) -> None:
        principal = asker(self._gateway, request)
        body = await json_body(request)
        anthropic_requests.check_max_tokens(body)
        call = _call(request, principal, body, number, Operation.CHAT, "anthropic.messages")
        thinking = anthropic_requests.shows_thinking(body)

        def answer(routed: Routed, notices: list[Notice]) -> Answer:
            return Answer(f"msg_{number}", routed.model, notices, thinking=thinking)

        def whole(routed: Routed, notices: list[Notice], events: list[Event]) -> bytes:
            gathered = answer(routed, notices)
            for event in events:
                gathered.event(event)
            return orjson.dumps(gathered.message())

        request_id = f"req_{number}"
        await give(
            self._gateway,
            call,
            response,
            whole=whole,
            stream=lambda routed, notices: Stream(answer(routed, notices), request_id),
            broken=lambda error: broken(error, request_id),
            more=[(b"request-id", request_id.encode())],
        )

    async def _count(self, request: WireRequest, response: WireResponse, number: str) -> None:
        principal = asker(self._gateway, request)
        body = await json_body(request)
        call = _call(request, principal, body, number, Operation.COUNT, "anthropic.count")
        call.stream = False
        await give(
            self._gateway,
            call,
            response,
            whole=lambda _, __, events: orjson.dumps({"input_tokens": _counted(events)}),
            stream=never,
            broken=render_error,
            more=[(b"request-id", f"req_{number}".encode())],
        )


def _call(
    request: WireRequest,
    principal: Principal,
    body: dict[str, Any],
    number: str,
    operation: Operation,
    wire: str,
) -> Call:
    stream = flag(body, "stream")
    headers = {name.decode(): request.headers[name].decode("latin-1") for name in _HEADERS if name in request.headers}
    call = Call(
        id=f"call_{number}",
        operation=operation,
        model=model_named(body),
        decode=partial(anthropic_requests.decode_messages, body),
        stream=stream,
        passthrough=Passthrough(wire, body, stream, headers=headers),
        principal=principal,
        source="anthropic",
        needs=anthropic_requests.needs(body),
        conversation=anthropic_requests.user_of(body),
    )
    wish(request, call)
    return call


def _counted(events: list[Event]) -> int:
    return sum(event.input for event in events if type(event) is Usage)


def _numbered(handler: Handler) -> Callable[[WireRequest, WireResponse], Awaitable[None]]:
    """The handler, given the number that its request goes by, also in what it refuses."""

    async def handle(request: WireRequest, response: WireResponse) -> None:
        number = new_id("req")[4:]
        try:
            await handler(request, response, number)
        except InglenookError as error:
            if response.started:
                raise
            request_id = f"req_{number}"
            more = [(b"request-id", request_id.encode()), (b"x-request-id", f"call_{number}".encode())]
            response.fail(error, error_body(error, request_id), more)

    return handle
