"""The Ollama face over real sockets with the fake provider: bytes by a plain client, and the official client."""

import base64
import json
import math
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import ollama
import pytest

from inglenook.gateway.faces.ollama import OllamaFace
from inglenook.kit.config import Settings
from inglenook.models.engine.service import Engine
from inglenook.models.hub.layout import ModelStore
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


async def face_of(desk: Desk, folder: Path, **settings: Any) -> tuple[OllamaFace, Engine]:
    chosen = Settings(data=folder, **settings)
    model_store = ModelStore(chosen.models_dir)
    engine = Engine(chosen, model_store)
    return OllamaFace(desk.gateway, desk.shelf, engine, model_store, chosen), engine


@pytest.fixture
async def client(desk: Desk, tmp_path: Path) -> AsyncIterator[httpx.AsyncClient]:
    face, engine = await face_of(desk, tmp_path)
    async with open_wire(face.routes(with_root=True)) as opened:
        opened.headers["authorization"] = f"Bearer {desk.key}"
        yield opened
    await engine.stop()


@pytest.fixture
async def official(client: httpx.AsyncClient, desk: Desk) -> AsyncIterator[ollama.AsyncClient]:
    headers = {"authorization": f"Bearer {desk.key}"}
    async with ollama.AsyncClient(host=str(client.base_url), headers=headers, trust_env=False) as made:
        yield made


def chat(model: str, text: str = "one two three", **more: Any) -> dict[str, Any]:
    return {"model": model, "messages": [{"role": "user", "content": text}], **more}


def lines(response: httpx.Response) -> list[Any]:
    assert response.headers["content-type"] == "application/x-ndjson"
    assert response.text.endswith("\n")
    return [json.loads(line) for line in response.text.splitlines()]


# ------------------------------------------------------------------------------------------------- by bytes


async def test_it_says_what_it_is(client: httpx.AsyncClient) -> None:
    response = await client.get("/")
    assert (response.status_code, response.text) == (200, "Ollama is running")
    assert (await client.head("/")).status_code == 200
    assert (await client.head("/api/version")).status_code == 200
    assert (await client.get("/api/version")).json()["version"].count(".") == 2
    assert (await client.get("/api/status")).json() == {"cloud": {"disabled": True, "source": "config"}}
    assert (await client.get("/api/chat")).status_code == 405


async def test_tags(client: httpx.AsyncClient) -> None:
    models = {model["name"]: model for model in (await client.get("/api/tags")).json()["models"]}
    echo = models["echo"]
    assert echo["model"] == "echo"
    assert len(echo["digest"]) == 64
    assert echo["modified_at"].endswith("Z")
    assert "completion" in echo["capabilities"]
    assert models["embed"]["details"]["embedding_length"] == 64
    assert echo["remote_host"] == "fake"


async def test_a_chat_streams_by_default(client: httpx.AsyncClient) -> None:
    for body in (chat("echo"), chat("echo", stream=None), chat("echo", stream=True)):
        *pieces, last = lines(await client.post("/api/chat", json=body))
        assert [piece["message"] for piece in pieces] == [
            {"role": "assistant", "content": "one"},
            {"role": "assistant", "content": " two"},
            {"role": "assistant", "content": " three"},
        ]
        assert not any(piece["done"] for piece in pieces)
        assert all(piece["model"] == "echo" and piece["created_at"] for piece in pieces)
        assert (last["done"], last["done_reason"]) == (True, "stop")
        assert (last["prompt_eval_count"], last["eval_count"]) == (3, 3)
        for name in ("total_duration", "load_duration", "prompt_eval_duration", "eval_duration"):
            assert isinstance(last[name], int)
            assert last[name] > 0, name


async def test_a_whole_chat(client: httpx.AsyncClient, desk: Desk) -> None:
    response = await client.post("/api/chat", json=chat("think", stream=False))
    assert response.headers["content-type"] == "application/json; charset=utf-8"
    assert response.headers["x-inglenook-model"] == "think"
    body = response.json()
    assert body["message"] == {
        "role": "assistant",
        "content": "I have thought about it.",
        "thinking": "They said: one two three",
    }
    assert body["done"] is True
    (entry,) = await desk.ledger.entries()
    assert (entry.source, entry.user_id) == ("ollama", desk.principal.user_id)


async def test_generate(client: httpx.AsyncClient, desk: Desk) -> None:
    body = {"model": "echo", "prompt": "a b c", "system": "Be brief.", "options": {"num_predict": 2, "seed": 3}}
    *pieces, last = lines(await client.post("/api/generate", json=body))
    assert [piece["response"] for piece in pieces] == ["a", " b"]
    assert (last["done_reason"], last["eval_count"], last["response"]) == ("length", 2, "")
    request = desk.fake.jobs[-1].request
    assert [message.role for message in request.messages] == ["system", "user"]
    assert request.local.return_context
    whole = (await client.post("/api/generate", json={**body, "stream": False})).json()
    assert whole["response"] == "a b"

    raw = {"model": "echo", "prompt": "a b", "raw": True, "stream": False}
    assert (await client.post("/api/generate", json=raw)).json()["response"] == "a b"
    assert desk.fake.jobs[-1].request.prompt == "a b"
    fill = {"model": "echo", "prompt": "a", "suffix": "c", "context": [1, 2], "stream": False}
    await client.post("/api/generate", json=fill)
    assert (desk.fake.jobs[-1].request.suffix, desk.fake.jobs[-1].request.local.context) == ("c", [1, 2])


@pytest.mark.parametrize(("keep_alive", "reason"), [(None, "load"), ("5m", "load"), (0, "unload"), ("0s", "unload")])
async def test_empty_prompts_load_and_unload(client: httpx.AsyncClient, keep_alive: Any, reason: str) -> None:
    response = await client.post("/api/generate", json={"model": "echo", "keep_alive": keep_alive})
    assert response.headers["content-type"].startswith("application/json")
    assert (response.json()["response"], response.json()["done_reason"], response.json()["done"]) == ("", reason, True)
    response = await client.post("/api/chat", json={"model": "echo", "messages": [], "keep_alive": keep_alive})
    assert (response.json()["message"]["content"], response.json()["done_reason"]) == ("", reason)


@pytest.mark.parametrize(
    ("path", "body", "status", "text"),
    [
        ("generate", {"model": "nothing", "prompt": "x"}, 404, "model 'nothing' not found"),
        ("generate", {"model": "", "prompt": "x"}, 404, "model '' not found"),
        ("chat", {"messages": []}, 400, "model is required"),
        ("chat", chat("a b"), 404, "model 'a b' not found"),
        ("show", {}, 400, "model is required"),
        ("show", {"model": "nothing"}, 404, "model 'nothing' not found"),
        (
            "generate",
            {"model": "echo", "prompt": "x", "raw": True, "system": "y"},
            400,
            "raw mode does not support template, system, or context",
        ),
        ("generate", {"model": "embed", "prompt": "x"}, 400, '"embed" does not support generate'),
        ("chat", chat("embed"), 400, '"embed" does not support chat'),
        ("chat", chat("plain", tools=[WEATHER]), 400, "plain does not support tools"),
        ("chat", chat("plain", think=True), 400, '"plain" does not support thinking'),
        ("generate", {"model": "plain", "prompt": "x", "suffix": "y"}, 400, "plain does not support insert"),
        ("chat", chat("echo", logprobs=True, top_logprobs=21), 400, "top_logprobs must be between 0 and 20"),
        ("chat", chat("echo", top_logprobs=-1), 400, "top_logprobs must be between 0 and 20"),
        ("chat", chat("echo", options={"seed": "x"}), 400, 'option "seed" must be of type integer'),
        ("chat", chat("echo", options={"temperature": "x"}), 400, 'option "temperature" must be of type float32'),
        ("chat", chat("echo", options={"stop": "x"}), 400, 'option "stop" must be of type array'),
        ("chat", chat("echo", options={"use_mmap": 1}), 400, 'option "use_mmap" must be of type boolean'),
        ("embed", {"model": "embed", "input": [1]}, 400, "invalid input type"),
        ("embed", {"model": "embed", "input": {}}, 400, "invalid input type"),
        ("embed", {"model": "echo", "input": "x"}, 400, "this model does not support embeddings"),
    ],
)
async def test_errors_are_ollamas(
    client: httpx.AsyncClient, path: str, body: dict[str, Any], status: int, text: str
) -> None:
    response = await client.post(f"/api/{path}", json=body)
    assert (response.status_code, response.json()) == (status, {"error": text})


@pytest.mark.parametrize(
    "more",
    [
        {"format": "bogus"},
        {"format": 42},
        {"think": "much"},
        {"keep_alive": "soon"},
        {"messages": [{"role": "king", "content": "x"}]},
        {"messages": [{"role": "user", "content": "x", "images": ["!!!"]}]},
    ],
)
async def test_bad_fields_are_400(client: httpx.AsyncClient, more: dict[str, Any]) -> None:
    response = await client.post("/api/chat", json={**chat("echo"), **more})
    assert response.status_code == 400
    assert next(iter(more)) in response.json()["error"]


async def test_a_body_is_needed(client: httpx.AsyncClient) -> None:
    response = await client.post("/api/chat")
    assert (response.status_code, response.json()) == (400, {"error": "missing request body"})
    assert (await client.post("/api/chat", content=b"{")).status_code == 400


async def test_a_template_of_ones_own(client: httpx.AsyncClient, desk: Desk) -> None:
    body = {
        "model": "echo",
        "prompt": "b",
        "template": "a {{ .System }} {{ .Prompt }} {{ .Response }}z",
        "stream": False,
    }
    told = (await client.post("/api/generate", json={**body, "system": "s"})).json()
    assert (told["response"], desk.fake.jobs[-1].request.prompt) == ("a s b ", "a s b ")
    shown = (await client.post("/api/generate", json={**body, "_debug_render_only": True})).json()
    assert shown["_debug_info"] == {"rendered_template": "a  b ", "image_count": 0}
    wrong: list[tuple[dict[str, Any], str]] = [
        ({"template": "a\n{{ .Prompt"}, "template: line 2: unclosed action"),
        ({"template": "{{ .Nobody }}"}, "template: there is no .Nobody here"),
        ({"template": "{{ .Prompt }}", "system": "s"}, "'system' cannot be carried"),
        ({"think": True}, "'think' cannot be carried"),
        ({"suffix": "z"}, "'suffix' cannot be carried"),
        ({"images": [PNG]}, "'images' cannot be carried"),
        ({"raw": True}, "raw mode does not support template"),
    ]
    for more, said in wrong:
        answer = await client.post("/api/generate", json={**body, **more})
        assert (answer.status_code, said in answer.json()["error"]) == (400, True), answer.text
    fill = {**body, "template": "<pre>{{ .Prompt }}<suf>{{ .Suffix }}<mid>", "suffix": "z"}
    assert (await client.post("/api/generate", json=fill)).json()["response"] == "<pre>b<suf>z<mid>"


async def test_a_broken_stream_ends_with_an_error_line(client: httpx.AsyncClient) -> None:
    *pieces, last = lines(await client.post("/api/chat", json=chat("cut")))
    assert len(pieces) == 5
    assert last == {"error": "the line broke"}
    response = await client.post("/api/chat", json=chat("cut", stream=False))
    assert (response.status_code, response.json()) == (502, {"error": "the line broke"})
    response = await client.post("/api/chat", json=chat("error-429"))
    assert (response.status_code, response.headers["retry-after"]) == (429, "7")


async def test_what_was_cut_or_ignored_is_said(client: httpx.AsyncClient) -> None:
    body = chat("notice", options={"num_thread": 2, "mirostat": 1, "top_k": 3, "seed": None})
    response = await client.post("/api/chat", json=body)
    assert response.headers["x-inglenook-notice"] == "ignored_options, truncated"
    last = lines(response)[-1]
    ignored, truncated = last["notices"]
    assert ignored["details"]["options"] == ["num_thread", "mirostat"]
    assert truncated["details"]["prompt_tokens"] == 9000


async def test_options_reach_the_provider(client: httpx.AsyncClient, desk: Desk) -> None:
    options = {"num_ctx": 2048.7, "num_predict": -1, "stop": ["x"], "top_k": 5, "seed": 0, "repeat_penalty": 1.1}
    body = chat("echo", options=options, keep_alive="-1m", think="high", truncate=False, format={"type": "object"})
    call = {"function": {"name": "f", "arguments": {"b": 1, "a": 2}}}
    body["messages"].insert(0, {"role": "Assistant", "content": "", "tool_calls": [call]})
    body["messages"].insert(1, {"role": "tool", "tool_name": "f", "content": "12"})
    body["messages"].append({"role": "user", "content": "look", "images": [PNG]})
    assert (await client.post("/api/chat", json=body)).status_code == 200
    request = desk.fake.jobs[-1].request
    assert (request.local.num_ctx, request.local.keep_alive, request.local.truncate) == (2048, -60, False)
    assert (request.sampling.max_tokens, request.sampling.seed, request.sampling.top_k) == (None, 0, 5)
    assert (request.reasoning, request.response_format.schema) == ("high", {"type": "object"})
    assert request.messages[0].tool_calls[0].arguments == '{"b":1,"a":2}'
    assert request.messages[1].name == "f"
    assert request.messages[-1].content[0].media_type == "image/png"


async def test_embed(client: httpx.AsyncClient) -> None:
    body = (await client.post("/api/embed", json={"model": "embed", "input": ["a b", "c"], "dimensions": 16})).json()
    assert [len(vector) for vector in body["embeddings"]] == [16, 16]
    assert all(math.isclose(sum(x * x for x in vector), 1, rel_tol=1e-6) for vector in body["embeddings"])
    assert (body["model"], body["prompt_eval_count"]) == ("embed", 3)
    assert body["total_duration"] > 0
    for empty in ({}, {"input": ""}, {"input": []}):
        assert (await client.post("/api/embed", json={"model": "embed", **empty})).json()["embeddings"] == []
    old = (await client.post("/api/embeddings", json={"model": "embed", "prompt": "a"})).json()
    assert len(old["embedding"]) == 64
    assert (await client.post("/api/embeddings", json={"model": "embed", "prompt": ""})).json() == {"embedding": []}


# -------------------------------------------------------------------------------------------- who may ask


async def test_a_key_is_needed(client: httpx.AsyncClient, desk: Desk) -> None:
    for path in ("chat", "generate", "embed", "show", "tags", "ps"):
        method = "GET" if path in ("tags", "ps") else "POST"
        for value in ("", "Bearer wrong"):
            response = await client.request(method, f"/api/{path}", json=chat("echo"), headers={"authorization": value})
            assert response.status_code == 401, path
    assert desk.fake.jobs == []


@pytest.fixture
async def opened(desk: Desk, tmp_path: Path) -> AsyncIterator[httpx.AsyncClient]:
    face, engine = await face_of(desk, tmp_path, ollama_open=True)
    async with open_wire(face.routes()) as client:
        yield client
    await engine.stop()


async def test_open_answers_programs_on_this_machine(opened: httpx.AsyncClient, desk: Desk) -> None:
    assert (await opened.post("/api/chat", json=chat("echo"))).status_code == 200
    assert (await opened.get("/api/tags")).status_code == 200
    (entry,) = await desk.ledger.entries()
    assert (entry.user_id, entry.key_id) == ("open-ollama", None)
    # A key that is sent is looked at all the same.
    assert (await opened.get("/api/tags", headers={"authorization": "Bearer ink-x"})).status_code == 401
    assert (await opened.get("/api/tags", headers={"authorization": f"Bearer {desk.key}"})).status_code == 200


@pytest.mark.parametrize(
    "header", ["Forwarded", "X-Forwarded-For", "X-Forwarded-Host", "X-Forwarded-Proto", "Via", "X-Real-IP"]
)
async def test_open_is_closed_to_proxies(opened: httpx.AsyncClient, desk: Desk, header: str) -> None:
    for path in ("/api/tags", "/api/ps"):
        response = await opened.get(path, headers={header: "127.0.0.1"})
        assert response.status_code == 401
        assert "proxy" in response.json()["error"]
    assert (await opened.post("/api/chat", json=chat("echo"), headers={header: "x"})).status_code == 401
    assert desk.fake.jobs == []


async def test_open_uses_what_everyone_may(opened: httpx.AsyncClient, desk: Desk) -> None:
    await desk.revoke_models()
    assert (await opened.get("/api/tags")).json() == {"models": []}
    assert (await opened.post("/api/chat", json=chat("echo"))).status_code == 404


# ------------------------------------------------------------------------------------- the official client


async def test_official_chat(official: ollama.AsyncClient) -> None:
    answer = await official.chat("echo", [{"role": "user", "content": "a b"}])
    assert answer.message.content == "a b"
    assert answer.done_reason == "stop"
    pieces = [piece async for piece in await official.chat("echo", [{"role": "user", "content": "a b"}], stream=True)]
    assert [piece.message.content for piece in pieces] == ["a", " b", ""]
    assert pieces[-1].eval_count == 2


async def test_official_tools(official: ollama.AsyncClient) -> None:
    def weather(city: str) -> str:
        """The weather.

        Args:
            city: Which.
        """
        return f"sunny in {city}"

    messages: list[Any] = [{"role": "user", "content": "weather?"}]
    answer = await official.chat("tools", messages, tools=[weather])
    (call,) = answer.message.tool_calls or []
    assert (call.function.name, call.function.arguments) == ("weather", {"city": "text"})
    messages += [answer.message, {"role": "tool", "tool_name": "weather", "content": weather("Ulm")}]
    answer = await official.chat("tools", messages, tools=[weather])
    assert answer.message.content == "The tools said: sunny in Ulm"


async def test_official_generate(official: ollama.AsyncClient) -> None:
    answer = await official.generate("json", "x", format={"type": "object", "properties": {"n": {"type": "integer"}}})
    assert json.loads(answer.response) == {"n": 1}
    pieces = [piece async for piece in await official.generate("think", "x", stream=True, think=True)]
    assert "".join(piece.thinking or "" for piece in pieces) == "They said: x"
    with pytest.raises(ollama.ResponseError) as caught:
        await official.generate("nothing", "x")
    assert caught.value.status_code == 404
    with pytest.raises(ollama.ResponseError, match="the line broke"):
        [piece async for piece in await official.chat("cut", [{"role": "user", "content": "x"}], stream=True)]


@pytest.mark.parametrize("streamed", [False, True])
async def test_official_logprobs(official: ollama.AsyncClient, streamed: bool) -> None:
    asked: dict[str, Any] = {"model": "echo", "prompt": "a b", "logprobs": True, "top_logprobs": 3}
    if streamed:
        pieces = [piece async for piece in await official.generate(**asked, stream=True)]
        assert [piece.response for piece in pieces] == ["a", " b", ""]
        found = [token for piece in pieces for token in piece.logprobs or []]
    else:
        found = list((await official.generate(**asked)).logprobs or [])
    assert [token.token for token in found] == ["a", " b"]
    assert all(len(token.top_logprobs or []) == 3 for token in found)


async def test_official_embed_list_ps_show(official: ollama.AsyncClient) -> None:
    answer = await official.embed("embed", ["a", "b"])
    assert len(answer.embeddings) == 2
    assert len((await official.embeddings("embed", "a")).embedding) == 64
    assert "echo" in {model.model for model in (await official.list()).models}
    assert (await official.ps()).models == []
    shown = await official.show("echo")
    assert "completion" in (shown.capabilities or [])
    assert shown.modelinfo == {}
