"""One conversation in the words of every face that chats, and their answers in words of our own."""

import base64
import json
from collections.abc import Callable
from typing import Any

import httpx
from msgspec import Struct, field

PNG = base64.b64encode(b"\x89PNG\r\n\x1a\n" + b"\0" * 20).decode()
SCHEMA = {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}
FORM = {"type": "object", "properties": {"answer": {"type": "integer"}}, "required": ["answer"]}
#: The second call's id holds a provider's proof, as `faces.sealing` writes it.
PROVED = "c2__sig__cHJvb2Y"


class Told(Struct):
    """An answer, whatever face gave it."""

    text: str = ""
    thinking: str = ""
    signatures: list[str] = field(default_factory=list)
    calls: list[tuple[str, str, Any]] = field(default_factory=list)
    finish: str = ""
    usage: tuple[int, int] = (0, 0)
    cached: int | None = None


class Face(Struct, kw_only=True):
    """How a face writes the conversation, and how its answers are read.

    Attributes:
        body: The conversation, for a model.
        whole, streamed: From an answer to what it says.
    """

    name: str
    path: str
    body: Callable[[str], dict[str, Any]]
    whole: Callable[[Any], Told]
    streamed: Callable[[httpx.Response], Told]


def events_of(response: httpx.Response) -> list[Any]:
    """The JSON of a stream of server-sent events."""
    lines = [line[6:] for line in response.text.splitlines() if line.startswith("data: ")]
    return [json.loads(line) for line in lines if line != "[DONE]"]


# --------------------------------------------------------------------------------------------------- OpenAI


def _openai_body(model: str) -> dict[str, Any]:
    def call(call_id: str, city: str) -> dict[str, Any]:
        function = {"name": "weather", "arguments": json.dumps({"city": city})}
        return {"id": call_id, "type": "function", "function": function}

    return {
        "model": model,
        "messages": [
            {"role": "system", "content": "Be brief."},
            {
                "role": "user",
                "content": [
                    {"type": "text", "text": "Where is this?"},
                    {"type": "image_url", "image_url": {"url": f"data:image/png;base64,{PNG}"}},
                ],
            },
            {
                "role": "assistant",
                "content": "I look.",
                "reasoning_content": "hm",
                "reasoning_details": [{"type": "reasoning.text", "text": "hm", "signature": "sig"}],
                "tool_calls": [call("c1", "Oslo"), call(PROVED, "Rome")],
            },
            {"role": "tool", "tool_call_id": "c1", "content": "rain"},
            {"role": "tool", "tool_call_id": PROVED, "content": "sun"},
            {"role": "user", "content": "So?"},
        ],
        "tools": [
            {"type": "function", "function": {"name": "weather", "description": "Weather.", "parameters": SCHEMA}}
        ],
        "tool_choice": {"type": "function", "function": {"name": "weather"}},
        "parallel_tool_calls": False,
        "response_format": {"type": "json_schema", "json_schema": {"name": "a", "schema": FORM, "strict": True}},
        "reasoning_effort": "low",
        "max_completion_tokens": 90,
        "temperature": 0.5,
        "top_p": 0.9,
        "stop": ["STOP"],
        "seed": 7,
        "user": "u-1",
        "keep_alive": "5m",
        "num_ctx": 2048,
        "stream_options": {"include_usage": True},
    }


def _openai_whole(body: Any) -> Told:
    (choice,) = body["choices"]
    message = choice["message"]
    return Told(
        message["content"] or "",
        message.get("reasoning_content", ""),
        [detail["signature"] for detail in message.get("reasoning_details", []) if "signature" in detail],
        [
            (call["id"], call["function"]["name"], json.loads(call["function"]["arguments"]))
            for call in message.get("tool_calls", [])
        ],
        choice["finish_reason"],
        (body["usage"]["prompt_tokens"], body["usage"]["completion_tokens"]),
        body["usage"]["prompt_tokens_details"]["cached_tokens"],
    )


def _openai_streamed(response: httpx.Response) -> Told:
    told = Told()
    calls: dict[int, list[str]] = {}
    for chunk in events_of(response):
        if chunk.get("usage"):
            told.usage = (chunk["usage"]["prompt_tokens"], chunk["usage"]["completion_tokens"])
            told.cached = chunk["usage"]["prompt_tokens_details"]["cached_tokens"]
        for choice in chunk["choices"]:
            delta = choice["delta"]
            told.text += delta.get("content") or ""
            told.thinking += delta.get("reasoning_content", "")
            told.signatures += [d["signature"] for d in delta.get("reasoning_details", []) if "signature" in d]
            for call in delta.get("tool_calls", []):
                gathered = calls.setdefault(call["index"], ["", "", ""])
                for at, piece in enumerate(
                    (call.get("id", ""), call["function"].get("name", ""), call["function"]["arguments"])
                ):
                    gathered[at] += piece
            told.finish = choice["finish_reason"] or told.finish
    told.calls = [(call[0], call[1], json.loads(call[2])) for call in calls.values()]
    return told


# ------------------------------------------------------------------------------------------------ Anthropic


def _anthropic_body(model: str) -> dict[str, Any]:
    return {
        "model": model,
        "system": "Be brief.",
        "messages": [
            {
                "role": "user",
                "content": [
                    {"type": "text", "text": "Where is this?"},
                    {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": PNG}},
                ],
            },
            {
                "role": "assistant",
                "content": [
                    {"type": "thinking", "thinking": "hm", "signature": "sig"},
                    {"type": "text", "text": "I look."},
                    {"type": "tool_use", "id": "c1", "name": "weather", "input": {"city": "Oslo"}},
                    {"type": "tool_use", "id": PROVED, "name": "weather", "input": {"city": "Rome"}},
                ],
            },
            {
                "role": "user",
                "content": [
                    {"type": "tool_result", "tool_use_id": "c1", "content": "rain"},
                    {"type": "tool_result", "tool_use_id": PROVED, "content": "sun"},
                    {"type": "text", "text": "So?"},
                ],
            },
        ],
        "tools": [{"name": "weather", "description": "Weather.", "input_schema": SCHEMA}],
        "tool_choice": {"type": "tool", "name": "weather", "disable_parallel_tool_use": True},
        "output_config": {"format": {"type": "json_schema", "schema": FORM}, "effort": "low"},
        "max_tokens": 90,
        "temperature": 0.5,
        "top_p": 0.9,
        "stop_sequences": ["STOP"],
        "metadata": {"user_id": "u-1"},
        "keep_alive": "5m",
        "num_ctx": 2048,
    }


_ANTHROPIC_FINISH = {"tool_use": "tool_calls", "end_turn": "stop", "max_tokens": "length"}


def _anthropic_whole(body: Any) -> Told:
    told = Told(finish=_ANTHROPIC_FINISH[body["stop_reason"]])
    for block in body["content"]:
        told.text += block.get("text", "")
        told.thinking += block.get("thinking", "")
        told.signatures += [block["signature"]] if block.get("signature") else []
        told.calls += [(block["id"], block["name"], block["input"])] if block["type"] == "tool_use" else []
    return _anthropic_usage(told, body["usage"])


def _anthropic_usage(told: Told, usage: Any) -> Told:
    told.cached = usage["cache_read_input_tokens"]
    whole = usage["input_tokens"] + usage["cache_read_input_tokens"] + usage["cache_creation_input_tokens"]
    told.usage = (whole, usage["output_tokens"])
    return told


def _anthropic_streamed(response: httpx.Response) -> Told:
    blocks: list[dict[str, Any]] = []
    body: dict[str, Any] = {"content": blocks}
    for event in events_of(response):
        match event["type"]:
            case "content_block_start":
                assert event["index"] == len(blocks)
                blocks.append({**event["content_block"], "json": ""})
            case "content_block_delta":
                block, delta = blocks[event["index"]], event["delta"]
                for name in ("text", "thinking", "signature"):
                    if name in delta:
                        block[name] += delta[name]
                block["json"] += delta.get("partial_json", "")
            case "message_delta":
                body |= {"stop_reason": event["delta"]["stop_reason"], "usage": event["usage"]}
    for block in blocks:
        if block["type"] == "tool_use":
            block["input"] = json.loads(block["json"])
    return _anthropic_whole(body)


# ------------------------------------------------------------------------------------------------ Responses


def _responses_body(model: str) -> dict[str, Any]:
    return {
        "model": model,
        "instructions": "Be brief.",
        "input": [
            {
                "role": "user",
                "content": [
                    {"type": "input_text", "text": "Where is this?"},
                    {"type": "input_image", "image_url": f"data:image/png;base64,{PNG}"},
                ],
            },
            {
                "type": "reasoning",
                "summary": [{"type": "summary_text", "text": "hm"}],
                "encrypted_content": "ink1." + base64.b64encode(b'[{"text":"hm","signature":"sig"}]').decode(),
            },
            {"role": "assistant", "content": "I look."},
            {"type": "function_call", "call_id": "c1", "name": "weather", "arguments": '{"city": "Oslo"}'},
            {"type": "function_call", "call_id": PROVED, "name": "weather", "arguments": '{"city": "Rome"}'},
            {"type": "function_call_output", "call_id": "c1", "output": "rain"},
            {"type": "function_call_output", "call_id": PROVED, "output": "sun"},
            {"role": "user", "content": "So?"},
        ],
        "tools": [{"type": "function", "name": "weather", "description": "Weather.", "parameters": SCHEMA}],
        "tool_choice": {"type": "function", "name": "weather"},
        "parallel_tool_calls": False,
        "text": {"format": {"type": "json_schema", "name": "a", "schema": FORM, "strict": True}},
        "reasoning": {"effort": "low"},
        "include": ["reasoning.encrypted_content"],
        "max_output_tokens": 90,
        "temperature": 0.5,
        "top_p": 0.9,
        "user": "u-1",
        "keep_alive": "5m",
        "num_ctx": 2048,
    }


def _responses_whole(body: Any) -> Told:
    told = Told(usage=(body["usage"]["input_tokens"], body["usage"]["output_tokens"]))
    told.cached = body["usage"]["input_tokens_details"]["cached_tokens"]
    for item in body["output"]:
        match item["type"]:
            case "message":
                told.text += item["content"][0]["text"]
            case "reasoning":
                told.thinking += "".join(part["text"] for part in item["content"])
                sealed = base64.b64decode(item["encrypted_content"].removeprefix("ink1."))
                told.signatures += [thought["signature"] for thought in json.loads(sealed) if "signature" in thought]
            case "function_call":
                told.calls.append((item["call_id"], item["name"], json.loads(item["arguments"])))
    incomplete = body["incomplete_details"]
    told.finish = "length" if incomplete else "tool_calls" if told.calls else "stop"
    return told


def _responses_streamed(response: httpx.Response) -> Told:
    events = events_of(response)
    told = _responses_whole(events[-1]["response"])
    deltas = {"response.output_text.delta": "", "response.reasoning_text.delta": ""}
    for event in events:
        if event["type"] in deltas:
            deltas[event["type"]] += event["delta"]
    assert tuple(deltas.values()) == (told.text, told.thinking)
    return told


# --------------------------------------------------------------------------------------------------- Ollama


def _ollama_body(model: str) -> dict[str, Any]:
    def call(call_id: str, city: str) -> dict[str, Any]:
        return {"id": call_id, "function": {"name": "weather", "arguments": {"city": city}}}

    return {
        "model": model,
        "messages": [
            {"role": "system", "content": "Be brief."},
            {"role": "user", "content": "Where is this?", "images": [PNG]},
            {
                "role": "assistant",
                "content": "I look.",
                "thinking": "hm",
                "tool_calls": [call("c1", "Oslo"), call(PROVED, "Rome")],
            },
            {"role": "tool", "tool_call_id": "c1", "content": "rain"},
            {"role": "tool", "tool_call_id": PROVED, "content": "sun"},
            {"role": "user", "content": "So?"},
        ],
        "tools": [
            {"type": "function", "function": {"name": "weather", "description": "Weather.", "parameters": SCHEMA}}
        ],
        "tool_choice": {"type": "function", "function": {"name": "weather"}},
        "parallel_tool_calls": False,
        "format": FORM,
        "think": "low",
        "options": {"num_predict": 90, "temperature": 0.5, "top_p": 0.9, "stop": ["STOP"], "seed": 7, "num_ctx": 2048},
        "keep_alive": "5m",
    }


def _ollama_whole(body: Any) -> Told:
    message = body["message"]
    calls = [
        (call["id"], call["function"]["name"], call["function"]["arguments"]) for call in message.get("tool_calls", [])
    ]
    return Told(
        message["content"],
        message.get("thinking", ""),
        [],
        calls,
        "tool_calls" if calls else body["done_reason"],
        (body["prompt_eval_count"], body["eval_count"]),
    )


def _ollama_streamed(response: httpx.Response) -> Told:
    *pieces, last = [json.loads(line) for line in response.text.splitlines()]
    message: dict[str, Any] = {"content": "", "thinking": "", "tool_calls": []}
    for piece in pieces:
        message["content"] += piece["message"]["content"]
        message["thinking"] += piece["message"].get("thinking", "")
        message["tool_calls"] += piece["message"].get("tool_calls", [])
    return _ollama_whole({**last, "message": message})


FACES = [
    Face(
        name="openai",
        path="/v1/chat/completions",
        body=_openai_body,
        whole=_openai_whole,
        streamed=_openai_streamed,
    ),
    Face(
        name="anthropic",
        path="/v1/messages",
        body=_anthropic_body,
        whole=_anthropic_whole,
        streamed=_anthropic_streamed,
    ),
    Face(
        name="responses",
        path="/v1/responses",
        body=_responses_body,
        whole=_responses_whole,
        streamed=_responses_streamed,
    ),
    Face(name="ollama", path="/api/chat", body=_ollama_body, whole=_ollama_whole, streamed=_ollama_streamed),
]
