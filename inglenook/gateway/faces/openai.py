"""The OpenAI face: `/v1/chat/completions`, `/v1/completions`, `/v1/embeddings`.

Beyond the protocol: `keep_alive`, `num_ctx` and `truncate` are understood for models run here; answers name their
model in `x-inglenook-model`; and a prompt that was cut is told of in `x-inglenook-notice` and under `inglenook`.
"""

from collections.abc import Callable
from functools import partial
from typing import Any

from inglenook.accounts.principal import Principal
from inglenook.gateway.call import Call
from inglenook.gateway.faces import openai_requests
from inglenook.gateway.faces.answering import give
from inglenook.gateway.faces.asking import asker, flag, json_body, model_named, wish
from inglenook.gateway.faces.openai_answers import (
    Answer,
    ChatStream,
    CompletionStream,
    Stream,
    Whole,
    broken,
    render_error,
)
from inglenook.gateway.gateway import Gateway
from inglenook.gateway.wire.routes import Handler, WireRequest, WireResponse, WireRoute
from inglenook.kit.errors import BadInput
from inglenook.models.calls import Event, Notice, Operation, Passthrough, Request, Routed

_NONE: frozenset[str] = frozenset()


class OpenAIFace:
    """Decodes OpenAI's requests into calls and encodes their events."""

    def __init__(self, gateway: Gateway) -> None:
        self._gateway = gateway

    def routes(self) -> list[WireRoute]:
        """The face's routes."""

        def route(path: str, handler: Handler) -> WireRoute:
            return WireRoute("POST", path, handler, needs="use model", render_error=render_error)

        return [
            route("/v1/chat/completions", self._chat),
            route("/v1/completions", self._complete),
            route("/v1/embeddings", self._embed),
        ]

    async def _chat(self, request: WireRequest, response: WireResponse) -> None:
        principal = asker(self._gateway, request)
        body = await json_body(request)
        needs = openai_requests.chat_needs(body)
        call = _call(principal, body, Operation.CHAT, "openai.chat", openai_requests.decode_chat, needs)
        logprobs = body.get("logprobs") is True
        await self._answer(request, call, body, response, "chatcmpl-", ChatStream, Whole.chat, logprobs)

    async def _complete(self, request: WireRequest, response: WireResponse) -> None:
        principal = asker(self._gateway, request)
        body = await json_body(request)
        needs = frozenset({"insert"}) if body.get("suffix") else _NONE
        call = _call(
            principal, body, Operation.COMPLETION, "openai.completions", openai_requests.decode_completion, needs
        )
        logprobs = body.get("logprobs") is not None
        await self._answer(request, call, body, response, "cmpl-", CompletionStream, Whole.completion, logprobs)

    async def _embed(self, request: WireRequest, response: WireResponse) -> None:
        principal = asker(self._gateway, request)
        body = await json_body(request)
        call = _call(principal, body, Operation.EMBEDDING, "openai.embeddings", openai_requests.decode_embedding, _NONE)
        call.stream = False
        encoding = body.get("encoding_format") or "float"
        await self._answer(request, call, body, response, "", Stream, lambda whole: whole.embeddings(encoding), False)

    async def _answer(
        self,
        request: WireRequest,
        call: Call,
        body: dict[str, Any],
        response: WireResponse,
        prefix: str,
        stream: type[Stream],
        render: Callable[[Whole], bytes],
        logprobs: bool,
    ) -> None:
        wish(request, call)
        include_usage = _include_usage(body)

        def answer(routed: Routed, notices: list[Notice]) -> Answer:
            return Answer(
                id=prefix + call.id[5:],
                model=routed.model,
                include_usage=include_usage,
                logprobs=logprobs,
                notices=notices,
            )

        def whole(routed: Routed, notices: list[Notice], events: list[Event]) -> bytes:
            gathered = Whole(answer(routed, notices))
            for event in events:
                gathered.add(event)
            return render(gathered)

        await give(
            self._gateway,
            call,
            response,
            whole=whole,
            stream=lambda routed, notices: stream(answer(routed, notices)),
            broken=broken,
        )


def _call(
    principal: Principal,
    body: dict[str, Any],
    operation: Operation,
    wire: str,
    decode: Callable[[dict[str, Any]], Request],
    needs: frozenset[str],
) -> Call:
    model, stream, shared = model_named(body), flag(body, "stream"), body.get("prompt_cache_key")
    return Call(
        operation=operation,
        model=model,
        decode=partial(decode, body),
        stream=stream,
        passthrough=Passthrough(wire, body, stream),
        principal=principal,
        source="openai",
        needs=needs,
        conversation=shared if type(shared) is str else None,
    )


def _include_usage(body: dict[str, Any]) -> bool:
    options = body.get("stream_options")
    if options is None:
        return False
    if type(options) is not dict or not body.get("stream"):
        raise BadInput("stream_options must be an object, and only with stream: true", field="stream_options")
    return bool(options.get("include_usage"))
