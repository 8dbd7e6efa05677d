"""Tools of OpenAI's Responses: groups of functions, and tools that take plain text, as functions that any model can
call; and the way back from a call's name to what the caller offered."""

import hashlib
import re
from typing import Any, Literal, NamedTuple

import orjson
from msgspec import Struct, field

from inglenook.gateway.faces.asking import read_part, without_nulls
from inglenook.gateway.faces.openai_requests import chosen_tools
from inglenook.kit.errors import BadInput
from inglenook.models.calls import Notice, ToolSpec
from inglenook.models.errors import CannotCarry

_LONGEST_NAME = 64
_NOT_IN_NAMES = re.compile(r"[^A-Za-z0-9_-]")
#: Parameters of a tool that takes plain text.
_PLAIN = {
    "type": "object",
    "properties": {"input": {"type": "string", "description": "The tool's input, as plain text."}},
    "required": ["input"],
}


class Named(NamedTuple):
    """What a tool's name inside stands for: `custom` tools take plain text."""

    name: str
    namespace: str | None = None
    custom: bool = False


class _Function(Struct, forbid_unknown_fields=True, kw_only=True):
    type: Literal["function"]
    name: str
    description: str = ""
    parameters: dict[str, Any] = field(default_factory=dict)
    strict: bool | None = None
    output_schema: dict[str, Any] | None = None
    defer_loading: Literal[False] = False
    allowed_callers: list[Literal["direct"]] = field(default_factory=list)


class _TextFormat(Struct):
    type: str = "text"


class _Custom(Struct, forbid_unknown_fields=True, kw_only=True):
    type: Literal["custom"]
    name: str
    description: str = ""
    format: _TextFormat = field(default_factory=_TextFormat)
    defer_loading: Literal[False] = False
    allowed_callers: list[Literal["direct"]] = field(default_factory=list)


class _Namespace(Struct, forbid_unknown_fields=True, kw_only=True):
    type: Literal["namespace"]
    name: str
    description: str = ""
    tools: list[dict[str, Any]]


class _Allowed(Struct, forbid_unknown_fields=True, kw_only=True):
    type: Literal["allowed_tools"]
    mode: Literal["auto", "required"]
    tools: list[dict[str, Any]]


class _One(Struct, kw_only=True):
    type: Literal["function", "custom"]
    name: str
    namespace: str | None = None


def inner_name(name: str, namespace: str | None) -> str:
    """The name a model knows a tool by."""
    if not namespace:
        return name
    joined = _NOT_IN_NAMES.sub("_", f"{namespace}__{name}")
    if len(joined) <= _LONGEST_NAME:
        return joined
    return f"{joined[: _LONGEST_NAME - 9]}_{hashlib.blake2b(joined.encode(), digest_size=4).hexdigest()}"


def names_of(tools: Any) -> dict[str, Named]:
    """What the names inside stand for, of all that are not simply functions."""
    found: dict[str, Named] = {}
    for tool in tools if isinstance(tools, list) else ():
        if isinstance(tool, dict):
            namespace = tool.get("name") if tool.get("type") == "namespace" else None
            for one in tool.get("tools") or () if namespace else (tool,):
                if not isinstance(one, dict) or not isinstance(name := one.get("name"), str):
                    continue
                if namespace or one.get("type") == "custom":
                    found[inner_name(name, namespace)] = Named(name, namespace, one.get("type") == "custom")
    return found


def left_out(tools: Any) -> list[Notice]:
    """What to tell of tools that a model may go without: a web search that is not to reach the web."""
    if isinstance(tools, list) and any(_may_go(tool) for tool in tools):
        message = "The tool web_search was left out: this model has none. The others are offered to it."
        return [Notice("left_out", message, {"tools": ["web_search"]})]
    return []


def _may_go(tool: Any) -> bool:
    # Coding tools offer it by default, and say by this that they can do without the web.
    return isinstance(tool, dict) and tool.get("type") == "web_search" and tool.get("external_web_access") is False


def needs_tools(tools: Any) -> bool:
    """Whether a model must be able to call tools."""
    return isinstance(tools, list) and not all(_may_go(tool) for tool in tools)


def tools_of(given: list[dict[str, Any]], what: str = "tools") -> list[ToolSpec]:
    """The tools as functions.

    Raises:
        CannotCarry: one is built into OpenAI's own servers; names it.
    """
    return [spec for at, tool in enumerate(given) for spec in _specs(tool, f"{what}[{at}]", None)]


def _specs(tool: dict[str, Any], what: str, namespace: str | None) -> list[ToolSpec]:
    match tool.get("type"):
        case "function":
            read = read_part(what, without_nulls(tool), _Function)
            name = inner_name(read.name, namespace)
            return [ToolSpec(name, read.description, read.parameters, read.strict)]
        case "custom":
            custom = read_part(what, without_nulls(tool), _Custom)
            if custom.format.type != "text":
                raise CannotCarry(
                    f"field '{what}.format' cannot be carried to this model: it cannot be held to a grammar; leave it "
                    "out, or offer a function",
                    field=f"{what}.format",
                )
            return [ToolSpec(inner_name(custom.name, namespace), custom.description, _PLAIN)]
        case "namespace" if namespace is None:
            group = read_part(what, without_nulls(tool), _Namespace)
            inner = enumerate(group.tools)
            return [spec for at, one in inner for spec in _specs(one, f"{what}.tools[{at}]", group.name)]
        case "web_search" if _may_go(tool):
            return []
        case None:
            raise BadInput(f"{what}.type: a tool needs a type", field=f"{what}.type")
        case kind:
            raise CannotCarry(
                f"{what}: tools of type {kind!r} cannot be carried to this model: its provider does not have them; "
                "offer functions",
                field=f"{what}.type",
            )


def choice_of(value: Any, tools: list[ToolSpec]) -> str | dict[str, Any] | None:
    """The choice as `ChatRequest` has it; one of some tools leaves only those in `tools`, which changes it.

    Raises:
        BadInput: a tool of that name is not there.
        CannotCarry: the choice is of a built-in tool.
    """
    if value is None or value in ("none", "auto", "required"):
        return value  # type: ignore[no-any-return]
    if not isinstance(value, dict):
        raise BadInput(f"tool_choice must be none, auto, required or a tool; got {value!r}", field="tool_choice")
    if value.get("type") == "allowed_tools":
        allowed = read_part("tool_choice", value, _Allowed)
        ones = [read_part(f"tool_choice.tools[{at}]", one, _One) for at, one in enumerate(allowed.tools)]
        tools[:] = chosen_tools(tools, [inner_name(one.name, one.namespace) for one in ones])
        return allowed.mode
    if value.get("type") not in ("function", "custom"):
        raise CannotCarry(
            f"tool_choice: a tool of type {value.get('type')!r} cannot be carried to this model", field="tool_choice"
        )
    one = read_part("tool_choice", value, _One)
    name = inner_name(one.name, one.namespace)
    chosen_tools(tools, [name])
    return {"name": name}


def plain_input(arguments: str) -> str:
    """What a model wrote for a tool that takes plain text."""
    try:
        read = orjson.loads(arguments)
    except orjson.JSONDecodeError:
        return arguments
    text = read.get("input") if isinstance(read, dict) else None
    return text if isinstance(text, str) else arguments


def plain_arguments(text: str) -> str:
    """The same the other way round."""
    return orjson.dumps({"input": text}).decode()
