"""The Ollama face: what tools written for Ollama ask, answered as Ollama does, with keys.

Differences, each said in the answer rather than kept silent: a prompt that was cut and options that say nothing here
are named under `notices` of the last object and in `x-inglenook-notice`.

With `Settings.ollama_open` the routes here (all of them read or infer) also answer without a key, to programs on this
machine only, and as the named account `open-ollama` with its own place in the ledger.
"""

import asyncio
import ipaddress
import time
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing
from typing import Any

import orjson
from msgspec import Struct, field

from inglenook.accounts.principal import Principal
from inglenook.gateway.call import Call
from inglenook.gateway.errors import NotCapable
from inglenook.gateway.faces import ollama_listings
from inglenook.gateway.faces.answering import HeaderList, headers_of
from inglenook.gateway.faces.asking import credential, inside, json_body, wish
from inglenook.gateway.faces.ollama_answers import Answer, Clock, unit
from inglenook.gateway.faces.ollama_requests import Asked, decode_chat, decode_embed, decode_generate
from inglenook.gateway.gateway import Gateway
from inglenook.gateway.wire.routes import WireRequest, WireResponse, WireRoute
from inglenook.kit.config import Settings
from inglenook.kit.errors import BadInput, InglenookError, Unauthenticated
from inglenook.kit.time import now_ms, rfc3339
from inglenook.models.calls import (
    ChatRequest,
    CompletionRequest,
    Event,
    ImagePart,
    Notice,
    Routed,
    Timings,
    Usage,
    Vectors,
)
from inglenook.models.catalogue import Catalogue
from inglenook.models.engine.service import Engine
from inglenook.models.errors import ModelNotFound
from inglenook.models.hub.layout import ModelStore

#: The version of Ollama whose API this is: some tools ask for it before they use a feature.
VERSION = "0.13.5"
#: Who acts where no key is needed.
OPEN = Principal(user_id="open-ollama", name="open-ollama")

_JSON = "application/json; charset=utf-8"
_NDJSON = "application/x-ndjson"
_PROXY_HEADERS = (b"forwarded", b"via", b"x-real-ip")


def render_error(error: InglenookError) -> bytes:
    """An error's body."""
    return orjson.dumps({"error": error.message})


class OllamaFace:
    """Decodes Ollama's requests into calls and encodes their events."""

    def __init__(
        self, gateway: Gateway, catalogue: Catalogue, engine: Engine, model_store: ModelStore, settings: Settings
    ) -> None:
        self._gateway = gateway
        self._catalogue = catalogue
        self._engine = engine
        self._model_store = model_store
        self._open = settings.ollama_open

    def routes(self, *, with_root: bool = False) -> list[WireRoute]:
        """The face's routes; `/` too on a port of its own."""

        def route(method: str, path: str, handler: Any, needs: str) -> WireRoute:
            return WireRoute(method, path, handler, needs=needs, render_error=render_error)

        routes = [
            route("GET", "/api/version", self._version, "public"),
            route("GET", "/api/status", self._status, "public"),
            route("GET", "/api/tags", self._tags, "use model"),
            route("GET", "/api/ps", self._ps, "use model"),
            route("POST", "/api/show", self._show, "use model"),
            route("POST", "/api/generate", self._generate, "use model"),
            route("POST", "/api/chat", self._chat, "use model"),
            route("POST", "/api/embed", self._embed, "use model"),
            route("POST", "/api/embeddings", self._embeddings, "use model"),
        ]
        return [route("GET", "/", self._root, "public"), *routes] if with_root else routes

    def _principal(self, request: WireRequest) -> Principal:
        """Who asks: by key, or without one the console and, if this is open, programs on this machine.

        Raises:
            Unauthenticated: nobody we know.
        """
        if (key := credential(request)) is not None:
            return self._gateway.principal(key)
        if self._open and _from_this_machine(request):
            return OPEN
        if (console := inside(request)) is not None:
            return console
        if self._open:
            raise Unauthenticated(
                "without an API key, only programs on this machine that connect directly may ask; "
                "from elsewhere or through a proxy, send a key as 'Authorization: Bearer ink-…'"
            )
        return self._gateway.principal(None)

    def who(self, request: WireRequest) -> Principal:
        """Who asks, for further routes of the face (`ollama_models`)."""
        return self._principal(request)

    # ---------------------------------------------------------------------------------------------- models

    async def _root(self, _: WireRequest, response: WireResponse) -> None:
        response.send(200, b"Ollama is running", "text/plain; charset=utf-8")

    async def _version(self, _: WireRequest, response: WireResponse) -> None:
        response.send(200, orjson.dumps({"version": VERSION}), _JSON)

    async def _status(self, _: WireRequest, response: WireResponse) -> None:
        """Nothing is asked of Ollama's own servers."""
        response.send(200, orjson.dumps({"cloud": {"disabled": True, "source": "config"}}), _JSON)

    async def _tags(self, request: WireRequest, response: WireResponse) -> None:
        entries = self._gateway.visible(self._principal(request))
        newest = sorted(entries, key=lambda entry: -entry.modified_at)
        response.send(200, orjson.dumps({"models": [ollama_listings.listed(entry) for entry in newest]}), _JSON)

    async def _ps(self, request: WireRequest, response: WireResponse) -> None:
        visible = {entry.upstream: entry for entry in self._gateway.visible(self._principal(request)) if entry.local}
        models = [
            ollama_listings.running(model, visible[model.name])
            for model in self._engine.status()
            if model.state == "ready" and model.name in visible
        ]
        response.send(200, orjson.dumps({"models": models}), _JSON)

    async def _show(self, request: WireRequest, response: WireResponse) -> None:
        principal = self._principal(request)
        body = await json_body(request)
        name = body.get("model") or body.get("name")
        if not isinstance(name, str) or not name:
            raise BadInput("model is required", field="model")
        entry = self._gateway.find(principal, name)
        system = body.get("system")
        found = await asyncio.to_thread(
            ollama_listings.shown,
            entry,
            self._model_store,
            verbose=body.get("verbose") is True,
            system=system if isinstance(system, str) else None,
        )
        response.send(200, orjson.dumps(found), _JSON)

    # ------------------------------------------------------------------------------------------- inference

    async def _generate(self, request: WireRequest, response: WireResponse) -> None:
        principal = self._principal(request)
        body = await json_body(request)
        if not body.get("model"):
            raise ModelNotFound("model '' not found", field="model")
        await self._talk(request, principal, body, decode_generate(body), response, what="generate")

    async def _chat(self, request: WireRequest, response: WireResponse) -> None:
        principal = self._principal(request)
        body = await json_body(request)
        if not body.get("model"):
            raise BadInput("model is required", field="model")
        await self._talk(request, principal, body, decode_chat(body), response, what="chat")

    async def _talk(
        self,
        request: WireRequest,
        principal: Principal,
        body: dict[str, Any],
        asked: Asked,
        response: WireResponse,
        *,
        what: str,
    ) -> None:
        clock = Clock()
        if body.get("_debug_render_only") is True:
            await self._render(principal, body, asked, response)
            return
        streamed = body.get("stream") is not False and not asked.empty
        call = _call(request, principal, body, asked, streamed)
        async with aclosing(self._events(call, what)) as events:
            routed, notices, first = await _prelude(events, asked, clock)
            answer = Answer(
                body["model"],
                chat=what == "chat",
                clock=clock,
                notices=notices,
                logprobs=body.get("logprobs") is True,
            )
            headers = _headers(call, routed, notices)
            if streamed:
                await _write_lines(events, first, answer, headers, response)
                return
            pieces = answer.event(first)
            async for event in events:
                pieces += answer.event(event)
            response.send(200, orjson.dumps(answer.whole(pieces)), _JSON, headers)

    async def _render(self, principal: Principal, body: dict[str, Any], asked: Asked, response: WireResponse) -> None:
        entry = self._gateway.find(principal, body["model"])
        prompt = asked.request
        images = 0
        if isinstance(prompt, CompletionRequest):
            assert isinstance(prompt.prompt, str)
            text = prompt.prompt
        else:
            assert isinstance(prompt, ChatRequest)
            render = getattr(entry.provider, "render", None)
            if render is None:
                raise BadInput(
                    f"_debug_render_only: the provider of '{entry.name}' renders the prompt, it cannot be shown",
                    field="_debug_render_only",
                )
            text = await render(entry.upstream, prompt)
            parts = [
                part for message in prompt.messages if isinstance(message.content, list) for part in message.content
            ]
            images = sum(isinstance(part, ImagePart) for part in parts)
        debug = {"rendered_template": text, "image_count": images}
        found = {"model": body["model"], "created_at": rfc3339(now_ms()), "_debug_info": debug}
        response.send(200, orjson.dumps(found), _JSON)

    async def _embed(self, request: WireRequest, response: WireResponse) -> None:
        began = time.perf_counter_ns()
        principal, body = self._principal(request), await json_body(request)
        embedded = await self._vectors(request, principal, body)
        found: dict[str, Any] = {
            "model": body["model"],
            "embeddings": [unit(vector) for vector in embedded.vectors],
            "total_duration": time.perf_counter_ns() - began,
            "load_duration": int(embedded.timings.load_ms * 1_000_000),
            "prompt_eval_count": embedded.usage.input,
        }
        if embedded.notices:
            found["notices"] = embedded.notices
        response.send(200, orjson.dumps(found), _JSON, embedded.headers)

    async def _embeddings(self, request: WireRequest, response: WireResponse) -> None:
        principal, body = self._principal(request), await json_body(request)
        embedded = await self._vectors(request, principal, body)
        found = {"embedding": embedded.vectors[0] if embedded.vectors else []}
        response.send(200, orjson.dumps(found), _JSON, embedded.headers)

    async def _vectors(self, request: WireRequest, principal: Principal, body: dict[str, Any]) -> "_Embedded":
        if not body.get("model"):
            raise BadInput("model is required", field="model")
        asked = decode_embed(body)
        call = _call(request, principal, body, asked, False)
        embedded = _Embedded(notices=_ignored(asked))
        async with aclosing(self._events(call, "embeddings")) as events:
            async for event in events:
                match event:
                    case Routed():
                        routed = event
                    case Vectors():
                        embedded.vectors = event.vectors
                    case Usage():
                        embedded.usage = event
                    case Timings():
                        embedded.timings = event
                    case Notice():
                        embedded.notices.append(_notice(event))
        embedded.headers = _headers(call, routed, embedded.notices)
        return embedded

    async def _events(self, call: Call, what: str) -> AsyncGenerator[Event, None]:
        """The gateway's events; what it refuses is said in Ollama's words."""
        try:
            async with aclosing(self._gateway.call(call)) as events:
                async for event in events:
                    yield event
        except NotCapable as error:
            words = _in_ollamas_words(error, call.model, what)
            raise NotCapable(words, field=error.field, details=error.details) from None


class _Embedded(Struct):
    notices: list[dict[str, Any]]
    vectors: list[list[float]] = field(default_factory=list)
    usage: Usage = field(default_factory=Usage)
    timings: Timings = field(default_factory=Timings)
    headers: HeaderList = field(default_factory=list)


def _call(request: WireRequest, principal: Principal, body: dict[str, Any], asked: Asked, streamed: bool) -> Call:
    model = body["model"]
    if not isinstance(model, str):
        raise BadInput("model must be a string", field="model")
    call = Call(
        operation=asked.operation,
        model=model,
        decode=lambda: asked.request,
        stream=streamed,
        principal=principal,
        source="ollama",
        needs=asked.needs,
    )
    wish(request, call)
    return call


async def _prelude(
    events: AsyncIterator[Event], asked: Asked, clock: Clock
) -> tuple[Routed, list[dict[str, Any]], Event]:
    """What precedes the answer, and the answer's first event."""
    routed = await anext(events)
    assert isinstance(routed, Routed)
    if routed.local:
        clock.found = time.perf_counter_ns()
    notices = _ignored(asked)
    while isinstance(event := await anext(events), Notice):
        notices.append(_notice(event))
    return routed, notices, event


async def _write_lines(
    events: AsyncIterator[Event],
    first: Event,
    answer: Answer,
    headers: HeaderList,
    response: WireResponse,
) -> None:
    response.start(200, _NDJSON, headers)
    last: list[dict[str, Any]] = []
    try:
        for piece in answer.event(first):
            await response.write(_line(piece))
        async for event in events:
            for piece in answer.event(event):
                if piece["done"]:
                    last.append(piece)
                else:
                    await response.write(_line(piece))
    except InglenookError as error:
        # The protocol's own way to say that an answer broke: a last line with `error`, and none with `done`.
        await response.write(_line({"error": error.message}))
        response.end()
        return
    await response.write(_line(last[-1]))
    response.end()


def _line(value: dict[str, Any]) -> bytes:
    return orjson.dumps(value, option=orjson.OPT_APPEND_NEWLINE)


def _from_this_machine(request: WireRequest) -> bool:
    """Whether a program on this machine asks directly: not through a proxy, which may speak for anybody."""
    if request.peer is None:
        return False
    try:
        address = ipaddress.ip_address(request.peer[0])
    except ValueError:
        return False
    if isinstance(address, ipaddress.IPv6Address) and address.ipv4_mapped is not None:
        address = address.ipv4_mapped
    return address.is_loopback and not any(
        name in _PROXY_HEADERS or name.startswith(b"x-forwarded") for name in request.headers
    )


def _in_ollamas_words(error: NotCapable, model: str, what: str) -> str:
    lacking = error.details["capability"]
    if lacking in ("tools", "insert"):
        return f"{model} does not support {lacking}"
    if lacking == "embeddings":
        return "this model does not support embeddings"
    return f'"{model}" does not support {what if lacking in ("chat", "completion") else lacking}'


def _ignored(asked: Asked) -> list[dict[str, Any]]:
    if not asked.ignored:
        return []
    names = ", ".join(asked.ignored)
    message = f"These options say nothing here, this server decides them itself: {names}."
    return [{"kind": "ignored_options", "message": message, "details": {"options": asked.ignored}}]


def _notice(notice: Notice) -> dict[str, Any]:
    return {"kind": notice.kind, "message": notice.message, "details": notice.details}


def _headers(call: Call, routed: Routed, notices: list[dict[str, Any]]) -> HeaderList:
    headers = headers_of(call, routed, [])
    if notices:
        kinds = {notice["kind"]: None for notice in notices}
        headers.append((b"x-inglenook-notice", ", ".join(kinds).encode()))
    return headers
