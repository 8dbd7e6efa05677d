"""Bodies of Ollama's protocol, read into our requests."""

from typing import Any, NamedTuple

import msgspec
from msgspec import Struct, field

from inglenook.gateway.faces.asking import duration, media_type_of, read_as
from inglenook.gateway.faces.go_template import GoTemplate
from inglenook.gateway.faces.openai_requests import chosen_tools
from inglenook.gateway.faces.sealing import tool_call, unsealed
from inglenook.kit.errors import BadInput
from inglenook.kit.ids import new_id
from inglenook.models.calls import (
    ChatRequest,
    CompletionRequest,
    EmbeddingRequest,
    ImagePart,
    LocalOptions,
    Message,
    Operation,
    Part,
    Request,
    ResponseFormat,
    Sampling,
    TextPart,
    ToolSpec,
)
from inglenook.models.errors import CannotCarry

_INTEGERS = {
    "num_predict", "top_k", "seed", "repeat_last_n", "num_ctx",
    "num_keep", "num_batch", "num_gpu", "main_gpu", "num_thread", "draft_num_predict",
}  # fmt: skip
_FLOATS = {
    "temperature", "top_p", "min_p", "typical_p", "repeat_penalty", "presence_penalty", "frequency_penalty",
}  # fmt: skip
_BOOLEANS = {"use_mmap"}
_ARRAYS = {"stop"}
_SAMPLING = _FLOATS | {"top_k", "repeat_last_n"}
#: Options we know that say nothing about the answer: this server decides them itself.
_OURS_TO_DECIDE = {"num_keep", "num_batch", "num_gpu", "main_gpu", "num_thread", "draft_num_predict", "use_mmap"}
#: Fields that `ollama.py` itself looks at.
_ELSEWHERE = frozenset({"model", "name", "stream", "_debug_render_only"})
_LEVELS = ("low", "medium", "high", "max")
_SMALLEST_CONTEXT = 4


class Asked(NamedTuple):
    """A decoded body.

    Attributes:
        needs: Capabilities, as in `Call.needs`.
        ignored: Options that were given but say nothing here; the answer names them.
        empty: Whether the model is only to be loaded or unloaded.
    """

    operation: Operation
    request: Request
    needs: frozenset[str]
    ignored: list[str]
    empty: bool = False


class _Common(Struct, kw_only=True):
    model: str = ""
    stream: bool | None = None
    format: Any = None
    options: dict[str, Any] | None = None
    keep_alive: Any = None
    think: Any = None
    truncate: bool | None = None
    shift: bool | None = None
    logprobs: bool | None = None
    top_logprobs: int | None = None
    max_tokens: int | None = None
    max_completion_tokens: int | None = None


class _Generate(_Common, kw_only=True):
    prompt: str | None = None
    suffix: str | None = None
    system: str | None = None
    template: str | None = None
    context: list[int] | None = None
    raw: bool | None = None
    images: list[str] | None = None


class _Function(Struct):
    name: str = ""
    arguments: dict[str, Any] = field(default_factory=dict)


class _ToolCall(Struct):
    function: _Function
    id: str = ""


class _Message(Struct):
    role: str = ""
    content: str | None = None
    thinking: str | None = None
    images: list[str] | None = None
    tool_calls: list[_ToolCall] | None = None
    tool_name: str | None = None
    tool_call_id: str | None = None


class _FunctionSpec(Struct):
    name: str = ""
    description: str | None = None
    parameters: dict[str, Any] | None = None


class _Tool(Struct):
    function: _FunctionSpec
    type: str = "function"


class _Chat(_Common, kw_only=True):
    messages: list[_Message] | None = None
    tools: list[_Tool] | None = None
    tool_choice: str | dict[str, Any] | None = None
    parallel_tool_calls: bool | None = None


class _Embed(Struct, kw_only=True):
    input: Any = None
    prompt: str | None = None
    truncate: bool | None = None
    dimensions: int | None = None
    keep_alive: Any = None
    options: dict[str, Any] | None = None


def decode_generate(body: dict[str, Any]) -> Asked:
    """A body of `/api/generate`: the prompt goes through the model's template unless it is raw or has a suffix."""
    read = read_as(body, _Generate)
    options, ignored = read_options(read.options)
    ignored += _unknown(body, _Generate)
    prompt, images = read.prompt or "", _images(read.images, "images")
    if read.raw and (read.template or read.system or read.context):
        raise BadInput("raw mode does not support template, system, or context")
    sampling, local = _sampling(options, read), _local(options, read.keep_alive, read.truncate)
    local.context = read.context
    local.return_context = not read.raw
    response_format = _format(read.format)
    if not prompt and not images and not read.suffix:
        empty = ChatRequest(messages=[], local=local)
        return Asked(Operation.CHAT, empty, frozenset(), ignored, empty=True)
    if read.template:
        prompt, needs = _rendered(read, prompt)
        completion = CompletionRequest(prompt=prompt, sampling=sampling, response_format=response_format, local=local)
        return Asked(Operation.COMPLETION, completion, needs, ignored)
    if read.raw or read.suffix:
        if images:
            raise CannotCarry("field 'images' cannot be carried with raw or suffix", field="images")
        completion = CompletionRequest(
            prompt=prompt, suffix=read.suffix or None, sampling=sampling, response_format=response_format, local=local
        )
        needs = frozenset({"insert"}) if read.suffix else frozenset[str]()
        return Asked(Operation.COMPLETION, completion, needs, ignored)
    messages = [Message("system", read.system)] if read.system else []
    messages.append(Message("user", _content(prompt, images)))
    reasoning, needs = _think(read.think)
    request = ChatRequest(
        messages=messages, sampling=sampling, response_format=response_format, reasoning=reasoning, local=local
    )
    return Asked(Operation.CHAT, request, needs | ({"vision"} if images else frozenset()), ignored)


def _rendered(read: _Generate, prompt: str) -> tuple[str, frozenset[str]]:
    """The prompt by the template that came with it, in place of all the model itself would put around it."""
    reasoning, needs = _think(read.think)
    system = [{"Role": "system", "Content": read.system}] if read.system else []
    values = {
        "System": read.system or "",
        "Prompt": prompt,
        "Suffix": read.suffix or "",
        "Response": "",
        "Messages": [*system, {"Role": "user", "Content": prompt}],
        "Tools": [],
        "Think": reasoning not in (None, "none"),
        "ThinkLevel": read.think if isinstance(read.think, str) else "",
        "IsThinkSet": reasoning is not None,
    }
    template = GoTemplate(read.template or "")
    if read.images:
        raise CannotCarry("field 'images' cannot be carried with a template of one's own", field="images")
    places = {"system": {"System", "Messages"}, "suffix": {"Suffix"}, "think": {"Think", "ThinkLevel"}}
    for name, uses in places.items():
        if getattr(read, name) and not uses & template.uses:
            raise CannotCarry(f"field '{name}' cannot be carried: the template has no place for it", field=name)
    return template.render(values), needs


def decode_chat(body: dict[str, Any]) -> Asked:
    """A body of `/api/chat`."""
    read = read_as(body, _Chat)
    options, ignored = read_options(read.options)
    ignored += _unknown(body, _Chat)
    reasoning, needs = _think(read.think)
    messages = [_message(message, index) for index, message in enumerate(read.messages or ())]
    local = _local(options, read.keep_alive, read.truncate)
    if not messages:
        return Asked(Operation.CHAT, ChatRequest(messages=[], local=local), frozenset(), ignored, empty=True)
    if read.tools:
        needs |= {"tools"}
    if any(message.images for message in read.messages or ()):
        needs |= {"vision"}
    tools = [_tool(tool, index) for index, tool in enumerate(read.tools or ())]
    request = ChatRequest(
        messages=messages,
        sampling=_sampling(options, read),
        tools=tools,
        tool_choice=_tool_choice(read.tool_choice, tools),
        parallel_tool_calls=read.parallel_tool_calls,
        response_format=_format(read.format),
        reasoning=reasoning,
        local=local,
    )
    return Asked(Operation.CHAT, request, needs, ignored)


def decode_embed(body: dict[str, Any]) -> Asked:
    """A body of `/api/embed`, or of the older `/api/embeddings` (`prompt`)."""
    read = read_as(body, _Embed)
    options, ignored = read_options(read.options)
    ignored += _unknown(body, _Embed)
    given = read.prompt if read.input is None else read.input
    inputs = [] if given in (None, "") else [given] if isinstance(given, str) else given
    if not isinstance(inputs, list) or not all(isinstance(text, str) for text in inputs):
        raise BadInput("invalid input type", field="input")
    request = EmbeddingRequest(
        inputs=inputs,
        dimensions=read.dimensions or None,
        local=_local(options, read.keep_alive, read.truncate),
    )
    return Asked(Operation.EMBEDDING, request, frozenset(), ignored, empty=not inputs)


def read_options(given: dict[str, Any] | None) -> tuple[dict[str, Any], list[str]]:
    """The options that are set, their types checked; and the names of those that say nothing here.

    Raises:
        BadInput: one has the wrong type, in Ollama's words.
    """
    options: dict[str, Any] = {}
    ignored = []
    for name, value in (given or {}).items():
        if value is None:
            continue
        if name in _INTEGERS:
            if isinstance(value, bool) or not isinstance(value, int | float):
                raise _wrong(name, "integer")
            value = int(value)
        elif name in _FLOATS:
            if isinstance(value, bool) or not isinstance(value, int | float):
                raise _wrong(name, "float32")
        elif name in _BOOLEANS:
            if not isinstance(value, bool):
                raise _wrong(name, "boolean")
        elif name in _ARRAYS:
            if not isinstance(value, list):
                raise _wrong(name, "array")
            if not all(isinstance(item, str) for item in value):
                raise _wrong(name, "string")
        else:
            ignored.append(name)
            continue
        if name in _OURS_TO_DECIDE:
            ignored.append(name)
        else:
            options[name] = value
    return options, ignored


def _wrong(name: str, kind: str) -> BadInput:
    return BadInput(f'option "{name}" must be of type {kind}', field=f"options.{name}")


def _sampling(options: dict[str, Any], read: _Common) -> Sampling:
    top = read.top_logprobs
    if top is not None and not 0 <= top <= 20:
        raise BadInput("top_logprobs must be between 0 and 20", field="top_logprobs")
    limit, seed = options.get("num_predict", -1), options.get("seed", -1)
    for given in (read.max_completion_tokens, read.max_tokens):
        if given is not None:
            limit = given
            break
    return Sampling(
        **{name: options[name] for name in _SAMPLING if name in options},
        stop=options.get("stop", []),
        # Numbers below 1 mean: until the model ends, or the context is full.
        max_tokens=limit if limit > 0 else None,
        seed=seed if seed >= 0 else None,
        logprobs=bool(read.logprobs),
        top_logprobs=top if read.logprobs else None,
    )


def _local(options: dict[str, Any], keep_alive: Any, truncate: bool | None) -> LocalOptions:
    num_ctx = options.get("num_ctx")
    return LocalOptions(
        num_ctx=None if num_ctx is None else max(_SMALLEST_CONTEXT, num_ctx),
        keep_alive=duration(keep_alive, "keep_alive"),
        truncate=truncate,
    )


def _think(value: Any) -> tuple[str | None, frozenset[str]]:
    """How much to think, and what that needs; unset leaves it to the model."""
    if value is None:
        return None, frozenset()
    if value is False:
        return "none", frozenset()
    if value is True:
        return "medium", frozenset({"thinking"})
    if isinstance(value, str) and value in _LEVELS:
        return value, frozenset({"thinking"})
    raise BadInput(
        f'invalid think value: {value!r} (must be "high", "medium", "low", "max", true, or false)', field="think"
    )


def _format(value: Any) -> ResponseFormat | None:
    if value is None or value == "":
        return None
    if value == "json":
        return ResponseFormat("json_object")
    if isinstance(value, dict):
        return ResponseFormat("json_schema", value)
    shown = msgspec.json.encode(value).decode()
    raise BadInput(f'invalid format: {shown}; expected "json" or a valid JSON Schema object', field="format")


def _images(given: list[str] | None, what: str) -> list[ImagePart]:
    return [ImagePart(media_type_of(data, f"{what}[{index}]"), data) for index, data in enumerate(given or ())]


def _content(text: str, images: list[ImagePart]) -> str | list[Part]:
    return [*images, TextPart(text)] if images else text


def _message(message: _Message, index: int) -> Message:
    what = f"messages[{index}]"
    role = message.role.lower()
    if role not in ("system", "user", "assistant", "tool"):
        raise BadInput(f"{what}.role must be system, user, assistant or tool; got {message.role!r}", field=what)
    return Message(
        role=role,  # type: ignore[arg-type]  # one of the four
        content=_content(message.content or "", _images(message.images, f"{what}.images")),
        reasoning=message.thinking or None,
        tool_calls=[
            tool_call(
                call.id or new_id("call"),
                call.function.name,
                msgspec.json.encode(call.function.arguments).decode(),
            )
            for call in message.tool_calls or ()
        ],
        tool_call_id=unsealed(message.tool_call_id)[0] if message.tool_call_id else None,
        name=message.tool_name,
    )


def _tool(tool: _Tool, index: int) -> ToolSpec:
    if tool.type != "function" or not tool.function.name:
        raise BadInput(f"tools[{index}]: only functions with a name can be offered", field=f"tools[{index}]")
    return ToolSpec(
        name=tool.function.name,
        description=tool.function.description or "",
        parameters=tool.function.parameters or {},
    )


def _tool_choice(value: str | dict[str, Any] | None, tools: list[ToolSpec]) -> str | dict[str, Any] | None:
    """What Ollama has no word for, in OpenAI's."""
    if value is None or value in ("none", "auto", "required"):
        return value
    function = value.get("function") if isinstance(value, dict) else None
    name = function.get("name") if isinstance(function, dict) else None
    if not isinstance(name, str):
        raise BadInput("tool_choice must be none, auto, required or a function", field="tool_choice")
    chosen_tools(tools, [name])
    return {"name": name}


def _unknown(body: dict[str, Any], kind: type[Struct]) -> list[str]:
    """Fields of a body that say nothing here: the protocol takes any."""
    known = {*kind.__struct_fields__, *_ELSEWHERE}
    unknown = [name for name, value in body.items() if value is not None and name not in known]
    # An answer that reaches the end of the context always ends there: what `shift: false` asks for.
    return unknown + (["shift"] if body.get("shift") else [])
