"""What the fake provider answers besides text: vectors, scores, pictures, words heard and spoken, verdicts.

All of it follows from the request alone.
"""

import base64
import hashlib
import math
import re
import struct
import zlib
from collections.abc import Callable, Iterator
from typing import Any

import orjson

from inglenook.kit.errors import BadInput
from inglenook.models.calls import (
    Audio,
    EmbeddingRequest,
    Event,
    Finished,
    GeneratedImage,
    ImageRequest,
    Images,
    ModerationRequest,
    Operation,
    Request,
    RerankRequest,
    Score,
    Scores,
    SpeechRequest,
    Transcript,
    TranscriptionRequest,
    Usage,
    Vectors,
    Verdicts,
)
from inglenook.models.errors import CannotCarry
from inglenook.models.providers.base import ModelFacts

DIMENSIONS = 64
OPERATIONS = frozenset(
    {
        Operation.RERANK,
        Operation.IMAGE,
        Operation.TRANSCRIPTION,
        Operation.SPEECH,
        Operation.MODERATION,
    }
)
#: The models, each with the one thing it can do.
MODELS = {
    "embed": "embedding",
    "rerank": "rerank",
    "paint": "image",
    "hear": "transcription",
    "speak": "speech",
    "judge": "moderation",
}
_SECOND = 8000  # samples


def models() -> list[ModelFacts]:
    """The models of this file."""
    return [
        ModelFacts(
            name=name,
            capabilities=frozenset({capability}),
            context_length=512,
            embedding_length=DIMENSIONS if capability == "embedding" else 0,
        )
        for name, capability in MODELS.items()
    ]


def answer(request: Request) -> Iterator[Event] | None:
    """The answer; None to a request for text."""
    kind: Callable[[Any], Iterator[Event]] | None = _ANSWERS.get(type(request))
    return None if kind is None else kind(request)


def vector(text: str) -> list[float]:
    """The vector of a text: a sum of one direction a word, of length 1. Texts that share words are near."""
    total = [0.0] * DIMENSIONS
    for word in re.findall(r"\w+", text.lower()) or [text]:
        for index, byte in enumerate(hashlib.blake2b(word.encode(), digest_size=DIMENSIONS).digest()):
            total[index] += byte / 127.5 - 1
    length = math.sqrt(sum(value * value for value in total)) or 1.0
    return [value / length for value in total]


def _embed(request: EmbeddingRequest) -> Iterator[Event]:
    size = request.dimensions or DIMENSIONS
    if size > DIMENSIONS:
        raise BadInput(f"dimensions must be at most {DIMENSIONS}, got {size}", field="dimensions")
    yield Vectors([vector(text)[:size] for text in request.inputs])
    yield Usage(input=sum(len(text.split()) for text in request.inputs))


def _rerank(request: RerankRequest) -> Iterator[Event]:
    """By the words that question and document share."""
    asked = set(request.query.lower().split())
    scores = [
        Score(index, round(len(asked & set(text.lower().split())) / (len(asked) or 1), 6))
        for index, text in enumerate(request.documents)
    ]
    best = sorted(scores, key=lambda score: (-score.score, score.index))
    yield Scores(best[: request.top_n])
    yield Usage(input=sum(len(text.split()) for text in (request.query, *request.documents)), searches=1)


def _paint(request: ImageRequest) -> Iterator[Event]:
    """Pictures of one dot, in a colour that depends on the prompt."""
    if request.output_format not in (None, "png"):
        raise CannotCarry(f"this model paints PNG only, not {request.output_format}", field="output_format")
    count = request.n or 1
    if request.response_format == "url":
        images = [GeneratedImage(url=f"https://images.invalid/{number}.png") for number in range(count)]
    else:
        dot = base64.b64encode(_png(hashlib.blake2b(request.prompt.encode(), digest_size=3).digest())).decode()
        images = [GeneratedImage(data=dot, revised_prompt=f"{request.prompt}, as a dot") for _ in range(count)]
    yield Images(images)
    yield Usage(input=len(request.prompt.split()), images=count)


def _png(colour: bytes) -> bytes:
    def chunk(name: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))

    head = struct.pack(">IIBBBBB", 1, 1, 8, 2, 0, 0, 0)
    pixels = zlib.compress(b"\0" + colour)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", pixels) + chunk(b"IEND", b"")


def _hear(request: TranscriptionRequest) -> Iterator[Event]:
    said = f"I heard {len(request.data)} bytes of {request.file_name}."
    if request.translate:
        said = f"In English: {said}"
    words = said.split()
    segment = {"id": 0, "start": 0.0, "end": 0.5 * len(words), "text": said}
    yield Transcript(
        said,
        language=request.language or "en",
        duration=0.5 * len(words),
        segments=[segment],
        words=[{"word": word, "start": 0.5 * number, "end": 0.5 * number + 0.5} for number, word in enumerate(words)],
    )
    yield Usage(input=len(request.data), audio_input=len(request.data), output=len(words))


def _speak(request: SpeechRequest) -> Iterator[Event]:
    """A tone a letter, in three pieces."""
    if request.format not in (None, "wav", "pcm"):
        raise CannotCarry(f"this model speaks wav or pcm, not {request.format}", field="response_format")
    samples = b"".join(
        bytes(128 + round(100 * math.sin(at * ord(letter) / 40)) for at in range(_SECOND // 100))
        for letter in request.text
    )
    sound, kind = (samples, "audio/pcm") if request.format == "pcm" else (_wav(samples), "audio/wav")
    third = max(1, len(sound) // 3)
    for start in range(0, len(sound), third):
        yield Audio(sound[start : start + third], kind)
    words = len(request.text.split())
    yield Usage(input=words, output=len(samples), audio_output=len(samples))
    yield Finished("stop")


def _wav(samples: bytes) -> bytes:
    form = struct.pack("<4sIHHIIHH", b"fmt ", 16, 1, 1, _SECOND, _SECOND, 1, 8)
    body = b"WAVE" + form + struct.pack("<4sI", b"data", len(samples)) + samples
    return struct.pack("<4sI", b"RIFF", len(body)) + body


def _judge(request: ModerationRequest) -> Iterator[Event]:
    """What speaks of violence is violent."""

    def verdict(given: Any) -> dict[str, Any]:
        violent = b"violence" in orjson.dumps(given).lower()
        return {
            "flagged": violent,
            "categories": {"violence": violent, "harassment": False},
            "category_scores": {"violence": 0.9 if violent else 0.1, "harassment": 0.0},
        }

    yield Verdicts([verdict(given) for given in request.inputs])
    yield Usage()


_ANSWERS: dict[type[Any], Callable[[Any], Iterator[Event]]] = {
    EmbeddingRequest: _embed,
    RerankRequest: _rerank,
    ImageRequest: _paint,
    TranscriptionRequest: _hear,
    SpeechRequest: _speak,
    ModerationRequest: _judge,
}
