"""A model that says what it is told to: an ordinary provider for tests, demonstrations and trying out the interface.

The model's name chooses the script. These exist by themselves:

    echo          says the last user message, a token a word
    long          says 200 words
    slow          says ten words, 50 ms apart
    think         thinks, then answers
    tools         calls every offered tool once; after their results, says them; without tools, as json
    json          answers with a JSON object that fits the asked schema
    notice        tells of a prompt that was cut, then answers
    cut           says five words, then breaks off with an error
    silent-cut    says five words, then ends without saying that it ended
    error-<n>     fails with HTTP status <n> before it says anything (`error-429` with a `retry_after`)
    plain         as echo, but can do nothing else

    embed, rerank, paint, hear, speak, judge    do what they are called; see `fake_media`

The setting `scripts` adds more by name (of a list, one a turn), and a prompt that is itself a JSON script
(`{"steps": [...]}`) is followed by every chat model. A script is `{"steps": [...], "finish": "stop", "usage": {...}}`
with steps of one key each:

    {"text": "…"}         said a token a word             {"reasoning": "…"}       thought, likewise
    {"signature": "…"}    signs what was thought          {"sealed": "…"}          a thought that cannot be read
    {"tool_call": {"name": "…", "arguments": {…}, "id"?, "signature"?}}
    {"notice": {"message": "…", "details": {…}}}
    {"delay_ms": 50}      waits                           {"wait": "gate"}         waits until a test opens that gate
    {"error": {"status": 429, "message": "…", "retry_after": 3, "details": {…}}}
    {"end": true}         ends without `Finished`
"""

import asyncio
import math
import re
from collections.abc import AsyncGenerator, AsyncIterator, Iterator
from contextlib import aclosing
from typing import Any, ClassVar

import msgspec
import orjson
from msgspec import Struct, field

from inglenook.kit.errors import (
    BadInput,
    Forbidden,
    InglenookError,
    NotFound,
    TooMany,
    Unavailable,
    UpstreamFailed,
    UpstreamTimeout,
)
from inglenook.models.calls import (
    ChatRequest,
    CompletionRequest,
    Event,
    Finished,
    FinishReason,
    Logprobs,
    Message,
    Notice,
    Prompt,
    ReasoningDelta,
    Request,
    TextDelta,
    Timings,
    TokenLogprob,
    ToolCallDelta,
    Usage,
)
from inglenook.models.errors import ContentRefused, ContextTooLong, KeyRefused, OutOfCredit
from inglenook.models.providers import fake_media
from inglenook.models.providers.base import USUAL, Job, ModelFacts, ProviderKind, ProviderParts
from inglenook.models.providers.prompts import in_turn

_WORD = re.compile(r"\s*\S+|\s+")
_ERRORS: dict[int, type[InglenookError]] = {
    400: BadInput,
    401: UpstreamFailed,  # the provider refused its own key: nothing the caller can mend
    403: Forbidden,
    404: NotFound,
    429: TooMany,
    502: UpstreamFailed,
    503: Unavailable,
    504: UpstreamTimeout,
}
_BY_CODE: dict[str, type[InglenookError]] = {
    kind.code: kind for kind in (KeyRefused, OutOfCredit, ContextTooLong, ContentRefused)
}


class Step(Struct, omit_defaults=True, forbid_unknown_fields=True):
    """One step of a script; exactly one field is set."""

    text: str | None = None
    reasoning: str | None = None
    signature: str | None = None
    sealed: str | None = None
    tool_call: dict[str, Any] | None = None
    notice: dict[str, Any] | None = None
    delay_ms: float | None = None
    wait: str | None = None
    error: dict[str, Any] | None = None
    end: bool = False


class Script(Struct, omit_defaults=True, forbid_unknown_fields=True):
    """What to answer. `usage` overrides the count of words; `finish` the reason that follows from the steps."""

    steps: list[Step]
    finish: FinishReason | None = None
    usage: dict[str, int] | None = None


class FakeSettings(Struct, omit_defaults=True, forbid_unknown_fields=True):
    """Settings of a fake provider: scripts by model name; of a list, one a turn of the conversation, the last for all
    that follow."""

    scripts: dict[str, Script | list[Script]] = field(default_factory=dict)


class Gate:
    """A place in a script where the answer waits until a test lets it go on."""

    def __init__(self) -> None:
        self._reached = asyncio.Event()
        self._open = asyncio.Event()

    async def reached(self) -> None:
        """Return once an answer stands at the gate."""
        await self._reached.wait()

    def open(self) -> None:
        """Let answers through, now and later."""
        self._open.set()

    async def wait(self) -> None:
        """Stand at the gate."""
        self._reached.set()
        await self._open.wait()


class Fake:
    """The provider. Besides answering it lets a test look on: `jobs`, `cancelled`, `gate`."""

    kind: ClassVar[str] = "fake"
    wires: frozenset[str] = frozenset()
    operations = USUAL | fake_media.OPERATIONS

    def __init__(self, settings: FakeSettings) -> None:
        self._scripts = settings.scripts
        self._gates: dict[str, Gate] = {}
        #: Every job, in the order they came.
        self.jobs: list[Job] = []
        #: How many answers were given up by their reader.
        self.cancelled = 0
        self._change: asyncio.Future[None] | None = None

    def gate(self, name: str) -> Gate:
        """The gate of that name; every script's `{"wait": name}` stands at it."""
        return self._gates.setdefault(name, Gate())

    async def stream(self, job: Job) -> AsyncIterator[Event]:
        """See `Provider.stream`."""
        self.jobs.append(job)
        try:
            request = job.request
            if (other := fake_media.answer(request)) is not None:
                for event in other:
                    yield event
                return
            assert isinstance(request, ChatRequest | CompletionRequest)
            if isinstance(request, ChatRequest) and not request.messages:
                yield Finished("unload" if request.local.keep_alive == 0 else "load")
                return
            if isinstance(request, CompletionRequest) and request.others:
                events = in_turn(request, lambda one: self._play(self._script(job.model, one), one))
            else:
                events = self._play(self._script(job.model, request), request)
            async with aclosing(events):
                async for event in events:
                    yield event
        except (asyncio.CancelledError, GeneratorExit):
            self.cancelled += 1
            if self._change is not None and not self._change.done():
                self._change.set_result(None)
            raise

    async def given_up(self, count: int) -> None:
        """Return once that many answers were given up."""
        while self.cancelled < count:
            self._change = asyncio.get_running_loop().create_future()
            await self._change

    async def models(self) -> list[ModelFacts]:
        """The built-in scripts, the settings' own, and the models of `fake_media`."""
        names = [*dict.fromkeys([*_BUILT_IN, "error-429", "error-500", *self._scripts])]
        chat = frozenset({"completion", "tools", "vision", "audio", "files", "thinking", "insert"})
        facts = [ModelFacts(name=name, capabilities=chat, context_length=8192, languages=("en",)) for name in names]
        plain = ModelFacts(name="plain", capabilities=frozenset({"completion"}), context_length=8192)
        return [*facts, plain, *fake_media.models()]

    async def close(self) -> None:
        """Nothing to free."""

    def _script(self, model: str, request: ChatRequest | CompletionRequest) -> Script:
        prompt = _prompt(request)
        if model in self._scripts:
            scripts = self._scripts[model]
            return scripts if isinstance(scripts, Script) else scripts[min(_turns(request), len(scripts) - 1)]
        if model.startswith("error-") and model[6:].isdigit():
            return Script([Step(error={"status": int(model[6:])})])
        if prompt.lstrip().startswith('{"steps"'):
            try:
                return msgspec.json.decode(prompt.encode(), type=Script)
            except msgspec.DecodeError as error:
                raise BadInput(f"the prompt is not a script: {error}", field="messages") from None
        if model in _BUILT_IN:
            return _BUILT_IN[model](request, prompt)
        if model == "plain":
            return _echo(request, prompt)
        raise NotFound(f"the fake provider has no model '{model}'")

    async def _play(self, script: Script, request: ChatRequest | CompletionRequest) -> AsyncGenerator[Event, None]:
        sampling = request.sampling
        said = _Said(limit=sampling.max_tokens, stop=sampling.stop)
        calls = 0
        reason: FinishReason = "stop"
        for step in script.steps:
            if step.end:
                return
            if step.error is not None:
                raise _error(step.error)
            if step.notice is not None:
                yield Notice("truncated", str(step.notice.get("message", "")), step.notice.get("details", {}))
            elif step.wait is not None:
                await self.gate(step.wait).wait()
            elif step.delay_ms is not None:
                await asyncio.sleep(step.delay_ms / 1000)
            elif step.signature is not None or step.sealed is not None:
                yield ReasoningDelta("", signature=step.signature, data=step.sealed)
            elif step.tool_call is not None:
                for event in _tool_call(calls, step.tool_call):
                    yield event
                calls += 1
                said.tokens += 1
                reason = "tool_calls"
            else:
                kind = TextDelta if step.text is not None else ReasoningDelta
                for token in said.words(step.text or step.reasoning or ""):
                    for choice in range(sampling.n or 1):
                        yield kind(token, choice)
                        if sampling.logprobs:
                            yield Logprobs([_logprob(token, sampling.top_logprobs or 0)], choice)
            if said.over:
                reason = said.over
                break
        yield _usage(script, request, said.tokens * (sampling.n or 1))
        yield Timings(load_ms=0.1, prompt_ms=1, predicted_ms=max(1, said.tokens))
        for choice in range(sampling.n or 1):
            yield Finished(script.finish or reason, choice, stop_sequence=said.stopped_by)


class _Said:
    """Counts tokens, and says when enough is said."""

    def __init__(self, limit: int | None, stop: list[str]) -> None:
        self.tokens = 0
        self.over: FinishReason | None = None
        self.stopped_by: str | None = None
        self._limit = limit
        self._stop = stop
        self._text = ""

    def words(self, text: str) -> Iterator[str]:
        for token in _WORD.findall(text):
            if self._limit is not None and self.tokens >= self._limit:
                self.over = "length"
                return
            self._text += token
            self.tokens += 1
            found = [(at, stop) for stop in self._stop if (at := self._text.find(stop)) >= 0]
            if found:
                cut, self.stopped_by = min(found)
                self.over = "stop"
                before = token[: max(0, cut - (len(self._text) - len(token)))]
                if before:
                    yield before
                return
            yield token


def _prompt(request: Request) -> str:
    if isinstance(request, ChatRequest):
        return next((message.text for message in reversed(request.messages) if message.role == "user"), "")
    return _words(request.prompt) if isinstance(request, CompletionRequest) else ""


def _words(prompt: Prompt) -> str:
    """A prompt as text; of tokens, their numbers."""
    return prompt if isinstance(prompt, str) else " ".join(map(str, prompt))


def _turns(request: ChatRequest | CompletionRequest) -> int:
    """How often the model has spoken."""
    return sum(message.role == "assistant" for message in request.messages) if isinstance(request, ChatRequest) else 0


def _words_in(request: ChatRequest | CompletionRequest) -> int:
    if isinstance(request, CompletionRequest):
        return len(_words(request.prompt).split())
    return sum(len(message.text.split()) for message in request.messages)


def _usage(script: Script, request: ChatRequest | CompletionRequest, output: int) -> Usage:
    counted = {"input": _words_in(request), "output": output, **(script.usage or {})}
    return msgspec.convert(counted, Usage)


def _error(facts: dict[str, Any]) -> InglenookError:
    status = int(facts.get("status", 502))
    kind = _BY_CODE.get(facts.get("code", ""), _ERRORS.get(status, UpstreamFailed))
    retry_after = facts.get("retry_after", 7 if status == 429 else None)
    message = facts.get("message") or f"the fake provider failed with {status}, as it was told"
    return kind(message, details=facts.get("details"), retry_after=retry_after)


def _tool_call(index: int, call: dict[str, Any]) -> Iterator[ToolCallDelta]:
    arguments = call.get("arguments", {})
    text = arguments if isinstance(arguments, str) else orjson.dumps(arguments).decode()
    call_id = call.get("id") or f"call_fake{index:04d}"
    yield ToolCallDelta(index, id=call_id, name=call["name"], signature=call.get("signature"))
    middle = len(text) // 2
    for piece in (text[:middle], text[middle:]):
        yield ToolCallDelta(index, arguments=piece)


def _logprob(token: str, top: int) -> TokenLogprob:
    """The token itself is likeliest; its alternatives halve in probability."""

    def one(text: str, rank: int) -> TokenLogprob:
        return TokenLogprob(text, round(math.log(0.5 ** (rank + 1)), 6), list(text.encode()))

    chosen = one(token, 0)
    chosen.top = [one(token if rank == 0 else f"{token}{rank}", rank) for rank in range(top)]
    return chosen


# ------------------------------------------------------------------------------------------ built-in scripts


def _echo(_: Request, prompt: str) -> Script:
    return Script([Step(text=prompt)])


def _long(_: Request, __: str) -> Script:
    return Script([Step(text=" ".join(f"word{number}" for number in range(200)))])


def _slow(_: Request, __: str) -> Script:
    steps = []
    for number in range(10):
        steps += [Step(text=f"word{number} "), Step(delay_ms=50)]
    return Script(steps)


def _think(_: Request, prompt: str) -> Script:
    return Script([Step(reasoning=f"They said: {prompt}"), Step(text="I have thought about it.")])


def _tools(request: Request, prompt: str) -> Script:
    if not isinstance(request, ChatRequest):
        return _echo(request, prompt)
    results = [message.text for message in _after_last_user(request.messages) if message.role == "tool"]
    if results:
        return Script([Step(text=f"The tools said: {'; '.join(results)}")])
    if not request.tools and request.response_format is not None:
        return _json(request, prompt)
    return Script(
        [Step(tool_call={"name": tool.name, "arguments": _example(tool.parameters)}) for tool in request.tools]
        or [Step(text="There are no tools.")]
    )


def _after_last_user(messages: list[Message]) -> list[Message]:
    last = max((index for index, message in enumerate(messages) if message.role == "user"), default=-1)
    return messages[last + 1 :]


def _json(request: Request, _: str) -> Script:
    asked = request.response_format if isinstance(request, ChatRequest | CompletionRequest) else None
    value = _example(asked.schema) if asked is not None and asked.schema else {"answer": 42}
    return Script([Step(text=orjson.dumps(value).decode())])


def _example(schema: dict[str, Any]) -> Any:
    """A small value that fits a schema without tricks."""
    if "enum" in schema:
        return schema["enum"][0]
    match schema.get("type", "object"):
        case "object":
            return {name: _example(inner) for name, inner in schema.get("properties", {}).items()}
        case "array":
            return [_example(schema.get("items", {"type": "string"}))]
        case "integer" | "number":
            return schema.get("minimum", 1)
        case "boolean":
            return True
        case "null":
            return None
        case _:
            return "text"


def _notice(_: Request, __: str) -> Script:
    details = {"prompt_tokens": 9000, "kept_tokens": 4000, "context_length": 4096, "dropped_messages": 3}
    message = "The 3 oldest messages were left out: the prompt has 9000 tokens, the context 4096."
    return Script([Step(notice={"message": message, "details": details}), Step(text="I read the rest.")])


def _cut(_: Request, __: str) -> Script:
    return Script([Step(text="one two three four five"), Step(error={"status": 502, "message": "the line broke"})])


def _silent_cut(_: Request, __: str) -> Script:
    return Script([Step(text="one two three four five"), Step(end=True)])


_BUILT_IN = {
    "echo": _echo,
    "long": _long,
    "slow": _slow,
    "think": _think,
    "tools": _tools,
    "json": _json,
    "notice": _notice,
    "cut": _cut,
    "silent-cut": _silent_cut,
}


def _make(settings: dict[str, Any], _: ProviderParts) -> Fake:
    try:
        return Fake(msgspec.convert(settings, FakeSettings))
    except msgspec.ValidationError as error:
        raise BadInput(f"settings of the fake provider: {error}", field="settings") from None


KIND = ProviderKind(
    name="fake",
    title="Fake",
    icon="flask",
    settings_schema={
        "type": "object",
        "properties": {
            "scripts": {
                "type": "object",
                "title": "Scripts",
                "description": "What to answer, by model name.",
                "additionalProperties": {"type": ["object", "array"]},
            }
        },
    },
    make=_make,
    hidden=True,
)
