"""Cohere's API, version 2, as a caller writes it: our requests to bodies."""

from typing import Any

from inglenook.models.calls import ChatRequest, EmbeddingRequest, ImagePart, Message, Part, TextPart
from inglenook.models.providers.wires.carrying import (
    check_local,
    check_sampling,
    chosen_tool,
    only_text,
    refuse,
    schema_of,
)

_SAMPLING = {
    "max_tokens": "max_tokens",
    "temperature": "temperature",
    "top_p": "p",
    "top_k": "k",
    "seed": "seed",
    "frequency_penalty": "frequency_penalty",
    "presence_penalty": "presence_penalty",
}
#: Efforts in tokens of thinking; the greater ones have no limit.
_BUDGETS = {"minimal": 512, "low": 1024, "medium": 4096}
_INPUT_TYPES = {"query": "search_query", "passage": "search_document", None: "search_document"}


def chat_body(model: str, request: ChatRequest) -> dict[str, Any]:
    """A body for `/v2/chat`; it always streams.

    Raises:
        CannotCarry: a field is set that Cohere does not understand; names it.
    """
    sampling = request.sampling
    check_sampling(sampling, model, (*_SAMPLING, "stop", "logprobs"))
    check_local(request.local)
    body: dict[str, Any] = {
        "model": model,
        "stream": True,
        "messages": [_message(model, message, f"messages[{at}]") for at, message in enumerate(request.messages)],
        **{theirs: value for ours, theirs in _SAMPLING.items() if (value := getattr(sampling, ours)) is not None},
    }
    if sampling.stop:
        body["stop_sequences"] = sampling.stop
    if sampling.logprobs:
        body["logprobs"] = True
    body.update(_tools(model, request))
    if (thinking := _thinking(request)) is not None:
        body["thinking"] = thinking
    wanted = request.response_format
    if wanted is not None and wanted.kind != "text":
        schema = {"json_schema": wanted.schema} if wanted.schema is not None else {}
        body["response_format"] = {"type": "json_object", **schema}
    return body


def _message(model: str, message: Message, where: str) -> dict[str, Any]:
    if message.role == "user":
        return {"role": "user", "content": _content(model, message.content, where)}
    text = only_text(message, where, model)
    if message.role == "tool":
        return {"role": "tool", "tool_call_id": message.tool_call_id or "", "content": text}
    if not message.tool_calls:
        return {"role": message.role, "content": text}
    calls = [
        {"id": call.id, "type": "function", "function": {"name": call.name, "arguments": call.arguments or "{}"}}
        for call in message.tool_calls
    ]
    # What is said before calls is the plan for them.
    return {"role": "assistant", "tool_calls": calls, **({"tool_plan": text} if text else {})}


def _content(model: str, content: str | list[Part], where: str) -> str | list[dict[str, Any]]:
    if isinstance(content, str):
        return content
    found: list[dict[str, Any]] = []
    for number, part in enumerate(content):
        if isinstance(part, TextPart):
            found.append({"type": "text", "text": part.text})
        elif isinstance(part, ImagePart):
            image = {"url": f"data:{part.media_type};base64,{part.data}"}
            if part.detail is not None:
                image["detail"] = part.detail
            found.append({"type": "image_url", "image_url": image})
        else:
            raise refuse(f"{where}.content[{number}]", model, "a message can hold text and images only")
    return found


def _tools(model: str, request: ChatRequest) -> dict[str, Any]:
    if not request.tools:
        return {}
    if chosen_tool(request) is not None:
        raise refuse("tool_choice", model, "one tool cannot be demanded; say required, or offer only that one")
    if request.parallel_tool_calls is False:
        raise refuse("parallel_tool_calls", model, "it may always call several tools at once")
    found: dict[str, Any] = {"tools": []}
    for tool in request.tools:
        function: dict[str, Any] = {"name": tool.name, "parameters": schema_of(tool.parameters)}
        if tool.description:
            function["description"] = tool.description
        found["tools"].append({"type": "function", "function": function})
    if request.tool_choice in ("required", "none"):
        found["tool_choice"] = str(request.tool_choice).upper()
    if any(tool.strict for tool in request.tools):
        found["strict_tools"] = True
    return found


def _thinking(request: ChatRequest) -> dict[str, Any] | None:
    effort, budget = request.reasoning, request.reasoning_budget
    if effort is None and budget is None:
        return None
    if effort == "none" or budget == 0:
        return {"type": "disabled"}
    tokens = budget if budget is not None else _BUDGETS.get(effort or "")
    return {"type": "enabled", **({"token_budget": tokens} if tokens is not None else {})}


def embedding_body(model: str, request: EmbeddingRequest, texts: list[str]) -> dict[str, Any]:
    """A body for `/v2/embed`. Texts whose purpose is not told are taken for passages: one must be told.

    Raises:
        CannotCarry: a field is set that only models run here understand.
    """
    check_local(request.local)
    body: dict[str, Any] = {
        "model": model,
        "texts": texts,
        "input_type": _INPUT_TYPES[request.purpose],
        "embedding_types": ["float"],
        "truncate": "NONE" if request.local.truncate is False else "END",
    }
    if request.dimensions is not None:
        body["output_dimension"] = request.dimensions
    return body
