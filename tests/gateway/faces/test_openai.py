"""The OpenAI face over real sockets: bytes by a plain client, and the official client."""

import asyncio
import base64
import json
import struct
from collections.abc import AsyncIterator
from typing import Any

import httpx
import openai
import pydantic
import pytest

from inglenook.gateway.faces.registry import routes
from inglenook.models.providers.fake_media import DIMENSIONS, vector
from tests.support.gateway import Desk, open_wire

PNG = base64.b64encode(b"\x89PNG\r\n\x1a\n" + b"\0" * 20).decode()
WEATHER = {
    "type": "function",
    "function": {
        "name": "weather",
        "description": "The weather of a city.",
        "parameters": {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]},
    },
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


def ask(model: str, text: str = "one two three", **more: Any) -> dict[str, Any]:
    return {"model": model, "messages": [{"role": "user", "content": text}], **more}


async def post(client: httpx.AsyncClient, body: Any, path: str = "/v1/chat/completions") -> httpx.Response:
    return await client.post(path, json=body)


def events_of(response: httpx.Response) -> list[Any]:
    """The JSON of each event; `[DONE]` as it is."""
    found = []
    for block in response.text.split("\n\n"):
        if block.strip():
            assert block.startswith("data: ")
            found.append(block[6:] if block[6:] == "[DONE]" else json.loads(block[6:]))
    return found


# ------------------------------------------------------------------------------------------------- by bytes


async def test_an_answer(client: httpx.AsyncClient, desk: Desk) -> None:
    response = await post(client, ask("echo"))
    assert response.status_code == 200
    body = response.json()
    assert body["object"] == "chat.completion"
    assert body["id"].startswith("chatcmpl-")
    assert body["model"] == "echo"
    assert body["choices"] == [
        {
            "index": 0,
            "message": {"role": "assistant", "content": "one two three", "refusal": None},
            "logprobs": None,
            "finish_reason": "stop",
        }
    ]
    assert body["usage"]["prompt_tokens"] == 3
    assert body["usage"]["total_tokens"] == 6
    assert response.headers["x-inglenook-model"] == "echo"
    assert "inglenook" not in body
    (entry,) = await desk.ledger.entries()
    assert response.headers["x-request-id"] == entry.call_id
    assert entry.source == "openai"


async def test_a_stream(client: httpx.AsyncClient) -> None:
    response = await post(client, ask("echo", stream=True))
    assert response.headers["content-type"].startswith("text/event-stream")
    *chunks, done = events_of(response)
    assert done == "[DONE]"
    assert len({(chunk["id"], chunk["created"], chunk["model"]) for chunk in chunks}) == 1
    deltas = [chunk["choices"][0]["delta"] for chunk in chunks]
    assert deltas == [
        {"role": "assistant", "content": "one"},
        {"content": " two"},
        {"content": " three"},
        {},
    ]
    assert [chunk["choices"][0]["finish_reason"] for chunk in chunks] == [None, None, None, "stop"]


async def test_usage_ends_a_stream_only_when_asked(client: httpx.AsyncClient) -> None:
    response = await post(client, ask("echo", stream=True, stream_options={"include_usage": True}))
    *_, usage, done = events_of(response)
    assert done == "[DONE]"
    assert usage["choices"] == []
    assert usage["usage"]["completion_tokens"] == 3
    assert '"usage"' not in (await post(client, ask("echo", stream=True))).text


@pytest.mark.parametrize(("model", "partial"), [("cut", 5), ("silent-cut", 5)])
async def test_a_broken_stream_says_so_and_breaks(client: httpx.AsyncClient, model: str, partial: int) -> None:
    received = b""

    async def read() -> None:
        nonlocal received
        async with client.stream("POST", "/v1/chat/completions", json=ask(model, stream=True)) as response:
            async for piece in response.aiter_raw():
                received += piece

    with pytest.raises(httpx.RemoteProtocolError):
        await read()
    *chunks, error = [json.loads(block[6:]) for block in received.decode().split("\n\n") if block.strip()]
    assert len(chunks) == partial
    assert error["error"]["type"] == "api_error"
    assert error["error"]["code"] == "upstream_failed"
    assert b"[DONE]" not in received


async def test_a_broken_answer_that_was_not_begun_is_an_error(client: httpx.AsyncClient) -> None:
    response = await post(client, ask("cut"))
    assert response.status_code == 502
    assert response.json()["error"]["message"] == "the line broke"


@pytest.mark.parametrize(
    ("body", "status", "param", "code", "says"),
    [
        (
            {"model": "nothing", "messages": [{"role": "user", "content": "x"}]},
            404,
            "model",
            "model_not_found",
            "nothing",
        ),
        ({"messages": [{"role": "user", "content": "x"}]}, 400, "model", "bad_input", "model"),
        ({"model": "echo"}, 400, "messages", "bad_input", "messages"),
        ({"model": "echo", "messages": []}, 400, "messages", "bad_input", "too short"),
        (ask("echo", stream="yes"), 400, "stream", "bad_input", "stream"),
        (ask("echo", temperature="hot"), 400, "temperature", "bad_input", "temperature"),
        (ask("echo", web_search_options={}), 400, "web_search_options", "cannot_carry", "web_search_options"),
        (ask("echo", n=0), 400, "n", "bad_input", "between 1 and 128"),
        (ask("echo", reasoning_effort="bogus"), 400, "reasoning_effort", "bad_input", "bogus"),
        (ask("plain", reasoning_effort="high"), 400, "model", "not_capable", "thinking"),
        (ask("plain", tools=[WEATHER]), 400, "model", "not_capable", "tools"),
        (ask("embed"), 400, "model", "not_capable", "chat"),
        (ask("echo", top_logprobs=21, logprobs=True), 400, "top_logprobs", "bad_input", "between 0 and 20"),
        (ask("echo", max_tokens=0), 400, "max_tokens", "bad_input", "at least 1"),
        (
            ask("echo", response_format={"type": "json_schema"}),
            400,
            "response_format.json_schema.schema",
            "bad_input",
            "schema",
        ),
        (ask("echo", keep_alive="soon"), 400, "keep_alive", "bad_input", "duration"),
        (ask("echo", tools=[{"type": "custom", "custom": {"name": "x"}}]), 400, "tools[0].type", "bad_input", "custom"),
        (ask("echo", tool_choice="any"), 400, "tool_choice", "bad_input", "any"),
        (ask("error-429"), 429, None, "rate_limit_exceeded", "429"),
    ],
)
async def test_errors_name_what_is_wrong(
    client: httpx.AsyncClient, body: dict[str, Any], status: int, param: str | None, code: str, says: str
) -> None:
    response = await post(client, body)
    assert response.status_code == status, response.text
    error = response.json()["error"]
    assert (error["param"], error["code"]) == (param, code)
    assert says in error["message"]
    assert error["type"] == ("rate_limit_error" if status == 429 else "invalid_request_error")
    assert response.headers.get("retry-after") == ("7" if status == 429 else None)


@pytest.mark.parametrize("body", [b"", b"{", b"[]", b"\xff"])
async def test_a_body_that_is_no_object(client: httpx.AsyncClient, body: bytes) -> None:
    response = await client.post("/v1/chat/completions", content=body)
    assert response.status_code == 400
    assert response.json()["error"]["type"] == "invalid_request_error"


async def test_a_key_is_needed(client: httpx.AsyncClient, desk: Desk) -> None:
    for headers in (
        {"authorization": ""},
        {"authorization": "Bearer ink-wrong"},
        {"cookie": "x=y", "authorization": ""},
    ):
        for method, path in (("POST", "/v1/chat/completions"), ("GET", "/v1/models"), ("GET", "/v1/models/echo")):
            response = await client.request(
                method, path, json=ask("echo") if method == "POST" else None, headers=headers
            )
            assert response.status_code == 401, path
            assert response.json()["error"]["code"] == "invalid_api_key"
            assert response.headers["www-authenticate"] == "Bearer"
    assert desk.fake.jobs == []


async def test_the_console_needs_no_key(desk: Desk) -> None:
    async with open_wire(routes(desk.gateway, desk.kept), local=True) as client:
        assert (await post(client, ask("echo"))).status_code == 200
        client.headers["authorization"] = "Bearer ink-wrong"
        assert (await post(client, ask("echo"))).status_code == 401
    (entry,) = await desk.ledger.entries()
    assert entry.user_id == "console"


async def test_a_cut_prompt_is_told_of(client: httpx.AsyncClient) -> None:
    response = await post(client, ask("notice"))
    assert response.headers["x-inglenook-notice"] == "truncated"
    (notice,) = response.json()["inglenook"]["notices"]
    assert notice["kind"] == "truncated"
    assert notice["details"]["prompt_tokens"] == 9000

    response = await post(client, ask("notice", stream=True))
    assert response.headers["x-inglenook-notice"] == "truncated"
    first, *rest = events_of(response)
    assert first["inglenook"]["notices"] == [notice]
    assert all("inglenook" not in chunk for chunk in rest if chunk != "[DONE]")


async def test_fields_reach_the_provider(client: httpx.AsyncClient, desk: Desk) -> None:
    body = ask(
        "echo",
        max_completion_tokens=2,
        stop=["x"],
        seed=7,
        temperature=0.5,
        keep_alive="1h30m",
        num_ctx=2048,
        truncate=False,
        user="u",
        response_format={"type": "json_schema", "json_schema": {"name": "a", "schema": {"type": "object"}}},
    )
    call = {"id": "c1", "type": "function", "function": {"name": "f", "arguments": "{}"}}
    body["messages"] = [
        {"role": "developer", "content": "Be brief."},
        {"role": "user", "content": [{"type": "text", "text": "look"}, image(f"data:image/png;base64,{PNG}")]},
        {"role": "assistant", "tool_calls": [call]},
        {"role": "tool", "tool_call_id": "c1", "content": "12"},
    ]
    response = await post(client, body)
    assert response.status_code == 200, response.text
    request = desk.fake.jobs[-1].request
    assert (request.sampling.max_tokens, request.sampling.stop, request.sampling.seed) == (2, ["x"], 7)
    assert (request.local.keep_alive, request.local.num_ctx, request.local.truncate) == (5400, 2048, False)
    assert request.response_format.schema == {"type": "object"}
    assert [message.role for message in request.messages] == ["system", "user", "assistant", "tool"]
    assert request.messages[1].content[1].media_type == "image/png"
    assert request.messages[2].tool_calls[0].name == "f"


def image(url: str) -> dict[str, Any]:
    return {"type": "image_url", "image_url": {"url": url}}


@pytest.mark.parametrize(
    "url",
    ["http://127.0.0.1/x.png", "https://a.example/x.png", "data:image/png;base64,!!!", "data:text/html;base64,AAAA"],
)
async def test_images_are_not_fetched(client: httpx.AsyncClient, url: str) -> None:
    response = await post(client, {"model": "echo", "messages": [{"role": "user", "content": [image(url)]}]})
    assert response.status_code == 400
    assert response.json()["error"]["param"] == "messages[0].content[0].image_url.url"


async def test_embeddings_as_floats_and_base64(client: httpx.AsyncClient) -> None:
    floats = (await post(client, {"model": "embed", "input": ["a b", "c"]}, "/v1/embeddings")).json()
    assert floats["usage"] == {"prompt_tokens": 3, "total_tokens": 3}
    assert [item["index"] for item in floats["data"]] == [0, 1]
    assert floats["data"][0]["embedding"] == vector("a b")
    body = {"model": "embed", "input": "a b", "encoding_format": "base64", "dimensions": 4}
    packed = (await post(client, body, "/v1/embeddings")).json()["data"][0]["embedding"]
    assert struct.unpack("<4f", base64.b64decode(packed)) == pytest.approx(vector("a b")[:4])
    for wrong, param in (
        ({"input": []}, "input"),
        ({"input": [1, 2]}, "input"),
        ({"input": "a", "dimensions": 0}, "dimensions"),
        ({"input": "a", "encoding_format": "x"}, "encoding_format"),
    ):
        response = await post(client, {"model": "embed", **wrong}, "/v1/embeddings")
        assert (response.status_code, response.json()["error"]["param"]) == (400, param)


async def test_several_prompts_and_tokens(client: httpx.AsyncClient, desk: Desk) -> None:
    body = {"model": "echo", "prompt": ["a b", [7, 8], "c"], "n": 2}
    answer = (await post(client, body, "/v1/completions")).json()
    texts = ["a b", "a b", "7 8", "7 8", "c", "c"]
    assert [(choice["index"], choice["text"]) for choice in answer["choices"]] == list(enumerate(texts))
    assert answer["usage"]["completion_tokens"] == 10
    response = await post(client, {**body, "stream": True}, "/v1/completions")
    streamed = [""] * 6
    for chunk in events_of(response)[:-1]:
        (choice,) = chunk["choices"]
        streamed[choice["index"]] += choice["text"]
    assert streamed == texts
    await post(client, {"model": "echo", "prompt": [7, 8]}, "/v1/completions")
    assert desk.fake.jobs[-1].request.prompt == [7, 8]
    for wrong, param in (
        ([], "prompt"),
        ("", "prompt"),
        ([1, "a"], "prompt[0]"),
        ([["a"]], "prompt[0]"),
        ([True], "prompt[0]"),
        ([[1 << 31]], "prompt[0]"),
    ):
        response = await post(client, {"model": "echo", "prompt": wrong}, "/v1/completions")
        assert (response.status_code, response.json()["error"]["param"]) == (400, param)


@pytest.mark.parametrize(
    ("given", "carried", "tools"),
    [
        ("required", "required", ["weather", "time"]),
        ({"type": "function", "function": {"name": "time"}}, {"name": "time"}, ["weather", "time"]),
        (
            {
                "type": "allowed_tools",
                "allowed_tools": {"mode": "required", "tools": [{"type": "function", "function": {"name": "time"}}]},
            },
            "required",
            ["time"],
        ),
    ],
)
async def test_tool_choice_is_carried(
    client: httpx.AsyncClient, desk: Desk, given: Any, carried: Any, tools: list[str]
) -> None:
    time = {"type": "function", "function": {"name": "time"}}
    response = await post(client, ask("tools", tools=[WEATHER, time], tool_choice=given))
    assert response.status_code == 200, response.text
    request = desk.fake.jobs[-1].request
    assert (request.tool_choice, [tool.name for tool in request.tools]) == (carried, tools)


async def test_a_tool_that_is_chosen_must_be_there(client: httpx.AsyncClient) -> None:
    choice = {"type": "function", "function": {"name": "time"}}
    response = await post(client, ask("tools", tools=[WEATHER], tool_choice=choice))
    assert (response.status_code, response.json()["error"]["param"]) == (400, "tool_choice")


async def test_a_client_that_leaves_cancels(client: httpx.AsyncClient, desk: Desk) -> None:
    script = '{"steps": [{"text": "one "}, {"wait": "gate"}]}'
    async with client.stream("POST", "/v1/chat/completions", json=ask("echo", script, stream=True)) as response:
        await anext(response.aiter_raw())
        await desk.fake.gate("gate").reached()
    await desk.fake.given_up(1)
    # The server's next answer comes after it has settled the one that was given up.
    await post(client, ask("echo"))
    entries = {entry.status: entry for entry in await desk.ledger.entries()}
    assert entries["cancelled"].estimated


# ------------------------------------------------------------------------------------- the official client


async def test_official_chat(official: openai.AsyncOpenAI) -> None:
    answer = await official.chat.completions.create(model="echo", messages=[{"role": "user", "content": "a b c"}])
    assert answer.choices[0].message.content == "a b c"
    assert answer.choices[0].finish_reason == "stop"
    assert answer.usage is not None
    assert answer.usage.total_tokens == answer.usage.prompt_tokens + answer.usage.completion_tokens
    answer = await official.chat.completions.create(
        model="echo", messages=[{"role": "user", "content": "a b c"}], max_completion_tokens=2, n=2
    )
    assert [(choice.index, choice.message.content, choice.finish_reason) for choice in answer.choices] == [
        (0, "a b", "length"),
        (1, "a b", "length"),
    ]


async def test_official_stream(official: openai.AsyncOpenAI) -> None:
    stream = await official.chat.completions.create(
        model="think",
        messages=[{"role": "user", "content": "a"}],
        stream=True,
        stream_options={"include_usage": True},
    )
    chunks = [chunk async for chunk in stream]
    assert "".join(c.choices[0].delta.content or "" for c in chunks if c.choices) == "I have thought about it."
    thoughts = [c.choices[0].delta.model_extra for c in chunks if c.choices]
    assert "".join((extra or {}).get("reasoning_content", "") for extra in thoughts) == "They said: a"
    assert chunks[-1].usage is not None
    assert chunks[-1].choices == []


async def test_official_stream_raises_what_broke_it(official: openai.AsyncOpenAI) -> None:
    stream = await official.chat.completions.create(
        model="cut", messages=[{"role": "user", "content": "a"}], stream=True
    )
    with pytest.raises(openai.APIError, match="the line broke"):
        [chunk async for chunk in stream]


class Answer(pydantic.BaseModel):
    city: str
    degrees: int


async def test_official_parse(official: openai.AsyncOpenAI) -> None:
    answer = await official.chat.completions.parse(
        model="json", messages=[{"role": "user", "content": "weather"}], response_format=Answer
    )
    assert answer.choices[0].message.parsed == Answer(city="text", degrees=1)


async def test_official_tools(official: openai.AsyncOpenAI) -> None:
    messages: list[Any] = [{"role": "user", "content": "weather?"}]
    answer = await official.chat.completions.create(
        model="tools", messages=messages, tools=[WEATHER], tool_choice="auto"
    )  # type: ignore[list-item]
    assert answer.choices[0].finish_reason == "tool_calls"
    (call,) = answer.choices[0].message.tool_calls or []
    assert call.type == "function"
    assert json.loads(call.function.arguments) == {"city": "text"}
    messages += [answer.choices[0].message, {"role": "tool", "tool_call_id": call.id, "content": "sunny"}]
    answer = await official.chat.completions.create(model="tools", messages=messages, tools=[WEATHER])  # type: ignore[list-item]
    assert answer.choices[0].message.content == "The tools said: sunny"

    async with official.chat.completions.stream(model="tools", messages=messages[:1], tools=[WEATHER]) as stream:  # type: ignore[list-item]
        final = await stream.get_final_completion()
    (call,) = final.choices[0].message.tool_calls or []
    assert (call.function.name, json.loads(call.function.arguments)) == ("weather", {"city": "text"})


@pytest.mark.parametrize("streamed", [False, True])
async def test_official_logprobs(official: openai.AsyncOpenAI, streamed: bool) -> None:
    asked: dict[str, Any] = {
        "model": "echo",
        "messages": [{"role": "user", "content": "a b"}],
        "logprobs": True,
        "top_logprobs": 5,
    }
    if streamed:
        chunks = [chunk async for chunk in await official.chat.completions.create(**asked, stream=True)]
        found = [token for c in chunks if c.choices[0].logprobs for token in c.choices[0].logprobs.content or []]
        texts = [c.choices[0].delta.content for c in chunks if c.choices[0].logprobs]
        assert texts == [token.token for token in found]
    else:
        answer = await official.chat.completions.create(**asked)
        assert answer.choices[0].logprobs is not None
        found = answer.choices[0].logprobs.content or []
    assert [bytes(token.bytes or []).decode() for token in found] == ["a", " b"]
    assert all(len(token.top_logprobs) == 5 for token in found)


async def test_official_completions(official: openai.AsyncOpenAI) -> None:
    answer = await official.completions.create(model="echo", prompt="a b c", max_tokens=2, logprobs=1)
    assert (answer.choices[0].text, answer.choices[0].finish_reason) == ("a b", "length")
    assert answer.choices[0].logprobs is not None
    assert answer.choices[0].logprobs.text_offset == [0, 1]
    stream = await official.completions.create(model="echo", prompt=["a b c"], stream=True)
    assert "".join([chunk.choices[0].text async for chunk in stream]) == "a b c"
    with pytest.raises(openai.BadRequestError, match="insert"):
        await official.completions.create(model="plain", prompt="a", suffix="b")


async def test_official_embeddings(official: openai.AsyncOpenAI) -> None:
    answer = await official.embeddings.create(model="embed", input=["a b", "c"])
    assert len(answer.data) == 2
    assert len(answer.data[0].embedding) == DIMENSIONS
    assert answer.data[0].embedding == pytest.approx(vector("a b"), abs=1e-6)


async def test_official_models(official: openai.AsyncOpenAI, desk: Desk) -> None:
    models = [model async for model in official.models.list()]
    assert {"echo", "embed"} <= {model.id for model in models}
    model = await official.models.retrieve("echo")
    assert (model.id, model.owned_by, model.created) == ("echo", "fake", 1_700_000_000)
    with pytest.raises(openai.NotFoundError) as caught:
        await official.models.retrieve("library/nothing:latest")
    assert caught.value.code == "model_not_found"


async def test_official_errors(official: openai.AsyncOpenAI) -> None:
    with pytest.raises(openai.RateLimitError):
        await official.chat.completions.create(model="error-429", messages=[{"role": "user", "content": "a"}])
    with pytest.raises(openai.InternalServerError):
        await official.chat.completions.create(model="error-500", messages=[{"role": "user", "content": "a"}])


async def test_the_official_client_in_a_thread(client: httpx.AsyncClient, desk: Desk) -> None:
    def talk() -> str | None:
        with openai.OpenAI(base_url=f"{client.base_url}/v1", api_key=desk.key, max_retries=0) as made:
            return (
                made.chat.completions.create(model="echo", messages=[{"role": "user", "content": "hi there"}])
                .choices[0]
                .message.content
            )

    assert await asyncio.to_thread(talk) == "hi there"
