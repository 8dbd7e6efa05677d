"""Every documented field of every face's requests: carried to the model, seen in the answer, refused by name, or one
that says nothing about the answer. The official clients' own types are the lists: a field that is new in them fails
here until it has a verdict.
"""

import copy
import json
from collections.abc import AsyncIterator, Callable, Iterable
from pathlib import Path
from typing import Any

import httpx
import ollama._types as ollama_types
import pytest
from anthropic.types.message_count_tokens_params import MessageCountTokensParams
from anthropic.types.message_create_params import MessageCreateParamsBase
from msgspec import Struct, field
from openai.types import EmbeddingCreateParams
from openai.types.chat.completion_create_params import CompletionCreateParamsBase as ChatParams
from openai.types.completion_create_params import CompletionCreateParamsBase as CompletionParams
from openai.types.responses.response_create_params import ResponseCreateParamsBase

from inglenook.gateway.faces.ollama import OllamaFace
from inglenook.gateway.faces.registry import routes
from inglenook.kit.config import Settings
from inglenook.kit.http.pool import HttpPool
from inglenook.models.engine.service import Engine
from inglenook.models.hub.layout import ModelStore
from inglenook.models.providers.base import ModelFacts
from tests.support.bought import KEY, provider, refuses
from tests.support.faces import FACES, FORM, PNG, SCHEMA, Face
from tests.support.gateway import Desk, open_desk, open_wire
from tests.support.upstream import open_upstream

Look = Callable[[Any], Any]


class Field(Struct):
    """A documented field and what becomes of `value`.

    Attributes:
        verdict: `carried` (`look` finds `found` in the request the provider gets), `answered` (`look` finds it in the
            answer), `refused` (a 400 whose message names the field), `noted` (the answer names it under `notices`), or
            `free`: it says nothing about the answer, and is taken.
        beside: What it rests on.
    """

    name: str
    value: Any
    verdict: str
    look: Look = bool
    found: Any = True
    beside: dict[str, Any] = field(default_factory=dict)


def carried(name: str, value: Any, look: Look, found: Any = None, **beside: Any) -> Field:
    return Field(name, value, "carried", look, value if found is None else found, beside)


def sampled(name: str, value: Any, ours: str = "", **beside: Any) -> Field:
    return carried(name, value, lambda request: getattr(request.sampling, ours or name), **beside)


def answered(name: str, value: Any, look: Look, found: Any = True, **beside: Any) -> Field:
    return Field(name, value, "answered", look, found, beside)


def refused(name: str, value: Any, **beside: Any) -> Field:
    return Field(name, value, "refused", beside=beside)


def free(name: str, value: Any, **beside: Any) -> Field:
    return Field(name, value, "free", beside=beside)


def noted(name: str, value: Any, **beside: Any) -> Field:
    return Field(name, value, "noted", beside=beside)


class Body(Struct):
    """A kind of request: its path, what it must have, its fields, and the documented ones."""

    path: str
    base: dict[str, Any]
    fields: list[Field]
    documented: Iterable[str]


TOOLS = [{"type": "function", "function": {"name": "f", "description": "does", "parameters": SCHEMA}}]
FLAT = [{"type": "function", "name": "f", "description": "does", "parameters": SCHEMA}]
ANTHROPICS = [{"name": "f", "description": "does", "input_schema": SCHEMA}]
HI = [{"role": "user", "content": "a b"}]
OURS = [
    carried("keep_alive", "5m", lambda request: request.local.keep_alive, 300),
    carried("num_ctx", 512, lambda request: request.local.num_ctx),
]
FORMAT = {"type": "json_schema", "json_schema": {"name": "a", "schema": FORM}}
EPHEMERAL = {"type": "ephemeral"}


def form(request: Any) -> Any:
    return request.response_format and request.response_format.schema


_OPENAI = [
    sampled("frequency_penalty", 0.5),
    sampled("logit_bias", {"1": 2.0}),
    sampled("max_tokens", 9),
    sampled("n", 2),
    sampled("presence_penalty", 0.5),
    sampled("seed", 7),
    sampled("temperature", 0.5),
    sampled("top_p", 0.5),
    carried("stop", "xyz", lambda request: request.sampling.stop, ["xyz"]),
    answered("stream", True, lambda text: "data: [DONE]" in text),
    answered("stream_options", {"include_usage": True}, lambda text: '"usage":{' in text, stream=True),
    *OURS,
]
CHAT = Body(
    "/v1/chat/completions",
    {"model": "echo", "messages": HI},
    [
        *_OPENAI,
        refused("audio", {"voice": "alloy", "format": "wav"}),
        refused("function_call", "auto"),
        refused("functions", [{"name": "f"}]),
        sampled("logprobs", True),
        sampled("top_logprobs", 2, logprobs=True),
        sampled("max_completion_tokens", 9, "max_tokens"),
        free("metadata", {"a": "b"}),
        refused("modalities", ["text", "audio"]),
        free("modalities", ["text"]),
        refused("moderation", {"model": "m"}),
        carried("parallel_tool_calls", False, lambda request: request.parallel_tool_calls, False, tools=TOOLS),
        refused("prediction", {"type": "content", "content": "x"}),
        free("prompt_cache_key", "k"),
        refused("prompt_cache_options", {"mode": "explicit"}),
        free("prompt_cache_retention", "24h"),
        carried("reasoning_effort", "low", lambda request: request.reasoning),
        carried("response_format", FORMAT, form, FORM),
        carried("safety_identifier", "u", lambda request: request.user),
        refused("service_tier", "flex"),
        free("service_tier", "auto"),
        refused("store", True),
        free("store", False),
        carried("tool_choice", "required", lambda request: request.tool_choice, tools=TOOLS),
        carried("tools", TOOLS, lambda request: request.tools[0].name, "f"),
        carried("user", "u", lambda request: request.user),
        refused("verbosity", "low"),
        free("verbosity", "medium"),
        refused("web_search_options", {}),
    ],
    ChatParams.__annotations__,
)
COMPLETIONS = Body(
    "/v1/completions",
    {"model": "echo", "prompt": "a b"},
    [
        *_OPENAI,
        refused("best_of", 2),
        refused("echo", True),
        sampled("logprobs", 2, "top_logprobs"),
        carried("suffix", "z", lambda request: request.suffix),
        free("user", "u"),
    ],
    CompletionParams.__annotations__,
)
EMBEDDINGS = Body(
    "/v1/embeddings",
    {"model": "embed", "input": "a b"},
    [
        carried("dimensions", 16, lambda request: request.dimensions),
        answered("encoding_format", "base64", lambda body: isinstance(body["data"][0]["embedding"], str)),
        refused("encoding_format", "hex"),
        free("user", "u"),
        *OURS,
    ],
    EmbeddingCreateParams.__annotations__,
)
RESPONSES = Body(
    "/v1/responses",
    {"model": "echo", "input": "a b"},
    [
        *OURS,
        refused("access_programs", ["x"]),
        refused("background", True),
        refused("background_options", {"x": 1}),
        refused("context_management", [{"type": "compaction"}]),
        refused("conversation", "conv_1"),
        refused("image", {"x": 1}),
        answered("include", ["message.output_text.logprobs"], lambda body: bool(said(body)["logprobs"])),
        carried("instructions", "Be brief.", lambda request: request.messages[0].text),
        sampled("max_output_tokens", 9, "max_tokens"),
        free("max_tool_calls", 3),
        answered("metadata", {"a": "b"}, lambda body: body["metadata"], {"a": "b"}),
        refused("moderation", {"model": "m"}),
        carried("parallel_tool_calls", False, lambda request: request.parallel_tool_calls, False, tools=FLAT),
        refused("previous_response_id", "resp_nobody"),
        refused("prompt", {"id": "p"}),
        free("prompt_cache_key", "k"),
        free("prompt_cache_options", {"mode": "implicit"}),
        free("prompt_cache_retention", "24h"),
        carried("reasoning", {"effort": "low"}, lambda request: request.reasoning, "low"),
        carried("safety_identifier", "u", lambda request: request.user),
        refused("service_tier", "flex"),
        free("service_tier", "auto"),
        answered("store", False, lambda body: body["store"], False),
        answered("stream", True, lambda text: "response.completed" in text),
        free("stream_options", {"include_obfuscation": False}, stream=True),
        sampled("temperature", 0.5),
        carried("text", {"format": {"type": "json_schema", "name": "a", "schema": FORM}}, form, FORM),
        refused("text", {"verbosity": "low"}),
        carried("tool_choice", "required", lambda request: request.tool_choice, tools=FLAT),
        carried("tools", FLAT, lambda request: request.tools[0].name, "f"),
        sampled("top_logprobs", 2),
        sampled("top_p", 0.5),
        carried("truncation", "auto", lambda request: request.local.truncate, True),
        carried("user", "u", lambda request: request.user),
    ],
    ResponseCreateParamsBase.__annotations__,
)
MESSAGES = Body(
    "/v1/messages",
    {"model": "echo", "messages": HI, "max_tokens": 50},
    [
        *OURS,
        sampled("max_tokens", 9),
        carried("cache_control", EPHEMERAL, lambda request: request.messages[-1].content[-1].cache, "5m"),
        refused("container", "c"),
        refused("diagnostics", {"x": 1}),
        refused("inference_geo", "eu"),
        carried("metadata", {"user_id": "u"}, lambda request: request.user, "u"),
        carried("output_config", {"format": {"type": "json_schema", "schema": FORM}}, form, FORM),
        carried("output_config", {"effort": "low"}, lambda request: request.reasoning, "low"),
        refused("service_tier", "fast"),
        free("service_tier", "auto"),
        refused("speed", "fast"),
        carried("stop_sequences", ["xyz"], lambda request: request.sampling.stop),
        answered("stream", True, lambda text: "event: message_stop" in text),
        carried("system", "Be brief.", lambda request: request.messages[0].text),
        sampled("temperature", 0.5),
        carried(
            "thinking",
            {"type": "enabled", "budget_tokens": 2000},
            lambda request: request.reasoning_budget,
            2000,
        ),
        carried("tool_choice", {"type": "any"}, lambda request: request.tool_choice, "required", tools=ANTHROPICS),
        carried("tools", ANTHROPICS, lambda request: request.tools[0].name, "f"),
        sampled("top_k", 5),
        sampled("top_p", 0.5),
        refused("user_profile_id", "u"),
        refused("workspace_id", "w"),
    ],
    [*MessageCreateParamsBase.__annotations__, "temperature", "top_k", "top_p", "stream"],
)
_NOT_COUNTED = {"stream", "max_tokens", "temperature", "top_k", "top_p", "stop_sequences", "metadata", "service_tier"}
COUNT = Body(
    "/v1/messages/count_tokens",
    {"model": "echo", "messages": HI},
    [given for given in MESSAGES.fields if given.name not in _NOT_COUNTED],
    MessageCountTokensParams.__annotations__,
)


def option(name: str, value: Any, ours: str = "") -> Field:
    return carried("options", {name: value}, lambda request: getattr(request.sampling, ours or name), value)


_SAID_BY_US = [
    "numa", "num_batch", "num_gpu", "main_gpu", "low_vram", "f16_kv", "logits_all", "vocab_only", "use_mmap",
    "use_mlock", "embedding_only", "num_thread", "num_keep", "tfs_z", "mirostat", "mirostat_tau", "mirostat_eta",
    "penalize_newline",
]  # fmt: skip
_BOOLEAN = {"use_mmap"}
_OLLAMA = [
    carried("format", FORM, form, FORM),
    carried("keep_alive", "5m", lambda request: request.local.keep_alive, 300),
    sampled("logprobs", True),
    sampled("top_logprobs", 2, logprobs=True),
    carried("think", "low", lambda request: request.reasoning),
    carried("truncate", False, lambda request: request.local.truncate, False),
    free("shift", False),
    noted("shift", True),
    answered("stream", False, lambda body: body["done"]),
    carried("options", {"num_ctx": 512}, lambda request: request.local.num_ctx, 512),
    option("num_predict", 9, "max_tokens"),
    *(option(name, 0.5) for name in ("temperature", "top_p", "min_p", "typical_p", "repeat_penalty")),
    *(option(name, 0.5) for name in ("presence_penalty", "frequency_penalty")),
    *(option(name, 5) for name in ("top_k", "seed", "repeat_last_n")),
    option("stop", ["xyz"]),
    *(noted("options", {name: True if name in _BOOLEAN else 1}) for name in _SAID_BY_US),
]
OLLAMA_CHAT = Body(
    "/api/chat",
    {"model": "echo", "messages": HI, "stream": False},
    [
        *_OLLAMA,
        carried("tools", TOOLS, lambda request: request.tools[0].name, "f"),
        carried("tool_choice", "required", lambda request: request.tool_choice, tools=TOOLS),
        refused("_debug_render_only", True),
    ],
    [*ollama_types.ChatRequest.model_fields, "truncate", "shift", "_debug_render_only"],
)
OLLAMA_GENERATE = Body(
    "/api/generate",
    {"model": "echo", "prompt": "a b", "stream": False},
    [
        *_OLLAMA,
        carried("context", [1, 2], lambda request: request.local.context),
        carried("images", [PNG], lambda request: request.messages[0].content[0].data, PNG),
        carried("raw", True, lambda request: request.prompt, "a b"),
        carried("suffix", "z", lambda request: request.suffix),
        carried("system", "Be brief.", lambda request: request.messages[0].text),
        carried("template", "[{{ .Prompt }}] {{ .Response }}", lambda request: request.prompt, "[a b] "),
        refused("template", "{{ if }}"),
        refused("_debug_render_only", True),
        *(noted(name, 64) for name in ("width", "height", "steps")),
    ],
    [*ollama_types.GenerateRequest.model_fields, "truncate", "shift", "_debug_render_only"],
)
OLLAMA_EMBED = Body(
    "/api/embed",
    {"model": "embed", "input": "a b"},
    [
        carried("dimensions", 16, lambda request: request.dimensions),
        carried("keep_alive", "5m", lambda request: request.local.keep_alive, 300),
        carried("options", {"num_ctx": 512}, lambda request: request.local.num_ctx, 512),
        carried("truncate", False, lambda request: request.local.truncate, False),
        *(noted("options", {name: 1}) for name in ("num_thread", "mirostat")),
    ],
    ollama_types.EmbedRequest.model_fields,
)
BODIES = [
    CHAT, COMPLETIONS, EMBEDDINGS, RESPONSES, MESSAGES, COUNT, OLLAMA_CHAT, OLLAMA_GENERATE, OLLAMA_EMBED,
]  # fmt: skip


def said(body: Any) -> Any:
    return next(item for item in body["output"] if item["type"] == "message")["content"][0]


@pytest.fixture
async def desk(tmp_path: Path) -> AsyncIterator[Desk]:
    async with open_desk(tmp_path) as opened:
        yield opened


@pytest.fixture
async def client(desk: Desk, tmp_path: Path) -> AsyncIterator[httpx.AsyncClient]:
    settings = Settings(data=tmp_path)
    store = ModelStore(tmp_path / "models")
    engine = Engine(settings, store)
    face = OllamaFace(desk.gateway, desk.shelf, engine, store, settings)  # type: ignore[arg-type]
    async with open_wire([*routes(desk.gateway, desk.kept), *face.routes()]) as opened:
        opened.headers["authorization"] = f"Bearer {desk.key}"
        yield opened
    await engine.stop()


@pytest.mark.parametrize("body", BODIES, ids=lambda body: body.path)
def test_every_documented_field_has_a_verdict(body: Body) -> None:
    assert set(body.documented) - body.base.keys() - {given.name for given in body.fields} == set()


def test_every_option_has_a_verdict() -> None:
    named = {name for given in _OLLAMA if given.name == "options" for name in given.value}
    assert set(ollama_types.Options.model_fields) - named == set()


@pytest.mark.parametrize("body", BODIES, ids=lambda body: body.path)
async def test_fields_have_their_verdicts(client: httpx.AsyncClient, desk: Desk, body: Body) -> None:
    wrong = []
    for given in body.fields:
        try:
            await check(client, desk, body, given)
        except AssertionError as error:
            wrong.append(f"{given.name} ({given.value!r}) is not {given.verdict}: {error}")
    assert not wrong, "\n".join(wrong)


async def check(client: httpx.AsyncClient, desk: Desk, body: Body, given: Field) -> None:
    answer = await client.post(body.path, json={**body.base, **given.beside, given.name: given.value})
    if given.verdict == "refused":
        assert answer.status_code in (400, 404), answer.text
        assert given.name in message_of(answer, body)
        return
    assert answer.status_code == 200, answer.text
    match given.verdict:
        case "carried" if body is COUNT:
            pass  # no provider was asked: it is counted here
        case "carried":
            assert given.look(desk.fake.jobs[-1].request) == given.found
        case "answered":
            streamed = answer.headers["content-type"].startswith("text/event-stream")
            assert given.look(answer.text if streamed else answer.json()) == given.found
        case "noted":
            name = next(iter(given.value)) if given.name == "options" else given.name
            notices = answer.json()["notices"]
            assert [notice["details"]["options"] for notice in notices] == [[name]]
            assert answer.headers["x-inglenook-notice"] == "ignored_options"
    if body.path.startswith("/api/") and given.verdict != "noted":
        assert "notices" not in answer.json()


def message_of(answer: httpx.Response, body: Body) -> str:
    """What an error says; in the shape of the face."""
    told = answer.json()
    if body.path.startswith("/api/"):
        assert told.keys() == {"error"}
        return str(told["error"])
    if body.path.startswith("/v1/messages"):
        kind = "not_found_error" if answer.status_code == 404 else "invalid_request_error"
        assert (told["type"], told["error"]["type"]) == ("error", kind)
        return str(told["error"]["message"])
    assert told["error"].keys() - {"details"} == {"message", "type", "param", "code"}
    return f"{told['error']['message']} {told['error']['param']}"


@pytest.mark.parametrize("body", BODIES, ids=lambda body: body.path)
async def test_what_nobody_documented_is_not_taken_for_something(client: httpx.AsyncClient, body: Body) -> None:
    answer = await client.post(body.path, json={**body.base, "warmth": 3})
    if body.path.startswith("/api/"):  # which takes any field
        assert answer.status_code == 200
        assert [notice["details"]["options"] for notice in answer.json()["notices"]] == [["warmth"]]
    else:
        assert answer.status_code == 400
        assert "warmth" in message_of(answer, body)


# --------------------------------------------------------------------------------- passed on as it came


#: What the caller's protocol says to us, and what is kept here, whoever answers.
_OURS_TO_SAY = {"stream_options", "previous_response_id", "background", "conversation", "store"}
PASSED = [
    ("openai-compatible", CHAT),
    ("openai-compatible", COMPLETIONS),
    ("openai-compatible", EMBEDDINGS),
    ("openai", RESPONSES),
    ("anthropic", MESSAGES),
]


@pytest.mark.parametrize(("kind", "body"), PASSED, ids=lambda value: value if isinstance(value, str) else value.path)
async def test_a_provider_of_the_same_protocol_gets_every_field(desk: Desk, kind: str, body: Body) -> None:
    """Unchanged, or the caller is told that it cannot be."""
    pool = HttpPool()
    model = {"openai": "gpt-5.4", "anthropic": "claude-up"}.get(kind, "up-model")
    able = frozenset({"completion", "embedding", "tools", "vision", "files", "thinking", "insert"})
    async with open_upstream() as upstream, open_wire(routes(desk.gateway, desk.kept)) as client:
        refuses(upstream, 400, {"error": {"type": "invalid_request_error", "message": "as it likes"}})
        root = f"http://127.0.0.1:{upstream.port}"
        url = root if kind == "anthropic" else f"{root}/v1"
        desk.shelf.add(
            provider(kind, pool, base_url=url, api_key=KEY), "prv_up", ModelFacts(name=model, capabilities=able)
        )
        client.headers["authorization"] = f"Bearer {desk.key}"
        wrong = []
        for given in body.fields:
            if given.name in _OURS_TO_SAY or not given.value:
                continue
            upstream.asked.clear()
            asked = {**body.base, **given.beside, given.name: given.value, "model": model}
            answer = await client.post(body.path, json=asked)
            if not upstream.asked:
                if given.name not in answer.text or answer.status_code != 400:
                    wrong.append(f"{given.name} was not sent: {answer.text}")
            elif upstream.asked[-1].json.get(given.name) != given.value:
                wrong.append(f"{given.name} became {upstream.asked[-1].json.get(given.name)!r}")
    await pool.close()
    assert not wrong, "\n".join(wrong)


# ------------------------------------------------------------------------------------ of the wrong kind


JUNK: list[Any] = [
    None, True, -1, 0, 1.5, 10**30, "", "x", "\ud800", [], [None], [[]], ["x"], {}, [{}], {"x": None}, {"type": "x"},
    [{"type": "x"}], [{"type": "function"}], [{"role": "user"}], [{"role": "user", "content": [{"type": "text"}]}],
    {"type": "function", "function": None}, {"type": "json_schema", "json_schema": {"schema": []}},
]  # fmt: skip


def plain(path: str, **base: Any) -> Body:
    return Body(path, base, [], base)


OTHERS = [
    plain("/v1/rerank", model="rerank", query="a", documents=["a", "b"], top_n=1, return_documents=True),
    plain("/v1/moderations", model="moderation", input="a"),
    plain("/v1/images/generations", model="image", prompt="a", n=1, size="64x64", response_format="b64_json"),
    plain("/v1/audio/speech", model="speech", input="a", voice="v", response_format="wav", speed=1),
    plain("/v1/responses/input_tokens", model="echo", input="a", instructions="b", tools=FLAT),
    plain("/api/show", model="echo", name="echo", verbose=True, system="s", options={}),
    plain("/api/embeddings", model="embed", prompt="a", options={}, keep_alive=1),
]


@pytest.mark.slow
@pytest.mark.parametrize("body", [*BODIES, *OTHERS], ids=lambda body: body.path)
async def test_values_of_the_wrong_kind_are_the_callers_mistake(client: httpx.AsyncClient, body: Body) -> None:
    """Whatever stands in whatever field: an answer, or an error of the caller's in the shape of the face."""
    wrong = []
    for name in sorted({*body.documented, *body.base, *(given.name for given in body.fields)}):
        for junk in JUNK:
            content = json.dumps({**body.base, name: junk})
            answer = await client.post(body.path, content=content, headers={"content-type": "application/json"})
            if answer.status_code == 200:
                continue
            try:
                assert answer.status_code in (400, 404), answer.text
                message_of(answer, body)
            except (AssertionError, KeyError) as error:
                wrong.append(f"{name} = {junk!r}: {answer.status_code} {error}")
    assert not wrong, "\n".join(wrong)


def places(value: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """Where something stands in a body, at any depth."""
    inner = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    return [found for key, each in inner for found in ((*path, key), *places(each, (*path, key)))]


@pytest.mark.slow
@pytest.mark.parametrize("face", FACES, ids=lambda face: face.name)
async def test_junk_deep_in_a_conversation_is_the_callers_mistake(client: httpx.AsyncClient, face: Face) -> None:
    """A whole conversation, with one thing in it left out or of the wrong kind."""
    (shape,) = [body for body in BODIES if body.path == face.path]
    wrong = []
    for path in places(face.body("echo")):
        for junk in [..., *JUNK]:
            content = {**copy.deepcopy(face.body("echo")), "stream": False}
            content.pop("stream_options", None)
            at: Any = content
            try:
                for key in path[:-1]:
                    at = at[key]
                if junk is ...:
                    del at[path[-1]]
                else:
                    at[path[-1]] = copy.deepcopy(junk)
            except KeyError:
                continue  # it was a part of what is left out of every one
            answer = await client.post(face.path, content=json.dumps(content))
            if answer.status_code == 200:
                continue
            try:
                assert answer.status_code in (400, 404), answer.text
                message_of(answer, shape)
            except (AssertionError, KeyError) as error:
                wrong.append(f"{path} = {junk!r}: {answer.status_code} {error}")
    assert not wrong, "\n".join(wrong)
