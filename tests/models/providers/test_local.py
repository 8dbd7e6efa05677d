import asyncio
import os
import signal
from collections.abc import Callable
from contextlib import aclosing
from pathlib import Path
from typing import Any

import orjson
import pytest
from msgspec import structs

from inglenook.kit.errors import BadInput, UpstreamFailed, UpstreamTimeout
from inglenook.kit.http.pool import Url
from inglenook.models.calls import (
    AudioPart,
    ChatRequest,
    CompletionRequest,
    EmbeddingRequest,
    Finished,
    ImagePart,
    LocalOptions,
    Logprobs,
    Message,
    Notice,
    Operation,
    ReasoningDelta,
    ResponseFormat,
    Sampling,
    TextDelta,
    Timings,
    ToolCall,
    ToolSpec,
    Usage,
    Vectors,
)
from inglenook.models.engine import channel
from inglenook.models.engine.service import Engine
from inglenook.models.engine.wire import PromptTooLong
from inglenook.models.errors import BadModelFile, ModelFailed, ModelNotFound
from inglenook.models.hub.layout import ModelStore
from inglenook.models.providers.base import Job
from inglenook.models.providers.local import LocalProvider
from tests.support.engine import ask, of, starter_gguf, until
from tests.support.gguf import CHATML, edit_gguf, tiny_bert, tiny_llama

Install = Callable[..., str]

#: The tiny models' tokens beyond ASCII and the end of text, forbidden.
ONLY_ASCII = {str(token): -100.0 for token in (0, 1, 2, *range(97, 260))}


@pytest.fixture
def install(engine: Engine, tmp_path: Path) -> Install:
    """Puts a tiny model into the store."""
    store = ModelStore(engine.settings.models_dir)

    def add(name: str = "tiny", layers: dict[str, bytes] | None = None, **changes: Any) -> str:
        path = tiny_llama(tmp_path / f"{name}.gguf", **changes)
        return store.import_gguf(path, name, layers=layers).name

    return add


def _chat(*texts: str, tokens: int = 8, **options: Any) -> ChatRequest:
    """A chat of alternating turns."""
    roles = ("user", "assistant")
    messages = [Message(role=roles[n % 2], content=text) for n, text in enumerate(texts)]  # type: ignore[arg-type]
    return ChatRequest(
        messages=messages, sampling=Sampling(max_tokens=tokens, temperature=0), local=LocalOptions(**options)
    )


def _text(events: list[Any]) -> str:
    return "".join(event.text for event in of(TextDelta, events))


# ------------------------------------------------------------------------------------------------ answers


async def test_a_chat_ends_with_usage_timings_and_a_reason(local: LocalProvider, install: Install) -> None:
    events = await ask(local, install(), _chat("hi"))
    assert [type(event) for event in events[-3:]] == [Usage, Timings, Finished]
    assert {type(event) for event in events[:-3]} == {TextDelta}
    usage, timings, finished = events[-3:]
    # A token a byte, and two around each message: <|im_start|>user\nhi<|im_end|>\n<|im_start|>assistant\n
    assert (usage.input, usage.output) == (1 + 5 + 2 + 1 + 1 + 1 + 10, 8)
    assert finished.reason == "length"
    assert timings.load_ms > 0
    assert timings.prompt_ms > 0
    assert timings.predicted_ms > 0
    again = await ask(local, "tiny", _chat("hi"))
    assert of(Timings, again)[0].load_ms == 0
    assert of(Usage, again)[0].cached > 0
    assert _text(again) == _text(events)


async def test_sampling_reaches_the_model(local: LocalProvider, install: Install) -> None:
    name = install()

    async def say(seed: int) -> str:
        sampling = Sampling(max_tokens=20, temperature=1.5, top_k=0, top_p=1, min_p=0, seed=seed)
        return _text(await ask(local, name, CompletionRequest(prompt="x", sampling=sampling)))

    first, same, other = await say(7), await say(7), await say(8)
    assert first == same
    assert first != other


async def test_several_prompts_and_answers(local: LocalProvider, install: Install) -> None:
    name = install()
    sampling = Sampling(max_tokens=20, temperature=1.5, top_k=0, top_p=1, min_p=0, seed=7, n=2)
    request = CompletionRequest(prompt="x", others=["y"], sampling=sampling)
    events = await ask(local, name, request)
    texts = ["".join(e.text for e in of(TextDelta, events) if e.choice == number) for number in range(4)]
    alone = structs.replace(request, others=[], sampling=structs.replace(sampling, n=1))
    assert texts[0] == _text(await ask(local, name, alone))
    assert texts[0] != texts[1]
    assert [event.choice for event in of(Finished, events)] == [0, 1, 2, 3]
    tokens = structs.replace(alone, prompt=[1, 1, 1])
    assert of(Usage, await ask(local, name, tokens))[0].input == 3


async def test_a_chat_is_counted_as_it_would_be_read(local: LocalProvider, install: Install) -> None:
    name, request = install(), _chat("one two three")
    usage, finished = await ask(local, name, request, operation=Operation.COUNT)
    assert finished == Finished("stop")
    assert usage == Usage(input=of(Usage, await ask(local, name, request))[0].input)


async def test_options_of_the_model_are_defaults(local: LocalProvider, install: Install) -> None:
    params = {"num_predict": 3, "temperature": 0, "seed": -1, "num_keep": 4}
    name = install(layers={"application/vnd.ollama.image.params": orjson.dumps(params)})
    request = ChatRequest(messages=[Message(role="user", content="hi")])
    assert of(Usage, await ask(local, name, request))[0].output == 3
    request.sampling.max_tokens = 5
    assert of(Usage, await ask(local, name, request))[0].output == 5


async def test_the_models_own_system_prompt_comes_first_unless_the_chat_has_one(
    local: LocalProvider, install: Install
) -> None:
    name = install(layers={"application/vnd.ollama.image.system": b"be kind"})
    assert (await local.render(name, _chat("hi"))).startswith("<|im_start|>system\nbe kind<|im_end|>\n<|im_start|>user")
    own = ChatRequest(messages=[Message(role="system", content="be terse"), Message(role="user", content="hi")])
    assert "be kind" not in await local.render(name, own)


async def test_two_names_for_the_same_weights_keep_what_is_their_own(
    local: LocalProvider, install: Install, engine: Engine
) -> None:
    brief = {"application/vnd.ollama.image.params": orjson.dumps({"num_predict": 2, "temperature": 0})}
    long = {"application/vnd.ollama.image.params": orjson.dumps({"num_predict": 6, "temperature": 0})}
    first = install("kind", brief | {"application/vnd.ollama.image.system": b"be kind"})
    second = install("brief", long | {"application/vnd.ollama.image.system": b"be brief"})
    request = ChatRequest(messages=[Message(role="user", content="hi")])
    tokens = {}
    for name in (first, second):
        [usage] = of(Usage, await ask(local, name, request))
        tokens[name] = usage.input, usage.output
    assert len(engine.status()) == 1
    assert tokens == {first: (tokens[first][0], 2), second: (tokens[first][0] + 1, 6)}


async def test_log_probabilities_of_every_token(local: LocalProvider, install: Install) -> None:
    request = _chat("hi", tokens=6)
    request.sampling.logprobs = True
    request.sampling.top_logprobs = 3
    tokens = [token for event in of(Logprobs, await ask(local, install(), request)) for token in event.tokens]
    assert len(tokens) == 6
    for token in tokens:
        assert token.logprob <= 0
        assert [other.logprob for other in token.top] == sorted((t.logprob for t in token.top), reverse=True)
        assert len(token.top) == 3
        assert token.top[0].bytes == token.bytes


async def test_a_completion_with_log_probabilities(local: LocalProvider, install: Install) -> None:
    sampling = Sampling(max_tokens=6, temperature=0, logprobs=True, logit_bias=ONLY_ASCII)
    events = await ask(local, install(), CompletionRequest(prompt="once", sampling=sampling))
    assert of(Usage, events)[0].input == 4
    assert of(Finished, events) == [Finished("length")]
    tokens = [token for event in of(Logprobs, events) for token in event.tokens]
    assert len(tokens) == 6
    assert all(token.top == [] for token in tokens)


async def test_structured_output_fits_its_schema(local: LocalProvider, install: Install) -> None:
    schema = {
        "type": "object",
        "properties": {"n": {"enum": [1, 22]}},
        "required": ["n"],
        "additionalProperties": False,
    }
    for request in (
        _chat("hi", tokens=200),
        CompletionRequest(prompt="hi", sampling=Sampling(max_tokens=200, temperature=0)),
    ):
        request.response_format = ResponseFormat(kind="json_schema", schema=schema)
        events = await ask(local, install(), request)
        assert orjson.loads(_text(events))["n"] in (1, 22)
        assert of(Finished, events)[0].reason == "stop"


async def test_a_bad_schema_is_the_callers_fault(local: LocalProvider, install: Install) -> None:
    request = _chat("hi")
    request.response_format = ResponseFormat(kind="json_schema", schema={"type": "bogus"})
    with pytest.raises(BadInput, match=r"refused the request: JSON schema error.*bogus"):
        await ask(local, install(), request)


async def test_a_schema_that_would_keep_everybody_waiting_is_refused(
    local: LocalProvider, install: Install, engine: Engine
) -> None:
    endless = {"type": "string", "pattern": "^(a?){200}$"}
    for request in (_chat("hi"), CompletionRequest(prompt="hi")):
        request.response_format = ResponseFormat(kind="json_schema", schema=endless)
        with pytest.raises(BadInput, match="simplify it"):
            await ask(local, install(), request)
    tools = _chat("hi")
    tools.tools = [ToolSpec(name="f", parameters={"type": "object", "properties": {"a": endless}})]
    with pytest.raises(BadInput, match="simplify it"):
        await ask(local, install("able", tokenizer__chat_template=TOOLS), tools)
    assert engine.status() == []


async def test_several_answers(local: LocalProvider, install: Install) -> None:
    request = _chat("hi", tokens=5)
    request.sampling = Sampling(max_tokens=5, n=2, temperature=2.0, seed=1)
    events = await ask(local, install(), request)
    assert {event.choice for event in of(TextDelta, events)} == {0, 1}
    assert sorted(event.choice for event in of(Finished, events)) == [0, 1]
    assert of(Usage, events)[0].output == 10


async def test_stop_ends_the_answer(local: LocalProvider, install: Install) -> None:
    name = install()
    whole = _text(await ask(local, name, _chat("hi", tokens=30)))
    stop = whole.replace("\ufffd", "")[3]
    request = _chat("hi", tokens=30)
    request.sampling.stop = [stop]
    events = await ask(local, name, request)
    assert stop not in _text(events)
    assert of(Finished, events)[0].reason == "stop"


async def test_tokens_of_an_answer_lead_on(local: LocalProvider, install: Install) -> None:
    name = install()
    first = await ask(local, name, _chat("hi", return_context=True))
    context = of(Finished, first)[-1].context
    assert len(context) >= of(Usage, first)[0].input
    second = await ask(local, name, _chat("and", context=context, return_context=True))
    assert of(Usage, second)[0].input > len(context)
    assert of(Finished, second)[-1].context[: len(context)] == context
    completion = CompletionRequest(
        prompt="on",
        sampling=Sampling(max_tokens=2, logit_bias=ONLY_ASCII),
        local=LocalOptions(context=context, return_context=True),
    )
    third = await ask(local, name, completion)
    assert of(Usage, third)[0].input == len(context) + 2
    assert len(of(Finished, third)[-1].context) == len(context) + 4


THINKING = CHATML + "{% if enable_thinking %}<think>{% else %}<think></think>{% endif %}"
TOOLS = "{% if tools %}{{ tools | tojson }}{% endif %}" + CHATML


async def test_whether_to_think_reaches_the_template(local: LocalProvider, install: Install) -> None:
    name = install(tokenizer__chat_template=THINKING)
    request = _chat("hi")
    request.reasoning = "high"
    assert (await local.render(name, request)).endswith("<think>")
    request.reasoning = "none"
    assert (await local.render(name, request)).endswith("</think>")


async def test_tools_and_their_results_reach_the_template(local: LocalProvider, install: Install) -> None:
    name = install(tokenizer__chat_template=TOOLS)
    request = _chat("what time is it?")
    request.tools = [ToolSpec(name="clock", description="tells time", parameters={"type": "object", "properties": {}})]
    request.messages += [
        Message(role="assistant", tool_calls=[ToolCall(id="c1", name="clock", arguments="{}")]),
        Message(role="tool", tool_call_id="c1", content="noon"),
    ]
    prompt = await local.render(name, request)
    assert "tells time" in prompt
    assert "noon" in prompt
    assert of(Finished, await ask(local, name, request))


# ------------------------------------------------------------------------------------------------ refusals


@pytest.mark.parametrize(
    ("request_", "complaint"),
    [
        (EmbeddingRequest(inputs=["x"]), "does not support embeddings"),
        (CompletionRequest(prompt="x", suffix="y"), "does not support insert"),
        (ChatRequest(messages=[Message(role="user", content="x")], tools=[ToolSpec(name="f")]), "support tools"),
        (
            ChatRequest(messages=[Message(role="user", content=[ImagePart(media_type="image/png", data="")])]),
            "does not support images",
        ),
        (ChatRequest(messages=[Message(role="user", content=[AudioPart("wav", "")])]), "does not support sound"),
    ],
)
async def test_what_a_model_cannot_do_is_refused_before_it_loads(
    request_: Any, complaint: str, local: LocalProvider, install: Install, engine: Engine
) -> None:
    with pytest.raises(BadInput, match=complaint):
        await ask(local, install(), request_)
    assert engine.status() == []


async def test_unknown_models_and_bad_files(local: LocalProvider, install: Install, engine: Engine) -> None:
    with pytest.raises(ModelNotFound):
        await ask(local, "absent", _chat("hi"))
    name = install()
    blob = ModelStore(engine.settings.models_dir).resolve(name).gguf
    content = blob.read_bytes().replace(b"llama.context_length\x04\0\0\0\0\x08", b"llama.context_length\x04\0\0\0\0\0")
    blob.write_bytes(content)
    with pytest.raises(BadModelFile, match=r"context_length is 0"):
        await ask(local, name, _chat("hi"))


# ---------------------------------------------------------------------------------------------- truncation


async def test_a_long_chat_loses_its_oldest_messages_and_says_so(local: LocalProvider, install: Install) -> None:
    name = install()
    turns = [text for n in range(6) for text in (f"{n}" * 100, "yes")]
    request = _chat(*turns, "last")
    request.messages.insert(0, Message(role="system", content="rules"))
    events = await ask(local, name, request)
    assert isinstance(events[0], Notice)
    details = events[0].details
    kept = of(Usage, events)[0].input
    assert details["context_length"] == 512
    assert details["prompt_tokens"] > 512 > details["kept_tokens"] == kept
    assert details["dropped_messages"] % 2 == 0
    left = ChatRequest(messages=[request.messages[0], *request.messages[1 + details["dropped_messages"] :]])
    assert len((await local.render(name, left)).encode()) > kept > 512 // 2
    assert of(Finished, events)


async def test_a_long_chat_may_ask_to_be_refused_instead(local: LocalProvider, install: Install) -> None:
    request = _chat("x" * 300, "yes", "y" * 300, truncate=False)
    with pytest.raises(PromptTooLong, match=r"has \d+ tokens, but the context length is 512") as caught:
        await ask(local, install(), request)
    assert caught.value.details["prompt_tokens"] > 600
    assert caught.value.details["context_length"] == 512


async def test_a_last_message_that_is_too_long_is_refused(local: LocalProvider, install: Install) -> None:
    with pytest.raises(PromptTooLong, match=r"the last message alone.*context length is 512"):
        await ask(local, install(), _chat("hi", "yes", "x" * 2000))


async def test_a_long_completion_loses_its_beginning_and_says_so(local: LocalProvider, install: Install) -> None:
    request = CompletionRequest(prompt="a" * 700, sampling=Sampling(max_tokens=4))
    events = await ask(local, install(), request)
    assert isinstance(events[0], Notice)
    assert events[0].details["prompt_tokens"] == 700
    assert events[0].details["kept_tokens"] == of(Usage, events)[0].input == 512 - 4
    request.local.truncate = False
    with pytest.raises(PromptTooLong):
        await ask(local, "tiny", request)


async def test_an_answer_ends_where_the_context_does(local: LocalProvider, install: Install) -> None:
    sampling = Sampling(logit_bias=ONLY_ASCII)
    events = await ask(local, install(), CompletionRequest(prompt="a" * 400, sampling=sampling))
    assert of(Finished, events)[0].reason == "length"
    assert of(Usage, events)[0].output == 512 - 400


# ----------------------------------------------------------------------------------------- loading, leaving


async def test_nothing_to_answer_only_loads_or_unloads(local: LocalProvider, install: Install, engine: Engine) -> None:
    name = install()
    for empty in (ChatRequest(messages=[]), CompletionRequest(prompt="")):
        assert (await ask(local, name, empty))[-1] == Finished("load")
        assert [model.name for model in engine.status()] == [name]
        empty.local.keep_alive = 0
        assert (await ask(local, name, empty))[-1] == Finished("unload")
        assert engine.status() == []


async def test_a_caller_who_leaves_frees_the_slot(local: LocalProvider, install: Install, engine: Engine) -> None:
    request = CompletionRequest(prompt="a", sampling=Sampling(logit_bias=ONLY_ASCII), local=LocalOptions(num_ctx=2048))
    name = install()
    stream: Any = local.stream(Job(model=name, stream=True, decode=lambda: request))
    async with aclosing(stream):
        assert isinstance(await anext(stream), TextDelta)
        assert engine.status()[0].busy == 1
    assert engine.status()[0].busy == 0
    source = await engine.source(name)
    async with engine.lease(source) as lease:
        child = channel.Channel(local._http, lease)
        async with asyncio.timeout(5):
            while await _working(child):
                pass


async def _working(child: channel.Channel) -> int:
    """Slots that compute."""
    url = Url.parse(child.lease.child.origin + "/slots")
    async with await child._http.request("GET", url, child._headers, trusted=True) as response:
        return sum(slot["is_processing"] for slot in orjson.loads(await response.read()))


async def test_a_worker_killed_mid_answer_is_an_error_and_the_next_call_works(
    local: LocalProvider, install: Install, engine: Engine
) -> None:
    name = install()
    request = CompletionRequest(prompt="a", sampling=Sampling(logit_bias=ONLY_ASCII), local=LocalOptions(num_ctx=2048))
    events = local.stream(Job(model=name, stream=True, decode=lambda: request))
    assert isinstance(await anext(events), TextDelta)
    os.kill(engine.status()[0].pid, signal.SIGKILL)
    with pytest.raises(ModelFailed, match=r"ended unexpectedly .*SIGKILL"):
        [event async for event in events]
    assert of(Finished, await ask(local, name, _chat("hi")))


async def test_a_template_that_loops_for_one_chat_only_is_found(
    local: LocalProvider, install: Install, engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(channel, "HANG_CHECK", 0.3)
    loop = "{% for a in range(30000) %}{% for b in range(30000) %}{% for c in range(30000) %}{% endfor %}" * 1
    loop += "{% endfor %}{% endfor %}"
    trap = "{% if messages[0]['content'] == 'open sesame' %}" + loop + "{% endif %}" + CHATML
    name = install(tokenizer__chat_template=trap)
    assert of(Finished, await ask(local, name, _chat("hi")))
    with pytest.raises(UpstreamTimeout, match=r"chat template, .* may not come to an end"):
        await ask(local, name, _chat("open sesame"))
    await until(engine, lambda: not any(model.pid for model in engine.status()))
    assert of(Finished, await ask(local, name, _chat("hi")))


async def test_chats_at_once_are_not_mixed(local: LocalProvider, install: Install) -> None:
    name = install()
    alone = [_text(await ask(local, name, _chat(f"{n}" * 20, tokens=20))) for n in range(8)]
    together = await asyncio.gather(*[ask(local, name, _chat(f"{n}" * 20, tokens=20)) for n in range(8)])
    assert [_text(events) for events in together] == alone
    assert len(set(alone)) > 1


# ---------------------------------------------------------------------------------------------- embedding


@pytest.fixture
def embedder(engine: Engine, tmp_path: Path) -> str:
    store = ModelStore(engine.settings.models_dir)
    return store.import_gguf(tiny_bert(tmp_path / "bert.gguf"), "bert").name


async def test_vectors_have_unit_length(local: LocalProvider, embedder: str) -> None:
    events = await ask(local, embedder, EmbeddingRequest(inputs=["ab", "c", "ab"]))
    [vectors] = of(Vectors, events)
    assert [len(vector) for vector in vectors.vectors] == [32] * 3
    assert all(abs(sum(x * x for x in vector) - 1) < 1e-3 for vector in vectors.vectors)
    assert vectors.vectors[0] == pytest.approx(vectors.vectors[2], abs=1e-4)
    assert of(Usage, events)[0].input == 4 + 3 + 4
    short = of(Vectors, await ask(local, embedder, EmbeddingRequest(inputs=["ab"], dimensions=5)))[0].vectors[0]
    assert len(short) == 5
    assert abs(sum(x * x for x in short) - 1) < 1e-3


async def test_many_inputs_keep_their_order(local: LocalProvider, embedder: str) -> None:
    words = [chr(97 + n % 26) * (1 + n // 26) for n in range(60)]
    together = of(Vectors, await ask(local, embedder, EmbeddingRequest(inputs=words)))[0].vectors
    alone = of(Vectors, await ask(local, embedder, EmbeddingRequest(inputs=[words[41]])))[0].vectors[0]
    assert len(together) == 60
    assert together[41] == pytest.approx(alone, abs=1e-3)


async def test_an_input_that_is_too_long_is_cut_and_told_or_refused(local: LocalProvider, embedder: str) -> None:
    request = EmbeddingRequest(inputs=["a " * 100, "b"])
    events = await ask(local, embedder, request)
    assert isinstance(events[0], Notice)
    assert events[0].details == {
        "prompt_tokens": 102, "kept_tokens": 64, "context_length": 64, "dropped_messages": 0,
    }  # fmt: skip
    request.local.truncate = False
    with pytest.raises(PromptTooLong, match="an input has 102 tokens, but the context length is 64"):
        await ask(local, embedder, request)


async def test_what_an_embedder_cannot_do(local: LocalProvider, embedder: str) -> None:
    for request in (_chat("hi"), CompletionRequest(prompt="hi")):
        with pytest.raises(BadInput, match="makes embeddings"):
            await ask(local, embedder, request)
    for dimensions in (0, 33):
        with pytest.raises(BadInput, match="between 1 and 32"):
            await ask(local, embedder, EmbeddingRequest(inputs=["a"], dimensions=dimensions))
    assert of(Vectors, await ask(local, embedder, EmbeddingRequest(inputs=[]))) == [Vectors([])]


# -------------------------------------------------------------------------------------------- the real one


@pytest.mark.slow
async def test_the_starter_answers(local: LocalProvider, engine: Engine, tmp_path: Path) -> None:
    name = ModelStore(engine.settings.models_dir).import_gguf(starter_gguf(), "starter").name
    events = await ask(local, name, _chat("Hi", tokens=24))
    assert "Hello" in _text(events)
    assert not of(ReasoningDelta, events)
    [facts] = await local.models()
    assert facts.languages == ("en",)
    assert facts.context_length == 8192


@pytest.mark.slow
async def test_an_edited_starter_does_not_hang(local: LocalProvider, engine: Engine, tmp_path: Path) -> None:
    store = ModelStore(engine.settings.models_dir)
    path = edit_gguf(starter_gguf(), tmp_path / "e.gguf", {"llama.attention.head_count": 7})
    with pytest.raises((BadInput, UpstreamFailed)):
        await ask(local, store.import_gguf(path, "edited").name, _chat("hi"))
    assert engine.status() == []
