"""Bodies of Anthropic's protocol, read into our requests when the model's provider does not speak it itself.

Every field that can be carried is declared here: what is not is refused by name. Some fields only ask for things that
say nothing about the answer (`service_tier`, `cache_control` where a provider has no cache) and need no carrying.
"""

from typing import Any, Literal

from msgspec import Struct, field

from inglenook.gateway.faces.anthropic_blocks import CacheControl, cannot, mark_last, messages_of, text_of
from inglenook.gateway.faces.asking import duration, read_as, read_part, without_nulls
from inglenook.gateway.faces.openai_requests import chosen_tools
from inglenook.kit.errors import BadInput
from inglenook.models.calls import (
    ChatRequest,
    LocalOptions,
    Message,
    ResponseFormat,
    Sampling,
    ToolSpec,
)
from inglenook.models.errors import CannotCarry

_NONE: frozenset[str] = frozenset()
#: What a model must be able to for each kind of block.
_BLOCKS = {"image": "vision", "document": "files"}
#: Budgets of thinking, each with the effort that comes near it, for models that take no number.
_EFFORTS = ((2048, "low"), (8192, "medium"))


class _Body(Struct, forbid_unknown_fields=True, kw_only=True):
    """Fields of `/v1/messages` and, as far as they are asked there, of `/v1/messages/count_tokens`."""

    model: str
    messages: list[dict[str, Any]]
    max_tokens: int | None = None
    system: str | list[dict[str, Any]] | None = None
    stream: bool = False
    temperature: float | None = None
    top_p: float | None = None
    top_k: int | None = None
    stop_sequences: list[str] = field(default_factory=list)
    tools: list[dict[str, Any]] = field(default_factory=list)
    tool_choice: dict[str, Any] | None = None
    thinking: dict[str, Any] | None = None
    output_config: dict[str, Any] | None = None
    output_format: dict[str, Any] | None = None
    context_management: dict[str, Any] | None = None
    cache_control: dict[str, Any] | None = None
    speed: Literal["standard"] = "standard"

    keep_alive: float | str | None = None
    num_ctx: int | None = None
    truncate: bool | None = None

    metadata: dict[str, Any] | None = None
    service_tier: Literal["auto", "standard_only"] = "auto"


class _Tool(Struct, forbid_unknown_fields=True, kw_only=True):
    name: str
    input_schema: dict[str, Any]
    type: Literal["custom"] | None = None
    description: str = ""
    strict: bool | None = None
    cache_control: CacheControl | None = None
    input_examples: list[dict[str, Any]] | None = None
    allowed_callers: list[Literal["direct"]] | None = None
    defer_loading: Literal[False] | None = None
    eager_input_streaming: bool | None = None


class _ToolChoice(Struct, forbid_unknown_fields=True, kw_only=True):
    type: Literal["auto", "any", "tool", "none"]
    name: str | None = None
    disable_parallel_tool_use: bool | None = None


class _ThinkingConfig(Struct, forbid_unknown_fields=True, kw_only=True):
    type: Literal["enabled", "disabled", "adaptive"]
    budget_tokens: int | None = None
    display: Literal["summarized", "omitted"] | None = None


class _Format(Struct, forbid_unknown_fields=True, kw_only=True):
    type: Literal["json_schema"]
    schema: dict[str, Any]


class _OutputConfig(Struct, forbid_unknown_fields=True, kw_only=True):
    effort: Literal["low", "medium", "high", "xhigh", "max"] | None = None
    format: _Format | None = None


# ------------------------------------------------------------------------------------------- for every body


def needs(body: dict[str, Any]) -> frozenset[str]:
    """What the model must be able to, whether the body is passed through or read; cheap.

    Raises:
        BadInput: `messages` is missing or empty.
    """
    messages = body.get("messages")
    if type(messages) is not list:
        raise BadInput("messages: Field required", field="messages")
    if not messages:
        raise BadInput("messages: at least one message is required", field="messages")
    found = set()
    if body.get("tools"):
        found.add("tools")
    thinking = body.get("thinking")
    if type(thinking) is dict and thinking.get("type") == "enabled":
        found.add("thinking")
    for message in messages:
        content = message.get("content") if type(message) is dict else None
        if type(content) is list:
            _note(content, found)
    return frozenset(found) if found else _NONE


def _note(blocks: list[Any], found: set[str]) -> None:
    for block in blocks:
        if type(block) is not dict:
            continue
        kind, source = block.get("type"), block.get("source")
        if kind == "document" and type(source) is dict and source.get("type") in ("text", "content"):
            inner = source.get("content")  # becomes text and images
        else:
            inner = block.get("content")
            if type(kind) is str and kind in _BLOCKS:
                found.add(_BLOCKS[kind])
        if type(inner) is list:
            _note(inner, found)


def user_of(body: dict[str, Any]) -> str | None:
    """`metadata.user_id`, which tools use to name a session."""
    metadata = body.get("metadata")
    user = metadata.get("user_id") if type(metadata) is dict else None
    return user if type(user) is str else None


def shows_thinking(body: dict[str, Any]) -> bool:
    """Whether the caller wants to see what the model thought."""
    thinking = body.get("thinking")
    return not (type(thinking) is dict and thinking.get("display") == "omitted")


# ------------------------------------------------------------------------------------------------- decoding


def decode_messages(body: dict[str, Any]) -> ChatRequest:
    """A body of `/v1/messages` or `/v1/messages/count_tokens`."""
    read = read_as(without_nulls(body), _Body)
    if read.num_ctx is not None and read.num_ctx < 1:
        raise BadInput(f"num_ctx must be at least 1, got {read.num_ctx}", field="num_ctx")
    messages = [Message("system", text_of(read.system, "system"))] if read.system else []
    for index, message in enumerate(read.messages):
        messages += messages_of(message, index)
    tools = [_tool(tool, index) for index, tool in enumerate(read.tools)]
    choice, parallel = _tool_choice(read.tool_choice, tools)
    reasoning, budget, form = _output(read)
    _check_context_management(read.context_management)
    if read.cache_control is not None:
        mark_last(messages, read_part("cache_control", read.cache_control, CacheControl).ttl)
    return ChatRequest(
        messages=messages,
        sampling=Sampling(
            max_tokens=read.max_tokens,
            temperature=read.temperature,
            top_p=read.top_p,
            top_k=read.top_k,
            stop=read.stop_sequences,
        ),
        tools=tools,
        tool_choice=choice,
        parallel_tool_calls=parallel,
        response_format=form,
        reasoning=reasoning,
        reasoning_budget=budget,
        user=user_of(body),
        local=LocalOptions(
            num_ctx=read.num_ctx, keep_alive=duration(read.keep_alive, "keep_alive"), truncate=read.truncate
        ),
    )


def check_max_tokens(body: dict[str, Any]) -> None:
    """
    Raises:
        BadInput: the body does not limit its answer, as it must.
    """
    limit = body.get("max_tokens")
    if limit is None:
        raise BadInput("max_tokens: Field required", field="max_tokens")
    if type(limit) is not int or limit < 1:
        raise BadInput(f"max_tokens: must be a whole number of at least 1, got {limit!r}", field="max_tokens")


# ---------------------------------------------------------------------------------------- tools and thinking


def _tool(value: dict[str, Any], index: int) -> ToolSpec:
    what = f"tools[{index}]"
    if value.get("type") not in (None, "custom"):
        raise CannotCarry(
            f"{what}: tools of type {value.get('type')!r} cannot be carried to this model: its provider does not have "
            "them; offer tools with an input_schema",
            field=f"{what}.type",
        )
    read = read_part(what, value, _Tool)
    parameters = read.input_schema
    if read.input_examples:
        parameters = {**parameters, "examples": read.input_examples}
    return ToolSpec(
        name=read.name,
        description=read.description,
        parameters=parameters,
        strict=read.strict,
        cache=read.cache_control.ttl if read.cache_control else None,
    )


def _tool_choice(
    value: dict[str, Any] | None, tools: list[ToolSpec]
) -> tuple[str | dict[str, Any] | None, bool | None]:
    """The choice, and whether several tools may be called at once."""
    if value is None:
        return None, None
    read = read_part("tool_choice", value, _ToolChoice)
    parallel = None if read.disable_parallel_tool_use is None else not read.disable_parallel_tool_use
    if read.type == "tool":
        if not read.name:
            raise BadInput("tool_choice.name: Field required", field="tool_choice.name")
        chosen_tools(tools, [read.name])
        return {"name": read.name}, parallel
    return ("required" if read.type == "any" else read.type), parallel


def _output(read: _Body) -> tuple[str | None, int | None, ResponseFormat | None]:
    """How much to think, as a word and as a number of tokens; and the form of the answer."""
    config = read_part("output_config", read.output_config or {}, _OutputConfig)
    form = config.format
    if read.output_format is not None:
        form = read_part("output_format", read.output_format, _Format)
    wanted = None if form is None else ResponseFormat("json_schema", form.schema)
    # High is what the protocol means where nothing is said: the model's own default.
    effort: str | None = config.effort if config.effort != "high" else None
    if read.thinking is None:
        return effort, None, wanted
    thinking = read_part("thinking", read.thinking, _ThinkingConfig)
    if thinking.type == "disabled":
        return "none", None, wanted
    if thinking.type == "adaptive":
        return effort, None, wanted
    budget = thinking.budget_tokens
    if budget is None or budget < 1:
        raise BadInput(
            f"thinking.budget_tokens: must be a whole number of at least 1, got {budget!r}",
            field="thinking.budget_tokens",
        )
    nearest = next((word for most, word in _EFFORTS if budget <= most), "high")
    return config.effort or nearest, budget, wanted


def _check_context_management(value: dict[str, Any] | None) -> None:
    """Of the edits of a prompt, one can be made: none. Tools send it to say that all thinking is to be kept."""
    if value is None:
        return
    if set(value) - {"edits"}:
        raise cannot(f"context_management.{min(set(value) - {'edits'})}")
    for index, edit in enumerate(value.get("edits") or ()):
        if edit != {"type": "clear_thinking_20251015", "keep": "all"}:
            raise cannot(f"context_management.edits[{index}]")
