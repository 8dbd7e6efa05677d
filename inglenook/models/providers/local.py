"""Models run here: GGUF files of the model store, each in a child process with llama.cpp.

Every answer is streamed inside, whatever the caller asked for: closing a stream frees its slot at once, which a call
without one would hold to its end. Callers' own bodies never pass through, for llama.cpp's API can do more than a
caller may (choose slots, name files); translating costs microseconds a token.
"""

from collections.abc import AsyncGenerator
from contextlib import aclosing
from typing import Any, ClassVar

from msgspec import structs

from inglenook.kit.errors import BadInput, NotFound, UpstreamFailed
from inglenook.kit.http.pool import HttpPool, Response
from inglenook.models.calls import (
    AudioPart,
    ChatRequest,
    CompletionRequest,
    EmbeddingRequest,
    Event,
    FilePart,
    Finished,
    ImagePart,
    LocalOptions,
    Message,
    Notice,
    Operation,
    RerankRequest,
    Scores,
    TextPart,
    Timings,
    Usage,
    Vectors,
)
from inglenook.models.engine.channel import Channel
from inglenook.models.engine.fit import Fitted, fit
from inglenook.models.engine.schema import check_schema
from inglenook.models.engine.service import Engine
from inglenook.models.engine.source import Source
from inglenook.models.engine.vectors import embed, rerank
from inglenook.models.engine.wire import (
    ChatStream,
    CompletionStream,
    PromptTooLong,
    chat_body,
    completion_body,
)
from inglenook.models.providers.base import USUAL, Job, ModelFacts, ProviderKind, ProviderParts, not_offered
from inglenook.models.providers.prompts import in_turn, single

#: What a message may hold: its name, and the capability it needs.
_PARTS = {ImagePart: ("images", "vision"), FilePart: ("files", "files"), AudioPart: ("sound", "audio")}
_LocalRequest = ChatRequest | CompletionRequest | EmbeddingRequest | RerankRequest
#: Tokens left for the answer when a prompt has to be cut.
_ROOM = 512


class LocalProvider:
    """Chat, completion, embedding and reranking by the engine's models; and the tokens of a chat, counted."""

    kind: ClassVar[str] = "local"
    own: ClassVar[bool] = True
    wires: frozenset[str] = frozenset()
    operations = USUAL | {Operation.COUNT, Operation.RERANK}

    def __init__(self, engine: Engine, http: HttpPool) -> None:
        self._engine = engine
        self._http = http

    async def models(self) -> list[ModelFacts]:
        """Every model of the store whose file can be used."""
        return [
            ModelFacts(
                name=source.name,
                capabilities=source.capabilities,
                context_length=source.file.context_length,
                languages=source.file.languages,
                embedding_length=source.file.embedding_length,
            )
            for source in await self._engine.sources()
            if source.file is not None
        ]

    async def close(self) -> None:
        """Nothing of its own to free: the engine owns the processes."""

    async def stream(self, job: Job) -> AsyncGenerator[Event, None]:
        """See `Provider`. A request without messages, prompt or inputs only loads the model (`keep_alive` 0:
        unloads it)."""
        request = job.request
        if not isinstance(request, _LocalRequest):
            raise not_offered(job)
        source = await self._engine.source(job.model)
        _check(source, request)
        if isinstance(request, ChatRequest):
            request = _thinking(source, request)
        options = request.local
        if job.operation is not Operation.COUNT and _is_empty(request):
            async for event in self._load(source, request, options):
                yield event
            return
        async with self._engine.lease(source, num_ctx=options.num_ctx, keep_alive=options.keep_alive) as lease:
            channel = Channel(self._http, lease)
            if job.operation is Operation.COUNT and isinstance(request, ChatRequest):
                events = self._count(channel, request)
            elif isinstance(request, ChatRequest):
                events = self._chat(channel, request)
            elif isinstance(request, CompletionRequest):
                events = self._complete(channel, request)
            elif isinstance(request, RerankRequest):
                events = self._rerank(channel, request)
            else:
                events = self._embed(channel, request)
            async with aclosing(events):
                async for event in events:
                    yield event

    async def render(self, name: str, request: ChatRequest) -> str:
        """The prompt a chat becomes by the model's template. Loads the model."""
        source = await self._engine.source(name)
        options = request.local
        async with self._engine.lease(source, num_ctx=options.num_ctx, keep_alive=options.keep_alive) as lease:
            return await Channel(self._http, lease).render(_thinking(source, request), _messages(source, request))

    # -------------------------------------------------------------------------------------------- operations

    async def _load(self, source: Source, request: _LocalRequest, options: LocalOptions) -> AsyncGenerator[Event, None]:
        if options.keep_alive == 0:
            await self._engine.unload(source.name)
            yield Finished("unload")
            return
        async with self._engine.lease(source, num_ctx=options.num_ctx, keep_alive=options.keep_alive) as lease:
            if isinstance(request, EmbeddingRequest):
                yield Vectors([])
            elif isinstance(request, RerankRequest):
                yield Scores([])
            yield Usage()
            yield Timings(load_ms=lease.load_ms)
        yield Finished("load")

    async def _count(self, channel: Channel, request: ChatRequest) -> AsyncGenerator[Event, None]:
        prompt = await channel.render(request, _messages(channel.lease.source, request))
        yield Usage(input=len(await channel.tokenize(prompt)))
        yield Finished("stop")

    async def _chat(self, channel: Channel, request: ChatRequest) -> AsyncGenerator[Event, None]:
        source = channel.lease.source
        messages = _messages(source, request)
        if request.local.context:
            async with aclosing(self._chat_after(channel, request, messages)) as events:
                async for event in events:
                    yield event
            return
        body = chat_body(request, messages, source.defaults.parameters(), context=channel.lease.context)
        try:
            response = await channel.post("/v1/chat/completions", body)
        except PromptTooLong as error:
            if request.local.truncate is False:
                raise
            fitted = await self._fit(channel, request, messages, error)
            messages = fitted.messages
            yield _truncated(error, fitted.tokens, fitted.dropped)
            body = chat_body(request, messages, source.defaults.parameters(), context=channel.lease.context)
            response = await channel.post("/v1/chat/completions", body)
        stream = ChatStream(source.name, top=request.sampling.top_logprobs or 0)
        async with aclosing(_answer(channel, response, stream)) as events:
            async for event in events:
                yield event
        if request.local.return_context:
            prompt = await channel.render(request, messages)
            stream.finished[-1].context = await channel.tokenize(prompt + "".join(stream.text))
        for finished in stream.finished:
            yield finished

    async def _chat_after(
        self, channel: Channel, request: ChatRequest, messages: list[Message]
    ) -> AsyncGenerator[Event, None]:
        """A chat that goes on after given tokens: its prompt is rendered and put behind them."""
        prompt = await channel.tokenize(await channel.render(request, messages), special=False)
        completion = CompletionRequest(
            prompt="", sampling=request.sampling, response_format=request.response_format, local=request.local
        )
        tokens = [*(request.local.context or ()), *prompt]
        async with aclosing(self._complete_tokens(channel, completion, tokens)) as events:
            async for event in events:
                yield event

    async def _complete(self, channel: Channel, request: CompletionRequest) -> AsyncGenerator[Event, None]:
        prompt = request.prompt
        if isinstance(prompt, str) and (request.local.context or request.local.return_context):
            added = await channel.tokenize(prompt, special=not request.local.context)
            prompt = [*(request.local.context or ()), *added]
        if single(request):
            answer = self._complete_tokens(channel, request, prompt)
        else:
            answer = in_turn(request, lambda one: self._complete_tokens(channel, one, one.prompt))
        async with aclosing(answer) as events:
            async for event in events:
                yield event

    async def _complete_tokens(
        self, channel: Channel, request: CompletionRequest, prompt: str | list[int]
    ) -> AsyncGenerator[Event, None]:
        source = channel.lease.source
        path, body = completion_body(request, prompt, source.defaults.parameters(), context=channel.lease.context)
        try:
            response = await channel.post(path, body)
        except PromptTooLong as error:
            if request.local.truncate is False or request.suffix is not None:
                raise
            tokens = prompt if isinstance(prompt, list) else await channel.tokenize(prompt)
            kept = error.context_length - _room(error.context_length, request.sampling.max_tokens)
            prompt = tokens[-kept:]
            yield _truncated(error, len(prompt), 0)
            path, body = completion_body(request, prompt, source.defaults.parameters(), context=channel.lease.context)
            response = await channel.post(path, body)
        stream = CompletionStream(source.name, top=request.sampling.top_logprobs or 0)
        async with aclosing(_answer(channel, response, stream)) as events:
            async for event in events:
                yield event
        if request.local.return_context and isinstance(prompt, list):
            stream.finished[-1].context = [*prompt, *await channel.tokenize("".join(stream.text), special=False)]
        for finished in stream.finished:
            yield finished

    async def _embed(self, channel: Channel, request: EmbeddingRequest) -> AsyncGenerator[Event, None]:
        async for event in embed(request, channel, context=channel.lease.context):
            yield event
        yield Timings(load_ms=channel.lease.load_ms)
        yield Finished("stop")

    async def _rerank(self, channel: Channel, request: RerankRequest) -> AsyncGenerator[Event, None]:
        async for event in rerank(request, channel, context=channel.lease.context):
            yield event
        yield Timings(load_ms=channel.lease.load_ms)
        yield Finished("stop")

    async def _fit(
        self, channel: Channel, request: ChatRequest, messages: list[Message], error: PromptTooLong
    ) -> Fitted:
        async def count(some: list[Message]) -> int:
            return len(await channel.tokenize(await channel.render(request, some)))

        limit = error.context_length - 1
        room = _room(error.context_length, request.sampling.max_tokens)
        fitted = await fit(messages, count, limit=limit, comfortable=error.context_length - room)
        if fitted.tokens > limit:
            raise PromptTooLong(
                fitted.tokens, error.context_length, what="the last message alone, with its system prompt,"
            )
        return fitted


async def _answer(
    channel: Channel, response: Response, stream: ChatStream | CompletionStream
) -> AsyncGenerator[Event, None]:
    """The events of an answer up to its usage and timings."""
    async with response:
        try:
            async for data in response:
                channel.lease.instance.heard()
                for event in stream.feed(data):
                    yield event
        except UpstreamFailed as error:
            raise await channel.lost(error) from error
    if not stream.complete or not stream.finished:
        raise await channel.lost(UpstreamFailed("its answer ended before it was whole"))
    yield stream.usage
    yield Timings(channel.lease.load_ms, stream.prompt_ms, stream.predicted_ms)


def _messages(source: Source, request: ChatRequest) -> list[Message]:
    """The chat with what the model itself puts before it."""
    before = [Message(role=item["role"], content=item["content"]) for item in source.messages]
    messages = [*before, *request.messages]
    system = source.defaults.system
    if system and not any(message.role == "system" for message in request.messages):
        messages.insert(0, Message(role="system", content=system))
    return messages


def _thinking(source: Source, request: ChatRequest) -> ChatRequest:
    """The request with the model's default of how much to think, where it says nothing."""
    return structs.replace(request, reasoning=source.defaults.thinking) if request.reasoning is None else request


def _check(source: Source, request: _LocalRequest) -> None:
    """Refuse what the model cannot do."""
    file = source.file
    if file is None:
        raise NotFound(f"model '{source.name}' is no GGUF model")
    if isinstance(request, EmbeddingRequest):
        if not file.embeds:
            raise BadInput(f"{source.name} does not support embeddings", field="model")
        return
    if isinstance(request, RerankRequest):
        if "rerank" not in file.capabilities:
            raise BadInput(f"{source.name} does not support reranking", field="model")
        return
    if file.whole:
        what = "chat" if isinstance(request, ChatRequest) else "generate"
        makes = "embeddings" if file.embeds else "scores of documents"
        raise BadInput(f"{source.name} does not support {what}; it makes {makes}", field="model")
    if request.response_format is not None and request.response_format.schema is not None:
        check_schema(request.response_format.schema, "response_format")
    if isinstance(request, CompletionRequest):
        if request.suffix is not None and "insert" not in file.capabilities:
            raise BadInput(f"{source.name} does not support insert", field="suffix")
        return
    if request.tools and "tools" not in file.capabilities:
        raise BadInput(f"{source.name} does not support tools", field="tools")
    check_schema([tool.parameters for tool in request.tools], "tools")
    for number, message in enumerate(request.messages):
        for part in () if isinstance(message.content, str) else message.content:
            if isinstance(part, TextPart):
                continue
            what, needed = _PARTS[type(part)]
            if needed not in source.capabilities:
                raise BadInput(f"{source.name} does not support {what}", field=f"messages[{number}].content")


def _is_empty(request: _LocalRequest) -> bool:
    if isinstance(request, ChatRequest):
        return not request.messages
    if isinstance(request, CompletionRequest):
        return not (request.prompt or request.others or request.local.context) and request.suffix is None
    if isinstance(request, RerankRequest):
        return not request.documents
    return not request.inputs


def _room(context: int, max_tokens: int | None) -> int:
    """Tokens to leave for the answer of a prompt that is cut."""
    wanted = _ROOM if max_tokens is None or max_tokens < 0 else max_tokens
    return max(1, min(wanted, _ROOM, context // 4))


def _truncated(error: PromptTooLong, kept: int, dropped: int) -> Notice:
    left_out = f"the {dropped} oldest messages were left out" if dropped else "its beginning was left out"
    return Notice(
        "truncated",
        f"The prompt has {error.prompt_tokens} tokens, more than the context of {error.context_length}: {left_out}.",
        {
            "prompt_tokens": error.prompt_tokens,
            "kept_tokens": kept,
            "context_length": error.context_length,
            "dropped_messages": dropped,
        },
    )


def _make(settings: dict[str, Any], parts: ProviderParts) -> LocalProvider:
    return LocalProvider(parts.engine, parts.http)


KIND = ProviderKind(
    name="local",
    title="Models on this machine",
    icon="cpu",
    settings_schema={"type": "object", "properties": {}, "additionalProperties": False},
    make=_make,
    standing=True,
)
