"""Anthropic's Messages as a caller writes them: our requests to bodies."""

from typing import Any, Literal

from msgspec import Struct

from inglenook.models.calls import (
    CacheMark,
    ChatRequest,
    FilePart,
    ImagePart,
    Message,
    Part,
    TextPart,
    Thought,
    ToolSpec,
)
from inglenook.models.errors import CannotCarry
from inglenook.models.profiles.families import families
from inglenook.models.providers.wires.carrying import (
    arguments_of,
    call_id,
    check_local,
    check_sampling,
    chosen_tool,
    only_text,
    refuse,
    schema_of,
)
from inglenook.models.providers.wires.provenance import is_foreign

#: The oldest version, which every model answers, and the one whose models choose their tokens themselves.
VERSION, VERSION_WITHOUT_SAMPLING = "2023-06-01", "2026-10-21"
#: Tokens of an answer where nobody says how long it may be and the model's limit is not known.
_MAX_TOKENS = 8192
#: Least tokens a budget of thinking may have.
_LEAST_BUDGET = 1024
#: Efforts in tokens, for models that want a number.
_BUDGETS = {"minimal": 1024, "low": 2048, "medium": 8192, "high": 16_384, "xhigh": 32_768, "max": 32_768}
_SAMPLING = ("max_tokens", "stop", "temperature", "top_p", "top_k")
_NEWEST_SAMPLING = ("max_tokens", "stop")


class Profile(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What differs between families of Claude.

    Attributes:
        thinking: How it is told to think: by a `budget` of tokens, `adaptive` (it decides, by effort), in `either`
            way, or not at all (`none`). `always`: adaptive, and it cannot be told not to.
        sampling: Whether it takes `temperature`, `top_p` and `top_k`.
        structured: Whether it answers by a JSON schema.
        system_anywhere: Whether system messages may stand between others.
    """

    thinking: Literal["none", "budget", "either", "adaptive", "always"] = "adaptive"
    sampling: bool = False
    structured: bool = True
    system_anywhere: bool = True


def profile_of(model: str) -> Profile:
    """The profile of a model by its name, here or at any cloud."""
    found: Profile = families("claude.toml", Profile).of(model)
    return found


def messages_body(model: str, request: ChatRequest, *, output_length: int = 0) -> dict[str, Any]:
    """A body for `/v1/messages`; it always streams.

    Args:
        output_length: Most tokens the model can answer with, which then is what it may, unless the request says less.

    Raises:
        CannotCarry: a field is set that the protocol or this model does not understand; names it.
    """
    profile = profile_of(model)
    sampling = request.sampling
    check_sampling(
        sampling,
        model,
        _SAMPLING if profile.sampling else _NEWEST_SAMPLING,
        "the protocol of its provider has no such field"
        if profile.sampling
        else "its provider has no such field, or lets this model choose its tokens itself",
    )
    body = {
        **count_body(model, request),
        "stream": True,
        "max_tokens": sampling.max_tokens or output_length or _MAX_TOKENS,
    }
    for name, value in (
        ("temperature", sampling.temperature),
        ("top_p", sampling.top_p),
        ("top_k", sampling.top_k),
        ("stop_sequences", sampling.stop or None),
        ("metadata", {"user_id": request.user} if request.user else None),
    ):
        if value is not None:
            body[name] = value
    return body


def version_for(body: dict[str, Any]) -> str:
    """The version of the protocol a body needs."""
    return VERSION if any(name in body for name in ("temperature", "top_p", "top_k")) else VERSION_WITHOUT_SAMPLING


def count_body(model: str, request: ChatRequest) -> dict[str, Any]:
    """A body for `/v1/messages/count_tokens`: what of a request makes up its prompt. Raises as `messages_body`."""
    check_local(request.local)
    profile = profile_of(model)
    system, messages = _messages(model, request.messages, profile)
    body: dict[str, Any] = {"model": model, "messages": messages}
    if system:
        body["system"] = system
    if request.tools:
        body["tools"] = [_tool(tool) for tool in request.tools]
        if (choice := _tool_choice(request)) is not None:
            body["tool_choice"] = choice
    output: dict[str, Any] = {}
    if (thinking := thinking_of(model, request, profile, output)) is not None:
        body["thinking"] = thinking
    if (form := _format(model, request, profile)) is not None:
        output["format"] = form
    if output:
        body["output_config"] = output
    return body


# -------------------------------------------------------------------------------------------------- messages


def _messages(
    model: str, messages: list[Message], profile: Profile
) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """The system prompt's blocks, and the messages with neighbours of one role made one, as results of parallel tool
    calls must be."""
    system: list[dict[str, Any]] = []
    found: list[dict[str, Any]] = []
    for number, message in enumerate(messages):
        where = f"messages[{number}]"
        if message.role == "system":
            only_text(message, where, model)
            blocks = _content(model, message.content, where)
            if not found or not profile.system_anywhere:
                system += blocks
                continue
        elif message.role == "tool":
            blocks = [_result(model, message, where)]
        elif message.role == "assistant":
            blocks = _assistant(model, message, where)
        else:
            blocks = _content(model, message.content, where)
        if not blocks:
            continue  # an empty block is refused, and says nothing
        role = "user" if message.role == "tool" else message.role
        if found and found[-1]["role"] == role:
            found[-1]["content"] += blocks
        else:
            found.append({"role": role, "content": blocks})
    if found and found[-1]["role"] == "assistant" and found[-1]["content"][-1]["type"] == "text":
        last = found[-1]["content"][-1]
        last["text"] = last["text"].rstrip() or "…"  # to go on after white space is refused
    return system, found


def _assistant(model: str, message: Message, where: str) -> list[dict[str, Any]]:
    blocks = [block for thought in message.thoughts if (block := _thought(thought)) is not None]
    only_text(message, where, model)
    blocks += _content(model, message.content, where)
    blocks += [
        {"type": "tool_use", "id": call_id(call.id), "name": call.name, "input": arguments_of(call, where)}
        for call in message.tool_calls
    ]
    return blocks


def _thought(thought: Thought) -> dict[str, Any] | None:
    """A block of thinking as it came; None for one of another provider's, whose proof means nothing here."""
    if is_foreign(thought):
        return None
    if thought.data is not None:
        return {"type": "redacted_thinking", "data": thought.data}
    if thought.signature:
        return {"type": "thinking", "thinking": thought.text, "signature": thought.signature}
    return None


def _result(model: str, message: Message, where: str) -> dict[str, Any]:
    blocks = _content(model, message.content, where)
    block: dict[str, Any] = {"type": "tool_result", "tool_use_id": call_id(message.tool_call_id or "")}
    for inner in blocks:
        if (mark := inner.pop("cache_control", None)) is not None:
            block["cache_control"] = mark
    if blocks:
        block["content"] = blocks
    if message.failed:
        block["is_error"] = True
    return block


def _content(model: str, content: str | list[Part], where: str) -> list[dict[str, Any]]:
    if isinstance(content, str):
        return [{"type": "text", "text": content}] if content else []
    return [
        _part(model, part, f"{where}.content[{number}]")
        for number, part in enumerate(content)
        if not isinstance(part, TextPart) or part.text
    ]


def _part(model: str, part: Part, where: str) -> dict[str, Any]:
    block: dict[str, Any]
    match part:
        case TextPart():
            block = {"type": "text", "text": part.text}
        case ImagePart():
            source = {"type": "base64", "media_type": part.media_type, "data": part.data}
            block = {"type": "image", "source": source}
        case FilePart(media_type="application/pdf"):
            source = {"type": "base64", "media_type": part.media_type, "data": part.data}
            block = {"type": "document", "source": source, **({"title": part.name} if part.name else {})}
        case FilePart():
            raise refuse(where, model, f"of files it reads PDF, not {part.media_type}")
        case _:
            raise refuse(where, model, "it does not listen to sound")
    return _marked(block, part.cache)


def _marked(block: dict[str, Any], cache: CacheMark | None) -> dict[str, Any]:
    if cache is not None:
        block["cache_control"] = {"type": "ephemeral", **({"ttl": cache} if cache != "5m" else {})}
    return block


# ---------------------------------------------------------------------------------------- tools and thinking


def _tool(tool: ToolSpec) -> dict[str, Any]:
    body: dict[str, Any] = {"name": tool.name, "input_schema": schema_of(tool.parameters)}
    if tool.description:
        body["description"] = tool.description
    if tool.strict is not None:
        body["strict"] = tool.strict
    return _marked(body, tool.cache)


def _tool_choice(request: ChatRequest) -> dict[str, Any] | None:
    name = chosen_tool(request)
    choice: dict[str, Any]
    if name is not None:
        choice = {"type": "tool", "name": name}
    elif request.tool_choice == "none":
        return {"type": "none"}
    elif request.tool_choice == "required":
        choice = {"type": "any"}
    elif request.tool_choice == "auto" or request.parallel_tool_calls is False:
        choice = {"type": "auto"}
    else:
        return None
    if request.parallel_tool_calls is False:
        choice["disable_parallel_tool_use"] = True
    return choice


def thinking_of(model: str, request: ChatRequest, profile: Profile, output: dict[str, Any]) -> dict[str, Any] | None:
    """How to think; an effort goes to `output`."""
    effort, budget, way = request.reasoning, request.reasoning_budget, profile.thinking
    if effort is None and budget is None:
        return None
    if effort == "none" or budget == 0:
        if way == "always":
            raise refuse("reasoning_effort", model, "it cannot be told not to think")
        return {"type": "disabled"} if way in ("adaptive", "either") else None
    if way == "none":
        raise refuse("reasoning_effort", model, "it does not think")
    if budget is not None and way in ("adaptive", "always"):
        raise refuse("reasoning_budget", model, "it decides itself how long to think; give an effort instead")
    if budget is None and way != "budget":
        output["effort"] = "low" if effort == "minimal" else effort
        return {"type": "adaptive", "display": "summarized"}
    budget = budget if budget is not None else _BUDGETS.get(effort or "", _BUDGETS["medium"])
    limit = request.sampling.max_tokens
    if limit is not None and budget >= limit:  # both count against the limit
        budget = limit - 1
        if budget < _LEAST_BUDGET:
            raise refuse("max_tokens", model, f"with thinking it must be more than {_LEAST_BUDGET}")
    return {"type": "enabled", "budget_tokens": budget}


def _format(model: str, request: ChatRequest, profile: Profile) -> dict[str, Any] | None:
    wanted = request.response_format
    if wanted is None or wanted.kind == "text":
        return None
    if wanted.schema is None:
        raise refuse("response_format", model, "it answers in JSON by a schema only (type json_schema)")
    if not profile.structured:
        raise CannotCarry(
            f"field 'response_format' cannot be carried: '{model}' does not answer by a schema; leave it out",
            field="response_format",
        )
    return {"type": "json_schema", "schema": wanted.schema}
