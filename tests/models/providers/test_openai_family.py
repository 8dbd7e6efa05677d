"""What the OpenAI family has beyond chat: `/responses`, pictures, sound, moderation, several keys, deployments."""

import json
from collections.abc import AsyncIterator
from typing import Any

import orjson
import pytest

from inglenook.kit.errors import BadInput, UpstreamFailed
from inglenook.kit.http.pool import HttpPool
from inglenook.models.calls import (
    Audio,
    ChatRequest,
    EmbeddingRequest,
    FilePart,
    Finished,
    FormField,
    GeneratedImage,
    ImagePart,
    ImageRequest,
    Images,
    Logprobs,
    Message,
    ModerationRequest,
    Operation,
    Passthrough,
    Raw,
    RawHead,
    ReasoningDelta,
    Request,
    ResponseFormat,
    Sampling,
    SpeechRequest,
    TextDelta,
    TextPart,
    Thought,
    ToolCall,
    ToolCallDelta,
    ToolSpec,
    Transcript,
    TranscriptionRequest,
    Usage,
    Vectors,
    Verdicts,
)
from inglenook.models.errors import CannotCarry, KeyRefused, OutOfCredit
from inglenook.models.providers.base import Job, Provider
from tests.support.bought import HI, answers, collect, job, passing, pour, provider, read_into, refuses
from tests.support.upstream import Asked, Upstream, open_upstream


@pytest.fixture
async def upstream() -> AsyncIterator[Upstream]:
    async with open_upstream() as opened:
        yield opened


@pytest.fixture
def openai(upstream: Upstream, http: HttpPool) -> Provider:
    return provider("openai", http, base_url=upstream.url, api_key="sk-1")


def events(*told: dict[str, Any]) -> bytes:
    return b"".join(b"event: %b\ndata: %b\n\n" % (event["type"].encode(), orjson.dumps(event)) for event in told)


# ------------------------------------------------------------------------------------------------- /responses

USAGE = {
    "input_tokens": 50,
    "input_tokens_details": {"cached_tokens": 20},
    "output_tokens": 30,
    "output_tokens_details": {"reasoning_tokens": 25},
    "total_tokens": 80,
}
RESPONSE = events(
    {"type": "response.created", "response": {"id": "resp_1", "status": "in_progress"}},
    {"type": "response.output_item.added", "output_index": 0, "item": {"id": "rs_1", "type": "reasoning"}},
    {"type": "response.reasoning_summary_part.added", "output_index": 0, "summary_index": 0},
    {"type": "response.reasoning_summary_text.delta", "output_index": 0, "summary_index": 0, "delta": "Hm."},
    {"type": "response.reasoning_summary_part.added", "output_index": 0, "summary_index": 1},
    {"type": "response.reasoning_summary_text.delta", "output_index": 0, "summary_index": 1, "delta": "Ah."},
    {
        "type": "response.output_item.done",
        "output_index": 0,
        "item": {"id": "rs_1", "type": "reasoning", "summary": [], "encrypted_content": "gAAA"},
    },
    {"type": "response.output_item.added", "output_index": 1, "item": {"type": "message", "role": "assistant"}},
    {
        "type": "response.output_text.delta",
        "output_index": 1,
        "delta": "384,400 km",
        "logprobs": [{"token": "3", "logprob": -0.5, "bytes": [51], "top_logprobs": [{"token": "4", "logprob": -1}]}],
    },
    {
        "type": "response.output_item.added",
        "output_index": 2,
        "item": {"type": "function_call", "id": "fc_1", "call_id": "call_1", "name": "distance", "arguments": ""},
    },
    {"type": "response.function_call_arguments.delta", "output_index": 2, "delta": '{"to":'},
    {"type": "response.function_call_arguments.delta", "output_index": 2, "delta": '"moon"}'},
    {"type": "response.completed", "response": {"id": "resp_1", "status": "completed", "usage": USAGE}},
)


@pytest.mark.parametrize("size", [0, 1, 13])
async def test_a_model_of_responses_alone_is_asked_there(openai: Provider, upstream: Upstream, size: int) -> None:
    answers(upstream, RESPONSE, size)
    request = ChatRequest(
        messages=[
            Message("system", "Be brief."),
            Message(
                "user", [TextPart("look"), ImagePart("image/png", "AAAA"), FilePart("application/pdf", "BBBB", "a")]
            ),
            Message(
                "assistant",
                "Let me see.",
                tool_calls=[ToolCall("c1", "distance", '{"to":"sun"}')],
                thoughts=[Thought("Hm.", data="~openai~gOLD"), Thought(data="~gemini~x"), Thought("y", signature="z")],
            ),
            Message("tool", "far", tool_call_id="c1"),
        ],
        tools=[ToolSpec("distance", "How far", {"type": "object"}, strict=True)],
        tool_choice={"name": "distance"},
        parallel_tool_calls=False,
        response_format=ResponseFormat("json_schema", {"type": "object"}, "answer", True),
        reasoning="xhigh",
        user="u-1",
        sampling=Sampling(max_tokens=64, logprobs=True, top_logprobs=2),
    )
    found = await collect(openai, job(request, "gpt-5.2-pro"))
    text, logprobs = found[4], found[5]
    assert found[:4] == [
        ReasoningDelta("Hm."),
        ReasoningDelta("\n\n"),
        ReasoningDelta("Ah."),
        ReasoningDelta("", data="~openai~gAAA"),
    ]
    assert text == TextDelta("384,400 km")
    assert isinstance(logprobs, Logprobs)
    assert logprobs.tokens[0].top[0].bytes == [52]
    assert found[6:] == [
        ToolCallDelta(0, "call_1", "distance"),
        ToolCallDelta(0, arguments='{"to":'),
        ToolCallDelta(0, arguments='"moon"}'),
        Usage(input=50, output=30, cached=20, reasoning=25),
        Finished("tool_calls"),
    ]
    (asked,) = upstream.asked
    assert asked.path == "/v1/responses"
    assert asked.json == {
        "model": "gpt-5.2-pro",
        "stream": True,
        "store": False,
        "include": ["reasoning.encrypted_content", "message.output_text.logprobs"],
        "top_logprobs": 2,
        "input": [
            {"type": "message", "role": "system", "content": [{"type": "input_text", "text": "Be brief."}]},
            {
                "type": "message",
                "role": "user",
                "content": [
                    {"type": "input_text", "text": "look"},
                    {"type": "input_image", "image_url": "data:image/png;base64,AAAA", "detail": "auto"},
                    {"type": "input_file", "filename": "a", "file_data": "data:application/pdf;base64,BBBB"},
                ],
            },
            {
                "type": "reasoning",
                "summary": [{"type": "summary_text", "text": "Hm."}],
                "encrypted_content": "gOLD",
            },
            {"type": "message", "role": "assistant", "content": [{"type": "output_text", "text": "Let me see."}]},
            {"type": "function_call", "call_id": "c1", "name": "distance", "arguments": '{"to":"sun"}'},
            {"type": "function_call_output", "call_id": "c1", "output": "far"},
        ],
        "max_output_tokens": 64,
        "tools": [
            {
                "type": "function",
                "name": "distance",
                "description": "How far",
                "parameters": {"type": "object"},
                "strict": True,
            }
        ],
        "tool_choice": {"type": "function", "name": "distance"},
        "parallel_tool_calls": False,
        "text": {"format": {"type": "json_schema", "name": "answer", "schema": {"type": "object"}, "strict": True}},
        "reasoning": {"effort": "xhigh"},
        "user": "u-1",
    }


@pytest.mark.parametrize(
    ("last", "reason"),
    [
        ({"incomplete_details": {"reason": "max_output_tokens"}}, "length"),
        ({"incomplete_details": {"reason": "content_filter"}}, "content_filter"),
    ],
)
async def test_a_response_may_be_incomplete(
    openai: Provider, upstream: Upstream, last: dict[str, Any], reason: str
) -> None:
    answers(upstream, events({"type": "response.incomplete", "response": last}))
    assert await collect(openai, job(HI, "o3-pro")) == [Finished(reason)]  # type: ignore[arg-type]


async def test_a_response_may_fail(openai: Provider, upstream: Upstream) -> None:
    failed = {"type": "response.failed", "response": {"error": {"code": "insufficient_quota", "message": "no money"}}}
    answers(upstream, events(failed))
    with pytest.raises(OutOfCredit, match="no money"):
        await collect(openai, job(HI, "o3-pro"))
    answers(upstream, events({"type": "error", "code": "server_error", "message": "oops", "param": None}))
    with pytest.raises(UpstreamFailed, match="oops"):
        await collect(openai, job(HI, "o3-pro"))
    answers(upstream, events({"type": "response.created", "response": {}}))
    with pytest.raises(UpstreamFailed, match="before its answer was whole"):
        await collect(openai, job(HI, "o3-pro"))
    answers(upstream, b"data: {nonsense\n\n")
    with pytest.raises(UpstreamFailed, match="malformed"):
        await collect(openai, job(HI, "o3-pro"))


async def test_where_responses_has_no_word_the_older_endpoint_has(openai: Provider, upstream: Upstream) -> None:
    answers(upstream, RESPONSE)
    await collect(openai, job(HI, "gpt-5.4"))
    done = b'data: {"choices":[{"index":0,"delta":{},"finish_reason":"stop"}]}\n\ndata: [DONE]\n\n'
    answers(upstream, done)
    await collect(openai, job(ChatRequest(messages=HI.messages, sampling=Sampling(seed=1)), "gpt-5.4"))
    assert [asked.path for asked in upstream.asked] == ["/v1/responses", "/v1/chat/completions"]
    with pytest.raises(CannotCarry) as caught:
        await collect(openai, job(ChatRequest(messages=HI.messages, sampling=Sampling(seed=1)), "gpt-5.2-pro"))
    assert caught.value.field == "seed"


async def test_tokens_are_counted(openai: Provider, upstream: Upstream) -> None:
    refuses(upstream, 200, {"object": "response.input_tokens", "input_tokens": 11})
    request = ChatRequest(messages=HI.messages, tools=[ToolSpec("f")], sampling=Sampling(max_tokens=5))
    assert await collect(openai, job(request, "gpt-4.1", Operation.COUNT)) == [Usage(input=11), Finished("stop")]
    (asked,) = upstream.asked
    assert asked.path == "/v1/responses/input_tokens"
    assert asked.json.keys() == {"model", "input", "tools"}
    refuses(upstream, 200, {"object": "error"})
    with pytest.raises(UpstreamFailed, match="asked to count"):
        await collect(openai, job(request, "gpt-4.1", Operation.COUNT))


async def test_summaries_are_asked_for_only_if_an_administrator_wants_them(upstream: Upstream, http: HttpPool) -> None:
    answers(upstream, RESPONSE)
    asked = provider("openai", http, base_url=upstream.url, api_key="sk-1", summaries=True)
    await collect(asked, job(HI, "gpt-5.4"))
    assert upstream.asked[0].json["reasoning"] == {"summary": "auto"}


def test_a_chat_body_cannot_pass_to_a_model_of_responses_alone(openai: Any) -> None:
    passthrough = Passthrough("openai.chat", {}, False)
    assert not openai.passes("gpt-5.2-pro-2025-12-11", passthrough)
    assert not openai.passes("o3-deep-research", passthrough)
    assert openai.passes("gpt-5.2", passthrough)
    assert openai.passes("gpt-5.2-pro", Passthrough("openai.responses", {}, False))


async def test_responses_pass(openai: Provider, upstream: Upstream) -> None:
    long = {"type": "response.completed", "response": {"output": ["x" * 300_000], "usage": USAGE}}
    data = RESPONSE.rpartition(b"event: response.completed")[0] + events(long)
    for size in (0, 1000):
        answers(upstream, data, size)
        head, *raws, usage = await collect(openai, passing("openai.responses", {"model": "m", "stream": True}, "o3"))
        assert usage == Usage(input=50, output=30, cached=20, reasoning=25)
        assert head == RawHead(200, "text/event-stream")
        assert b"".join(event.data for event in raws if isinstance(event, Raw)) == data
        assert upstream.asked[-1].json == {"model": "o3", "stream": True}
    answers(upstream, events({"type": "response.created", "response": {}}))
    with pytest.raises(UpstreamFailed, match="before its answer was whole"):
        await collect(openai, passing("openai.responses", {"stream": True}, "o3"))


# ------------------------------------------------------------------------------------------- pictures and sound


async def test_pictures_are_made(openai: Provider, upstream: Upstream) -> None:
    usage = {"input_tokens": 9, "output_tokens": 1056, "input_tokens_details": {"text_tokens": 9, "image_tokens": 0}}
    made = {"created": 1, "data": [{"b64_json": "AAAA"}, {"b64_json": "BBBB"}], "output_format": "webp", "usage": usage}
    refuses(upstream, 200, made)
    request = ImageRequest(prompt="a hearth", n=2, size="1024x1024", quality="low", output_format="webp")
    found = await collect(openai, job(request, "gpt-image-1", Operation.IMAGE))
    assert found == [
        Usage(input=9, output=1056, images=2),
        Images([GeneratedImage("AAAA"), GeneratedImage("BBBB")], "image/webp"),
    ]
    (asked,) = upstream.asked
    assert asked.path == "/v1/images/generations"
    assert asked.json == {
        "model": "gpt-image-1",
        "prompt": "a hearth",
        "n": 2,
        "size": "1024x1024",
        "quality": "low",
        "output_format": "webp",
    }
    refuses(upstream, 200, {"data": []})
    with pytest.raises(UpstreamFailed, match="without a picture"):
        await collect(openai, job(request, "gpt-image-1", Operation.IMAGE))


async def test_pictures_pass_and_are_counted(openai: Any, upstream: Upstream) -> None:
    refuses(upstream, 200, {"data": [{"url": "https://x"}]})
    *_, usage = await openai.relay(passing("openai.images", {"prompt": "x"}, "dall-e-3"))
    assert usage == Usage(images=1)


async def test_pictures_are_asked_for_in_a_vendors_own_words(upstream: Upstream, http: HttpPool) -> None:
    refuses(upstream, 200, {"images": [{"url": "https://x"}], "timings": {}, "seed": 1})
    silicon = provider("siliconflow", http, base_url=upstream.url, api_key="sk-1")
    request = ImageRequest(prompt="x", n=2, size="1024x1024", response_format="url")
    found = await collect(silicon, job(request, "Kwai-Kolors/Kolors", Operation.IMAGE))
    assert found[-1] == Images([GeneratedImage(url="https://x")])
    assert upstream.asked[0].json == {
        "model": "Kwai-Kolors/Kolors",
        "prompt": "x",
        "batch_size": 2,
        "image_size": "1024x1024",
    }


def form_of(asked: Asked) -> dict[str, tuple[dict[str, str], bytes]]:
    """The fields of a multipart body as a server reads them."""
    boundary = asked.headers["content-type"].partition("boundary=")[2].encode()
    found = {}
    for part in asked.body.split(b"--" + boundary)[1:-1]:
        head, _, data = part.strip(b"\r\n").partition(b"\r\n\r\n")
        fields = dict(line.split(": ", 1) for line in head.decode().split("\r\n"))
        name = fields["content-disposition"].partition('name="')[2].partition('"')[0]
        found[name] = (fields, data)
    return found


@pytest.mark.parametrize("translate", [False, True])
async def test_sound_is_transcribed(openai: Provider, upstream: Upstream, translate: bool) -> None:
    refuses(upstream, 200, {"text": "Guten Tag", "language": "german", "duration": 2.5, "segments": [{"id": 0}]})
    request = TranscriptionRequest(
        data=b"RIFF\r\n--\0", file_name='a"b.wav', language="de", timestamps=["segment"], translate=translate
    )
    found = await collect(openai, job(request, "whisper-1", Operation.TRANSCRIPTION))
    assert found == [Usage(seconds=2.5), Transcript("Guten Tag", "german", 2.5, [{"id": 0}])]
    (asked,) = upstream.asked
    assert asked.path == ("/v1/audio/translations" if translate else "/v1/audio/transcriptions")
    fields = form_of(asked)
    assert fields["file"][1] == b"RIFF\r\n--\0"
    assert 'filename="a%22b.wav"' in fields["file"][0]["content-disposition"]
    assert fields["file"][0]["content-type"] == "application/octet-stream"
    assert {name: data for name, (_, data) in fields.items() if name != "file"} == {
        "model": b"whisper-1",
        "language": b"de",
        "response_format": b"verbose_json",
        "timestamp_granularities[]": b"segment",
    }
    assert asked.headers["authorization"] == "Bearer sk-1"


async def test_a_form_passes_with_the_model_we_know(openai: Any, upstream: Upstream) -> None:
    usage = {"type": "tokens", "input_tokens": 14, "input_token_details": {"audio_tokens": 14}, "output_tokens": 4}
    body = {"text": "hi", "usage": usage}
    refuses(upstream, 200, body)
    form = [
        FormField("model", b"alias"),
        FormField("file", b"\x00\x01", "a.mp3", "audio/mpeg"),
        FormField("vendor_field", b"1"),
    ]
    passed = Passthrough("openai.transcriptions", {"model": "alias"}, False, form)
    work = Job(model="gpt-4o-transcribe", stream=False, decode=lambda: HI, passthrough=passed)
    head, raw, used = await openai.relay(work)
    assert (head, json.loads(raw.data)) == (RawHead(200, "application/json"), body)
    assert used == Usage(input=14, output=4, audio_input=14)
    fields = form_of(upstream.asked[0])
    assert {name: data for name, (_, data) in fields.items()} == {
        "model": b"gpt-4o-transcribe",
        "file": b"\x00\x01",
        "vendor_field": b"1",
    }
    assert fields["file"][0]["content-type"] == "audio/mpeg"


async def test_text_is_spoken(openai: Provider, upstream: Upstream) -> None:
    async def answer(asked: Asked) -> None:
        await pour(asked, b"\xff\xfb" * 10, 5, "audio/mpeg")

    upstream.answer = answer
    request = SpeechRequest(text="Grüß Gott", voice="alloy", format="mp3", speed=1.5, instructions="softly")
    *sound, usage, finished = await collect(openai, job(request, "gpt-4o-mini-tts", Operation.SPEECH))
    assert b"".join(event.data for event in sound if isinstance(event, Audio)) == b"\xff\xfb" * 10
    assert all(event.media_type == "audio/mpeg" for event in sound if isinstance(event, Audio))
    assert (usage, finished) == (Usage(characters=9), Finished("stop"))
    assert upstream.asked[0].json == {
        "model": "gpt-4o-mini-tts",
        "input": "Grüß Gott",
        "voice": "alloy",
        "response_format": "mp3",
        "speed": 1.5,
        "instructions": "softly",
    }
    body = {"input": "Grüß Gott", "voice": "alloy", "stream": True}
    head, *raws, usage = await collect(openai, passing("openai.speech", body, "tts-1"))
    assert head == RawHead(200, "audio/mpeg")
    assert b"".join(event.data for event in raws if isinstance(event, Raw)) == b"\xff\xfb" * 10
    assert usage == Usage(characters=9)


async def test_texts_are_judged(openai: Provider, upstream: Upstream) -> None:
    results = [{"flagged": False, "categories": {}}, {"flagged": True, "categories": {"violence": True}}]
    refuses(upstream, 200, {"id": "modr-1", "model": "omni", "results": results})
    request = ModerationRequest(inputs=["a", "b"])
    assert await collect(openai, job(request, "omni", Operation.MODERATION)) == [Usage(), Verdicts(results)]
    refuses(upstream, 200, {"results": results[:1]})
    with pytest.raises(UpstreamFailed, match="1 verdicts for 2 inputs"):
        await collect(openai, job(request, "omni", Operation.MODERATION))


async def test_what_a_vendor_has_no_way_to_do_is_said(upstream: Upstream, http: HttpPool) -> None:
    moonshot = provider("moonshot", http, base_url=upstream.url, api_key="sk-1")
    request: Request
    for request, operation in (
        (ImageRequest(prompt="x"), Operation.IMAGE),
        (EmbeddingRequest(inputs=["x"]), Operation.EMBEDDING),
        (TranscriptionRequest(data=b"", file_name="a"), Operation.TRANSCRIPTION),
    ):
        with pytest.raises(CannotCarry, match="has no way to do this"):
            await collect(moonshot, job(request, "kimi-k3", operation))
    groq = provider("groq", http, base_url=upstream.url, api_key="sk-1")
    assert Operation.TRANSCRIPTION in groq.operations  # type: ignore[attr-defined]
    assert upstream.asked == []


# ------------------------------------------------------------------------------------------------- embeddings


async def test_vectors_come_as_numbers_or_as_base64(openai: Provider, upstream: Upstream) -> None:
    data = [{"index": 1, "embedding": "AACAPwAAAMA="}, {"index": 0, "embedding": [1, 2.5]}]
    refuses(upstream, 200, {"data": data, "usage": {"prompt_tokens": 3, "total_tokens": 3}})
    request = EmbeddingRequest(inputs=["a", "b"])
    found = await collect(openai, job(request, "e", Operation.EMBEDDING))
    assert found == [Vectors([[1, 2.5], [1.0, -2.0]]), Usage(input=3)]
    for wrong in ("AAAA", "not base64!"):
        refuses(upstream, 200, {"data": [{"index": 0, "embedding": wrong}, {"index": 1, "embedding": [1]}]})
        with pytest.raises(UpstreamFailed, match="vector"):
            await collect(openai, job(request, "e", Operation.EMBEDDING))


def test_a_body_that_wants_base64_passes_where_it_is_known(openai: Any, http: HttpPool) -> None:
    wants = Passthrough("openai.embeddings", {"encoding_format": "base64"}, False)
    plain = Passthrough("openai.embeddings", {}, False)
    qwen: Any = provider("qwen", http, api_key="sk-1")
    assert openai.passes("text-embedding-3-small", wants)
    assert not qwen.passes("text-embedding-v4", wants)
    assert qwen.passes("text-embedding-v4", plain)


# ------------------------------------------------------------------------------------------ keys, headers, places


async def test_each_of_several_keys_is_used_when_it_is_chosen(upstream: Upstream, http: HttpPool) -> None:
    refuses(upstream, 200, {"choices": []})
    asked: Any = provider(
        "openai",
        http,
        base_url=upstream.url,
        api_key="sk-a",
        api_keys=["sk-b", " ", "sk-a", "sk-c"],
        organization="org-1",
        headers={"X-Team": "t"},
    )
    assert asked.keys == 3
    for key in (0, 1, 2, 3):
        await asked.relay(passing("openai.chat", {"messages": []}, "m", key=key))
    assert [request.headers["authorization"].removeprefix("Bearer ") for request in upstream.asked] == [
        *("sk-a", "sk-b", "sk-c"),
        "sk-a",
    ]
    assert upstream.asked[0].headers["openai-organization"] == "org-1"
    assert upstream.asked[0].headers["x-team"] == "t"


async def test_no_key_is_told_in_an_error(upstream: Upstream, http: HttpPool) -> None:
    refuses(upstream, 401, {"error": {"message": "bad sk-a, bad sk-b"}})
    asked = provider("openai", http, base_url=upstream.url, api_key="sk-a", api_keys=["sk-b"])
    with pytest.raises(KeyRefused) as caught:
        await collect(asked, job(HI))
    assert "sk-a" not in caught.value.message
    assert "sk-b" not in caught.value.message


def test_a_vendor_wants_a_key_and_a_server_of_yours_does_not(http: HttpPool) -> None:
    with pytest.raises(BadInput) as caught:
        provider("moonshot", http, base_url="http://x/v1")
    assert caught.value.field == "settings.api_key"
    assert provider("vllm", http).kind == "vllm"
    with pytest.raises(BadInput) as caught:
        provider("inglenook", http, api_key="ink-1")
    assert caught.value.field == "settings.base_url"


@pytest.mark.parametrize("address", ["", "/openai", "/openai/v1", "/openai/v1/"])
async def test_azure_is_asked_by_deployment_when_a_version_is_said(
    upstream: Upstream, http: HttpPool, address: str
) -> None:
    refuses(upstream, 200, {"choices": []})
    base = f"http://127.0.0.1:{upstream.port}{address}"
    newer: Any = provider("azure-openai", http, base_url=base, api_key="k")
    older: Any = provider("azure-openai", http, base_url=base, api_key="k", api_version="2024-10-21")
    for azure in (newer, older):
        await azure.relay(passing("openai.chat", {"messages": []}, "my-gpt"))
        assert upstream.asked[-1].headers["api-key"] == "k"
        assert "authorization" not in upstream.asked[-1].headers
    assert [asked.path for asked in upstream.asked] == [
        "/openai/v1/chat/completions",
        "/openai/deployments/my-gpt/chat/completions?api-version=2024-10-21",
    ]
    done = b'data: {"choices":[{"index":0,"delta":{},"finish_reason":"stop"}]}\n\ndata: [DONE]\n\n'
    answers(upstream, done)
    await collect(older, job(HI, "gpt-5.4"))
    assert upstream.asked[-1].path == "/openai/deployments/gpt-5.4/chat/completions?api-version=2024-10-21"


async def test_a_path_may_lead_out_of_the_base(upstream: Upstream, http: HttpPool) -> None:
    refuses(upstream, 200, {"results": []})
    base = f"http://127.0.0.1:{upstream.port}"
    qwen: Any = provider("qwen", http, base_url=f"{base}/compatible-mode/v1", api_key="k")
    await qwen.relay(passing("rerank", {"query": "x", "documents": []}, "qwen3-rerank"))
    deepseek: Any = provider("deepseek", http, base_url=f"{base}/v1", api_key="k")
    await deepseek.relay(passing("openai.completions", {"prompt": "x"}, "deepseek-v4-pro"))
    assert [asked.path for asked in upstream.asked] == ["/compatible-api/v1/reranks", "/beta/completions"]


# ------------------------------------------------------------------------------------------------ thinking in tags


async def test_thinking_in_tags_is_told_apart(upstream: Upstream, http: HttpPool) -> None:
    pieces = ["<thi", "nk>\nThe mean", " distance.</th", "ink>\n\n384", ",400 km </think>"]
    data = b"".join(
        b"data: %b\n\n" % orjson.dumps({"choices": [{"index": 0, "delta": {"content": piece}}]}) for piece in pieces
    )
    done = b'data: {"choices":[{"index":0,"delta":{},"finish_reason":"stop"}]}\n\ndata: [DONE]\n\n'
    answers(upstream, data + done)
    together = provider("together", http, base_url=upstream.url, api_key="k")
    found = await collect(together, job(HI, "deepseek-ai/DeepSeek-R1"))
    assert "".join(event.text for event in found if isinstance(event, ReasoningDelta)) == "The mean distance."
    assert "".join(event.text for event in found if isinstance(event, TextDelta)) == "384,400 km </think>"


async def test_earlier_thinking_goes_back_where_it_is_wanted(upstream: Upstream, http: HttpPool) -> None:
    answers(upstream, b"data: [DONE]\n\n")
    messages = [Message("user", "hi"), Message("assistant", "yes", reasoning="hm"), Message("user", "and?")]
    for kind, model in (("deepseek", "deepseek-v4-pro"), ("minimax", "MiniMax-M3"), ("mistral", "mistral-large-2512")):
        asked = provider(kind, http, base_url=upstream.url, api_key="k")
        await read_into([], asked, job(ChatRequest(messages=messages), model))
    deepseek, minimax, mistral = (asked.json["messages"][1] for asked in upstream.asked)
    assert deepseek["reasoning_content"] == "hm"
    assert minimax["reasoning_details"] == [{"type": "reasoning.text", "text": "hm"}]
    assert mistral == {"role": "assistant", "content": "yes"}
