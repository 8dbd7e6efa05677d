"""Bodies of `/v1/responses`, read into our requests when the model's provider does not speak the protocol itself.

Every field that can be carried is declared here: what is not is refused by name. Fields of the last group say nothing
about the answer.
"""

from typing import Any, Literal

from msgspec import Struct, field

from inglenook.gateway.faces.asking import duration, read_as, read_part, without_nulls
from inglenook.gateway.faces.openai_requests import EFFORTS
from inglenook.gateway.faces.responses_items import ADDITIONAL, messages_of
from inglenook.gateway.faces.responses_tools import choice_of, needs_tools, tools_of
from inglenook.kit.errors import BadInput
from inglenook.kit.ids import new_id
from inglenook.models.calls import ChatRequest, LocalOptions, Message, ResponseFormat, Sampling
from inglenook.models.errors import CannotCarry

SEALED, LOGPROBS = "reasoning.encrypted_content", "message.output_text.logprobs"
_NONE: frozenset[str] = frozenset()
#: What a model must be able to for each kind of part.
_PARTS = {"input_image": "vision", "input_file": "files", "input_audio": "audio"}
Items = list[dict[str, Any]]


class _Body(Struct, forbid_unknown_fields=True, kw_only=True):
    model: str
    input: list[dict[str, Any]]
    instructions: str | None = None
    stream: bool = False
    max_output_tokens: int | None = None
    temperature: float | None = None
    top_p: float | None = None
    top_logprobs: int | None = None
    tools: list[dict[str, Any]] = field(default_factory=list)
    tool_choice: str | dict[str, Any] | None = None
    parallel_tool_calls: bool | None = None
    text: dict[str, Any] = field(default_factory=dict)
    reasoning: dict[str, Any] = field(default_factory=dict)
    truncation: Literal["auto", "disabled"] = "disabled"
    include: list[str] = field(default_factory=list)

    keep_alive: float | str | None = None
    num_ctx: int | None = None
    truncate: bool | None = None

    store: bool = True
    background: Literal[False] = False
    metadata: dict[str, str] = field(default_factory=dict)
    user: str | None = None
    safety_identifier: str | None = None
    prompt_cache_key: str | None = None
    prompt_cache_options: dict[str, Any] | None = None
    prompt_cache_retention: str | None = None
    service_tier: Literal["auto", "default"] = "auto"
    stream_options: dict[str, Any] | None = None
    max_tool_calls: int | None = None
    client_metadata: dict[str, Any] | None = None


class _Format(Struct, forbid_unknown_fields=True, kw_only=True):
    type: Literal["text", "json_object", "json_schema"] = "text"
    name: str | None = None
    description: str | None = None
    schema: dict[str, Any] | None = None
    strict: bool | None = None


class _Text(Struct, forbid_unknown_fields=True, kw_only=True):
    format: dict[str, Any] = field(default_factory=dict)
    verbosity: Literal["medium"] = "medium"


class _Reasoning(Struct, forbid_unknown_fields=True, kw_only=True):
    effort: str | None = None
    summary: Literal["auto", "concise", "detailed"] | None = None
    generate_summary: Literal["auto", "concise", "detailed"] | None = None
    context: Literal["auto"] = "auto"
    mode: Literal["standard"] = "standard"


# ------------------------------------------------------------------------------------------- for every body


def items_of(given: Any) -> Items:
    """The items of `input`, each with an id, text as a message.

    Raises:
        BadInput: it is neither text nor items.
    """
    if isinstance(given, str):
        given = [{"role": "user", "content": given}]
    if not isinstance(given, list) or not all(isinstance(item, dict) for item in given):
        raise BadInput("input must be text or a list of items", field="input")
    for index, item in enumerate(given):
        if not isinstance(item.get("type") or "", str):
            raise BadInput(f"input[{index}].type must be the name of a kind of item", field=f"input[{index}].type")
    return [_whole(item) for item in given]


def _whole(item: dict[str, Any]) -> dict[str, Any]:
    """The item with what may be left out."""
    kind = item.get("type") or ("item_reference" if "role" not in item and "id" in item else "message")
    whole = {**item, "type": kind}
    if kind == "message" and isinstance(whole.get("content"), str):
        part = "output_text" if whole.get("role") == "assistant" else "input_text"
        whole["content"] = [{"type": part, "text": whole["content"]}]
    if not whole.get("id"):
        whole["id"] = new_id(_PREFIXES.get(kind, "item"))
    return whole


_PREFIXES = {
    "message": "msg",
    "reasoning": "rs",
    "function_call": "fc",
    "function_call_output": "fco",
    "custom_tool_call": "ctc",
    "custom_tool_call_output": "ctco",
}


def tools_in(body: dict[str, Any], items: Items) -> list[Any]:
    """Every tool that is offered: with the body, or by an item on the way."""
    offered = body.get("tools")
    found = [*offered] if isinstance(offered, list) else []
    for item in items:
        if item["type"] == ADDITIONAL and isinstance(tools := item.get("tools"), list):
            found += tools
    return found


def check(body: dict[str, Any]) -> None:
    """What is refused whoever answers.

    Raises:
        BadInput: it asks for what is not done here.
    """
    if body.get("background"):
        raise CannotCarry(
            "background: responses are answered while their caller waits; leave it out", field="background"
        )
    if body.get("conversation") is not None:
        raise CannotCarry(
            "conversation: conversations are not kept here; use previous_response_id", field="conversation"
        )
    include = body.get("include") or []
    if not isinstance(include, list) or not all(isinstance(name, str) for name in include):
        raise BadInput("include must be a list of names", field="include")
    effort = effort_of(body)
    if effort is not None and (not isinstance(effort, str) or effort not in EFFORTS):
        raise BadInput(
            f"reasoning.effort must be one of {', '.join(sorted(EFFORTS))}; got {effort!r}", field="reasoning.effort"
        )


def effort_of(body: dict[str, Any]) -> Any:
    """`reasoning.effort`, whatever it is."""
    reasoning = body.get("reasoning")
    return reasoning.get("effort") if isinstance(reasoning, dict) else None


def needs(body: dict[str, Any], items: Items) -> frozenset[str]:
    """What the model must be able to, whether the body is passed through or read."""
    found = set()
    if needs_tools(tools_in(body, items)):
        found.add("tools")
    if effort_of(body) not in (None, "none"):
        found.add("thinking")
    for item in items:
        for content in (item.get("content"), item.get("output")):
            if isinstance(content, list):
                kinds = [part.get("type") for part in content if isinstance(part, dict)]
                found.update(_PARTS[kind] for kind in kinds if isinstance(kind, str) and kind in _PARTS)
    return frozenset(found) if found else _NONE


# ------------------------------------------------------------------------------------------------- decoding


def decode_response(body: dict[str, Any]) -> ChatRequest:
    """A body of `/v1/responses` whose `input` is the whole conversation, as items."""
    read = read_as(without_nulls(body), _Body)
    if read.max_output_tokens is not None and read.max_output_tokens < 1:
        raise BadInput(f"max_output_tokens must be at least 1, got {read.max_output_tokens}", field="max_output_tokens")
    if read.num_ctx is not None and read.num_ctx < 1:
        raise BadInput(f"num_ctx must be at least 1, got {read.num_ctx}", field="num_ctx")
    if read.top_logprobs is not None and not 0 <= read.top_logprobs <= 20:
        raise BadInput("top_logprobs must be between 0 and 20", field="top_logprobs")
    tools = tools_of(read.tools)
    for index, item in enumerate(read.input):
        if item.get("type") == ADDITIONAL:
            tools += tools_of(item.get("tools") or [], f"input[{index}].tools")
    messages = [Message("system", read.instructions)] if read.instructions else []
    reasoning = read_part("reasoning", without_nulls(read.reasoning), _Reasoning)
    return ChatRequest(
        messages=[*messages, *messages_of(read.input)],
        sampling=Sampling(
            max_tokens=read.max_output_tokens,
            temperature=read.temperature,
            top_p=read.top_p,
            logprobs=LOGPROBS in read.include or bool(read.top_logprobs),
            top_logprobs=read.top_logprobs,
        ),
        tool_choice=choice_of(read.tool_choice, tools),
        tools=tools,
        parallel_tool_calls=read.parallel_tool_calls,
        response_format=_format(read.text),
        reasoning=reasoning.effort,
        user=read.user or read.safety_identifier,
        local=LocalOptions(
            num_ctx=read.num_ctx,
            keep_alive=duration(read.keep_alive, "keep_alive"),
            truncate=read.truncation == "auto" if read.truncate is None else read.truncate,
        ),
    )


def _format(value: dict[str, Any]) -> ResponseFormat | None:
    text = read_part("text", without_nulls(value), _Text)
    form = read_part("text.format", without_nulls(text.format), _Format)
    if form.type == "text":
        return None
    if form.type == "json_object":
        return ResponseFormat("json_object")
    if form.schema is None:
        raise BadInput("text.format.schema is required", field="text.format.schema")
    return ResponseFormat("json_schema", form.schema, form.name, form.strict)
