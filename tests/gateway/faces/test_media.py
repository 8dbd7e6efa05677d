"""Reranking, pictures, sound and moderation over real sockets: bytes by a plain client, and the official client."""

import base64
import json
from collections.abc import AsyncIterator
from typing import Any

import httpx
import openai
import pytest

from inglenook.gateway.faces.registry import routes
from inglenook.models.calls import TranscriptionRequest
from tests.support.gateway import Desk, open_wire

WAV = b"RIFF\x04\0\0\0WAVE" + b"\0" * 32


@pytest.fixture
async def client(desk: Desk) -> AsyncIterator[httpx.AsyncClient]:
    async with open_wire(routes(desk.gateway, desk.kept)) as opened:
        opened.headers["authorization"] = f"Bearer {desk.key}"
        yield opened


@pytest.fixture
async def official(client: httpx.AsyncClient, desk: Desk) -> AsyncIterator[openai.AsyncOpenAI]:
    async with openai.AsyncOpenAI(base_url=f"{client.base_url}/v1", api_key=desk.key, max_retries=0) as made:
        yield made


async def refused(client: httpx.AsyncClient, path: str, body: dict[str, Any], param: str | None) -> dict[str, Any]:
    response = await client.post(path, json=body)
    assert response.status_code == 400, response.text
    error: dict[str, Any] = response.json()["error"]
    assert (error["type"], error["param"]) == ("invalid_request_error", param)
    return error


# ------------------------------------------------------------------------------------------------ reranking


@pytest.mark.parametrize("path", ["/v1/rerank", "/v2/rerank"])
async def test_reranking(client: httpx.AsyncClient, desk: Desk, path: str) -> None:
    documents: Any = ["a cat", {"text": "the blue sky"}, "sky"]
    body = {"model": "rerank", "query": "blue sky", "documents": documents, "top_n": 2, "keep_alive": "1m"}
    response = await client.post(path, json=body)
    assert response.status_code == 200, response.text
    found = response.json()
    assert found["results"] == [{"index": 1, "relevance_score": 1.0}, {"index": 2, "relevance_score": 0.5}]
    assert (found["object"], found["model"], found["usage"]["total_tokens"]) == ("list", "rerank", 8)
    assert found["meta"]["billed_units"]["search_units"] == 1
    assert response.headers["x-inglenook-model"] == "rerank"
    request = desk.fake.jobs[-1].request
    assert (request.documents, request.local.keep_alive) == (["a cat", "the blue sky", "sky"], 60)
    found = (await client.post(path, json={**body, "return_documents": True})).json()
    assert [result["document"] for result in found["results"]] == [{"text": "the blue sky"}, {"text": "sky"}]
    (entry, _) = await desk.ledger.entries()
    assert (entry.operation, entry.source) == ("rerank", "rerank")


@pytest.mark.parametrize(
    ("change", "param"),
    [
        ({"query": None}, "query"),
        ({"documents": []}, "documents"),
        ({"documents": [{"image": "x"}]}, "documents[0].image"),
        ({"documents": [3]}, "documents[0]"),
        ({"top_n": 0}, "top_n"),
        ({"max_tokens_per_doc": 100}, "max_tokens_per_doc"),
        ({"model": "echo"}, "model"),
        ({"model": None}, "model"),
    ],
)
async def test_reranking_that_is_refused(client: httpx.AsyncClient, change: dict[str, Any], param: str) -> None:
    await refused(client, "/v1/rerank", {"model": "rerank", "query": "q", "documents": ["a"], **change}, param)


# -------------------------------------------------------------------------------------------------- pictures


async def test_pictures(official: openai.AsyncOpenAI, desk: Desk) -> None:
    made = await official.images.generate(model="paint", prompt="a red fox", n=2, size="1024x1024", quality="high")
    assert made.data is not None
    assert [picture.revised_prompt for picture in made.data] == ["a red fox, as a dot"] * 2
    assert base64.b64decode(made.data[0].b64_json or "").startswith(b"\x89PNG")
    assert made.usage is not None
    assert made.usage.input_tokens == 3
    request = desk.fake.jobs[-1].request
    assert (request.n, request.size, request.quality) == (2, "1024x1024", "high")
    linked = await official.images.generate(model="paint", prompt="x", response_format="url")
    assert (linked.data or [])[0].url == "https://images.invalid/0.png"
    entries = await desk.ledger.entries()
    assert {entry.operation for entry in entries} == {"image"}


@pytest.mark.parametrize(
    ("change", "param"),
    [
        ({"prompt": ""}, "prompt"),
        ({"n": 11}, "n"),
        ({"stream": True}, "stream"),
        ({"output_compression": 50}, "output_compression"),
        ({"moderation": "low"}, "moderation"),
        ({"output_format": "webp"}, "output_format"),
        ({"model": "echo"}, "model"),
    ],
)
async def test_pictures_that_are_refused(client: httpx.AsyncClient, change: dict[str, Any], param: str) -> None:
    await refused(client, "/v1/images/generations", {"model": "paint", "prompt": "x", **change}, param)


# ------------------------------------------------------------------------------------------------ moderation


async def test_moderation(official: openai.AsyncOpenAI, client: httpx.AsyncClient) -> None:
    judged = await official.moderations.create(model="judge", input=["peace", "violence"])
    assert [result.flagged for result in judged.results] == [False, True]
    assert judged.results[1].categories.violence
    parts: Any = [{"type": "text", "text": "violence"}]
    assert (await official.moderations.create(model="judge", input=parts)).results[0].flagged
    await refused(client, "/v1/moderations", {"model": "judge", "input": []}, "input")
    response = await client.post("/v1/moderations", json={"input": "x"})
    assert (response.status_code, "omni-moderation-latest" in response.text) == (404, True)


# ----------------------------------------------------------------------------------------------------- sound


async def test_words_heard(official: openai.AsyncOpenAI, desk: Desk) -> None:
    heard = await official.audio.transcriptions.create(
        model="hear", file=("a.wav", WAV), language="de", prompt="names", temperature=0.2
    )
    assert heard.text == "I heard 44 bytes of a.wav."
    assert desk.fake.jobs[-1].request == TranscriptionRequest(
        data=WAV, file_name="a.wav", language="de", prompt="names", temperature=0.2
    )
    wordy: Any = await official.audio.transcriptions.create(
        model="hear", file=("a.wav", WAV), response_format="verbose_json", timestamp_granularities=["word", "segment"]
    )
    assert (wordy.duration, wordy.segments[0].text, wordy.words[1].word) == (3.0, heard.text, "heard")
    assert desk.fake.jobs[-1].request.timestamps == ["word", "segment"]
    with pytest.warns(DeprecationWarning, match="deprecated"):
        translated = await official.audio.translations.create(model="hear", file=("a.wav", WAV))
    assert translated.text == f"In English: {heard.text}"
    entries = await desk.ledger.entries()
    assert [entry.operation for entry in entries] == ["transcription"] * 3


@pytest.mark.parametrize(
    ("form", "content_type", "body"),
    [
        ("text", "text/plain; charset=utf-8", "I heard 44 bytes of a.wav.\n"),
        (
            "srt",
            "text/plain; charset=utf-8",
            "1\n00:00:00,000 --> 00:00:03,000\nI heard 44 bytes of a.wav.\n",
        ),
        (
            "vtt",
            "text/vtt; charset=utf-8",
            "WEBVTT\n\n00:00:00.000 --> 00:00:03.000\nI heard 44 bytes of a.wav.\n",
        ),
    ],
)
async def test_forms_of_what_was_heard(client: httpx.AsyncClient, form: str, content_type: str, body: str) -> None:
    response = await client.post(
        "/v1/audio/transcriptions",
        data={"model": "hear", "response_format": form},
        files={"file": ("a.wav", WAV)},
    )
    assert (response.headers["content-type"], response.text) == (content_type, body)


@pytest.mark.parametrize(
    ("data", "files", "param"),
    [
        ({}, {"file": ("a.wav", WAV)}, "model"),
        ({"model": "hear"}, {"sound": ("a.wav", WAV)}, "file"),
        ({"model": "hear"}, {"file": ("a.wav", b"")}, "file"),
        ({"model": "hear", "response_format": "rtf"}, {"file": ("a.wav", WAV)}, "response_format"),
        ({"model": "hear", "stream": "true"}, {"file": ("a.wav", WAV)}, "stream"),
        ({"model": "hear", "stream": "maybe"}, {"file": ("a.wav", WAV)}, "stream"),
        ({"model": "hear", "temperature": "hot"}, {"file": ("a.wav", WAV)}, "temperature"),
        ({"model": "hear", "chunking_strategy": "auto"}, {"file": ("a.wav", WAV)}, "chunking_strategy"),
        ({"model": "hear", "timestamp_granularities[]": "line"}, {"file": ("a.wav", WAV)}, "timestamp_granularities"),
        ({"model": "echo"}, {"file": ("a.wav", WAV)}, "model"),
    ],
)
async def test_sound_that_is_refused(client: httpx.AsyncClient, data: Any, files: Any, param: str) -> None:
    response = await client.post("/v1/audio/transcriptions", data=data, files=files)
    assert (response.status_code, response.json()["error"]["param"]) == (400, param)


async def test_what_is_no_form_is_refused(client: httpx.AsyncClient) -> None:
    response = await client.post("/v1/audio/transcriptions", json={"model": "hear"})
    assert (response.status_code, response.json()["error"]["type"]) == (400, "invalid_request_error")


async def test_words_spoken(official: openai.AsyncOpenAI, desk: Desk) -> None:
    pieces = []
    async with official.audio.speech.with_streaming_response.create(
        model="speak", input="hello there", voice="alloy", response_format="wav", speed=1.5, instructions="softly"
    ) as spoken:
        assert spoken.headers["content-type"] == "audio/wav"
        assert spoken.headers["x-inglenook-model"] == "speak"
        async for piece in spoken.iter_bytes():
            pieces.append(piece)
    sound = b"".join(pieces)
    assert sound.startswith(b"RIFF")
    assert int.from_bytes(sound[4:8], "little") == len(sound) - 8
    request = desk.fake.jobs[-1].request
    assert (request.voice, request.format, request.speed, request.instructions) == ("alloy", "wav", 1.5, "softly")
    (entry,) = await desk.ledger.entries()
    assert (entry.operation, entry.status) == ("speech", "finished")


@pytest.mark.parametrize(
    ("change", "param"),
    [
        ({"input": ""}, "input"),
        ({"voice": None}, "voice"),
        ({"response_format": "flac"}, "response_format"),
        ({"stream_format": "sse"}, "stream_format"),
        ({"model": "echo"}, "model"),
    ],
)
async def test_speech_that_is_refused(client: httpx.AsyncClient, change: dict[str, Any], param: str) -> None:
    body = {"model": "speak", "input": "x", "voice": "alloy", **change}
    response = await client.post("/v1/audio/speech", json=body)
    assert response.status_code == 400, response.text
    error = response.json()["error"]
    assert error["param"] == param or (param == "voice" and "voice" in error["message"])


async def test_a_key_is_needed(client: httpx.AsyncClient) -> None:
    client.headers["authorization"] = "Bearer ink-wrong"
    for path in (
        "/v1/rerank",
        "/v1/images/generations",
        "/v1/moderations",
        "/v1/audio/transcriptions",
        "/v1/audio/translations",
        "/v1/audio/speech",
    ):
        response = await client.post(path, content=b"")
        assert (response.status_code, response.json()["error"]["code"]) == (401, "invalid_api_key"), path


async def test_a_provider_that_has_no_way_to_do_it_says_so(client: httpx.AsyncClient) -> None:
    error = await refused(client, "/v1/rerank", {"model": "echo", "query": "q", "documents": ["a"]}, "model")
    assert (error["code"], error["details"]["capability"]) == ("not_capable", "reranking")
    assert json.dumps(error)
