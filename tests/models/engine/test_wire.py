import msgspec
import pytest

from inglenook.kit.errors import BadInput, InglenookError, Unavailable, UpstreamFailed
from inglenook.models.calls import (
    ChatRequest,
    CompletionRequest,
    Event,
    Finished,
    Logprobs,
    Message,
    ReasoningDelta,
    ResponseFormat,
    Sampling,
    TextDelta,
    TextPart,
    ToolCall,
    ToolCallDelta,
    ToolSpec,
)
from inglenook.models.engine.wire import (
    ChatStream,
    CompletionStream,
    PromptTooLong,
    chat_body,
    completion_body,
    error_of,
)
from inglenook.models.errors import ModelFailed


def _frames(*chunks: object) -> bytes:
    return b"".join(b"data: " + msgspec.json.encode(chunk) + b"\n\n" for chunk in chunks) + b"data: [DONE]\n\n"


def _delta(index: int = 0, reason: str | None = None, **delta: object) -> dict[str, object]:
    return {"choices": [{"index": index, "delta": delta, "finish_reason": reason}]}


def _read(stream: ChatStream | CompletionStream, data: bytes, step: int = 1) -> list[Event]:
    return [event for at in range(0, len(data), step) for event in stream.feed(data[at : at + step])]


STREAM = _frames(
    _delta(role="assistant", content=None),
    _delta(reasoning_content="hm"),
    _delta(content="Grüße"),
    _delta(tool_calls=[{"index": 0, "id": "c1", "function": {"name": "f", "arguments": ""}}]),
    _delta(tool_calls=[{"index": 0, "function": {"arguments": '{"a":1}'}}]),
    _delta(reason="tool_calls"),
    {
        "choices": [],
        "usage": {"prompt_tokens": 9, "completion_tokens": 4, "prompt_tokens_details": {"cached_tokens": 3}},
        "timings": {"prompt_ms": 1.5, "predicted_ms": 2.5, "unheard_of": 1},
    },
)


@pytest.mark.parametrize("step", [1, 7, 100_000])
def test_a_chat_is_read_however_it_is_cut(step: int) -> None:
    stream = ChatStream("m", top=0)
    assert _read(stream, STREAM, step) == [
        ReasoningDelta("hm"),
        TextDelta("Grüße"),
        ToolCallDelta(0, "c1", "f"),
        ToolCallDelta(0, arguments='{"a":1}'),
    ]
    assert stream.complete
    assert stream.finished == [Finished("tool_calls")]
    assert (stream.usage.input, stream.usage.output, stream.usage.cached) == (9, 4, 3)
    assert (stream.prompt_ms, stream.predicted_ms) == (1.5, 2.5)


def test_a_chat_that_breaks_off_is_not_complete() -> None:
    stream = ChatStream("m", top=0)
    _read(stream, STREAM[:-20], 1000)
    assert not stream.complete


def test_comments_are_no_events() -> None:
    assert _read(ChatStream("m", top=0), b":\n\n: ping\n\n", 100) == []


def test_an_error_within_a_stream() -> None:
    for data in (
        _frames({"error": {"message": "out of luck", "type": "server_error"}}),
        b'error: {"message": "out of luck"}\n\n',
    ):
        with pytest.raises(UpstreamFailed, match="out of luck"):
            _read(ChatStream("m", top=0), data, 1000)


def test_a_completion_with_alternatives() -> None:
    token = {"token": "a", "bytes": [97], "logprob": -0.5, "top_logprobs": [{"token": "a"}, {"token": "b"}]}
    stream = CompletionStream("m", top=1)
    text, logprobs = _read(
        stream,
        _frames(
            {"content": "a", "completion_probabilities": [token]},
            {
                "content": "",
                "stop": True,
                "stop_type": "limit",
                "tokens_predicted": 1,
                "tokens_evaluated": 5,
                "timings": {"cache_n": 4},
            },
        ),
        50,
    )
    assert text == TextDelta("a")
    assert isinstance(logprobs, Logprobs)
    assert [len(found.top) for found in logprobs.tokens] == [1]
    assert stream.finished == [Finished("length")]
    assert (stream.usage.input, stream.usage.output, stream.usage.cached) == (5, 1, 4)


@pytest.mark.parametrize(
    ("status", "body", "kind"),
    [
        (400, b'{"error":{"message":"m","type":"invalid_request_error"}}', BadInput),
        (400, b'{"error":{"type":"exceed_context_size_error","n_prompt_tokens":9,"n_ctx":8}}', PromptTooLong),
        (501, b'{"error":{"message":"m","type":"not_supported_error"}}', BadInput),
        (503, b'{"error":{"message":"Loading model"}}', Unavailable),
        (500, b'{"error":{"message":"m"}}', ModelFailed),
        (500, b"<html>", ModelFailed),
    ],
)
def test_errors(status: int, body: bytes, kind: type[InglenookError]) -> None:
    assert type(error_of(status, body, "m")) is kind


def test_a_prompt_too_long_names_both_numbers() -> None:
    error = error_of(400, b'{"error":{"type":"exceed_context_size_error","n_prompt_tokens":9,"n_ctx":8}}', "m")
    assert "9 tokens" in error.message
    assert "8 tokens" in error.message
    assert error.details == {"prompt_tokens": 9, "context_length": 8}


def test_a_chats_body() -> None:
    request = ChatRequest(
        messages=[],
        sampling=Sampling(temperature=0.0, stop=["x"], seed=-1, top_logprobs=2, logprobs=True, max_tokens=-1),
        tools=[ToolSpec(name="f")],
        tool_choice={"name": "f"},
        response_format=ResponseFormat(kind="json_schema", schema={"type": "object"}),
        reasoning="low",
    )
    messages = [
        Message(role="user", content=[TextPart("a"), TextPart("b")]),
        Message(role="assistant", reasoning="r", tool_calls=[ToolCall(id="1", name="f", arguments="{}")]),
        Message(role="tool", tool_call_id="1", content="done"),
    ]
    body = chat_body(
        request, messages, {"temperature": 0.9, "top_k": 5, "num_predict": 7, "num_ctx": 9, "stop": "y"}, context=512
    )
    assert (body["temperature"], body["top_k"], body["stop"], body["seed"]) == (0.0, 5, ["x"], 0xFFFFFFFF)
    assert "max_tokens" not in body
    assert "num_ctx" not in body
    assert (body["logprobs"], body["top_logprobs"]) == (True, 2)
    assert body["messages"][0] == {"role": "user", "content": "ab"}
    assert body["messages"][1]["reasoning_content"] == "r"
    assert body["messages"][1]["tool_calls"][0]["function"] == {"name": "f", "arguments": "{}"}
    assert body["messages"][2]["tool_call_id"] == "1"
    assert body["tools"][0]["function"]["parameters"] == {"type": "object", "properties": {}}
    assert body["tool_choice"] == {"type": "function", "function": {"name": "f"}}
    assert body["response_format"]["json_schema"]["schema"] == {"type": "object"}
    assert body["chat_template_kwargs"] == {"enable_thinking": True, "reasoning_effort": "low"}
    assert body["stream"] is True


def test_a_completions_path_and_body() -> None:
    path, body = completion_body(
        CompletionRequest(prompt="p", sampling=Sampling(max_tokens=3)), [1, 2], {}, context=512
    )
    assert (path, body["prompt"], body["n_predict"], body["stream"]) == ("/completion", [1, 2], 3, True)
    path, body = completion_body(CompletionRequest(prompt="p", suffix="s"), "p", {}, context=512)
    assert (path, body["input_prefix"], body["input_suffix"]) == ("/infill", "p", "s")


def test_numbers_that_make_no_sense_are_made_bearable() -> None:
    def body(**given: object) -> dict[str, object]:
        sampling = msgspec.convert(given, Sampling)
        return chat_body(ChatRequest(messages=[], sampling=sampling), [], {"repeat_last_n": 7}, context=512)

    assert body()["repeat_last_n"] == 7
    assert body(repeat_last_n=2_000_000_000)["repeat_last_n"] == 512
    assert body(repeat_last_n=-1)["repeat_last_n"] == 512
    assert body(repeat_last_n=64)["repeat_last_n"] == 64
    assert body(max_tokens=10**30)["max_tokens"] == 1 << 30
    assert body(stop=["", "x", ""])["stop"] == ["x"]
