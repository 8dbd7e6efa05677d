"""Words heard and spoken, in OpenAI's shape: `/v1/audio/transcriptions`, `translations` and `speech`."""

from functools import partial
from typing import Any, Literal

from msgspec import Struct

from inglenook.gateway.call import Call
from inglenook.gateway.faces import multipart
from inglenook.gateway.faces.answering import give, headers_of, never, parted, prelude, raw, relay_stream
from inglenook.gateway.faces.asking import asker, json_body, model_named, read_as, wish, without_nulls
from inglenook.gateway.faces.audio_answers import FORMATS, TIMED, transcribed
from inglenook.gateway.faces.openai_answers import broken, render_error
from inglenook.gateway.gateway import Gateway
from inglenook.gateway.wire.routes import Handler, WireRequest, WireResponse, WireRoute
from inglenook.kit.errors import BadInput
from inglenook.models.calls import (
    Audio,
    FormField,
    Operation,
    Passthrough,
    RawHead,
    SpeechRequest,
    TranscriptionRequest,
)
from inglenook.models.errors import CannotCarry

#: Fields of a form that is to be heard, besides the file.
_KNOWN = frozenset(
    {"model", "language", "prompt", "response_format", "temperature", "timestamp_granularities[]", "stream"}
)


class _Speech(Struct, forbid_unknown_fields=True, kw_only=True):
    model: str
    input: str
    voice: str
    instructions: str | None = None
    response_format: str | None = None
    speed: float | None = None
    stream_format: Literal["audio"] = "audio"


class AudioFace:
    """Decodes what is to be heard or spoken, and encodes what was."""

    def __init__(self, gateway: Gateway) -> None:
        self._gateway = gateway

    def routes(self) -> list[WireRoute]:
        """The face's routes."""

        def route(path: str, handler: Handler) -> WireRoute:
            return WireRoute("POST", path, handler, needs="use model", render_error=render_error)

        return [
            route("/v1/audio/transcriptions", partial(self._hear, "openai.transcriptions")),
            route("/v1/audio/translations", partial(self._hear, "openai.translations")),
            route("/v1/audio/speech", self._speak),
        ]

    async def _hear(self, wire: str, request: WireRequest, response: WireResponse) -> None:
        principal = asker(self._gateway, request)
        form = multipart.read_form(request.headers.get(b"content-type", b""), await request.plain_body())
        body: dict[str, Any] = multipart.text_fields(form)
        file = _file(form)
        stream = _flag(body, "stream")
        call = Call(
            operation=Operation.TRANSCRIPTION,
            model=model_named(body),
            decode=partial(_decode_hearing, body, file, translate=wire == "openai.translations"),
            stream=stream,
            passthrough=Passthrough(wire, body, stream, form=form),
            principal=principal,
            source="openai",
        )
        wish(request, call)
        if stream:
            await give(
                self._gateway, call, response, whole=lambda _, __, events: raw(events), stream=never, broken=broken
            )
            return
        routed, _, events = parted(await self._gateway.whole(call))
        headers = headers_of(call, routed, [])
        if type(head := events[0]) is RawHead:
            response.send(head.status, raw(events), head.content_type, headers)
        else:
            form_of_answer = body.get("response_format", "json")
            content_type, data = transcribed(events, form_of_answer, translate=wire == "openai.translations")
            response.send(200, data, content_type, headers)

    async def _speak(self, request: WireRequest, response: WireResponse) -> None:
        principal = asker(self._gateway, request)
        body = await json_body(request)
        if not isinstance(body.get("input"), str) or not body["input"]:
            raise BadInput("input: a text is required", field="input")
        call = Call(
            operation=Operation.SPEECH,
            model=model_named(body),
            decode=partial(_decode_speech, body),
            stream=True,
            passthrough=Passthrough("openai.speech", body, True),
            principal=principal,
            source="openai",
        )
        wish(request, call)
        events = self._gateway.call(call)
        try:
            routed, _, first = await prelude(events)
            headers = headers_of(call, routed, [])
            if type(first) is RawHead:
                await relay_stream(events, first, [], headers, response, None)
                return
            assert type(first) is Audio
            # Sound that breaks off has no words for it: the connection breaks.
            response.start(200, first.media_type, headers)
            await response.write(first.data)
            async for event in events:
                if type(event) is Audio:
                    await response.write(event.data)
            response.end()
        except BaseException:
            await events.aclose()  # settles the call
            raise


def _file(form: list[FormField]) -> FormField:
    """The one file of the form."""
    files = [field for field in form if field.file_name is not None]
    if len(files) != 1 or files[0].name != "file":
        raise BadInput("file: exactly one file, of this name, is required", field="file")
    if not files[0].data:
        raise BadInput("file: is empty", field="file")
    return files[0]


def _flag(body: dict[str, Any], name: str) -> bool:
    value = str(body.get(name, "false")).lower()
    if value not in ("true", "false"):
        raise BadInput(f"{name} must be true or false", field=name)
    return value == "true"


def _decode_hearing(body: dict[str, Any], file: FormField, *, translate: bool) -> TranscriptionRequest:
    for name in body:
        if name not in _KNOWN:
            raise CannotCarry(f"field '{name}' cannot be carried to this model; leave it out", field=name)
    if _flag(body, "stream"):
        raise CannotCarry("stream: this model says what it heard when it has heard all; leave it out", field="stream")
    form = body.get("response_format", "json")
    if form not in FORMATS:
        raise BadInput(
            f"response_format must be one of {', '.join(sorted(FORMATS))}; got {form!r}", field="response_format"
        )
    wanted = body.get("timestamp_granularities[]", [])
    for granularity in wanted:
        if granularity not in ("word", "segment"):
            raise BadInput(
                f"timestamp_granularities must be word or segment; got {granularity!r}", field="timestamp_granularities"
            )
    temperature = body.get("temperature")
    try:
        degree = None if temperature is None else float(temperature)
    except ValueError:
        raise BadInput(f"temperature must be a number, got {temperature!r}", field="temperature") from None
    return TranscriptionRequest(
        data=file.data,
        file_name=file.file_name or "",
        language=body.get("language"),
        prompt=body.get("prompt"),
        temperature=degree,
        timestamps=wanted or (["segment"] if form in TIMED else []),
        translate=translate,
    )


def _decode_speech(body: dict[str, Any]) -> SpeechRequest:
    read = read_as(without_nulls(body), _Speech)
    return SpeechRequest(
        text=read.input,
        voice=read.voice,
        format=read.response_format,
        speed=read.speed,
        instructions=read.instructions,
    )
