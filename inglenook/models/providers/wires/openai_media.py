"""OpenAI's protocols of pictures, sound and moderation: our requests to bodies, answers to our events."""

from collections.abc import Iterator
from typing import Any

import msgspec
from msgspec import Struct, field

from inglenook.kit.errors import UpstreamFailed
from inglenook.models.calls import (
    Event,
    FormField,
    GeneratedImage,
    ImageRequest,
    Images,
    ModerationRequest,
    SpeechRequest,
    Transcript,
    TranscriptionRequest,
    Usage,
    Verdicts,
)
from inglenook.models.providers.wires.openai_usage import usage_of

Body = dict[str, Any]
_IMAGE_FIELDS = ("n", "size", "quality", "style", "background", "output_format", "response_format")


def image_body(model: str, request: ImageRequest) -> Body:
    """A body for `/images/generations`."""
    given = {name: value for name in _IMAGE_FIELDS if (value := getattr(request, name)) is not None}
    return {"model": model, "prompt": request.prompt, **given}


def speech_body(model: str, request: SpeechRequest) -> Body:
    """A body for `/audio/speech`."""
    body: Body = {"model": model, "input": request.text, "voice": request.voice}
    for name, value in (
        ("response_format", request.format),
        ("speed", request.speed),
        ("instructions", request.instructions),
    ):
        if value is not None:
            body[name] = value
    return body


def moderation_body(model: str, request: ModerationRequest) -> Body:
    """A body for `/moderations`."""
    return {"model": model, "input": request.inputs}


def transcription_form(model: str, request: TranscriptionRequest) -> list[FormField]:
    """The form for `/audio/transcriptions` and `/audio/translations`."""
    texts = [
        ("model", model),
        ("language", request.language),
        ("prompt", request.prompt),
        ("temperature", None if request.temperature is None else f"{request.temperature:g}"),
        # Only the wordy answer holds what times belong to; not every model can give it.
        ("response_format", "verbose_json" if request.timestamps else "json"),
        *(("timestamp_granularities[]", kind) for kind in request.timestamps),
    ]
    fields = [FormField(name, text.encode()) for name, text in texts if text is not None]
    return [*fields, FormField("file", request.data, file_name=request.file_name)]


# --------------------------------------------------------------------------------------------------- answers


class _Image(Struct):
    b64_json: str | None = None
    url: str | None = None
    revised_prompt: str | None = None


class _Images(Struct):
    data: list[_Image] | None = None
    images: list[_Image] | None = None  # SiliconFlow
    output_format: str | None = None
    usage: dict[str, Any] | None = None


class _Transcript(Struct):
    text: str
    language: str | None = None
    duration: float | str | None = None
    segments: list[dict[str, Any]] | None = None
    words: list[dict[str, Any]] | None = None
    usage: dict[str, Any] | None = None


class _Verdicts(Struct):
    results: list[dict[str, Any]] = field(default_factory=list)
    usage: dict[str, Any] | None = None


_images = msgspec.json.Decoder(_Images)
_transcript = msgspec.json.Decoder(_Transcript)
_verdicts = msgspec.json.Decoder(_Verdicts)


def read_images(body: bytes) -> Iterator[Event]:
    """The events of an answer of `/images/generations`.

    Raises:
        UpstreamFailed: it is malformed, or holds no picture.
    """
    answer = _decoded(_images, body, "images")
    made = [GeneratedImage(one.b64_json, one.url, one.revised_prompt) for one in answer.data or answer.images or ()]
    if not made or not all(image.data or image.url for image in made):
        raise UpstreamFailed("the provider answered without a picture")
    yield image_usage(body, len(made))
    yield Images(made, f"image/{answer.output_format or 'png'}")


def image_usage(body: bytes, count: int | None = None) -> Usage:
    """What making the pictures of an answer used; `count` None: as many as it holds."""
    try:
        answer = _images.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return Usage(images=count or 0, estimated=True)
    usage = usage_of(answer.usage) or Usage()
    usage.images = len(answer.data or answer.images or ()) if count is None else count
    return usage


def read_transcript(body: bytes) -> Iterator[Event]:
    """The events of an answer of `/audio/transcriptions`.

    Raises:
        UpstreamFailed: it is malformed.
    """
    answer = _decoded(_transcript, body, "a transcript")
    duration = _seconds(answer.duration)
    if (usage := _heard(answer)) is not None:
        yield usage
    yield Transcript(answer.text, answer.language, duration, answer.segments or [], answer.words or [])


def transcript_usage(body: bytes) -> Usage | None:
    """What hearing used, if the answer tells."""
    try:
        return _heard(_transcript.decode(body))
    except (msgspec.DecodeError, UnicodeDecodeError):
        return None


def read_verdicts(body: bytes, count: int) -> Iterator[Event]:
    """The events of an answer of `/moderations`.

    Raises:
        UpstreamFailed: it is malformed, or has not `count` verdicts.
    """
    answer = _decoded(_verdicts, body, "verdicts")
    if len(answer.results) != count:
        raise UpstreamFailed(f"the provider sent {len(answer.results)} verdicts for {count} inputs")
    yield usage_of(answer.usage) or Usage()
    yield Verdicts(answer.results)


def _heard(answer: _Transcript) -> Usage | None:
    usage, duration = usage_of(answer.usage), _seconds(answer.duration)
    if duration and (usage is None or not usage.seconds):
        usage = usage or Usage()
        usage.seconds = duration
    return usage


def _seconds(value: float | str | None) -> float | None:
    try:
        return None if value is None else float(value)
    except ValueError:
        return None


def _decoded(decoder: Any, body: bytes, what: str) -> Any:
    try:
        return decoder.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise UpstreamFailed(f"the provider was asked for {what} and sent something else: {error}") from None
