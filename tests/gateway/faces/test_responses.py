"""The face of OpenAI's Responses over real sockets: bytes by a plain client, and the official client."""

import base64
import json
from collections.abc import AsyncIterator
from typing import Any

import httpx
import openai
import pydantic
import pytest
from sqlalchemy import update

from inglenook.accounts.principal import CONSOLE, Role
from inglenook.accounts.users import add_user
from inglenook.gateway.faces.registry import routes
from inglenook.gateway.kept.tables import ResponseRow
from inglenook.models.calls import AudioPart, FilePart, ImagePart, Message, TextPart, Thought, ToolCall
from tests.support.gateway import Desk, open_wire

PNG = base64.b64encode(b"\x89PNG\r\n\x1a\n" + b"\0" * 20).decode()
PDF = base64.b64encode(b"%PDF-1.7 hello").decode()
WEATHER = {
    "type": "function",
    "name": "weather",
    "description": "The weather of a city.",
    "parameters": {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]},
    "strict": True,
}


@pytest.fixture
async def client(desk: Desk) -> AsyncIterator[httpx.AsyncClient]:
    async with open_wire(routes(desk.gateway, desk.kept)) as opened:
        opened.headers["authorization"] = f"Bearer {desk.key}"
        yield opened


@pytest.fixture
async def official(client: httpx.AsyncClient, desk: Desk) -> AsyncIterator[openai.AsyncOpenAI]:
    async with openai.AsyncOpenAI(base_url=f"{client.base_url}/v1", api_key=desk.key, max_retries=0) as made:
        yield made


def ask(model: str, given: Any = "one two three", **more: Any) -> dict[str, Any]:
    return {"model": model, "input": given, **more}


def script(*steps: dict[str, Any], **more: Any) -> str:
    return json.dumps({"steps": list(steps), **more})


async def post(client: httpx.AsyncClient, body: Any, path: str = "/v1/responses") -> httpx.Response:
    return await client.post(path, json=body)


async def made(client: httpx.AsyncClient, body: Any) -> dict[str, Any]:
    response = await post(client, body)
    assert response.status_code == 200, response.text
    found: dict[str, Any] = response.json()
    return found


async def carried(client: httpx.AsyncClient, desk: Desk, body: dict[str, Any]) -> Any:
    """What of a body reaches the provider."""
    await made(client, body)
    return desk.fake.jobs[-1].request


def events_of(response: httpx.Response) -> list[dict[str, Any]]:
    """The JSON of each event, whose name is its type; their numbers follow one another."""
    found = []
    for block in response.text.strip().split("\n\n"):
        name, data = block.split("\n")
        event = json.loads(data.removeprefix("data: "))
        assert name == f"event: {event['type']}"
        found.append(event)
    assert [event["sequence_number"] for event in found] == list(range(len(found)))
    return found


# ------------------------------------------------------------------------------------------------- answers


async def test_a_response(client: httpx.AsyncClient, desk: Desk) -> None:
    response = await post(client, ask("echo", instructions="Be brief.", metadata={"a": "b"}, temperature=0.5))
    assert response.status_code == 200
    body = response.json()
    assert body["id"].startswith("resp_")
    (message,) = body["output"]
    assert message.pop("id").startswith("msg_")
    assert message == {
        "type": "message",
        "status": "completed",
        "role": "assistant",
        "content": [{"type": "output_text", "text": "one two three", "annotations": [], "logprobs": []}],
    }
    assert (body["object"], body["status"], body["model"]) == ("response", "completed", "echo")
    assert (body["error"], body["incomplete_details"], body["previous_response_id"]) == (None, None, None)
    assert (body["instructions"], body["metadata"], body["temperature"]) == ("Be brief.", {"a": "b"}, 0.5)
    assert body["usage"] == {
        "input_tokens": 5,
        "input_tokens_details": {"cached_tokens": 0, "cache_write_tokens": 0},
        "output_tokens": 3,
        "output_tokens_details": {"reasoning_tokens": 0},
        "total_tokens": 8,
    }
    (entry,) = await desk.ledger.entries()
    assert response.headers["x-request-id"] == entry.call_id
    assert response.headers["x-inglenook-route"] == "named"
    assert entry.source == "responses"


async def test_a_stream_of_text(client: httpx.AsyncClient) -> None:
    response = await post(client, ask("echo", stream=True))
    assert response.headers["content-type"].startswith("text/event-stream")
    events = events_of(response)
    assert [event["type"] for event in events] == [
        "response.created",
        "response.in_progress",
        "response.output_item.added",
        "response.content_part.added",
        "response.output_text.delta",
        "response.output_text.delta",
        "response.output_text.delta",
        "response.output_text.done",
        "response.content_part.done",
        "response.output_item.done",
        "response.completed",
    ]
    assert events[0]["response"]["output"] == []
    assert events[0]["response"]["status"] == "in_progress"
    assert [event["delta"] for event in events if event["type"].endswith("delta")] == ["one", " two", " three"]
    assert events[7]["text"] == "one two three"
    assert events[-1]["response"]["output"] == [events[9]["item"]]
    assert events[-1]["response"]["usage"]["output_tokens"] == 3


STEPS: Any = [
    {"reasoning": "hm hm"},
    {"signature": "s1gn"},
    {"sealed": "dark"},
    {"text": "I look."},
    {"tool_call": {"id": "t1", "name": "weather", "arguments": {"city": "Oslo"}}},
    {"tool_call": {"id": "t2", "name": "weather", "arguments": {}, "signature": "proof"}},
]


@pytest.mark.parametrize("summary", [None, "auto"])
async def test_items_of_all_kinds_whole_and_streamed(client: httpx.AsyncClient, summary: str | None) -> None:
    body = ask("echo", script(*STEPS), tools=[WEATHER], reasoning={"summary": summary}, store=False)
    whole = await made(client, body)
    thought, message, first, second = whole["output"]
    assert thought["type"] == "reasoning"
    assert "encrypted_content" not in thought
    if summary:
        assert thought["summary"] == [{"type": "summary_text", "text": "hm hm"}]
        assert "content" not in thought
    else:
        assert thought["content"] == [{"type": "reasoning_text", "text": "hm hm"}]
        assert thought["summary"] == []
    assert message["content"][0]["text"] == "I look."
    assert (first["type"], first["call_id"], first["name"]) == ("function_call", "t1", "weather")
    assert json.loads(first["arguments"]) == {"city": "Oslo"}
    assert second["call_id"].startswith("t2")

    events = events_of(await post(client, {**body, "stream": True}))
    done = [event for event in events if event["type"] == "response.output_item.done"]
    assert [event["output_index"] for event in done] == [0, 1, 2, 3]
    assert [event["item"]["type"] for event in done] == [item["type"] for item in whole["output"]]
    assert events[-1]["response"]["output"] == [event["item"] for event in done]
    part = "reasoning_summary" if summary else "reasoning"
    told = [event["type"] for event in events if event.get("output_index") == 0]
    assert told[1] == ("response.reasoning_summary_part.added" if summary else "response.content_part.added")
    assert told[2:5] == [f"response.{part}_text.delta"] * 2 + [f"response.{part}_text.done"]
    pieces = [e["delta"] for e in events if e["type"] == "response.function_call_arguments.delta"]
    assert "".join(pieces) == first["arguments"] + second["arguments"]
    added = [event for event in events if event["type"] == "response.output_item.added"]
    assert [event["item"]["id"] for event in added] == [event["item"]["id"] for event in done]


async def test_thinking_comes_back_as_it_was(client: httpx.AsyncClient, desk: Desk) -> None:
    body = ask("echo", script(*STEPS), tools=[WEATHER], store=False, include=["reasoning.encrypted_content"])
    whole = await made(client, body)
    back = [*whole["output"], {"type": "function_call_output", "call_id": "t1", "output": "rain"}]
    back.append({"type": "function_call_output", "call_id": whole["output"][3]["call_id"], "output": "sun"})
    request = await carried(client, desk, ask("echo", [{"role": "user", "content": "x"}, *back], tools=[WEATHER]))
    assert request.messages == [
        Message("user", "x"),
        Message(
            "assistant",
            "I look.",
            reasoning="hm hm",
            thoughts=[Thought("hm hm", "s1gn"), Thought(data="dark")],
            tool_calls=[
                ToolCall("t1", "weather", '{"city":"Oslo"}'),
                ToolCall("t2", "weather", "{}", "proof"),
            ],
        ),
        Message("tool", "rain", tool_call_id="t1"),
        Message("tool", "sun", tool_call_id="t2"),
    ]
    # What another server has sealed says nothing here; what can be read of it does.
    foreign = {"type": "reasoning", "summary": [{"type": "summary_text", "text": "hm"}], "encrypted_content": "gAAA"}
    request = await carried(client, desk, ask("echo", [foreign, {"role": "user", "content": "x"}]))
    assert request.messages[0] == Message("assistant", "", reasoning="hm")


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        (ask("echo", max_output_tokens=2), "max_output_tokens"),
        (ask("echo", script({"text": "no"}, finish="content_filter")), "content_filter"),
    ],
)
async def test_a_response_that_is_not_complete(client: httpx.AsyncClient, body: dict[str, Any], reason: str) -> None:
    whole = await made(client, body)
    assert (whole["status"], whole["incomplete_details"]) == ("incomplete", {"reason": reason})
    last = events_of(await post(client, {**body, "stream": True}))[-1]
    assert (last["type"], last["response"]["incomplete_details"]) == ("response.incomplete", {"reason": reason})


async def test_log_probabilities(client: httpx.AsyncClient) -> None:
    body = ask("echo", include=["message.output_text.logprobs"], top_logprobs=2)
    (message,) = (await made(client, body))["output"]
    logprobs = message["content"][0]["logprobs"]
    assert [token["token"] for token in logprobs] == ["one", " two", " three"]
    assert len(logprobs[0]["top_logprobs"]) == 2
    events = events_of(await post(client, {**body, "stream": True}))
    deltas = [event for event in events if event["type"] == "response.output_text.delta"]
    assert [(event["delta"], event["logprobs"][0]["token"]) for event in deltas] == [
        (text, text) for text in ("one", " two", " three")
    ]


@pytest.mark.parametrize("model", ["cut", "silent-cut"])
async def test_a_broken_stream_fails_in_the_protocols_words(client: httpx.AsyncClient, desk: Desk, model: str) -> None:
    *_, last = events_of(await post(client, ask(model, stream=True)))
    failed = last["response"]
    assert (last["type"], failed["status"], failed["error"]["code"]) == ("response.failed", "failed", "server_error")
    assert (await client.get(f"/v1/responses/{failed['id']}")).status_code == 404
    (entry,) = await desk.ledger.entries()
    assert entry.status == "failed"


async def test_errors_before_the_first_event(client: httpx.AsyncClient) -> None:
    for error, status, code in (
        ({"code": "context_too_long"}, 400, "context_length_exceeded"),
        ({"code": "content_refused"}, 400, "content_filter"),
        ({"code": "provider_out_of_credit"}, 502, "insufficient_quota"),
        ({"status": 429}, 429, "rate_limit_exceeded"),
    ):
        for stream in (False, True):
            response = await post(client, ask("echo", script({"error": error}), stream=stream))
            assert (response.status_code, response.json()["error"]["code"]) == (status, code)


async def test_a_cut_prompt_is_told_of(client: httpx.AsyncClient) -> None:
    response = await post(client, ask("notice"))
    assert response.headers["x-inglenook-notice"] == "truncated"
    (notice,) = response.json()["inglenook"]["notices"]
    created, *_ = events_of(await post(client, ask("notice", stream=True)))
    assert created["response"]["inglenook"]["notices"] == [notice]


# ------------------------------------------------------------------------------------------------ requests


async def test_every_field_reaches_the_provider(client: httpx.AsyncClient, desk: Desk) -> None:
    request = await carried(
        client,
        desk,
        {
            "model": "echo",
            "instructions": "Be brief.",
            "input": "hi",
            "max_output_tokens": 50,
            "temperature": 0.5,
            "top_p": 0.9,
            "top_logprobs": 3,
            "tools": [WEATHER],
            "tool_choice": "required",
            "parallel_tool_calls": False,
            "reasoning": {"effort": "low", "summary": "auto"},
            "text": {"format": {"type": "json_schema", "name": "a", "schema": {"type": "object"}, "strict": True}},
            "user": "u-1",
            "truncation": "auto",
            "keep_alive": "5m",
            "num_ctx": 2048,
            "store": False,
            "metadata": {"a": "b"},
            "prompt_cache_key": "k",
            "client_metadata": {"x": 1},
            "stream_options": {"include_obfuscation": False},
            "service_tier": "auto",
            "background": False,
            "max_tool_calls": 3,
            "include": ["reasoning.encrypted_content"],
        },
    )
    sampling = request.sampling
    assert (sampling.max_tokens, sampling.temperature, sampling.top_p) == (50, 0.5, 0.9)
    assert (sampling.logprobs, sampling.top_logprobs) == (True, 3)
    assert request.messages == [Message("system", "Be brief."), Message("user", "hi")]
    (tool,) = request.tools
    assert (tool.name, tool.strict, tool.parameters) == ("weather", True, WEATHER["parameters"])
    assert (request.tool_choice, request.parallel_tool_calls) == ("required", False)
    assert (request.reasoning, request.user) == ("low", "u-1")
    form = request.response_format
    assert (form.kind, form.schema, form.name, form.strict) == ("json_schema", {"type": "object"}, "a", True)
    assert (request.local.keep_alive, request.local.num_ctx, request.local.truncate) == (300, 2048, True)


async def test_items_become_messages(client: httpx.AsyncClient, desk: Desk) -> None:
    request = await carried(
        client,
        desk,
        ask(
            "echo",
            [
                {"role": "developer", "content": "Rules."},
                {
                    "type": "message",
                    "role": "user",
                    "content": [
                        {"type": "input_text", "text": "look"},
                        {"type": "input_image", "image_url": f"data:image/png;base64,{PNG}", "detail": "low"},
                        {"type": "input_file", "filename": "a.pdf", "file_data": f"data:application/pdf;base64,{PDF}"},
                        {"type": "input_file", "filename": "b.pdf", "file_data": PDF},
                        {"type": "input_audio", "input_audio": {"data": PNG, "format": "wav"}},
                    ],
                },
                {
                    "type": "message",
                    "role": "assistant",
                    "status": "completed",
                    "content": [{"type": "output_text", "text": "so"}],
                },
                {"type": "function_call", "call_id": "c1", "name": "f", "arguments": "{}"},
                {"type": "custom_tool_call", "call_id": "c2", "name": "patch", "input": "*** x"},
                {
                    "type": "function_call_output",
                    "call_id": "c1",
                    "output": [
                        {"type": "input_text", "text": "seen"},
                        {"type": "input_image", "image_url": f"data:image/png;base64,{PNG}"},
                    ],
                },
                {"type": "custom_tool_call_output", "call_id": "c2", "output": "done"},
                {"role": "assistant", "content": "first"},
                {"role": "assistant", "content": "second"},
            ],
        ),
    )
    assert request.messages == [
        Message("system", "Rules."),
        Message(
            "user",
            [
                TextPart("look"),
                ImagePart("image/png", PNG, "low"),
                FilePart("application/pdf", PDF, "a.pdf"),
                FilePart("application/pdf", PDF, "b.pdf"),
                AudioPart("wav", PNG),
            ],
        ),
        Message(
            "assistant",
            "so",
            tool_calls=[ToolCall("c1", "f", "{}"), ToolCall("c2", "patch", '{"input":"*** x"}')],
        ),
        Message("tool", [TextPart("seen"), ImagePart("image/png", PNG)], tool_call_id="c1"),
        Message("tool", "done", tool_call_id="c2"),
        Message("assistant", "first"),
        Message("assistant", "second"),
    ]


GROUP = {
    "type": "namespace",
    "name": "agents",
    "description": "Agents.",
    "tools": [{"type": "function", "name": "close", "parameters": {"type": "object"}, "strict": False}],
}


async def test_groups_of_tools_and_tools_of_plain_text(client: httpx.AsyncClient, desk: Desk) -> None:
    patch = {"type": "custom", "name": "patch", "description": "Patches.", "format": {"type": "text"}}
    calls = script(
        {"tool_call": {"id": "a", "name": "agents__close", "arguments": {"x": 1}}},
        {"tool_call": {"id": "b", "name": "patch", "arguments": {"input": "*** Begin"}}},
    )
    body = ask("echo", calls, tools=[GROUP, patch], tool_choice={"type": "custom", "name": "patch"})
    request = await carried(client, desk, body)
    assert [tool.name for tool in request.tools] == ["agents__close", "patch"]
    assert request.tool_choice == {"name": "patch"}
    closing, patching = (await made(client, body))["output"]
    assert (closing["name"], closing["namespace"], closing["arguments"]) == ("close", "agents", '{"x":1}')
    assert (patching["type"], patching["name"], patching["input"]) == ("custom_tool_call", "patch", "*** Begin")
    events = events_of(await post(client, {**body, "stream": True}))
    (done,) = [event for event in events if event["type"] == "response.custom_tool_call_input.done"]
    assert done["input"] == "*** Begin"
    back = await carried(client, desk, ask("echo", [closing, patching], tools=[GROUP, patch]))
    assert [(call.name, call.arguments) for call in back.messages[0].tool_calls] == [
        ("agents__close", '{"x":1}'),
        ("patch", '{"input":"*** Begin"}'),
    ]


async def test_long_names_of_groups_stay_apart(client: httpx.AsyncClient, desk: Desk) -> None:
    tools = [{"type": "function", "name": name * 40} for name in ("a", "b")]
    group = {"type": "namespace", "name": "n" * 60, "tools": tools}
    request = await carried(client, desk, ask("echo", tools=[group]))
    names = [tool.name for tool in request.tools]
    assert [len(name) for name in names] == [64, 64]
    assert len(set(names)) == 2


async def test_tools_offered_on_the_way(client: httpx.AsyncClient, desk: Desk) -> None:
    more = {"type": "additional_tools", "role": "developer", "tools": [GROUP]}
    request = await carried(client, desk, ask("echo", [more, {"role": "user", "content": "x"}], tools=[WEATHER]))
    assert [tool.name for tool in request.tools] == ["weather", "agents__close"]
    assert request.messages == [Message("user", "x")]


async def test_a_choice_of_some_tools(client: httpx.AsyncClient, desk: Desk) -> None:
    choice = {"type": "allowed_tools", "mode": "required", "tools": [{"type": "function", "name": "weather"}]}
    request = await carried(client, desk, ask("echo", tools=[GROUP, WEATHER], tool_choice=choice))
    assert ([tool.name for tool in request.tools], request.tool_choice) == (["weather"], "required")


async def test_a_search_that_is_not_to_reach_the_web_is_left_out(client: httpx.AsyncClient, desk: Desk) -> None:
    search = {"type": "web_search", "external_web_access": False}
    response = await post(client, ask("echo", tools=[WEATHER, search]))
    assert response.headers["x-inglenook-notice"] == "left_out"
    (notice,) = response.json()["inglenook"]["notices"]
    assert notice["details"] == {"tools": ["web_search"]}
    assert [tool.name for tool in desk.fake.jobs[-1].request.tools] == ["weather"]
    assert (await post(client, ask("plain", tools=[search]))).status_code == 200
    assert (await post(client, ask("plain", tools=[WEATHER, search]))).status_code == 400


@pytest.mark.parametrize(
    ("change", "field", "says"),
    [
        ({"model": None}, "model", "model"),
        ({"input": None}, "input", "text or"),
        ({"input": []}, "input", "at least one"),
        ({"input": [3]}, "input", "items"),
        ({"stream": "yes"}, "stream", "stream"),
        ({"temperature": "hot"}, "temperature", "temperature"),
        ({"background": True}, "background", "background"),
        ({"conversation": "conv_1"}, "conversation", "previous_response_id"),
        ({"prompt": {"id": "p"}}, "prompt", "prompt"),
        ({"context_management": [{"type": "compaction"}]}, "context_management", "context_management"),
        ({"moderation": {"model": "m"}}, "moderation", "moderation"),
        ({"service_tier": "flex"}, "service_tier", "flex"),
        ({"text": {"verbosity": "low"}}, "text.verbosity", "low"),
        ({"text": {"format": {"type": "json_schema"}}}, "text.format.schema", "schema"),
        ({"reasoning": {"effort": "bogus"}}, "reasoning.effort", "bogus"),
        ({"reasoning": {"mode": "pro"}}, "reasoning.mode", "pro"),
        ({"tools": [{"type": "web_search"}]}, "tools[0].type", "web_search"),
        ({"tools": [{"type": "mcp", "server_label": "x"}]}, "tools[0].type", "mcp"),
        (
            {"tools": [{"type": "custom", "name": "p", "format": {"type": "grammar", "definition": "x"}}]},
            "tools[0].format",
            "grammar",
        ),
        ({"tools": [{**WEATHER, "defer_loading": True}]}, "tools[0].defer_loading", "defer_loading"),
        ({"tools": [{**GROUP, "tools": [{"type": "mcp"}]}]}, "tools[0].tools[0].type", "mcp"),
        ({"tool_choice": "any"}, "tool_choice", "any"),
        ({"tool_choice": {"type": "web_search_preview"}}, "tool_choice", "web_search_preview"),
        ({"tool_choice": {"type": "function", "name": "g"}}, "tool_choice", "g"),
        ({"max_output_tokens": 0}, "max_output_tokens", "at least 1"),
        ({"top_logprobs": 21}, "top_logprobs", "between 0 and 20"),
        ({"num_ctx": 0}, "num_ctx", "at least 1"),
        ({"input": [{"type": "web_search_call", "id": "w"}]}, "input[0].type", "web_search_call"),
        ({"input": [{"type": "item_reference", "id": "msg_1"}]}, "input[0]", "previous_response_id"),
        ({"input": [{"role": "critic", "content": "x"}]}, "input[0].role", "critic"),
        ({"input": [{"type": "function_call", "name": "f", "arguments": "{}"}]}, "input[0]", "call_id"),
        (
            {"input": [{"role": "user", "content": [{"type": "input_image", "file_id": "f"}]}]},
            "input[0].content[0]",
            "inside the request",
        ),
        (
            {"input": [{"role": "user", "content": [{"type": "input_image", "image_url": "http://a.example"}]}]},
            "input[0].content[0].image_url",
            "inside the request",
        ),
        (
            {"input": [{"role": "user", "content": [{"type": "input_file", "file_url": "http://a.example"}]}]},
            "input[0].content[0]",
            "inside the request",
        ),
        ({"previous_response_id": "resp_nothing"}, "previous_response_id", "resp_nothing"),
    ],
)
async def test_what_cannot_be_carried_is_named(
    client: httpx.AsyncClient, change: dict[str, Any], field: str, says: str
) -> None:
    response = await post(client, {**ask("echo"), **change})
    assert response.status_code == 400, response.text
    error = response.json()["error"]
    assert (error["type"], error["param"]) == ("invalid_request_error", field)
    assert says in error["message"]


@pytest.mark.parametrize(
    ("body", "capability"),
    [
        (ask("plain", tools=[WEATHER]), "tools"),
        (ask("plain", reasoning={"effort": "high"}), "thinking"),
        (ask("plain", [{"role": "user", "content": [{"type": "input_image"}]}]), "vision"),
        (ask("plain", [{"type": "function_call_output", "call_id": "c", "output": [{"type": "input_file"}]}]), "files"),
        (ask("plain", [{"role": "user", "content": [{"type": "input_audio"}]}]), "audio"),
    ],
)
async def test_what_a_model_cannot_do(client: httpx.AsyncClient, body: dict[str, Any], capability: str) -> None:
    error = (await post(client, body)).json()["error"]
    assert (error["code"], error["details"]["capability"]) == ("not_capable", capability)


# ------------------------------------------------------------------------------------------- what is kept


async def test_a_conversation_goes_on_from_what_is_kept(client: httpx.AsyncClient, desk: Desk) -> None:
    first = await made(client, ask("echo", script(*STEPS), tools=[WEATHER], instructions="Old rules."))
    outputs = [
        {"type": "function_call_output", "call_id": call["call_id"], "output": "rain"} for call in first["output"][2:]
    ]
    events = events_of(
        await post(client, ask("echo", outputs, tools=[WEATHER], previous_response_id=first["id"], stream=True))
    )
    second = events[-1]["response"]
    assert second["previous_response_id"] == first["id"]
    request = desk.fake.jobs[-1].request
    assert [message.role for message in request.messages] == ["user", "assistant", "tool", "tool"]
    assert request.messages[1].thoughts == [Thought("hm hm", "s1gn"), Thought(data="dark")]
    third = await carried(
        client, desk, ask("echo", "thanks", instructions="New rules.", previous_response_id=second["id"])
    )
    roles = [message.role for message in third.messages]
    assert roles == ["system", "user", "assistant", "tool", "tool", "assistant", "user"]
    assert third.messages[0].content == "New rules."


async def test_what_is_kept_can_be_read_and_deleted(client: httpx.AsyncClient) -> None:
    first = await made(client, ask("echo", "one"))
    second = await made(client, ask("echo", "two", previous_response_id=first["id"]))
    assert (await client.get(f"/v1/responses/{second['id']}")).json() == second

    page = (await client.get(f"/v1/responses/{second['id']}/input_items")).json()
    texts = [item["content"][0]["text"] for item in page["data"]]
    assert texts == ["two", "one", "one"]
    assert [item["role"] for item in page["data"]] == ["user", "assistant", "user"]
    assert (page["first_id"], page["has_more"]) == (page["data"][0]["id"], False)
    query = {"order": "asc", "limit": 1, "after": page["last_id"]}
    part = (await client.get(f"/v1/responses/{second['id']}/input_items", params=query)).json()
    assert ([item["id"] for item in part["data"]], part["has_more"]) == ([page["data"][1]["id"]], True)

    gone = await client.delete(f"/v1/responses/{first['id']}")
    assert gone.json() == {"id": first["id"], "object": "response", "deleted": True}
    for path in (f"/v1/responses/{first['id']}", f"/v1/responses/{first['id']}/input_items"):
        assert (await client.get(path)).status_code == 404
    assert (await client.delete(f"/v1/responses/{first['id']}")).status_code == 404
    response = await post(client, ask("echo", "three", previous_response_id=second["id"]))
    assert (response.status_code, response.json()["error"]["code"]) == (400, "previous_response_not_found")
    assert (await client.post(f"/v1/responses/{second['id']}/cancel")).status_code == 400


async def test_nothing_is_kept_that_is_not_to_be(client: httpx.AsyncClient, desk: Desk) -> None:
    body = await made(client, ask("echo", store=False))
    assert body["store"] is False
    assert (await client.get(f"/v1/responses/{body['id']}")).status_code == 404
    await desk.accounts.settings.put(CONSOLE, "responses", {"days": 0})
    body = await made(client, ask("echo"))
    assert body["store"] is False
    assert (await client.get(f"/v1/responses/{body['id']}")).status_code == 404


async def test_what_is_kept_belongs_to_who_made_it(client: httpx.AsyncClient, desk: Desk) -> None:
    body = await made(client, ask("echo"))
    await desk.accounts.snapshot.write(lambda session: add_user(session, CONSOLE, "bob", "!", Role.ADMIN))
    theirs = {"authorization": f"Bearer {await desk.accounts.create_key('bob', 'test')}"}
    for method, path in (("GET", ""), ("GET", "/input_items"), ("DELETE", "")):
        response = await client.request(method, f"/v1/responses/{body['id']}{path}", headers=theirs)
        assert response.status_code == 404
    response = await client.post("/v1/responses", json=ask("echo", previous_response_id=body["id"]), headers=theirs)
    assert response.json()["error"]["code"] == "previous_response_not_found"
    assert (await client.get(f"/v1/responses/{body['id']}")).status_code == 200


async def test_what_is_old_goes_and_what_is_gone_on_from_stays(client: httpx.AsyncClient, desk: Desk) -> None:
    async def age(response_id: str, expires_at: int) -> None:
        change = update(ResponseRow).where(ResponseRow.id == response_id).values(expires_at=expires_at)
        await desk.store.write(lambda session: session.execute(change))

    old, first = await made(client, ask("echo")), await made(client, ask("echo"))
    await age(old["id"], 1)
    assert (await client.get(f"/v1/responses/{old['id']}")).status_code == 404
    read = await desk.store.read(lambda session: session.get(ResponseRow, first["id"]))
    assert read is not None
    await age(first["id"], read.expires_at - 1000)
    await made(client, ask("echo", previous_response_id=first["id"]))
    renewed = await desk.store.read(lambda session: session.get(ResponseRow, first["id"]))
    assert renewed is not None
    assert renewed.expires_at >= read.expires_at
    user_id = desk.principal.user_id
    await desk.store.write(lambda session: desk.kept.forget_user(session, user_id))
    assert (await client.get(f"/v1/responses/{first['id']}")).status_code == 404


async def test_what_is_too_large_to_keep_is_refused_before_it_is_asked(client: httpx.AsyncClient, desk: Desk) -> None:
    large = "x" * (17 * 1024 * 1024)
    response = await post(client, ask("judge", large))
    assert (response.status_code, response.json()["error"]["param"]) == (400, "store")
    assert desk.fake.jobs == []


async def test_a_key_is_needed(client: httpx.AsyncClient) -> None:
    client.headers["authorization"] = "Bearer ink-wrong"
    for method, path in (
        ("POST", "/v1/responses"),
        ("POST", "/v1/responses/input_tokens"),
        ("GET", "/v1/responses/x"),
        ("DELETE", "/v1/responses/x"),
        ("GET", "/v1/responses/x/input_items"),
        ("POST", "/v1/responses/x/cancel"),
    ):
        response = await client.request(method, path, json=ask("echo") if method == "POST" else None)
        assert (response.status_code, response.json()["error"]["code"]) == (401, "invalid_api_key"), path


async def test_counting(client: httpx.AsyncClient, desk: Desk) -> None:
    first = await made(client, ask("echo", "x" * 40))
    body = ask("echo", "y" * 400, instructions="z" * 40, previous_response_id=first["id"])
    response = await post(client, body, "/v1/responses/input_tokens")
    assert response.json() == {"object": "response.input_tokens", "input_tokens": 146}
    assert response.headers["x-inglenook-notice"] == "estimated"


# ------------------------------------------------------------------------------------- the official client


async def test_official_response(official: openai.AsyncOpenAI) -> None:
    answer = await official.responses.create(model="echo", input="a b c")
    assert answer.output_text == "a b c"
    assert answer.usage is not None
    assert answer.usage.total_tokens == 6
    again = await official.responses.create(model="echo", input="d", previous_response_id=answer.id)
    assert (again.output_text, again.previous_response_id) == ("d", answer.id)
    assert (await official.responses.retrieve(again.id)).output_text == "d"
    items = [item async for item in official.responses.input_items.list(again.id, order="asc")]
    assert [item.type for item in items] == ["message", "message", "message"]
    await official.responses.delete(answer.id)
    with pytest.raises(openai.NotFoundError):
        await official.responses.retrieve(answer.id)
    count = await official.responses.input_tokens.count(model="echo", input="abcd")
    assert count.input_tokens == 5


async def test_official_stream(official: openai.AsyncOpenAI) -> None:
    async with official.responses.stream(model="think", input="a", reasoning={"summary": "auto"}) as stream:
        kinds = [event.type async for event in stream]
        final = await stream.get_final_response()
    assert kinds[0] == "response.created"
    assert kinds[-1] == "response.completed"
    assert final.output_text == "I have thought about it."
    assert final.output[0].type == "reasoning"
    assert final.output[0].summary[0].text == "They said: a"


async def test_official_stream_tells_what_broke_it(official: openai.AsyncOpenAI) -> None:
    stream = await official.responses.create(model="cut", input="a", stream=True)
    *_, last = [event async for event in stream]
    assert last.type == "response.failed"
    assert last.response.error is not None
    assert last.response.error.message == "the line broke"


class Answer(pydantic.BaseModel):
    city: str
    degrees: int


async def test_official_parse(official: openai.AsyncOpenAI) -> None:
    answer = await official.responses.parse(model="json", input="weather", text_format=Answer)
    assert answer.output_parsed == Answer(city="text", degrees=1)


async def test_official_tools(official: openai.AsyncOpenAI) -> None:
    tools: Any = [WEATHER, {**WEATHER, "name": "other"}]
    answer = await official.responses.create(model="tools", input="weather?", tools=tools)
    calls = [item for item in answer.output if item.type == "function_call"]
    assert [(call.name, json.loads(call.arguments)) for call in calls] == [
        ("weather", {"city": "text"}),
        ("other", {"city": "text"}),
    ]
    results: Any = [{"type": "function_call_output", "call_id": call.call_id, "output": "sunny"} for call in calls]
    kept = await official.responses.create(model="tools", input=results, tools=tools, previous_response_id=answer.id)
    assert kept.output_text == "The tools said: sunny; sunny"
    given: Any = [{"role": "user", "content": "weather?"}, *answer.output, *results]
    again = await official.responses.create(model="tools", input=given, tools=tools, store=False)
    assert again.output_text == kept.output_text
