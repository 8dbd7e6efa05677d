"""Items of OpenAI's Responses as messages, and thinking sealed for the way through a client's hands."""

import base64
import binascii
from typing import Any

import msgspec
from msgspec import Struct, field

from inglenook.gateway.faces.asking import checked_base64, data_url, file_data, read_part, without_nulls
from inglenook.gateway.faces.openai_requests import joined, signed
from inglenook.gateway.faces.responses_tools import inner_name, plain_arguments
from inglenook.gateway.faces.sealing import tool_call, unsealed
from inglenook.kit.errors import BadInput
from inglenook.models.calls import AudioPart, ImagePart, Message, Part, TextPart, Thought
from inglenook.models.errors import CannotCarry

#: The item that offers tools from its place on; they are offered from the start.
ADDITIONAL = "additional_tools"
_SEAL = "ink1."


class _Item(Struct, kw_only=True):
    """What clients send along with items, which says nothing to the model."""

    type: str = "message"
    id: str | None = None
    status: str | None = None


class _Message(_Item, forbid_unknown_fields=True, kw_only=True):
    role: str
    content: str | list[dict[str, Any]]
    phase: str | None = None


class _Call(_Item, forbid_unknown_fields=True, kw_only=True):
    call_id: str
    name: str
    arguments: str
    namespace: str | None = None
    caller: dict[str, Any] | None = None


class _CustomCall(_Item, forbid_unknown_fields=True, kw_only=True):
    call_id: str
    name: str
    input: str
    namespace: str | None = None
    caller: dict[str, Any] | None = None


class _Output(_Item, forbid_unknown_fields=True, kw_only=True):
    call_id: str
    output: str | list[dict[str, Any]]
    name: str | None = None
    namespace: str | None = None
    caller: dict[str, Any] | None = None


class _ReasoningText(Struct, kw_only=True):
    text: str = ""


class _Reasoning(_Item, forbid_unknown_fields=True, kw_only=True):
    summary: list[_ReasoningText] = field(default_factory=list)
    content: list[_ReasoningText] = field(default_factory=list)
    encrypted_content: str | None = None


class _Part(Struct, kw_only=True):
    type: str
    text: str | None = None
    refusal: str | None = None
    image_url: str | None = None
    detail: str | None = None
    file_data: str | None = None
    filename: str | None = None
    input_audio: dict[str, Any] | None = None


class _Audio(Struct, forbid_unknown_fields=True):
    data: str
    format: str


# ------------------------------------------------------------------------------------------------- thinking


def sealed(thoughts: list[Thought]) -> str:
    """Thoughts as one text that a client gives back as it is."""
    return _SEAL + base64.b64encode(msgspec.json.encode(thoughts)).decode()


def _opened(seal: str | None) -> list[Thought]:
    """The thoughts in a text of ours; none of another's, which says nothing to anybody but its maker."""
    if seal is None or not seal.startswith(_SEAL):
        return []
    try:
        return msgspec.json.decode(base64.b64decode(seal[len(_SEAL) :]), type=list[Thought])
    except (binascii.Error, ValueError, msgspec.DecodeError):
        return []


def is_sealed_here(item: dict[str, Any]) -> bool:
    """Whether an item is thinking that only we can open, or nobody any more."""
    seal = item.get("encrypted_content")
    return item.get("type") == "reasoning" and (not isinstance(seal, str) or seal.startswith(_SEAL))


# -------------------------------------------------------------------------------------------------- messages


def messages_of(items: list[dict[str, Any]]) -> list[Message]:
    """The conversation: what the assistant thought, said and called in one go is one message.

    Raises:
        CannotCarry: an item belongs to a tool that is built into OpenAI's own servers; names it.
        BadInput: an item is malformed.
    """
    messages: list[Message] = []
    for index, item in enumerate(items):
        _take(item, f"input[{index}]", messages)
    return messages


def _take(item: dict[str, Any], what: str, messages: list[Message]) -> None:
    value = without_nulls(item)
    match value.get("type", "message"):
        case "message":
            read = read_part(what, value, _Message)
            if read.role == "assistant":
                _say(messages, read, what)
            elif read.role in ("user", "system", "developer"):
                role = "user" if read.role == "user" else "system"
                messages.append(Message(role, _content(read.content, f"{what}.content")))  # type: ignore[arg-type]
            else:
                raise BadInput(f"{what}.role: {read.role!r} is none of the roles", field=f"{what}.role")
        case "function_call":
            call = read_part(what, value, _Call)
            _direct(call.caller, what)
            name = inner_name(call.name, call.namespace)
            _current(messages).tool_calls.append(tool_call(call.call_id, name, call.arguments))
        case "custom_tool_call":
            custom = read_part(what, value, _CustomCall)
            _direct(custom.caller, what)
            name = inner_name(custom.name, custom.namespace)
            _current(messages).tool_calls.append(tool_call(custom.call_id, name, plain_arguments(custom.input)))
        case "function_call_output" | "custom_tool_call_output":
            output = read_part(what, value, _Output)
            _direct(output.caller, what)
            content = _content(output.output, f"{what}.output")
            messages.append(Message("tool", content, tool_call_id=unsealed(output.call_id)[0]))
        case "reasoning":
            _think(messages, read_part(what, value, _Reasoning))
        case kind if kind == ADDITIONAL:
            return
        case "item_reference":
            raise BadInput(
                f"{what}: items are not kept by themselves here; send the item, or use previous_response_id",
                field=what,
            )
        case kind:
            raise CannotCarry(f"{what}: items of type {kind!r} cannot be carried to this model", field=f"{what}.type")


def _current(messages: list[Message]) -> Message:
    """The assistant's message that is being put together."""
    if not messages or messages[-1].role != "assistant":
        messages.append(Message("assistant"))
    return messages[-1]


def _say(messages: list[Message], read: _Message, what: str) -> None:
    content = _content(read.content, f"{what}.content")
    message = _current(messages)
    if message.content or message.tool_calls:
        messages.append(Message("assistant", content))
    else:
        message.content = content


def _think(messages: list[Message], read: _Reasoning) -> None:
    if not messages or messages[-1].role != "assistant" or messages[-1].content or messages[-1].tool_calls:
        messages.append(Message("assistant"))
    message = messages[-1]
    shown = "".join(part.text for part in (read.content or read.summary))
    thoughts = _opened(read.encrypted_content)
    text = "".join(thought.text for thought in thoughts) or shown
    message.reasoning = (message.reasoning or "") + text or None
    message.thoughts = signed([*message.thoughts, *thoughts])


def _direct(caller: dict[str, Any] | None, what: str) -> None:
    if caller is not None and caller.get("type") != "direct":
        raise CannotCarry(f"field '{what}.caller' cannot be carried to this model", field=f"{what}.caller")


def _content(given: str | list[dict[str, Any]], what: str) -> str | list[Part]:
    if isinstance(given, str):
        return given
    return joined([_part(part, f"{what}[{at}]") for at, part in enumerate(given)])


def _part(value: dict[str, Any], what: str) -> Part:
    read = read_part(what, value, _Part)
    match read.type:
        case "input_text" | "output_text" | "text" | "summary_text" if read.text is not None:
            return TextPart(read.text)
        case "refusal" if read.refusal is not None:
            return TextPart(read.refusal)
        case "input_image":
            if read.image_url is None:
                raise _not_here(what, "images")
            media_type, data = data_url(read.image_url, f"{what}.image_url")
            return ImagePart(media_type, data, read.detail)
        case "input_file":
            if read.file_data is None:
                raise _not_here(what, "files")
            return file_data(read.file_data, read.filename or "", f"{what}.file_data")
        case "input_audio" if read.input_audio is not None:
            audio = read_part(f"{what}.input_audio", read.input_audio, _Audio)
            checked_base64(audio.data, f"{what}.input_audio.data")
            return AudioPart(audio.format, audio.data)
        case kind:
            raise CannotCarry(f"{what}: parts of type {kind!r} cannot be carried to this model", field=f"{what}.type")


def _not_here(what: str, things: str) -> BadInput:
    return BadInput(f"{what}: {things} must be sent inside the request: none are kept here or fetched", field=what)
