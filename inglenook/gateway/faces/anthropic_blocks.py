"""The messages of Anthropic's protocol, which are made of blocks, as ours."""

from collections.abc import Iterator
from typing import Any, Literal

import orjson
from msgspec import Struct

from inglenook.gateway.faces.asking import checked_base64, media_type_of, read_part
from inglenook.gateway.faces.openai_requests import joined, signed
from inglenook.gateway.faces.sealing import tool_call, unsealed
from inglenook.kit.errors import BadInput
from inglenook.models.calls import CacheMark, FilePart, ImagePart, Message, Part, TextPart, Thought, ToolCall
from inglenook.models.errors import CannotCarry


class CacheControl(Struct):
    """A mark for the provider's cache."""

    type: Literal["ephemeral"]
    ttl: CacheMark = "5m"


class _Block(Struct, forbid_unknown_fields=True, kw_only=True):
    type: str
    cache_control: CacheControl | None = None

    @property
    def cache(self) -> CacheMark | None:
        return self.cache_control.ttl if self.cache_control is not None else None


class _Text(_Block, kw_only=True):
    text: str
    citations: list[Any] | None = None


class _Source(Struct, kw_only=True):
    type: str
    media_type: str = ""
    data: str = ""
    content: str | list[dict[str, Any]] | None = None


class _Image(_Block, kw_only=True):
    source: _Source
    transformations: dict[str, Any] | None = None


class _Document(_Block, kw_only=True):
    source: _Source
    title: str | None = None
    context: str | None = None
    citations: dict[str, Any] | None = None


class _SearchResult(_Block, kw_only=True):
    content: list[dict[str, Any]]
    source: str
    title: str
    citations: dict[str, Any] | None = None


class _ToolUse(_Block, kw_only=True):
    id: str
    name: str
    input: dict[str, Any]
    caller: dict[str, Any] | None = None
    toolset_name: None = None


class _ToolResult(_Block, kw_only=True):
    tool_use_id: str
    content: str | list[dict[str, Any]] | None = None
    is_error: bool | None = None
    toolset_name: None = None


class _Thinking(_Block, kw_only=True):
    thinking: str
    signature: str = ""


class _Redacted(_Block, kw_only=True):
    data: str


class _Message(Struct, forbid_unknown_fields=True, kw_only=True):
    role: Literal["user", "assistant", "system"]
    content: str | list[dict[str, Any]]


def messages_of(value: dict[str, Any], index: int) -> Iterator[Message]:
    """One message of theirs as ours: each tool's result is a message of its own."""
    what = f"messages[{index}]"
    read = read_part(what, value, _Message)
    if read.role == "system":
        yield Message("system", text_of(read.content, f"{what}.content"))
        return
    if isinstance(read.content, str):
        yield Message(read.role, read.content)
        return
    if read.role == "assistant":
        yield _assistant(read.content, what)
        return
    parts: list[Part] = []
    for at, block in enumerate(read.content):
        where = f"{what}.content[{at}]"
        if block.get("type") == "tool_result":
            if parts:
                yield Message("user", joined(parts))
                parts = []
            yield _result(read_part(where, block, _ToolResult), where)
        else:
            parts += _parts(block, where)
    if parts or not read.content:
        yield Message("user", joined(parts))


def _assistant(blocks: list[dict[str, Any]], what: str) -> Message:
    parts: list[Part] = []
    thoughts: list[Thought] = []
    calls: list[ToolCall] = []
    for at, block in enumerate(blocks):
        where = f"{what}.content[{at}]"
        match block.get("type"):
            case "thinking":
                thought = read_part(where, block, _Thinking)
                thoughts.append(Thought(thought.thinking, thought.signature or None))
            case "redacted_thinking":
                thoughts.append(Thought(data=read_part(where, block, _Redacted).data))
            case "tool_use":
                used = read_part(where, block, _ToolUse)
                if used.caller is not None and used.caller.get("type") != "direct":
                    raise cannot(f"{where}.caller")
                calls.append(tool_call(used.id, used.name, orjson.dumps(used.input).decode()))
            case _:
                parts += _parts(block, where)
    return Message(
        "assistant",
        joined(parts),
        reasoning="".join(thought.text for thought in thoughts) or None,
        thoughts=signed(thoughts),
        tool_calls=calls,
    )


def _result(block: _ToolResult, where: str) -> Message:
    content: str | list[Part]
    if isinstance(block.content, list):
        parts = [part for at, one in enumerate(block.content) for part in _parts(one, f"{where}.content[{at}]")]
        if block.cache is not None and parts:
            parts[-1].cache = block.cache
        content = joined(parts)
    elif block.cache is not None and block.content:
        content = [TextPart(block.content, block.cache)]
    else:
        content = block.content or ""
    return Message("tool", content, tool_call_id=unsealed(block.tool_use_id)[0], failed=bool(block.is_error))


def _parts(block: dict[str, Any], where: str) -> list[Part]:
    """A block as parts of a message; documents and search results may be several."""
    match block.get("type"):
        case "text":
            text = read_part(where, block, _Text)
            if text.citations:
                raise cannot(f"{where}.citations")
            return [TextPart(text.text, text.cache)]
        case "image":
            return [_image(read_part(where, block, _Image), where)]
        case "document":
            return _document(read_part(where, block, _Document), where)
        case "search_result":
            found = read_part(where, block, _SearchResult)
            _check_citations(found.citations, where)
            text_parts = [TextPart(f"{found.title}\n{found.source}\n\n"), *_texts(found.content, f"{where}.content")]
            text_parts[-1].cache = found.cache
            return list(text_parts)
        case None:
            raise BadInput(f"{where}.type: Field required", field=f"{where}.type")
        case kind:
            raise CannotCarry(
                f"{where}: blocks of type '{kind}' cannot be carried to this model", field=f"{where}.type"
            )


def _image(image: _Image, where: str) -> ImagePart:
    if image.transformations and image.transformations != {"oversized_image": "downsize"}:
        raise cannot(f"{where}.transformations")
    source = image.source
    if source.type != "base64":
        raise BadInput(
            f"{where}.source: images must be sent inside the request, as base64; got type {source.type!r}",
            field=f"{where}.source.type",
        )
    if not source.media_type.startswith("image/"):
        raise BadInput(f"{where}.source.media_type: an image's type is required", field=f"{where}.source.media_type")
    media_type_of(source.data, f"{where}.source.data")
    return ImagePart(source.media_type, source.data, cache=image.cache)


def _document(document: _Document, where: str) -> list[Part]:
    _check_citations(document.citations, where)
    source = document.source
    about = "\n".join(line for line in (document.title, document.context) if line)
    parts: list[Part]
    match source.type:
        case "base64":
            checked_base64(source.data, f"{where}.source.data")
            parts = [FilePart(source.media_type or "application/pdf", source.data, document.title or "")]
            if document.context:
                parts.insert(0, TextPart(document.context))
        case "text":
            parts = [TextPart(f"{about}\n\n{source.data}" if about else source.data)]
        case "content" if isinstance(source.content, str):
            parts = [TextPart(f"{about}\n\n{source.content}" if about else source.content)]
        case "content" if isinstance(source.content, list):
            parts = [TextPart(f"{about}\n\n")] if about else []
            for at, one in enumerate(source.content):
                parts += _parts(one, f"{where}.source.content[{at}]")
        case _:
            raise BadInput(
                f"{where}.source: documents must be sent inside the request; got type {source.type!r}",
                field=f"{where}.source.type",
            )
    if document.cache is not None and parts:
        parts[-1].cache = document.cache
    return parts


def text_of(given: str | list[dict[str, Any]], where: str) -> str | list[Part]:
    """A system prompt: its blocks are paragraphs."""
    if isinstance(given, str):
        return given
    texts = _texts(given, where)
    for text in texts[1:]:
        text.text = f"\n\n{text.text}"
    return joined(list(texts))


def _texts(blocks: list[dict[str, Any]], where: str) -> list[TextPart]:
    texts = []
    for at, block in enumerate(blocks):
        read = read_part(f"{where}[{at}]", block, _Text)
        if read.type != "text":
            raise cannot(f"{where}[{at}].type")
        if read.citations:
            raise cannot(f"{where}[{at}].citations")
        texts.append(TextPart(read.text, read.cache))
    return texts


def _check_citations(citations: dict[str, Any] | None, where: str) -> None:
    if citations and citations.get("enabled"):
        raise cannot(f"{where}.citations")


def mark_last(messages: list[Message], ttl: CacheMark) -> None:
    """What `cache_control` at the top asks: the last block of the prompt is kept."""
    last = messages[-1]
    if isinstance(last.content, str):
        if last.content:
            last.content = [TextPart(last.content, ttl)]
    elif last.content:
        last.content[-1].cache = ttl


def cannot(where: str) -> CannotCarry:
    """The error for a field that has no place in our requests."""
    return CannotCarry(f"field '{where}' cannot be carried to this model; leave it out", field=where)
