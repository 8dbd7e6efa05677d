"""OpenAI's protocols as a caller writes them: our requests to bodies, and callers' bodies fitted to a server's ways."""

from collections.abc import Iterator
from typing import Any

from inglenook.models.calls import (
    AudioPart,
    ChatRequest,
    CompletionRequest,
    EmbeddingRequest,
    FilePart,
    ImagePart,
    LocalOptions,
    Message,
    Part,
    ResponseFormat,
    Sampling,
    TextPart,
    ToolSpec,
)
from inglenook.models.profiles.base import Profile
from inglenook.models.providers.wires.carrying import check_local, refuse
from inglenook.models.providers.wires.thinking import said_thinking, says_otherwise

#: Sampling fields that OpenAI's own API does not have, and some servers that speak its protocol do.
EXTENSIONS = ("top_k", "min_p", "typical_p", "repeat_penalty", "repeat_last_n")
_STANDARD = ("temperature", "top_p", "seed", "frequency_penalty", "presence_penalty", "n", "logit_bias")
#: Values that ask for nothing, so that a server which does not know the field loses nothing.
_NOTHING = {"n": 1, "parallel_tool_calls": True, "frequency_penalty": 0, "presence_penalty": 0, "logit_bias": {}}

#: The field of earlier thinking that holds a list.
_DETAILS = "reasoning_details"

Body = dict[str, Any]


def chat_body(model: str, request: ChatRequest, profile: Profile) -> Body:
    """A body for `/chat/completions`; it always streams.

    Raises:
        CannotCarry: a field is set that this server does not understand; names it.
    """
    body = _body(model, request.sampling, request.local, profile)
    body["messages"] = [_message(message, profile) for message in request.messages]
    if request.sampling.logprobs:
        body["logprobs"] = True
        if request.sampling.top_logprobs is not None:
            body["top_logprobs"] = request.sampling.top_logprobs
    _choose(body, model, request, profile)
    for name, value in (
        ("parallel_tool_calls", request.parallel_tool_calls if request.tools else None),
        ("response_format", _response_format(model, request.response_format, profile)),
        (profile.user, request.user if profile.user else None),
    ):
        if value is not None:
            body[name] = value
    thoughts = said_thinking(model, profile.thinking, request.reasoning, request.reasoning_budget)
    _check(body, model, profile, thinking=request.reasoning not in (None, "none") or bool(request.reasoning_budget))
    rename(body, profile.names)
    return {**profile.extras, **body, **thoughts}


def completion_body(model: str, request: CompletionRequest, profile: Profile) -> Body:
    """A body for `/completions`; it always streams. Raises as `chat_body`."""
    body = _body(model, request.sampling, request.local, profile)
    body["prompt"] = [request.prompt, *request.others] if request.others else request.prompt
    if request.suffix is not None:
        body["suffix"] = request.suffix
    if request.sampling.logprobs:
        body["logprobs"] = request.sampling.top_logprobs or 0
    response_format = _response_format(model, request.response_format, profile)
    if response_format is not None:
        body["response_format"] = response_format
    _check(body, model, profile, thinking=False)
    # The older endpoint has only the older name.
    rename(body, {name: theirs for name, theirs in profile.names.items() if name != "max_tokens"})
    return body


def embedding_body(model: str, request: EmbeddingRequest) -> Body:
    """A body for `/embeddings`. The protocol has no word for `purpose`."""
    check_local(request.local)
    body: Body = {"model": model, "input": request.inputs, "encoding_format": "float"}
    if request.dimensions is not None:
        body["dimensions"] = request.dimensions
    return body


def must_fit(profile: Profile) -> bool:
    """Whether `fit` may have anything to change."""
    return bool(profile.names or not profile.developer or profile.extras or says_otherwise(profile.thinking))


def fit(body: Body, model: str, profile: Profile) -> None:
    """Change the caller's own body of `/chat/completions` where this server wants a thing said in another way.

    What the server does not know at all stays: it is the caller's, and the server's to refuse.

    Raises:
        CannotCarry: the wanted thinking cannot be said.
    """
    rename(body, profile.names)
    if not profile.developer:
        messages = body["messages"]
        if any(type(message) is dict and message.get("role") == "developer" for message in messages):
            body["messages"] = [
                {**message, "role": "system"} if message.get("role") == "developer" else message for message in messages
            ]
    effort = body.get("reasoning_effort")
    if effort is not None and says_otherwise(profile.thinking):
        del body["reasoning_effort"]
        for name, value in said_thinking(model, profile.thinking, effort, None).items():
            body.setdefault(name, value)
    for name, value in profile.extras.items():
        body.setdefault(name, value)


def rename(body: Body, names: dict[str, str]) -> None:
    """Call the fields of a body what its server calls them."""
    for name, theirs in names.items():
        if name in body:
            value = body.pop(name)
            if theirs:
                body.setdefault(theirs, value)


# ------------------------------------------------------------------------------------------------ internals


def _body(model: str, sampling: Sampling, local: LocalOptions, profile: Profile) -> Body:
    check_local(local)
    body: Body = {"model": model, "stream": True}
    if profile.stream_usage:
        body["stream_options"] = {"include_usage": True}
    for name in (*_STANDARD, *EXTENSIONS):
        value = getattr(sampling, name)
        if value is None:
            continue
        if name in EXTENSIONS and name not in profile.extensions:
            raise refuse(name, model)
        body[name] = value
    if sampling.stop:
        body["stop"] = sampling.stop
    if sampling.max_tokens is not None:
        body["max_tokens"] = sampling.max_tokens
    return body


def _check(body: Body, model: str, profile: Profile, *, thinking: bool) -> None:
    refused = profile.refuses | profile.refuses_thinking if thinking else profile.refuses
    for name in refused & body.keys():
        if body[name] != _NOTHING.get(name):
            when = "" if name in profile.refuses else " while it thinks"
            raise refuse(name, model, f"it does not take it{when}")
        del body[name]


def _choose(body: Body, model: str, request: ChatRequest, profile: Profile) -> None:
    """The tools, and which of them may or must be called."""
    choice = request.tool_choice
    word = "named" if isinstance(choice, dict) else choice
    if word == "none" and word not in profile.tool_choices:
        return
    if request.tools:
        body["tools"] = [_tool(tool) for tool in request.tools]
    if word is None:
        return
    if word not in profile.tool_choices and word != "auto":
        unknown = "choice of one tool" if word == "named" else repr(word)
        raise refuse("tool_choice", model, f"its provider knows no {unknown}")
    if isinstance(choice, dict):
        choice = {"type": "function", "function": {"name": choice["name"]}}
    body["tool_choice"] = choice


def _tool(tool: ToolSpec) -> Body:
    function: Body = {
        "name": tool.name,
        "description": tool.description,
        "parameters": tool.parameters or {"type": "object", "properties": {}},
    }
    if tool.strict is not None:
        function["strict"] = tool.strict
    return {"type": "function", "function": function}


def _message(message: Message, profile: Profile) -> Body:
    """A message. Earlier thinking goes back where the server wants it; elsewhere the protocol has no place for it."""
    body: Body = {"role": message.role}
    if isinstance(message.content, str):
        body["content"] = message.content if message.content or not message.tool_calls else None
    else:
        body["content"] = list(_parts(message.content, profile))
    if profile.reasoning and message.reasoning:
        text = message.reasoning
        body[profile.reasoning] = [{"type": "reasoning.text", "text": text}] if profile.reasoning == _DETAILS else text
    if message.tool_calls:
        body["tool_calls"] = [
            {"id": call.id, "type": "function", "function": {"name": call.name, "arguments": call.arguments}}
            for call in message.tool_calls
        ]
    if message.tool_call_id:
        body["tool_call_id"] = message.tool_call_id
    if message.name and message.role != "tool":
        body["name"] = message.name
    return body


def _parts(parts: list[Part], profile: Profile) -> Iterator[Body]:
    for part in parts:
        body = _part(part)
        if part.cache is not None and profile.cache_marks:
            body["cache_control"] = {"type": "ephemeral", **({"ttl": "1h"} if part.cache == "1h" else {})}
        yield body


def _part(part: Part) -> Body:
    match part:
        case TextPart():
            return {"type": "text", "text": part.text}
        case ImagePart():
            image: Body = {"url": f"data:{part.media_type};base64,{part.data}"}
            if part.detail is not None:
                image["detail"] = part.detail
            return {"type": "image_url", "image_url": image}
        case FilePart():
            name = part.name or "document"
            return {
                "type": "file",
                "file": {"filename": name, "file_data": f"data:{part.media_type};base64,{part.data}"},
            }
        case AudioPart():
            return {"type": "input_audio", "input_audio": {"data": part.data, "format": part.format}}


def _response_format(model: str, wanted: ResponseFormat | None, profile: Profile) -> Body | None:
    if wanted is None or wanted.kind == "text":
        return None
    kind = "json_object" if wanted.schema is None else wanted.kind
    if kind not in profile.formats:
        raise refuse("response_format", model, f"its provider knows no {kind}")
    if kind == "json_object":
        return {"type": "json_object"}
    schema: Body = {"name": wanted.name or "answer", "schema": wanted.schema}
    if wanted.strict is not None:
        schema["strict"] = wanted.strict
    return {"type": "json_schema", "json_schema": schema}
