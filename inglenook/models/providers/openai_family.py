"""What all who speak OpenAI's protocols have in common: vendors, servers of yours, another Inglenook.

Callers of the same protocol are passed through: of their body only the model's name changes and what this vendor wants
said in another way, and of the answer nothing, but for the usage event of a stream that we asked for and they did not.
Other callers are translated. What is peculiar to one vendor is a `Vendor`, in a file of its own.
"""

import re
from collections import deque
from collections.abc import AsyncGenerator, Callable
from contextlib import suppress
from datetime import UTC, datetime
from typing import Any

import orjson
from msgspec import Struct

from inglenook.kit.carried import carried
from inglenook.kit.errors import BadInput, UpstreamFailed
from inglenook.kit.http.pool import HttpPool, Response, Timeouts, Url, render_headers
from inglenook.models.calls import (
    Audio,
    ChatRequest,
    CompletionRequest,
    EmbeddingRequest,
    Event,
    Finished,
    FormField,
    ImageRequest,
    ModerationRequest,
    Operation,
    Passthrough,
    Raw,
    RawHead,
    RerankRequest,
    Scores,
    SpeechRequest,
    TranscriptionRequest,
    Usage,
    Vectors,
)
from inglenook.models.profiles.base import Profile, fitted
from inglenook.models.providers.base import Job, ModelFacts, ProviderKind, ProviderParts, not_offered
from inglenook.models.providers.endpoint import Endpoint, EndpointSettings, must_stream
from inglenook.models.providers.openai_vendor import Vendor, VendorSettings, read_settings, vendor_kind
from inglenook.models.providers.wires import multipart, openai, openai_media, rerank
from inglenook.models.providers.wires.openai_answers import AnswerStream, read_embeddings
from inglenook.models.providers.wires.openai_models import judged, read_models
from inglenook.models.providers.wires.openai_responses import (
    COUNTED,
    ResponsesStream,
    can_carry,
    read_count,
    responses_body,
)
from inglenook.models.providers.wires.openai_usage import UsageStripper, usage_near_end

_ERROR_LIMIT = 256 * 1024
#: Protocols whose streams tell usage only when asked.
_TELLS_WHEN_ASKED = frozenset({"openai.chat", "openai.completions"})
#: How the last event of a stream of `/responses` is called.
_RESPONSE_ENDS = re.compile(rb'"type"\s*:\s*"(?:response\.(?:completed|incomplete|failed)|error)"')
_SEEN = 64


class Target(Struct):
    """A model as this provider asks it: with what profile, where by protocol, and whether a caller's own body of
    `/chat/completions` may have to be fitted."""

    profile: Profile
    fits: bool
    urls: dict[str, Url]


class OpenAIFamily:
    """One vendor's API, or one such server."""

    def __init__(
        self, vendor: Vendor, settings: EndpointSettings, http: HttpPool, profile: Profile | None = None
    ) -> None:
        self.kind = vendor.name
        self.wires = frozenset(vendor.paths)
        self.operations = vendor.operations
        self.own = vendor.own
        self.vendor = vendor
        self._profile = profile or vendor.profile
        self._endpoint = Endpoint(
            settings, http, authorize=vendor.authorize, headers=vendor.headers, wording=vendor.wording
        )
        self._http = http
        self._heads = self._endpoint.heads
        self._timeouts = Timeouts(first_byte=settings.first_byte_timeout, idle=settings.idle_timeout)
        self._wording = vendor.wording
        self._urls = self._shared_urls()
        self._targets: dict[str, Target] = {}
        self._data = vendor.data()
        self._region = self._data.region(settings.base_url) if self._data is not None else ""
        self.keys = self._endpoint.keys
        self._passes_all = not vendor.families and self._profile.base64

    def stream(self, job: Job) -> AsyncGenerator[Event, None]:
        """See `Provider.stream`."""
        if job.passthrough is not None:
            return self._relay(job, job.passthrough)
        request = job.request
        answer = _ANSWERS.get(type(request))
        if answer is None or job.operation not in self.operations:
            raise not_offered(job)
        if job.operation is Operation.COUNT and isinstance(request, ChatRequest):
            return self._count(job, request)
        return answer(self, job, request)

    async def relay(self, job: Job) -> list[Event]:
        """See `Provider`."""
        passthrough = job.passthrough
        assert passthrough is not None
        response = await self._send(job, passthrough)
        try:
            data = await response.read()
        finally:
            response.close()
        if (data[:9] == b'{"error":' or self._wording.code) and (refused := self._wording.inside(data)) is not None:
            raise refused
        events: list[Event] = [RawHead(response.status, _content_type(response)), Raw(data)]
        if (count := _COUNTS.get(passthrough.wire)) is not None and (usage := count(passthrough, data)) is not None:
            events.append(usage)
        return events

    def passes(self, model: str, passthrough: Passthrough) -> bool:
        """See `Provider`."""
        if self._passes_all:
            return True
        profile = self._target(model).profile
        if passthrough.wire == "openai.chat":
            return profile.responses != "only"
        return profile.base64 or passthrough.body.get("encoding_format") != "base64"

    def known(self, model: str) -> ModelFacts | None:
        """See `Provider`."""
        return None if self._data is None else self._data.facts(model, self._region)

    async def models(self, key: int = 0) -> list[ModelFacts]:
        """What its list tells, completed by what is known; of a vendor without a list, what is known."""
        if not self.vendor.lists:
            return list(self._data.models(self._region)) if self._data is not None else []
        url = self._endpoint.url(self.vendor.lists)
        async with await self._endpoint.send("GET", url, self._heads[key], None) as response:
            body = await response.read()
        listed = read_models(body, f"{url.origin}{url.target}", datetime.now(UTC).date().isoformat())
        return [judged(model, self.known(model.name)) for model in listed]

    async def prove(self, key: int, model: str | None = None) -> list[ModelFacts] | None:
        """See `Provider`."""
        if self.vendor.proof:
            async with await self._endpoint.send(
                "GET", self._endpoint.url(self.vendor.proof), self._heads[key], None
            ) as response:
                await response.read()
        if self.vendor.lists and model is None:
            return await self.models(key)
        name = model or self._some_chat_model()
        target = self._target(name)
        body: dict[str, Any] = {"model": name, "max_tokens": 1, "messages": [{"role": "user", "content": "hi"}]}
        openai.fit(body, name, target.profile)
        async with await self._post(target.urls["openai.chat"], body, key) as response:
            if (refused := self._wording.inside(await response.read())) is not None:
                raise refused
        return None

    async def close(self) -> None:
        """Nothing of its own: the pool is the server's."""

    # ------------------------------------------------------------------------------------------ pass-through

    async def _relay(self, job: Job, passthrough: Passthrough) -> AsyncGenerator[Event, None]:
        name = passthrough.wire
        if not passthrough.stream:
            for event in await self.relay(job):
                yield event
            return
        stripper = None
        if name in _TELLS_WHEN_ASKED and self._target(job.model).profile.stream_usage:
            options = passthrough.body.get("stream_options") or {}
            if not options.get("include_usage"):
                passthrough.body["stream_options"] = {**options, "include_usage": True}
                stripper = UsageStripper()
        ending = _ResponseEnding() if name == "openai.responses" else None
        last: deque[bytes] = deque(maxlen=4)
        note = last.append if ending is None else ending.feed
        async with await self._send(job, passthrough) as response:
            if name in _STREAMS_EVENTS:
                must_stream(response)
            yield RawHead(response.status, _content_type(response))
            first = True
            async for chunk in response:
                if first:
                    first = False
                    if (b'"error"' in chunk or self._wording.code) and (refused := self._broken(chunk)) is not None:
                        raise refused
                note(chunk)
                data = stripper.feed(chunk) if stripper is not None else chunk
                if data:
                    yield Raw(data)
        if stripper is not None:
            if rest := stripper.rest():
                yield Raw(rest)
            if stripper.usage is not None:
                yield stripper.usage
        if name == "openai.speech":
            yield _spoken(passthrough, b"")
        if ending is not None and (usage := ending.usage()) is not None:
            yield usage
        if not (ending.found if ending is not None else name not in _TELLS_WHEN_ASKED or _ended(b"".join(last))):
            raise UpstreamFailed("the provider's stream ended before its answer was whole; try again")

    async def _send(self, job: Job, passthrough: Passthrough) -> Response:
        """Ask as the caller did, of the model we know it by."""
        name, body = passthrough.wire, passthrough.body
        body["model"] = job.model
        target = self._targets.get(job.model) or self._target(job.model)
        if target.fits and name == "openai.chat":
            openai.fit(body, job.model, target.profile)
        elif (names := self.vendor.names.get(name)) is not None:
            openai.rename(body, names)
        if passthrough.form is None:
            return await self._post(target.urls[name], body, job.key)
        fields = [
            FormField(field.name, job.model.encode()) if field.name == "model" else field for field in passthrough.form
        ]
        return await self._post_form(target.urls[name], fields, job.key)

    def _broken(self, chunk: bytes) -> Exception | None:
        """The error in the first piece of a stream, if that is what it holds."""
        for line in chunk.splitlines():
            if line.startswith(b"data:"):
                return self._wording.inside(line[5:])
        return None

    # ------------------------------------------------------------------------------------------- translation

    async def _chat(self, job: Job, request: ChatRequest) -> AsyncGenerator[Event, None]:
        if not request.messages:
            yield Finished("unload" if request.local.keep_alive == 0 else "load")
            return
        target = self._target(job.model)
        profile = target.profile
        answer: AnswerStream | ResponsesStream
        if profile.responses == "only" or (profile.responses and can_carry(request)):
            name, body = "openai.responses", responses_body(job.model, request, profile, self.kind)
            answer = ResponsesStream(self.kind, self._wording)
        else:
            name, body = "openai.chat", openai.chat_body(job.model, request, profile)
            answer = AnswerStream(self._wording, think_tags=profile.think_tags)
        async for event in self._read(target.urls[name], body, job.key, answer):
            yield event

    async def _count(self, job: Job, request: ChatRequest) -> AsyncGenerator[Event, None]:
        whole = responses_body(job.model, request, self._target(job.model).profile, self.kind)
        body = {name: whole[name] for name in COUNTED if name in whole}
        async with await self._post(self._endpoint.url(self.vendor.counts), body, job.key) as response:
            yield Usage(input=read_count(await response.read()))
        yield Finished("stop")

    async def _complete(self, job: Job, request: CompletionRequest) -> AsyncGenerator[Event, None]:
        target = self._target(job.model)
        body = openai.completion_body(job.model, request, target.profile)
        url = target.urls["openai.completions"]
        async for event in self._read(url, body, job.key, AnswerStream(self._wording)):
            yield event

    async def _read(
        self, url: Url, body: dict[str, Any], key: int, answer: AnswerStream | ResponsesStream
    ) -> AsyncGenerator[Event, None]:
        async with await self._post(url, body, key) as response:
            if b"event-stream" not in response.header(b"content-type"):
                # Some say so that it went wrong.
                said = await response.read(_ERROR_LIMIT)
                if (refused := self._wording.inside(said)) is not None:
                    raise refused
                must_stream(response)
            async for chunk in response:
                for event in answer.feed(chunk):
                    yield event
        for event in answer.end():
            yield event

    async def _embed(self, job: Job, request: EmbeddingRequest) -> AsyncGenerator[Event, None]:
        if not request.inputs:
            yield Vectors([])
            return
        body = openai.embedding_body(job.model, request)
        for event in read_embeddings(await self._ask("openai.embeddings", job, body), len(request.inputs)):
            yield event

    async def _rank(self, job: Job, request: RerankRequest) -> AsyncGenerator[Event, None]:
        if not request.documents:
            yield Scores([])
            return
        body = rerank.rerank_body(job.model, request)
        for event in rerank.read_ranking(await self._ask(rerank.WIRE, job, body), len(request.documents)):
            yield event

    async def _draw(self, job: Job, request: ImageRequest) -> AsyncGenerator[Event, None]:
        body = openai_media.image_body(job.model, request)
        for event in openai_media.read_images(await self._ask("openai.images", job, body)):
            yield event

    async def _hear(self, job: Job, request: TranscriptionRequest) -> AsyncGenerator[Event, None]:
        name = "openai.translations" if request.translate else "openai.transcriptions"
        url = self._target(job.model).urls.get(name)
        if url is None:
            raise not_offered(job)
        form = openai_media.transcription_form(job.model, request)
        async with await self._post_form(url, form, job.key) as response:
            body = await response.read()
        for event in openai_media.read_transcript(body):
            yield event

    async def _speak(self, job: Job, request: SpeechRequest) -> AsyncGenerator[Event, None]:
        body = openai_media.speech_body(job.model, request)
        openai.rename(body, self.vendor.names.get("openai.speech", {}))
        async with await self._post(self._target(job.model).urls["openai.speech"], body, job.key) as response:
            kind = _content_type(response)
            if "json" in kind and (refused := self._wording.inside(await response.read())) is not None:
                raise refused
            async for chunk in response:
                yield Audio(chunk, kind)
        yield Usage(characters=len(request.text))
        yield Finished("stop")

    async def _moderate(self, job: Job, request: ModerationRequest) -> AsyncGenerator[Event, None]:
        body = openai_media.moderation_body(job.model, request)
        for event in openai_media.read_verdicts(await self._ask("openai.moderations", job, body), len(request.inputs)):
            yield event

    async def _ask(self, name: str, job: Job, body: dict[str, Any]) -> bytes:
        openai.rename(body, self.vendor.names.get(name, {}))
        async with await self._post(self._target(job.model).urls[name], body, job.key) as response:
            data = await response.read()
        if (data[:9] == b'{"error":' or self._wording.code) and (refused := self._wording.inside(data)) is not None:
            raise refused
        return data

    # ---------------------------------------------------------------------------------------------- requests

    async def _post(self, url: Url, body: dict[str, Any], key: int) -> Response:
        """The response, if it is a good one."""
        heads = self._heads
        lines = heads[key % len(heads)]
        if self.own:
            lines += render_headers(carried.get())
        response = await self._http.request(
            "POST", url, lines, orjson.dumps(body), timeouts=self._timeouts, trusted=True
        )
        if response.status == 200:
            return response
        async with response:
            raise self._endpoint.refused(response, await response.read(_ERROR_LIMIT))

    async def _post_form(self, url: Url, fields: list[FormField], key: int) -> Response:
        content_type, body = multipart.encoded(fields)
        bare = self._endpoint.bare
        lines = bare[key % len(bare)] + f"content-type: {content_type}\r\n".encode()
        if self.own:
            lines += render_headers(carried.get())
        return await self._endpoint.send("POST", url, lines, body)

    def _target(self, model: str) -> Target:
        target = self._targets.get(model)
        if target is None:
            profile = fitted(self._profile, model, self.vendor.families)
            target = self._targets[model] = Target(profile, openai.must_fit(profile), self._urls_of(model))
        return target

    def _shared_urls(self) -> dict[str, Url]:
        return {name: self._endpoint.url(path) for name, path in self.vendor.paths.items()}

    def _urls_of(self, model: str) -> dict[str, Url]:
        """Where a model is asked, by protocol. To be replaced where that depends on the model."""
        return self._urls

    def _some_chat_model(self) -> str:
        for facts in self._data.models(self._region) if self._data is not None else ():
            if "completion" in facts.capabilities:
                return facts.name
        raise BadInput("name a model to ask, since this provider does not list its models", field="model")


def family_kind(vendor: Vendor, *, chinese: str = "") -> ProviderKind:
    """The kind of provider that a vendor is which has nothing but what it declares.

    Args:
        chinese: Its title in Chinese, where it has one.
    """

    def make(given: dict[str, Any], parts: ProviderParts) -> OpenAIFamily:
        return OpenAIFamily(vendor, read_settings(vendor, given, VendorSettings), parts.http)

    kind = vendor_kind(vendor, make)
    if chinese:
        kind.translations["zh-CN"][kind.title] = chinese
    return kind


class _ResponseEnding:
    """Looks for the last event of a stream of `/responses`. It repeats the whole answer behind its name, so that the
    usage in it stands far from where the event began."""

    def __init__(self) -> None:
        self.found = False
        self._seen = b""

    def feed(self, chunk: bytes) -> None:
        self._seen += chunk
        if not self.found:
            self.found = _RESPONSE_ENDS.search(self._seen) is not None
            if not self.found:
                self._seen = self._seen[-_SEEN:]

    def usage(self) -> Usage | None:
        return usage_near_end(self._seen)


def _ended(tail: bytes) -> bool:
    if b"[DONE]" in tail:
        return True
    for line in reversed(tail.splitlines()):
        if line.startswith(b"data:") and b'"finish_reason"' in line:
            with suppress(ValueError, KeyError, TypeError):
                return any(choice.get("finish_reason") for choice in orjson.loads(line[5:])["choices"])
            return False
    return False


def _content_type(response: Response) -> str:
    return response.header(b"content-type", b"application/json").decode("latin-1")


def _spoken(passthrough: Passthrough, _: bytes) -> Usage:
    text = passthrough.body.get("input")
    return Usage(characters=len(text) if isinstance(text, str) else 0)


_STREAMS_EVENTS = _TELLS_WHEN_ASKED | {"openai.responses"}
#: What answers used whose own words for it are not enough.
_COUNTS: dict[str, Callable[[Passthrough, bytes], Usage | None]] = {
    "openai.images": lambda _, data: openai_media.image_usage(data),
    "openai.transcriptions": lambda _, data: openai_media.transcript_usage(data),
    "openai.translations": lambda _, data: openai_media.transcript_usage(data),
    "openai.speech": _spoken,
    rerank.WIRE: lambda _, data: rerank.usage_in_ranking(data),
}
_ANSWERS: dict[type[Any], Callable[[OpenAIFamily, Job, Any], AsyncGenerator[Event, None]]] = {
    ChatRequest: lambda family, job, request: family._chat(job, request),
    CompletionRequest: lambda family, job, request: family._complete(job, request),
    EmbeddingRequest: lambda family, job, request: family._embed(job, request),
    RerankRequest: lambda family, job, request: family._rank(job, request),
    ImageRequest: lambda family, job, request: family._draw(job, request),
    TranscriptionRequest: lambda family, job, request: family._hear(job, request),
    SpeechRequest: lambda family, job, request: family._speak(job, request),
    ModerationRequest: lambda family, job, request: family._moderate(job, request),
}
