"""What was heard, in the forms that OpenAI's protocol knows: JSON of two kinds, text, and subtitles of two kinds."""

from collections.abc import Callable
from typing import Any

import orjson

from inglenook.kit.errors import UpstreamFailed
from inglenook.models.calls import Event, Transcript, Usage

_JSON, _TEXT = "application/json", "text/plain; charset=utf-8"
#: Forms that need to know when something was said.
TIMED = frozenset({"srt", "vtt", "verbose_json"})


def transcribed(events: list[Event], form: str, *, translate: bool) -> tuple[str, bytes]:
    """Content type and body of an answer; `form` is one of `FORMATS`.

    Raises:
        UpstreamFailed: subtitles are wanted, and the model did not say when what was said.
    """
    heard, usage = Transcript(""), Usage()
    for event in events:
        if type(event) is Transcript:
            heard = event
        elif type(event) is Usage:
            usage = event
    content_type, write = _WRITERS[form]
    if form == "verbose_json":
        return content_type, _verbose(heard, usage, translate=translate)
    return content_type, write(heard, usage)


def _json(heard: Transcript, usage: Usage) -> bytes:
    return orjson.dumps({"text": heard.text, "usage": _usage(usage)})


def _verbose(heard: Transcript, usage: Usage, *, translate: bool) -> bytes:
    found: dict[str, Any] = {
        "task": "translate" if translate else "transcribe",
        "language": heard.language or "",
        "duration": heard.duration or 0.0,
        "text": heard.text,
        "segments": heard.segments,
        "usage": _usage(usage),
    }
    return orjson.dumps(found | ({"words": heard.words} if heard.words else {}))


def _usage(usage: Usage) -> dict[str, Any]:
    text = max(0, usage.input - usage.audio_input)
    return {
        "type": "tokens",
        "input_tokens": usage.input,
        "input_token_details": {"audio_tokens": usage.audio_input, "text_tokens": text},
        "output_tokens": usage.output,
        "total_tokens": usage.input + usage.output,
    }


def _text(heard: Transcript, _: Usage) -> bytes:
    return f"{heard.text}\n".encode()


def _srt(heard: Transcript, _: Usage) -> bytes:
    cues = [
        f"{number}\n{_clock(start, ',')} --> {_clock(end, ',')}\n{text}\n"
        for number, (start, end, text) in enumerate(_cues(heard), 1)
    ]
    return "\n".join(cues).encode()


def _vtt(heard: Transcript, _: Usage) -> bytes:
    cues = [f"{_clock(start, '.')} --> {_clock(end, '.')}\n{text}\n" for start, end, text in _cues(heard)]
    return "\n".join(["WEBVTT\n", *cues]).encode()


def _cues(heard: Transcript) -> list[tuple[float, float, str]]:
    if heard.segments:
        return [(segment["start"], segment["end"], str(segment["text"]).strip()) for segment in heard.segments]
    if heard.duration is None and heard.text:
        raise UpstreamFailed("the model did not say when what was said; ask for json or text")
    return [(0.0, heard.duration or 0.0, heard.text)]


def _clock(seconds: float, point: str) -> str:
    minutes, ms = divmod(round(seconds * 1000), 60_000)
    return f"{minutes // 60:02}:{minutes % 60:02}:{ms // 1000:02}{point}{ms % 1000:03}"


_WRITERS: dict[str, tuple[str, Callable[[Transcript, Usage], bytes]]] = {
    "json": (_JSON, _json),
    "verbose_json": (_JSON, _json),
    "text": (_TEXT, _text),
    "srt": (_TEXT, _srt),
    "vtt": ("text/vtt; charset=utf-8", _vtt),
}
FORMATS = frozenset(_WRITERS)
