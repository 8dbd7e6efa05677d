"""All faces that chat, over the real catalogue and engine, with the starter model and the built-in embedder."""

import asyncio
import json
import math
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import anthropic
import httpx
import ollama
import openai
import psutil
import pytest

from inglenook.accounts.service import Accounts
from inglenook.gateway.faces.ollama import OllamaFace
from inglenook.gateway.faces.registry import routes
from inglenook.gateway.gateway import Gateway
from inglenook.kit.config import Settings
from inglenook.kit.http.pool import HttpPool
from inglenook.models.catalogue import Catalogue
from inglenook.models.engine.service import Engine
from inglenook.models.hub.layout import ModelStore
from inglenook.models.providers.base import ProviderParts
from inglenook.store.secrets import Secrets
from tests.support.engine import starter_gguf
from tests.support.gateway import Desk, open_wire

pytestmark = pytest.mark.slow

M = "smollm2"
E = "multilingual-e5-small"
TELL = "Tell a long story about a fox."


@pytest.fixture
async def client(desk: Desk, tmp_path: Path) -> AsyncIterator[httpx.AsyncClient]:
    async with open_client(desk, Settings(data=tmp_path, context_length=1024, parallel=2)) as client:
        yield client


@asynccontextmanager
async def open_client(desk: Desk, settings: Settings) -> AsyncIterator[httpx.AsyncClient]:
    gguf = starter_gguf()
    model_store = ModelStore(settings.models_dir)
    await asyncio.to_thread(model_store.import_gguf, gguf, M)
    pool = HttpPool()
    engine = Engine(settings, model_store)
    catalogue = Catalogue(desk.store, Secrets(settings.data), model_store, ProviderParts(http=pool, engine=engine))
    await catalogue.start()
    await catalogue.rescan()
    accounts = Accounts(desk.store, Secrets(settings.data))  # the desk's gateway has sections of its own in the other
    await accounts.start()
    gateway = Gateway(accounts, catalogue, desk.ledger)
    ollama_face = OllamaFace(gateway, catalogue, engine, model_store, settings)
    async with open_wire([*routes(gateway, desk.kept), *ollama_face.routes()]) as opened:
        opened.timeout = httpx.Timeout(120)
        opened.headers["authorization"] = f"Bearer {desk.key}"
        yield opened
    await accounts.stop()
    await engine.stop()
    await catalogue.stop()
    await pool.close()


async def post(client: httpx.AsyncClient, path: str, body: dict[str, Any], status: int = 200) -> Any:
    response = await client.post(path, json=body)
    assert response.status_code == status, response.text
    return response.json()


def chat(text: str = "Say hello.", **more: Any) -> dict[str, Any]:
    return {"model": M, "messages": [{"role": "user", "content": text}], **more}


async def test_listing_loading_and_unloading(client: httpx.AsyncClient) -> None:
    models = {model["name"]: model for model in (await client.get("/api/tags")).json()["models"]}
    starter = models[f"{M}:latest"]
    assert (len(starter["digest"]), starter["size"] > 90_000_000) == (64, True)
    assert E in models
    shown = await post(client, "/api/show", {"model": M})
    assert shown["model_info"]["general.architecture"] == "llama"
    assert shown["model_info"]["tokenizer.ggml.tokens"] == []
    assert (shown["details"]["family"], shown["details"]["parameter_size"]) == ("llama", "134.52M")
    assert "completion" in shown["capabilities"]
    assert "<|im_start|>" in shown["template"]
    verbose = await post(client, "/api/show", {"name": M, "verbose": True})
    assert len(verbose["model_info"]["tokenizer.ggml.tokens"]) > 40_000
    assert verbose["tensors"][0]["shape"]
    assert "embedding" in (await post(client, "/api/show", {"model": E}))["capabilities"]

    assert (await client.get("/api/ps")).json() == {"models": []}
    assert (await post(client, "/api/generate", {"model": M}))["done_reason"] == "load"
    (running,) = (await client.get("/api/ps")).json()["models"]
    assert (running["name"], running["context_length"]) == (f"{M}:latest", 1024)
    assert running["size"] > 0
    assert running["expires_at"].endswith("Z")
    assert (await post(client, "/api/chat", {"model": M, "messages": [], "keep_alive": 0}))["done_reason"] == "unload"
    assert (await client.get("/api/ps")).json() == {"models": []}


async def test_ollama_answers(client: httpx.AsyncClient) -> None:
    body = {"model": M, "prompt": "Why is the sky blue?", "options": {"temperature": 0, "seed": 123, "num_predict": 10}}
    response = await client.post("/api/generate", json=body)
    *pieces, last = [json.loads(line) for line in response.text.splitlines()]
    assert "".join(piece["response"] for piece in pieces)
    assert (last["eval_count"], last["done_reason"]) == (10, "length")
    assert last["context"]
    for name in ("total_duration", "load_duration", "prompt_eval_count", "prompt_eval_duration", "eval_duration"):
        assert last[name] > 0, name

    # What was said before is known when its tokens come back.
    again = await post(client, "/api/generate", {**body, "context": last["context"], "stream": False})
    assert again["prompt_eval_count"] > len(last["context"])

    body["options"]["temperature"] = 1  # type: ignore[index]
    first, second = [(await post(client, "/api/generate", {**body, "stream": False}))["response"] for _ in range(2)]
    assert first == second

    whole = await post(
        client,
        "/api/chat",
        chat(TELL, stream=False, logprobs=True, top_logprobs=5, options={"num_predict": 10, "temperature": 0}),
    )
    assert len(whole["logprobs"]) == whole["eval_count"] == 10
    for token in whole["logprobs"]:
        assert token["logprob"] <= 0
        assert bytes(token["bytes"]).decode("utf-8", "replace") == token["token"]
        assert len(token["top_logprobs"]) == 5

    schema = {"type": "object", "properties": {"age": {"type": "integer"}, "ok": {"enum": ["yes", "no"]}}, "required": ["age", "ok"]}  # fmt: skip  # noqa: E501
    formatted = await post(client, "/api/chat", chat(stream=False, format=schema, options={"num_predict": 200}))
    value = json.loads(formatted["message"]["content"])
    assert isinstance(value["age"], int)
    assert value["ok"] in ("yes", "no")

    debug = await post(client, "/api/chat", chat(_debug_render_only=True))
    assert "<|im_start|>user\nSay hello.<|im_end|>" in debug["_debug_info"]["rendered_template"]
    refused = await post(client, "/api/generate", {"model": M, "prompt": "a", "suffix": "b"}, 400)
    assert refused["error"] == f"{M} does not support insert"
    refused = await post(client, "/api/chat", chat(think=True), 400)
    assert refused["error"] == f'"{M}" does not support thinking'


async def test_seeds_names_and_the_end_of_the_context(client: httpx.AsyncClient) -> None:
    def generate(**options: Any) -> dict[str, Any]:
        return {"model": M, "prompt": TELL, "stream": False, "options": {"num_predict": 12, **options}}

    answers = [(await post(client, "/api/generate", generate(seed=seed)))["response"] for seed in (1, 2, 3)]
    assert len(set(answers)) > 1

    for name in (M.upper(), f"{M}:latest", f"library/{M}:latest", f"registry.ollama.ai/library/{M}:latest"):
        assert (await post(client, "/api/show", {"model": name}))["details"]["family"] == "llama"
        again = await post(client, "/api/generate", {**generate(num_predict=1), "model": name})
        assert again["model"] == name

    # An answer that reaches the end of the context ends there.
    full = await post(client, "/api/generate", {**generate(num_ctx=256, num_predict=-1, stop=[]), "shift": False})
    assert full["done_reason"] == "length" or full["prompt_eval_count"] + full["eval_count"] < 256
    assert full["prompt_eval_count"] + full["eval_count"] <= 256

    # A prompt that begins as one before it is read from there.
    long = "The fox went on. " * 40
    first = await post(client, "/api/chat", chat(long + "Who?", stream=False, options={"num_predict": 2}))
    second = await post(client, "/api/chat", chat(long + "Where?", stream=False, options={"num_predict": 2}))
    assert second["prompt_eval_duration"] < first["prompt_eval_duration"] / 2

    body = chat(TELL, logprobs=True, options={"num_predict": 6})
    lines = [json.loads(line) for line in (await client.post("/api/chat", json=body)).text.splitlines()]
    assert len([token for line in lines for token in line.get("logprobs", ())]) == lines[-1]["eval_count"]


async def test_what_a_model_cannot_be_sent(client: httpx.AsyncClient) -> None:
    png = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="
    refused = await post(client, "/api/generate", {"model": M, "prompt": "What?", "images": [png]}, 400)
    assert refused["error"] == f'"{M}" does not support vision'
    refused = await post(client, "/api/generate", {"model": M, "prompt": "What?", "images": ["!!"]}, 400)
    assert "images[0]" in refused["error"]
    shown = await post(client, "/api/generate", {"model": M, "prompt": "Hello?", "_debug_render_only": True})
    assert "<|im_start|>user\nHello?<|im_end|>" in shown["_debug_info"]["rendered_template"]
    # A template that comes with the prompt stands for the model's own.
    template = "{{ .System }}<|im_start|>user\n{{ .Prompt }}<|im_end|>\n<|im_start|>assistant\n{{ .Response }}"
    body = {"model": M, "prompt": "Say hello.", "template": template, "stream": False, "options": {"num_predict": 4}}
    answer = await post(client, "/api/generate", body)
    assert answer["response"]
    assert answer["context"]
    shown = await post(client, "/api/generate", {**body, "_debug_render_only": True})
    assert shown["_debug_info"]["rendered_template"].startswith("<|im_start|>user\nSay hello.")
    assert "template" in (await post(client, "/api/generate", {**body, "template": "{{ if }}"}, 400))["error"]
    raw = {"model": M, "prompt": "Hello?", "raw": True, "_debug_render_only": True}
    assert (await post(client, "/api/generate", raw))["_debug_info"]["rendered_template"] == "Hello?"


@pytest.mark.parametrize("stream", [False, True])
async def test_a_prompt_too_long_is_never_cut_in_silence(client: httpx.AsyncClient, stream: bool) -> None:
    messages = [
        {"role": "system", "content": "Be brief."},
        *({"role": role, "content": "word " * 100} for role in ("user", "assistant") * 8),
        {"role": "user", "content": "Hello?"},
    ]
    body = {"model": M, "messages": messages, "max_tokens": 5, "stream": stream}
    response = await client.post("/v1/chat/completions", json=body)
    assert response.status_code == 200, response.text
    assert response.headers["x-inglenook-notice"] == "truncated"
    first = json.loads(response.text.split("\n\n")[0][6:]) if stream else response.json()
    (notice,) = first["inglenook"]["notices"]
    assert notice["details"]["prompt_tokens"] > notice["details"]["context_length"] == 1024

    refused = await post(client, "/v1/chat/completions", {**body, "truncate": False}, 400)
    message = refused["error"]["message"]
    assert str(notice["details"]["prompt_tokens"]) in message
    assert "1024" in message

    ours = {"model": M, "messages": messages, "options": {"num_predict": 5}, "stream": stream}
    response = await client.post("/api/chat", json=ours)
    assert response.headers["x-inglenook-notice"] == "truncated"
    assert json.loads(response.text.splitlines()[-1])["notices"][0]["kind"] == "truncated"
    refused = await post(client, "/api/chat", {**ours, "truncate": False}, 400)
    assert "1024" in refused["error"]


async def test_the_official_openai_client(client: httpx.AsyncClient, desk: Desk) -> None:
    messages: Any = [{"role": "user", "content": TELL}]
    async with openai.AsyncOpenAI(base_url=f"{client.base_url}/v1", api_key=desk.key, max_retries=0) as official:
        answer = await official.chat.completions.create(
            model=M, messages=messages, max_completion_tokens=8, temperature=0, logprobs=True, top_logprobs=2
        )
        assert answer.choices[0].finish_reason == "length"
        assert answer.usage is not None
        assert answer.usage.completion_tokens == 8
        assert answer.choices[0].logprobs is not None
        assert len(answer.choices[0].logprobs.content or []) == 8

        stream = await official.chat.completions.create(
            model=M, messages=messages, max_tokens=8, stream=True, stream_options={"include_usage": True}, stop=["\n\n"]
        )
        chunks = [chunk async for chunk in stream]
        assert sum(bool(chunk.choices and chunk.choices[0].delta.role) for chunk in chunks) == 1
        assert len({(chunk.id, chunk.created) for chunk in chunks}) == 1
        assert chunks[-1].usage is not None

        completion = await official.completions.create(model=M, prompt="One, two,", max_tokens=4, temperature=0)
        assert completion.choices[0].text

        vectors = await official.embeddings.create(model=E, input=["sunset", "sunrise", "banana"])
        sunset, sunrise, banana = (item.embedding for item in vectors.data)
        assert len(sunset) == 384
        assert math.isclose(sum(x * x for x in sunset), 1, abs_tol=1e-3)
        assert sum(a * b for a, b in zip(sunset, sunrise, strict=True)) > sum(
            a * b for a, b in zip(sunset, banana, strict=True)
        )
        with pytest.raises(openai.BadRequestError, match="embeddings"):
            await official.embeddings.create(model=M, input="x")
        with pytest.raises(openai.BadRequestError, match="chat"):
            await official.chat.completions.create(model=E, messages=messages)
        both = await official.chat.completions.create(model=M, messages=messages, n=2, max_tokens=4)
        assert [choice.index for choice in both.choices] == [0, 1]
        several = await official.completions.create(model=M, prompt=["One, two,", "A, B,"], n=2, max_tokens=4)
        assert [choice.index for choice in several.choices] == [0, 1, 2, 3]
        assert all(choice.text for choice in several.choices)
        part = {"type": "image_url", "image_url": {"url": "http://a.example/b.png"}}
        with pytest.raises(openai.BadRequestError, match="vision"):
            await official.chat.completions.create(model=M, messages=[{"role": "user", "content": [part]}])  # type: ignore[misc,list-item]

    entries = await desk.ledger.entries()
    assert {entry.provider for entry in entries} == {"local", "embedding"}
    assert not any(entry.estimated for entry in entries if entry.status == "finished")


async def test_the_official_ollama_client(client: httpx.AsyncClient, desk: Desk) -> None:
    headers = {"authorization": f"Bearer {desk.key}"}
    async with ollama.AsyncClient(host=str(client.base_url), headers=headers, trust_env=False) as official:
        answer = await official.chat(M, [{"role": "user", "content": "Say hello."}], options={"num_predict": 6})
        assert answer.message.content
        stream = await official.generate(M, "Say hello.", stream=True, options={"num_predict": 6})
        pieces = [piece async for piece in stream]
        assert pieces[-1].done
        assert pieces[-1].eval_count == 6
        assert len((await official.embed(E, ["a", "b"], dimensions=16)).embeddings[0]) == 16
        assert [model.model for model in (await official.ps()).models if model.model == f"{M}:latest"]
        shown = await official.show(M)
        assert shown.modelinfo
        assert "completion" in (shown.capabilities or [])


async def test_the_official_anthropic_client(client: httpx.AsyncClient, desk: Desk) -> None:
    messages: Any = [{"role": "user", "content": TELL}]
    async with anthropic.AsyncAnthropic(base_url=str(client.base_url), api_key=desk.key, max_retries=0) as official:
        count = await official.messages.count_tokens(model=M, system="Be brief.", messages=messages)
        answer = await official.messages.create(model=M, system="Be brief.", max_tokens=8, messages=messages)
        assert answer.stop_reason == "max_tokens"
        assert (answer.usage.input_tokens + (answer.usage.cache_read_input_tokens or 0)) == count.input_tokens
        assert answer.usage.output_tokens == 8
        async with official.messages.stream(model=M, max_tokens=8, messages=messages) as stream:
            text = "".join([piece async for piece in stream.text_stream])
            final = await stream.get_final_message()
        assert text
        assert final.usage.output_tokens == 8
        # What was said before is known, and an answer that was begun goes on.
        begun: Any = [*messages, {"role": "assistant", "content": text}]
        assert (await official.messages.create(model=M, max_tokens=4, messages=begun)).content
        tools: Any = [{"name": "f", "input_schema": {"type": "object"}}]
        thinking: Any = {"type": "enabled", "budget_tokens": 1024}
        with pytest.raises(anthropic.BadRequestError, match="tools"):
            await official.messages.create(model=M, max_tokens=8, messages=messages, tools=tools)
        with pytest.raises(anthropic.BadRequestError, match="thinking"):
            await official.messages.create(model=M, max_tokens=2000, messages=messages, thinking=thinking)
        assert M in [model.id.removesuffix(":latest") async for model in official.models.list()]
    counted = [entry for entry in await desk.ledger.entries() if entry.operation == "count"]
    assert [(entry.input_tokens, entry.source) for entry in counted] == [(0, "anthropic")]


async def test_responses_go_on(client: httpx.AsyncClient, desk: Desk) -> None:
    async with openai.AsyncOpenAI(base_url=f"{client.base_url}/v1", api_key=desk.key, max_retries=0) as official:
        first = await official.responses.create(model=M, input=TELL, max_output_tokens=8)
        assert (first.status, first.usage and first.usage.output_tokens) == ("incomplete", 8)
        async with official.responses.stream(
            model=M, input="Go on.", previous_response_id=first.id, max_output_tokens=8
        ) as stream:
            kinds = [event.type async for event in stream]
        assert kinds[-1] in ("response.incomplete", "response.completed")
        counted = await official.responses.input_tokens.count(model=M, input="Go on.", previous_response_id=first.id)
        alone = await official.responses.input_tokens.count(model=M, input="Go on.")
        assert counted.input_tokens > alone.input_tokens > 0
        # A prompt that is too long is refused unless the caller lets it be cut.
        long = "word " * 2000
        with pytest.raises(openai.BadRequestError) as caught:
            await official.responses.create(model=M, input=long, max_output_tokens=8)
        assert caught.value.code == "context_length_exceeded"


async def test_leaving_frees_the_model(client: httpx.AsyncClient, desk: Desk) -> None:
    body = chat("Tell a very long story.", stream=True, max_tokens=900)
    for _ in range(4):  # twice as many as there are slots
        async with client.stream("POST", "/v1/chat/completions", json=body) as response:
            await anext(response.aiter_raw())
    async with asyncio.timeout(60):
        assert (await post(client, "/v1/chat/completions", chat(max_tokens=3)))["usage"]["completion_tokens"] == 3
    cancelled = [entry for entry in await desk.ledger.entries() if entry.status == "cancelled"]
    assert len(cancelled) == 4
    assert all(entry.estimated and entry.input_tokens > 0 for entry in cancelled)


async def test_chats_at_once_are_not_mixed(client: httpx.AsyncClient) -> None:
    options = {"num_predict": 30, "temperature": 0}

    async def tell(number: int) -> str:
        answer = await post(
            client, "/api/chat", chat(f"Tell me about the number {number}.", stream=False, options=options)
        )
        content: str = answer["message"]["content"]
        return content

    alone = [await tell(number) for number in range(6)]
    assert await asyncio.gather(*[tell(number) for number in range(6)]) == alone
    assert len(set(alone)) > 3


async def test_more_callers_than_the_queue_holds_are_told_to_come_back(desk: Desk, tmp_path: Path) -> None:
    async with open_client(desk, Settings(data=tmp_path, max_queue=2, parallel=2)) as client:
        body = chat(stream=False, options={"num_predict": 3})
        answers = await asyncio.gather(*[client.post("/api/chat", json=body) for _ in range(30)])
        assert {answer.status_code for answer in answers} == {200, 503}
        refused = [answer for answer in answers if answer.status_code == 503]
        assert len(refused) >= 20
        assert refused[0].json() == {"error": "server busy, please try again.  maximum pending requests exceeded"}
        assert refused[0].headers["retry-after"]


async def test_another_context_reloads_once_and_a_killed_worker_is_replaced(client: httpx.AsyncClient) -> None:
    async def generate(**more: Any) -> Any:
        options = {"num_predict": 2, **more.pop("options", {})}
        return await post(
            client, "/api/generate", {"model": M, "prompt": "Hi", "stream": False, "options": options, **more}
        )

    async def loaded() -> dict[str, int]:
        models = (await client.get("/api/ps")).json()["models"]
        return {model["name"]: model["context_length"] for model in models}

    assert (await generate())["load_duration"] > 50e6
    assert (await generate(options={"num_ctx": 512}))["load_duration"] > 50e6
    assert 0 < (await generate(options={"num_ctx": 512}))["load_duration"] < 50e6
    await post(client, "/api/embed", {"model": E, "input": "a"})
    assert await loaded() == {f"{M}:latest": 512, E: 512}

    body = {"model": M, "prompt": TELL, "options": {"num_predict": 400}}
    async with client.stream("POST", "/api/generate", json=body) as response:
        lines = response.aiter_lines()
        assert json.loads(await anext(lines))["done"] is False
        for process in psutil.Process().children():
            if any("inglenook.models.engine.child" in part for part in process.cmdline()):
                process.kill()
        *_, last = [line async for line in lines]
    assert "ended unexpectedly" in json.loads(last)["error"]
    assert (await generate(keep_alive="0.3s"))["load_duration"] > 50e6
    async with asyncio.timeout(10):
        while f"{M}:latest" in await loaded():
            pass
