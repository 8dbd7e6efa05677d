"""Amazon Bedrock's Converse as a caller writes it: our requests to bodies."""

import re
from typing import Any

import orjson
from msgspec import Struct, field

from inglenook.models.calls import (
    AudioPart,
    CacheMark,
    ChatRequest,
    FilePart,
    ImagePart,
    Message,
    Part,
    TextPart,
    Thought,
)
from inglenook.models.profiles.families import families
from inglenook.models.providers.wires import anthropic_requests as claude
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
from inglenook.models.providers.wires.provenance import is_foreign, unsealed

#: What thoughts are marked with on their way out; signatures of Claude's are not.
ORIGIN = "bedrock"
_IMAGES = {"image/png": "png", "image/jpeg": "jpeg", "image/gif": "gif", "image/webp": "webp"}
_DOCUMENTS = {
    "application/pdf": "pdf",
    "text/csv": "csv",
    "application/msword": "doc",
    "application/vnd.openxmlformats-officedocument.wordprocessingml.document": "docx",
    "application/vnd.ms-excel": "xls",
    "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet": "xlsx",
    "text/html": "html",
    "text/plain": "txt",
    "text/markdown": "md",
}
#: What the name of a document may not have in it.
_NAME = re.compile(r"[^A-Za-z0-9()\[\]\- ]+| +")
_EFFORTS = {"minimal": "low", "xhigh": "high", "max": "high"}


class Profile(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How a family of models other than Claude is told what Converse has no word for, in
    `additionalModelRequestFields`.

    Attributes:
        top_k, effort: Paths of fields, inner ones behind dots; empty: it cannot be told.
        on, off: Fields that make it think, and that stop it; `off` None: it cannot be told not to.
        thinks: It thinks, and cannot be told how much.
    """

    top_k: str = ""
    effort: str = ""
    on: dict[str, Any] = field(default_factory=dict)
    off: dict[str, Any] | None = None
    thinks: bool = False


def profile_of(model: str) -> Profile:
    """The profile of a model by its id, of whatever region."""
    found: Profile = families("bedrock.toml", Profile).of(model)
    return found


def is_claude(model: str) -> bool:
    """Whether the model is Anthropic's."""
    return "claude" in model.lower()


def converse_body(model: str, request: ChatRequest, *, output_length: int = 0) -> dict[str, Any]:
    """A body for `/converse-stream`.

    Args:
        output_length: Most tokens the model can answer with, which then is what it may, unless the request says less.

    Raises:
        CannotCarry: a field is set that the protocol or this model does not understand; names it.
    """
    profile, sampling = profile_of(model), request.sampling
    known = ["max_tokens", "stop"]
    if not is_claude(model) or claude.profile_of(model).sampling:
        known += ["temperature", "top_p", *(["top_k"] if profile.top_k else [])]
    check_sampling(sampling, model, known)
    body = prompt_body(model, request)
    config: dict[str, Any] = {}
    for name, value in (
        ("maxTokens", sampling.max_tokens or output_length or None),
        ("temperature", sampling.temperature),
        ("topP", sampling.top_p),
        ("stopSequences", sampling.stop or None),
    ):
        if value is not None:
            config[name] = value
    if config:
        body["inferenceConfig"] = config
    if sampling.top_k is not None and profile.top_k:
        _set(body.setdefault("additionalModelRequestFields", {}), profile.top_k, sampling.top_k)
    if (form := _format(model, request)) is not None:
        body.setdefault("outputConfig", {})["textFormat"] = form
    return body


def prompt_body(model: str, request: ChatRequest) -> dict[str, Any]:
    """What of a request makes up its prompt, and how it is thought about. Raises as `converse_body`."""
    check_local(request.local)
    system: list[dict[str, Any]] = []
    messages: list[dict[str, Any]] = []
    for number, message in enumerate(request.messages):
        where = f"messages[{number}]"
        if message.role == "system":
            only_text(message, where, model)
            system += _content(model, message.content, where)
            continue
        if message.role == "tool":
            blocks = _result(model, message, where)
        elif message.role == "assistant":
            blocks = _assistant(model, message, where)
        else:
            blocks = _content(model, message.content, where)
        role = "assistant" if message.role == "assistant" else "user"
        if messages and messages[-1]["role"] == role:
            messages[-1]["content"] += blocks
        elif blocks:
            messages.append({"role": role, "content": blocks})
    body: dict[str, Any] = {"messages": messages}
    if system:
        body["system"] = system
    if (tools := _tools(model, request)) is not None:
        body["toolConfig"] = tools
    output: dict[str, Any] = {}
    if more := _thinking(model, request, output):
        body["additionalModelRequestFields"] = more
    if output:
        body["outputConfig"] = output
    return body


# -------------------------------------------------------------------------------------------------- messages


def _assistant(model: str, message: Message, where: str) -> list[dict[str, Any]]:
    only_text(message, where, model)
    blocks = [block for thought in message.thoughts if (block := _thought(model, thought)) is not None]
    blocks += _content(model, message.content, where)
    for call in message.tool_calls:
        use = {"toolUseId": call_id(call.id), "name": call.name, "input": arguments_of(call, where)}
        blocks.append({"toolUse": use})
    return blocks


def _thought(model: str, thought: Thought) -> dict[str, Any] | None:
    """A block of thinking as it came; None for one of another provider's."""
    if (data := unsealed(ORIGIN, thought.data)) is not None:
        return {"reasoningContent": {"redactedContent": data}}
    if thought.data is not None:
        return None
    signature = unsealed(ORIGIN, thought.signature)
    if is_claude(model):
        signature = None if is_foreign(thought) else thought.signature
    if not signature:
        return None
    return {"reasoningContent": {"reasoningText": {"text": thought.text, "signature": signature}}}


def _result(model: str, message: Message, where: str) -> list[dict[str, Any]]:
    blocks = _content(model, message.content, where)
    marks = [block for block in blocks if "cachePoint" in block]
    result: dict[str, Any] = {
        "toolUseId": call_id(message.tool_call_id or ""),
        "content": [block for block in blocks if "cachePoint" not in block] or [{"text": ""}],
    }
    if message.failed:
        result["status"] = "error"
    return [{"toolResult": result}, *marks[:1]]


def _content(model: str, content: str | list[Part], where: str) -> list[dict[str, Any]]:
    if isinstance(content, str):
        return [{"text": content}] if content else []
    blocks: list[dict[str, Any]] = []
    for number, part in enumerate(content):
        if isinstance(part, TextPart) and not part.text:
            continue
        blocks.append(_part(model, part, f"{where}.content[{number}]"))
        if part.cache is not None:
            blocks.append(_mark(part.cache))
    return blocks


def _part(model: str, part: Part, where: str) -> dict[str, Any]:
    match part:
        case TextPart():
            return {"text": part.text}
        case ImagePart() if part.media_type in _IMAGES:
            return {"image": {"format": _IMAGES[part.media_type], "source": {"bytes": part.data}}}
        case FilePart() if part.media_type in _DOCUMENTS:
            name = _NAME.sub(" ", part.name.rpartition(".")[0] or part.name).strip()[:200]
            document = {
                "format": _DOCUMENTS[part.media_type],
                "name": name or "document",
                "source": {"bytes": part.data},
            }
            return {"document": document}
        case AudioPart():
            return {"audio": {"format": part.format, "source": {"bytes": part.data}}}
    raise refuse(where, model, f"its provider takes no {part.media_type}")


def _mark(cache: CacheMark) -> dict[str, Any]:
    return {"cachePoint": {"type": "default", **({"ttl": cache} if cache != "5m" else {})}}


# ---------------------------------------------------------------------------------------- tools and thinking


def _tools(model: str, request: ChatRequest) -> dict[str, Any] | None:
    if not request.tools:
        return None
    if request.parallel_tool_calls is False:
        raise refuse("parallel_tool_calls", model, "its provider has no way to forbid several calls at once")
    if request.tool_choice == "none":
        if any(message.tool_calls or message.role == "tool" for message in request.messages):
            raise refuse("tool_choice", model, "after calls of tools, its provider has no way to forbid more")
        return None  # tools that are not offered are not called
    tools: list[dict[str, Any]] = []
    for tool in request.tools:
        spec: dict[str, Any] = {"name": tool.name, "inputSchema": {"json": schema_of(tool.parameters)}}
        if tool.description:
            spec["description"] = tool.description
        if tool.strict is not None:
            spec["strict"] = tool.strict
        tools.append({"toolSpec": spec})
        if tool.cache is not None:
            tools.append(_mark(tool.cache))
    config: dict[str, Any] = {"tools": tools}
    name = chosen_tool(request)
    if name is not None:
        config["toolChoice"] = {"tool": {"name": name}}
    elif request.tool_choice == "required":
        config["toolChoice"] = {"any": {}}
    elif request.tool_choice == "auto":
        config["toolChoice"] = {"auto": {}}
    return config


def _thinking(model: str, request: ChatRequest, output: dict[str, Any]) -> dict[str, Any]:
    """What goes to `additionalModelRequestFields`; an effort of Claude's goes to `output`."""
    effort, budget = request.reasoning, request.reasoning_budget
    if effort is None and budget is None:
        return {}
    if is_claude(model):
        thinking = claude.thinking_of(model, request, claude.profile_of(model), output)
        return {} if thinking is None else {"thinking": thinking}
    profile = profile_of(model)
    if budget is not None:
        raise refuse("reasoning_budget", model, "it takes no number of tokens; give an effort instead")
    assert effort is not None
    if effort == "none":
        if profile.off is None and (profile.effort or profile.thinks):
            raise refuse("reasoning_effort", model, "it cannot be told not to think")
        return dict(profile.off or {})
    if not profile.effort:
        raise refuse("reasoning_effort", model, "it cannot be told how much to think")
    fields: dict[str, Any] = orjson.loads(orjson.dumps(profile.on))
    _set(fields, profile.effort, _EFFORTS.get(effort, effort))
    return fields


def _format(model: str, request: ChatRequest) -> dict[str, Any] | None:
    wanted = request.response_format
    if wanted is None or wanted.kind == "text":
        return None
    if wanted.schema is None:
        raise refuse("response_format", model, "it answers in JSON by a schema only (type json_schema)")
    schema: dict[str, Any] = {"schema": orjson.dumps(wanted.schema).decode()}
    if wanted.name:
        schema["name"] = wanted.name
    return {"type": "json_schema", "structure": {"jsonSchema": schema}}


def _set(fields: dict[str, Any], path: str, value: Any) -> None:
    *outer, last = path.split(".")
    for name in outer:
        fields = fields.setdefault(name, {})
    fields[last] = value
