"""Bodies of OpenAI's protocols, read into our requests when the model's provider does not speak them itself.

Every field a body may have is declared here: what is not cannot be carried, and is refused by name.
"""

from typing import Any, Literal

from msgspec import UNSET, Struct, UnsetType

from inglenook.gateway.faces.asking import checked_base64, data_url, duration, file_data, read_as, read_part
from inglenook.gateway.faces.sealing import tool_call, unsealed
from inglenook.kit.errors import BadInput
from inglenook.models.calls import (
    AudioPart,
    CacheMark,
    ChatRequest,
    CompletionRequest,
    EmbeddingRequest,
    ImagePart,
    LocalOptions,
    Message,
    Part,
    Prompt,
    ResponseFormat,
    Sampling,
    TextPart,
    Thought,
    ToolSpec,
)
from inglenook.models.errors import CannotCarry

EFFORTS = frozenset({"none", "minimal", "low", "medium", "high", "xhigh", "ultra", "max"})
_NONE: frozenset[str] = frozenset()
#: What a model must be able to for each kind of part.
_PARTS = {"image_url": "vision", "input_audio": "audio", "file": "files"}


class _Common(Struct, forbid_unknown_fields=True, kw_only=True):
    """Fields of chat and completions. The last group says nothing about the answer and needs no carrying."""

    model: str
    stream: bool | None = None
    stream_options: dict[str, Any] | None = None
    temperature: float | None = None
    top_p: float | None = None
    top_k: int | None = None
    min_p: float | None = None
    typical_p: float | None = None
    repeat_penalty: float | None = None
    repeat_last_n: int | None = None
    max_tokens: int | None = None
    n: int | None = None
    stop: str | list[str] | None = None
    seed: int | None = None
    frequency_penalty: float | None = None
    presence_penalty: float | None = None
    logit_bias: dict[str, float] | None = None
    response_format: dict[str, Any] | None = None

    keep_alive: float | str | None = None
    num_ctx: int | None = None
    truncate: bool | None = None

    user: str | None = None
    metadata: dict[str, Any] | None = None
    safety_identifier: str | None = None
    prompt_cache_key: str | None = None
    prompt_cache_retention: str | None = None
    service_tier: Literal["auto", "default"] | None = None
    store: Literal[False] | None = None

    def local(self) -> LocalOptions:
        if self.num_ctx is not None and self.num_ctx < 1:
            raise BadInput(f"num_ctx must be at least 1, got {self.num_ctx}", field="num_ctx")
        return LocalOptions(
            num_ctx=self.num_ctx, keep_alive=duration(self.keep_alive, "keep_alive"), truncate=self.truncate
        )

    def sampling(self) -> Sampling:
        if self.max_tokens is not None and self.max_tokens < 1:
            raise BadInput(f"max_tokens must be at least 1, got {self.max_tokens}", field="max_tokens")
        if self.n is not None and not 1 <= self.n <= 128:
            raise BadInput(f"n must be between 1 and 128, got {self.n}", field="n")
        return Sampling(
            max_tokens=self.max_tokens,
            temperature=self.temperature,
            top_p=self.top_p,
            top_k=self.top_k,
            min_p=self.min_p,
            typical_p=self.typical_p,
            seed=self.seed,
            stop=[self.stop] if isinstance(self.stop, str) else self.stop or [],
            frequency_penalty=self.frequency_penalty,
            presence_penalty=self.presence_penalty,
            repeat_penalty=self.repeat_penalty,
            repeat_last_n=self.repeat_last_n,
            n=self.n,
            logit_bias=self.logit_bias,
        )


class _Reasoning(Struct, forbid_unknown_fields=True, kw_only=True):
    """How other servers of this protocol write what `reasoning_effort` says."""

    effort: str | None = None
    max_tokens: int | None = None


class _ChatBody(_Common, forbid_unknown_fields=True, kw_only=True):
    messages: list[dict[str, Any]]
    max_completion_tokens: int | None = None
    logprobs: bool | None = None
    top_logprobs: int | None = None
    tools: list[dict[str, Any]] | None = None
    tool_choice: str | dict[str, Any] | None = None
    parallel_tool_calls: bool | None = None
    reasoning_effort: str | None = None
    reasoning: _Reasoning | None = None
    modalities: list[Literal["text"]] | None = None
    verbosity: Literal["medium"] | None = None


class _CompletionBody(_Common, forbid_unknown_fields=True, kw_only=True):
    prompt: str | list[Any] = ""
    suffix: str | None = None
    logprobs: int | None = None
    echo: Literal[False] | None = None
    best_of: Literal[1] | None = None


class _EmbeddingBody(Struct, forbid_unknown_fields=True, kw_only=True):
    model: str
    input: str | list[Any]
    encoding_format: Literal["float", "base64"] | None = None
    dimensions: int | None = None
    input_type: Literal["query", "passage", "document"] | None = None
    keep_alive: float | str | None = None
    num_ctx: int | None = None
    truncate: bool | None = None
    user: str | None = None


class _ImageUrl(Struct, forbid_unknown_fields=True):
    url: str
    detail: Literal["auto", "low", "high"] | None = None


class _Audio(Struct, forbid_unknown_fields=True):
    data: str
    format: str


class _File(Struct, forbid_unknown_fields=True, kw_only=True):
    file_data: str
    filename: str = ""


class _CacheControl(Struct):
    type: Literal["ephemeral"]
    ttl: CacheMark = "5m"


class _Part(Struct, forbid_unknown_fields=True, kw_only=True):
    type: str
    text: str | UnsetType = UNSET
    refusal: str | UnsetType = UNSET
    image_url: _ImageUrl | UnsetType = UNSET
    input_audio: _Audio | UnsetType = UNSET
    file: _File | UnsetType = UNSET
    cache_control: _CacheControl | None = None


class _ReasoningDetail(Struct):
    type: str
    text: str | None = None
    summary: str | None = None
    signature: str | None = None
    data: str | None = None


class _Function(Struct):
    name: str
    arguments: str = ""


class _ToolCall(Struct):
    function: _Function
    id: str = ""
    type: Literal["function"] = "function"


class _Message(Struct, forbid_unknown_fields=True, kw_only=True):
    role: Literal["system", "developer", "user", "assistant", "tool"]
    content: str | list[_Part] | None = None
    name: str | None = None
    tool_calls: list[_ToolCall] | None = None
    tool_call_id: str | None = None
    reasoning_content: str | None = None
    reasoning: str | None = None
    reasoning_details: list[_ReasoningDetail] | None = None
    refusal: str | None = None
    audio: None = None
    annotations: list[Any] | None = None
    function_call: None = None


class _FunctionSpec(Struct, forbid_unknown_fields=True, kw_only=True):
    name: str
    description: str | None = None
    parameters: dict[str, Any] | None = None
    strict: bool | None = None


class _Tool(Struct, forbid_unknown_fields=True, kw_only=True):
    type: Literal["function"]
    function: _FunctionSpec
    cache_control: _CacheControl | None = None


class _Named(Struct):
    name: str


class _AllowedTool(Struct):
    type: Literal["function"]
    function: _Named


class _AllowedTools(Struct, forbid_unknown_fields=True):
    mode: Literal["auto", "required"]
    tools: list[_AllowedTool]


class _JsonSchema(Struct, forbid_unknown_fields=True, kw_only=True):
    name: str | None = None
    description: str | None = None
    schema: dict[str, Any] | None = None
    strict: bool | None = None


class _ResponseFormat(Struct, forbid_unknown_fields=True, kw_only=True):
    type: Literal["text", "json_object", "json_schema"]
    json_schema: _JsonSchema | None = None


def chat_needs(body: dict[str, Any]) -> frozenset[str]:
    """What the model must be able to, whether the body is passed through or read; cheap.

    Raises:
        BadInput: `messages` is missing or empty, or `reasoning_effort` is not a word we know.
    """
    messages = body.get("messages")
    if type(messages) is not list:
        raise BadInput("messages: a list of messages is required", field="messages")
    if not messages:
        raise BadInput("[] is too short - 'messages'", field="messages")
    needs = []
    if body.get("tools"):
        needs.append("tools")
    effort = body.get("reasoning_effort")
    if effort is None and "reasoning" in body:
        asked = body["reasoning"]
        effort = asked.get("effort") if type(asked) is dict else None
    if effort is not None and effort != "none":
        if not isinstance(effort, str) or effort not in EFFORTS:
            raise BadInput(
                f"reasoning_effort must be one of {', '.join(sorted(EFFORTS))}; got {effort!r}",
                field="reasoning_effort",
            )
        needs.append("thinking")
    for message in messages:
        content = message.get("content") if type(message) is dict else None
        if type(content) is list:
            kinds = [part.get("type") for part in content if type(part) is dict]
            needs += [_PARTS[kind] for kind in kinds if type(kind) is str and kind in _PARTS]
    return frozenset(needs) if needs else _NONE


def decode_chat(body: dict[str, Any]) -> ChatRequest:
    """A body of `/v1/chat/completions`."""
    read = read_as(body, _ChatBody)
    if read.max_completion_tokens is not None:
        read.max_tokens = read.max_completion_tokens
    sampling = read.sampling()
    if read.top_logprobs is not None and not 0 <= read.top_logprobs <= 20:
        raise BadInput("top_logprobs must be between 0 and 20", field="top_logprobs")
    if read.top_logprobs and not read.logprobs:
        raise BadInput("top_logprobs needs logprobs to be true", field="top_logprobs")
    sampling.logprobs = bool(read.logprobs)
    sampling.top_logprobs = read.top_logprobs
    tools = [_tool(tool, index) for index, tool in enumerate(read.tools or ())]
    tool_choice = _tool_choice(read.tool_choice, tools)
    return ChatRequest(
        messages=[_message(message, index) for index, message in enumerate(read.messages)],
        sampling=sampling,
        tools=tools,
        tool_choice=tool_choice,
        parallel_tool_calls=read.parallel_tool_calls,
        response_format=_response_format(read.response_format),
        reasoning=read.reasoning_effort or (read.reasoning.effort if read.reasoning else None),
        reasoning_budget=read.reasoning.max_tokens if read.reasoning else None,
        user=read.user or read.safety_identifier,
        local=read.local(),
    )


def decode_completion(body: dict[str, Any]) -> CompletionRequest:
    """A body of `/v1/completions`: one prompt or several, each text or tokens."""
    read = read_as(body, _CompletionBody)
    prompt, *others = _prompts(read.prompt)
    if not (prompt or others or read.suffix):
        raise BadInput("prompt must not be empty: there is nothing to go on with", field="prompt")
    sampling = read.sampling()
    if read.logprobs is not None:
        if not 0 <= read.logprobs <= 20:
            raise BadInput("logprobs must be between 0 and 20", field="logprobs")
        sampling.logprobs, sampling.top_logprobs = True, read.logprobs
    return CompletionRequest(
        prompt=prompt,
        others=others,
        suffix=read.suffix or None,
        sampling=sampling,
        response_format=_response_format(read.response_format),
        local=read.local(),
    )


def _prompts(given: str | list[Any]) -> list[Prompt]:
    if isinstance(given, str):
        return [given]
    if given and _are_tokens(given):
        return [given]
    prompts: list[Prompt] = []
    for index, item in enumerate(given):
        if not isinstance(item, str) and not (isinstance(item, list) and _are_tokens(item)):
            raise BadInput(f"prompt[{index}]: a prompt is text or a list of token ids", field=f"prompt[{index}]")
        prompts.append(item)
    if not prompts:
        raise BadInput("prompt must not be an empty list", field="prompt")
    return prompts


def _are_tokens(items: list[Any]) -> bool:
    return all(type(item) is int and 0 <= item < 1 << 31 for item in items)


def decode_embedding(body: dict[str, Any]) -> EmbeddingRequest:
    """A body of `/v1/embeddings`; of inputs, texts can be carried."""
    read = read_as(body, _EmbeddingBody)
    inputs = [read.input] if isinstance(read.input, str) else read.input
    if not inputs:
        raise BadInput("input must not be empty", field="input")
    if not all(isinstance(text, str) for text in inputs):
        raise CannotCarry("input: this model takes texts, not tokens", field="input")
    if read.dimensions is not None and read.dimensions < 1:
        raise BadInput(f"dimensions must be at least 1, got {read.dimensions}", field="dimensions")
    return EmbeddingRequest(
        inputs=inputs,
        purpose="passage" if read.input_type == "document" else read.input_type,
        dimensions=read.dimensions,
        local=LocalOptions(
            num_ctx=read.num_ctx, keep_alive=duration(read.keep_alive, "keep_alive"), truncate=read.truncate
        ),
    )


def _message(value: dict[str, Any], index: int) -> Message:
    what = f"messages[{index}]"
    read: _Message = read_part(what, value, _Message)
    role = "system" if read.role == "developer" else read.role
    if role == "tool" and not read.tool_call_id:
        raise BadInput(f"{what}.tool_call_id: a tool's message must name the call it answers", field=what)
    content: str | list[Part]
    if isinstance(read.content, list):
        content = joined([_part(part, f"{what}.content[{at}]") for at, part in enumerate(read.content)])
    else:
        content = read.content or read.refusal or ""
    thoughts = [
        Thought(text=detail.text or detail.summary or "", signature=detail.signature, data=detail.data)
        for detail in read.reasoning_details or ()
    ]
    reasoning = read.reasoning_content or read.reasoning or "".join(thought.text for thought in thoughts)
    return Message(
        role=role,
        content=content,
        reasoning=reasoning or None,
        thoughts=signed(thoughts),
        tool_calls=[tool_call(call.id, call.function.name, call.function.arguments) for call in read.tool_calls or ()],
        tool_call_id=unsealed(read.tool_call_id)[0] if read.tool_call_id else None,
        name=read.name,
    )


def joined(parts: list[Part]) -> str | list[Part]:
    """Parts as one text, if they are nothing but text."""
    if all(isinstance(part, TextPart) and part.cache is None for part in parts):
        return "".join(part.text for part in parts if isinstance(part, TextPart))
    return parts


def signed(thoughts: list[Thought]) -> list[Thought]:
    """Blocks of thinking worth giving back as such: where one is signed or sealed, all of them."""
    return thoughts if any(thought.signature or thought.data for thought in thoughts) else []


def _part(part: _Part, what: str) -> Part:
    cache = part.cache_control.ttl if part.cache_control else None
    if part.type == "text" and part.text is not UNSET:
        return TextPart(part.text, cache)
    if part.type == "refusal" and part.refusal is not UNSET:
        return TextPart(part.refusal)
    if part.type == "image_url" and part.image_url is not UNSET:
        media_type, data = data_url(part.image_url.url, f"{what}.image_url.url")
        return ImagePart(media_type, data, part.image_url.detail, cache)
    if part.type == "input_audio" and part.input_audio is not UNSET:
        checked_base64(part.input_audio.data, f"{what}.input_audio.data")
        return AudioPart(part.input_audio.format, part.input_audio.data, cache)
    if part.type == "file" and part.file is not UNSET:
        file = file_data(part.file.file_data, part.file.filename, f"{what}.file.file_data")
        file.cache = cache
        return file
    raise CannotCarry(f"{what}: parts of type '{part.type}' cannot be carried to this model", field=what)


def _tool(value: dict[str, Any], index: int) -> ToolSpec:
    read = read_part(f"tools[{index}]", value, _Tool)
    function = read.function
    return ToolSpec(
        cache=read.cache_control.ttl if read.cache_control else None,
        name=function.name,
        description=function.description or "",
        parameters=function.parameters or {},
        strict=function.strict,
    )


def _tool_choice(value: str | dict[str, Any] | None, tools: list[ToolSpec]) -> str | dict[str, Any] | None:
    """The choice as `ChatRequest` has it. `allowed_tools` leaves only those in `tools`, which changes it."""
    if value is None:
        return None
    if isinstance(value, str):
        if value not in ("none", "auto", "required"):
            raise BadInput(
                f"tool_choice must be none, auto, required or a function; got {value!r}", field="tool_choice"
            )
        return value
    if value.get("type") == "allowed_tools":
        allowed = read_part("tool_choice.allowed_tools", value.get("allowed_tools") or {}, _AllowedTools)
        tools[:] = chosen_tools(tools, [tool.function.name for tool in allowed.tools])
        return str(allowed.mode)
    function = value.get("function")
    if value.get("type") != "function" or not isinstance(function, dict) or not function.get("name"):
        raise CannotCarry("tool_choice: only a function can be chosen", field="tool_choice")
    chosen_tools(tools, [function["name"]])
    return {"name": function["name"]}


def chosen_tools(tools: list[ToolSpec], names: list[str]) -> list[ToolSpec]:
    """The tools of these names.

    Raises:
        BadInput: there is none of one of them.
    """
    offered = {tool.name: tool for tool in tools}
    for name in names:
        if not isinstance(name, str) or name not in offered:
            raise BadInput(f"tool_choice: there is no tool named {name!r} among the tools", field="tool_choice")
    return [offered[name] for name in names]


def _response_format(value: dict[str, Any] | None) -> ResponseFormat | None:
    if value is None:
        return None
    read: _ResponseFormat = read_part("response_format", value, _ResponseFormat)
    if read.type != "json_schema":
        return ResponseFormat(read.type)
    if read.json_schema is None or read.json_schema.schema is None:
        raise BadInput("response_format.json_schema.schema is required", field="response_format.json_schema.schema")
    return ResponseFormat("json_schema", read.json_schema.schema, read.json_schema.name, read.json_schema.strict)
