"""Any server that speaks OpenAI's protocols: a vendor's, a vLLM or llama.cpp of yours, another Inglenook.

Callers of the same protocol are passed through: of their body only the model's name changes, and of the answer nothing,
but for the usage event of a stream that we asked for and they did not. Other callers are translated.
"""

import json
from collections import deque
from collections.abc import AsyncGenerator
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any, ClassVar

import msgspec
import orjson
from msgspec import Struct

from inglenook.kit.errors import (
    BadInput,
    InglenookError,
    TooMany,
    Unavailable,
    UpstreamFailed,
    UpstreamTimeout,
)
from inglenook.kit.http.pool import HttpPool, Response, Timeouts, Url, render_headers
from inglenook.models.calls import (
    ChatRequest,
    CompletionRequest,
    EmbeddingRequest,
    Event,
    Finished,
    Passthrough,
    Raw,
    RawHead,
    Vectors,
)
from inglenook.models.providers.base import Job, ModelFacts, ProviderKind, ProviderParts, not_offered
from inglenook.models.providers.wires import openai as wire
from inglenook.models.providers.wires.openai_usage import UsageStripper

_PATHS = {
    "openai.chat": "/chat/completions",
    "openai.completions": "/completions",
    "openai.embeddings": "/embeddings",
}
#: What a model elsewhere may be able to: the protocol does not tell, so its provider judges.
_MAYBE = frozenset({"completion", "tools", "vision", "thinking", "insert"})
#: What names of embedding models have in them.
_EMBEDDING_MARKS = ("embed", "bge-", "e5-", "gte-", "minilm")
_ERROR_LIMIT = 256 * 1024


class OpenAICompatibleSettings(Struct, kw_only=True):
    """Settings of this kind of provider; `_SCHEMA` tells what they mean."""

    base_url: str
    api_key: str = ""
    headers: dict[str, str] = msgspec.field(default_factory=dict)
    max_tokens_field: str = "max_tokens"
    extensions: list[str] = msgspec.field(default_factory=list)
    stream_usage: bool = True
    first_byte_timeout: float = 300
    idle_timeout: float = 120


class OpenAICompatible:
    """One such server."""

    kind: ClassVar[str] = "openai-compatible"
    wires: frozenset[str] = frozenset(_PATHS)

    def __init__(self, settings: OpenAICompatibleSettings, http: HttpPool) -> None:
        base = settings.base_url.strip().rstrip("/")
        self._http = http
        self._urls = {name: Url.parse(base + path) for name, path in _PATHS.items()}
        self._models_url = Url.parse(f"{base}/models")
        self._key = settings.api_key.strip()
        self._profile = wire.Profile(
            max_tokens=settings.max_tokens_field,
            extensions=frozenset(settings.extensions),
            stream_usage=settings.stream_usage,
        )
        self._timeouts = Timeouts(first_byte=settings.first_byte_timeout, idle=settings.idle_timeout)
        headers = {"content-type": "application/json", "user-agent": "inglenook", **_lower(settings.headers)}
        if self._key:
            headers["authorization"] = f"Bearer {self._key}"
        try:
            self._headers = render_headers([(name.encode("ascii"), value.encode()) for name, value in headers.items()])
        except UnicodeEncodeError:
            raise BadInput("settings.headers: names of headers must be ASCII", field="settings.headers") from None

    def stream(self, job: Job) -> AsyncGenerator[Event, None]:
        """See `Provider.stream`."""
        if job.passthrough is not None:
            return self._relay(job, job.passthrough)
        request = job.request
        if isinstance(request, ChatRequest | CompletionRequest):
            return self._answer(job.model, request)
        if isinstance(request, EmbeddingRequest):
            return self._embed(job.model, request)
        raise not_offered(job)

    async def relay(self, job: Job) -> list[Event]:
        """See `Provider`."""
        assert job.passthrough is not None
        body = job.passthrough.body
        body["model"] = job.model
        response = await self._post(job.passthrough.wire, body)
        try:
            data = await response.read()
        finally:
            response.close()
        return [RawHead(response.status, _content_type(response)), Raw(data)]

    async def models(self) -> list[ModelFacts]:
        """What `GET /models` lists. Capabilities are what a model may have; its provider judges."""
        response = await self._http.request(
            "GET", self._models_url, self._headers, timeouts=self._timeouts, trusted=True
        )
        async with response:
            body = await response.read()
            if response.status != 200:
                raise self._refused(response, body)
        try:
            listed = msgspec.json.decode(body, type=_Models).data
        except (msgspec.DecodeError, UnicodeDecodeError):
            raise UpstreamFailed(
                f"{self._models_url.origin}{self._models_url.target} did not answer with a list of models; "
                "is the base URL right? It often ends in /v1"
            ) from None
        return [_facts(model) for model in listed if model.id]

    async def close(self) -> None:
        """Nothing of its own: the pool is the server's."""

    # ------------------------------------------------------------------------------------------ pass-through

    async def _relay(self, job: Job, passthrough: Passthrough) -> AsyncGenerator[Event, None]:
        if not passthrough.stream:
            for event in await self.relay(job):
                yield event
            return
        body = passthrough.body
        body["model"] = job.model
        stripper = None
        if passthrough.wire != "openai.embeddings" and self._profile.stream_usage:
            options = body.get("stream_options") or {}
            if not options.get("include_usage"):
                body["stream_options"] = {**options, "include_usage": True}
                stripper = UsageStripper()
        async with await self._post(passthrough.wire, body) as response:
            content_type = _content_type(response)
            _must_stream(content_type)
            yield RawHead(response.status, content_type)
            last: deque[bytes] = deque(maxlen=4)
            async for chunk in response:
                last.append(chunk)
                data = stripper.feed(chunk) if stripper is not None else chunk
                if data:
                    yield Raw(data)
        if stripper is not None:
            if rest := stripper.rest():
                yield Raw(rest)
            if stripper.usage is not None:
                yield stripper.usage
        if not _ended(b"".join(last)):
            raise UpstreamFailed("the provider's stream ended before its answer was whole; try again")

    # ------------------------------------------------------------------------------------------- translation

    async def _answer(self, model: str, request: ChatRequest | CompletionRequest) -> AsyncGenerator[Event, None]:
        if isinstance(request, ChatRequest):
            if not request.messages:
                yield Finished("unload" if request.local.keep_alive == 0 else "load")
                return
            name, body = "openai.chat", wire.chat_body(model, request, self._profile)
        else:
            name, body = "openai.completions", wire.completion_body(model, request, self._profile)
        answer = wire.AnswerStream()
        async with await self._post(name, body) as response:
            _must_stream(response.header(b"content-type").decode("latin-1"))
            async for chunk in response:
                for event in answer.feed(chunk):
                    yield event
        for event in answer.end():
            yield event

    async def _embed(self, model: str, request: Any) -> AsyncGenerator[Event, None]:
        if not request.inputs:
            yield Vectors([])
            return
        async with await self._post("openai.embeddings", wire.embedding_body(model, request)) as response:
            body = await response.read()
        for event in wire.read_embeddings(body, len(request.inputs)):
            yield event

    # ---------------------------------------------------------------------------------------------- requests

    async def _post(self, name: str, body: dict[str, Any]) -> Response:
        """The response, if it is a good one."""
        response = await self._http.request(
            "POST", self._urls[name], self._headers, orjson.dumps(body), timeouts=self._timeouts, trusted=True
        )
        if response.status == 200:
            return response
        async with response:
            raise self._refused(response, await response.read(_ERROR_LIMIT))

    def _refused(self, response: Response, body: bytes) -> InglenookError:
        """The error for an answer that is none."""
        status = response.status
        said = _said(body)
        if self._key:
            said = said.replace(self._key, "…")
        text = f": {said}" if said else ""
        retry_after = _retry_after(response.header(b"retry-after").decode("latin-1"))
        if status in (401, 403):
            return UpstreamFailed(
                f"the provider refused our key ({status}){text}; an administrator can set another one under "
                "Models, Providers"
            )
        if status == 402:
            return UpstreamFailed(f"the provider wants to be paid first{text}")
        if status == 429:
            return TooMany(f"the provider takes no more for now{text}", retry_after=retry_after)
        if status in (408, 504):
            return UpstreamTimeout(f"the provider took too long ({status}){text}")
        if status in (503, 529):
            return Unavailable(f"the provider is overloaded{text}", retry_after=retry_after)
        if 400 <= status < 500:
            return BadInput(said or f"the provider refused the request with status {status}")
        return UpstreamFailed(f"the provider answered with status {status}{text}")


class _Listed(Struct):
    id: str = ""
    context_length: int | None = None
    max_model_len: int | None = None
    context_window: int | None = None


class _Models(Struct):
    data: list[_Listed]


def _facts(model: _Listed) -> ModelFacts:
    embeds = any(mark in model.id.lower() for mark in _EMBEDDING_MARKS)
    return ModelFacts(
        name=model.id,
        capabilities=frozenset({"embedding"}) if embeds else _MAYBE,
        context_length=model.context_length or model.max_model_len or model.context_window or 0,
    )


def _content_type(response: Response) -> str:
    return response.header(b"content-type", b"application/json").decode("latin-1")


def _must_stream(content_type: str) -> None:
    if "event-stream" not in content_type:
        raise UpstreamFailed(f"the provider was asked for a stream and answered with {content_type or 'no type'!r}")


def _ended(tail: bytes) -> bool:
    """Whether the end of a stream says that the answer is whole."""
    if b"[DONE]" in tail:
        return True
    for line in reversed(tail.splitlines()):
        if line.startswith(b"data:") and b'"finish_reason"' in line:
            try:
                choices = orjson.loads(line[5:])["choices"]
            except (ValueError, KeyError, TypeError):
                return False
            return any(choice.get("finish_reason") for choice in choices)
    return False


def _said(body: bytes) -> str:
    try:
        return wire.message_of(json.loads(body))
    except ValueError:
        text = body[:300].decode("utf-8", "replace").strip()
        return "" if text.startswith("<") else text


def _retry_after(value: str) -> float | None:
    """Seconds of a `Retry-After` header: a number or a date."""
    try:
        return max(0.0, float(value))
    except ValueError:
        pass
    try:
        return max(0.0, (parsedate_to_datetime(value) - datetime.now(UTC)).total_seconds())
    except (ValueError, TypeError):
        return None


def _lower(headers: dict[str, str]) -> dict[str, str]:
    return {name.lower(): value for name, value in headers.items()}


_SCHEMA: dict[str, Any] = {
    "type": "object",
    "required": ["base_url"],
    "properties": {
        "base_url": {
            "type": "string",
            "title": "Base URL",
            "description": "Where the API begins, such as https://api.example.com/v1",
            "format": "uri",
            "maxLength": 2000,
        },
        "api_key": {"type": "string", "title": "API key", "secret": True, "maxLength": 4000},
        "headers": {
            "type": "object",
            "title": "Further headers",
            "description": "Sent with every request.",
            "additionalProperties": {"type": "string"},
        },
        "max_tokens_field": {
            "type": "string",
            "title": "Field that limits an answer",
            "description": "OpenAI's newer models want max_completion_tokens.",
            "enum": ["max_tokens", "max_completion_tokens"],
            "default": "max_tokens",
        },
        "extensions": {
            "type": "array",
            "title": "Sampling fields it knows beyond OpenAI's",
            "items": {"type": "string", "enum": list(wire.EXTENSIONS)},
        },
        "stream_usage": {
            "type": "boolean",
            "title": "Tells the usage of streams",
            "description": "Switch off for servers that refuse stream_options; usage is then estimated.",
            "default": True,
        },
        "first_byte_timeout": {
            "type": "number",
            "title": "Seconds to wait for an answer to begin",
            "minimum": 1,
            "maximum": 3600,
            "default": 300,
        },
        "idle_timeout": {
            "type": "number",
            "title": "Seconds to wait between two pieces of an answer",
            "minimum": 1,
            "maximum": 3600,
            "default": 120,
        },
    },
}


_CHINESE = {
    "OpenAI-compatible API": "兼容 OpenAI 的 API",
    "Base URL": "接口地址",
    "Where the API begins, such as https://api.example.com/v1": "API 的起始地址，例如 https://api.example.com/v1",
    "API key": "API 密钥",
    "Further headers": "附加请求头",
    "Sent with every request.": "每次请求都会带上。",
    "Field that limits an answer": "限制回答长度的字段",
    "OpenAI's newer models want max_completion_tokens.": "OpenAI 较新的模型要用 max_completion_tokens。",
    "Sampling fields it knows beyond OpenAI's": "除 OpenAI 标准外还支持的采样字段",
    "Tells the usage of streams": "流式回答会报告用量",
    "Switch off for servers that refuse stream_options; usage is then estimated.": (
        "有的服务器不接受 stream_options，遇到时请关闭；关闭后用量为估算值。"
    ),
    "Seconds to wait for an answer to begin": "等待回答开始的秒数",
    "Seconds to wait between two pieces of an answer": "回答中途等待下一段的秒数",
}


def _make(settings: dict[str, Any], parts: ProviderParts) -> OpenAICompatible:
    try:
        read = msgspec.convert(settings, OpenAICompatibleSettings)
    except msgspec.ValidationError as error:
        raise BadInput(f"settings of the provider: {error}", field="settings") from None
    return OpenAICompatible(read, parts.http)


KIND = ProviderKind(
    name="openai-compatible",
    title="OpenAI-compatible API",
    icon="plug",
    settings_schema=_SCHEMA,
    make=_make,
    translations={"zh-CN": _CHINESE},
)
