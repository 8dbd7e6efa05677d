"""Gemini's `generateContent` and its kin as a caller writes them: our requests to bodies."""

from typing import Any, Literal

from msgspec import Struct

from inglenook.models.calls import (
    AudioPart,
    ChatRequest,
    EmbeddingRequest,
    FilePart,
    ImagePart,
    Message,
    Part,
    TextPart,
    ToolSpec,
)
from inglenook.models.profiles.families import families
from inglenook.models.providers.wires.carrying import (
    arguments_of,
    check_local,
    check_sampling,
    chosen_tool,
    only_text,
    refuse,
    schema_of,
)
from inglenook.models.providers.wires.gemini_schema import carried_schema
from inglenook.models.providers.wires.provenance import unsealed

#: What thoughts and their proofs are marked with on their way out.
ORIGIN = "gemini"
_SAMPLING = {
    "max_tokens": "maxOutputTokens",
    "temperature": "temperature",
    "top_p": "topP",
    "top_k": "topK",
    "n": "candidateCount",
    "seed": "seed",
    "presence_penalty": "presencePenalty",
    "frequency_penalty": "frequencyPenalty",
}
_KNOWN = (*_SAMPLING, "stop", "logprobs", "top_logprobs")
#: Efforts in tokens, for models that want a number.
_BUDGETS = {"minimal": 512, "low": 1024, "medium": 8192, "high": 24_576, "xhigh": 24_576, "max": 24_576}
_LEVELS = {"minimal": "MINIMAL", "low": "LOW", "medium": "MEDIUM", "high": "HIGH"}
#: In place of the proof of a call that another model made, as Google's documentation has it.
_NO_PROOF = "skip_thought_signature_validator"


class Profile(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What differs between families of Google's models.

    Attributes:
        thinking: How it is told to think: by a `level`, by a `budget` of tokens, or not at all (`none`).
        can_stop: Whether a budget may be 0.
        most: Its highest level.
        signatures: Whether it insists on the proof of earlier tool calls.
        query, passage: How questions and documents to embed are written, with `{}` for the text; without them, it is
            told what a text is for by `taskType`.
    """

    thinking: Literal["none", "budget", "level"] = "level"
    can_stop: bool = False
    most: Literal["HIGH", "XHIGH"] = "HIGH"
    signatures: bool = False
    query: str = ""
    passage: str = ""


def profile_of(model: str) -> Profile:
    """The profile of a model by its name."""
    found: Profile = families("gemini.toml", Profile).of(model)
    return found


def generate_body(model: str, request: ChatRequest) -> dict[str, Any]:
    """A body for `:streamGenerateContent`.

    Raises:
        CannotCarry: a field is set that the protocol or this model does not understand; names it.
    """
    check_sampling(request.sampling, model, _KNOWN)
    check_local(request.local)
    profile = profile_of(model)
    body = prompt_body(model, request)
    config = _config(model, request, profile)
    if config:
        body["generationConfig"] = config
    if request.tools:
        body["toolConfig"] = {"functionCallingConfig": _tool_choice(model, request)}
    return body


def prompt_body(model: str, request: ChatRequest) -> dict[str, Any]:
    """What of a request makes up its prompt; all that `:countTokens` counts. Raises as `generate_body`."""
    check_local(request.local)
    profile = profile_of(model)
    system: list[dict[str, Any]] = []
    contents: list[dict[str, Any]] = []
    names: dict[str, str] = {}
    for number, message in enumerate(request.messages):
        where = f"messages[{number}]"
        names.update({call.id: call.name for call in message.tool_calls})
        if message.role == "system":
            text = only_text(message, where, model)
            system += [{"text": text}] if text else []
            continue
        if message.role == "tool":
            parts = [_result(model, message, names, where)]
        elif message.role == "assistant":
            parts = _assistant(model, message, profile, where)
        else:
            parts = _content(message.content)
        role = "model" if message.role == "assistant" else "user"
        if contents and contents[-1]["role"] == role:
            contents[-1]["parts"] += parts
        elif parts:
            contents.append({"role": role, "parts": parts})
    body: dict[str, Any] = {"contents": contents}
    if system:
        body["systemInstruction"] = {"parts": system}
    if request.tools:
        body["tools"] = [{"functionDeclarations": [_tool(tool) for tool in request.tools]}]
    return body


# -------------------------------------------------------------------------------------------------- contents


def _assistant(model: str, message: Message, profile: Profile, where: str) -> list[dict[str, Any]]:
    """Its text, with the proof of what was thought before it, and its calls. Summaries of thoughts are not sent back:
    they prove nothing."""
    only_text(message, where, model)
    parts = _content(message.content)
    for thought in message.thoughts:
        proof = unsealed(ORIGIN, thought.signature)
        if proof is None:
            continue
        if not parts:
            parts.append({"text": ""})
        parts[-1]["thoughtSignature"] = proof
    for number, call in enumerate(message.tool_calls):
        part: dict[str, Any] = {"functionCall": {"id": call.id, "name": call.name, "args": arguments_of(call, where)}}
        proof = unsealed(ORIGIN, call.signature)
        if proof is None and profile.signatures and number == 0:
            proof = _NO_PROOF
        if proof is not None:
            part["thoughtSignature"] = proof
        parts.append(part)
    return parts


def _result(model: str, message: Message, names: dict[str, str], where: str) -> dict[str, Any]:
    call = message.tool_call_id or ""
    name = message.name or names.get(call)
    if not name:
        raise refuse(f"{where}.tool_call_id", model, "no earlier message has a call of that id, and it wants its name")
    pictures = []
    if not isinstance(message.content, str):
        pictures = [_part(part) for part in message.content if not isinstance(part, TextPart)]
    response: dict[str, Any] = {
        "id": call,
        "name": name,
        "response": {"error" if message.failed else "output": message.text},
    }
    if pictures:
        response["parts"] = pictures
    return {"functionResponse": response}


def _content(content: str | list[Part]) -> list[dict[str, Any]]:
    if isinstance(content, str):
        return [{"text": content}] if content else []
    return [_part(part) for part in content]


def _part(part: Part) -> dict[str, Any]:
    """A part. Marks of the cache say nothing here: it keeps prompts by itself."""
    match part:
        case TextPart():
            return {"text": part.text}
        case ImagePart() | FilePart():
            return {"inlineData": {"mimeType": part.media_type, "data": part.data}}
        case AudioPart():
            return {"inlineData": {"mimeType": f"audio/{part.format}", "data": part.data}}


# ---------------------------------------------------------------------------------------------------- config


def _config(model: str, request: ChatRequest, profile: Profile) -> dict[str, Any]:
    sampling = request.sampling
    config: dict[str, Any] = {
        theirs: value for ours, theirs in _SAMPLING.items() if (value := getattr(sampling, ours)) is not None
    }
    if sampling.stop:
        config["stopSequences"] = sampling.stop
    if sampling.logprobs:
        config["responseLogprobs"] = True
        if sampling.top_logprobs:
            config["logprobs"] = sampling.top_logprobs
    if (thinking := _thinking(model, request, profile)) is not None:
        config["thinkingConfig"] = thinking
    wanted = request.response_format
    if wanted is not None and wanted.kind != "text":
        config["responseMimeType"] = "application/json"
        if wanted.schema is not None:
            config["responseJsonSchema"] = carried_schema(wanted.schema, "response_format.json_schema.schema")
    return config


def _thinking(model: str, request: ChatRequest, profile: Profile) -> dict[str, Any] | None:
    effort, budget, way = request.reasoning, request.reasoning_budget, profile.thinking
    if effort is None and budget is None:
        return None
    field = "reasoning_effort" if budget is None else "reasoning_budget"
    if effort == "none" or budget == 0:
        if way == "none":
            return None
        if way == "budget" and profile.can_stop:
            return {"thinkingBudget": 0}
        raise refuse(field, model, "it cannot be told not to think")
    if way == "none":
        raise refuse(field, model, "it does not think")
    if way == "budget":
        return {"includeThoughts": True, "thinkingBudget": budget or _BUDGETS.get(effort or "", _BUDGETS["medium"])}
    if budget is not None:
        raise refuse(field, model, "it thinks by levels; give an effort instead")
    return {"includeThoughts": True, "thinkingLevel": _LEVELS.get(effort or "", profile.most)}


def _tool(tool: ToolSpec) -> dict[str, Any]:
    body: dict[str, Any] = {"name": tool.name}
    if tool.description:
        body["description"] = tool.description
    if tool.parameters:
        body["parametersJsonSchema"] = schema_of(tool.parameters)
    return body


def _tool_choice(model: str, request: ChatRequest) -> dict[str, Any]:
    if request.parallel_tool_calls is False:
        raise refuse("parallel_tool_calls", model, "it may always call several tools at once")
    name = chosen_tool(request)
    if name is not None:
        return {"mode": "ANY", "allowedFunctionNames": [name]}
    if request.tool_choice in ("none", "required"):
        return {"mode": "NONE" if request.tool_choice == "none" else "ANY"}
    # Arguments that must fit their schema are what this mode promises.
    return {"mode": "VALIDATED" if any(tool.strict for tool in request.tools) else "AUTO"}


# ------------------------------------------------------------------------------------------------ embeddings


def embedding_bodies(model: str, request: EmbeddingRequest) -> list[dict[str, Any]]:
    """What each input is embedded by: `content`, and how (`taskType`, `outputDimensionality`).

    Raises:
        CannotCarry: a field is set that only models run here understand.
    """
    check_local(request.local)
    profile = profile_of(model)
    form = {"query": profile.query, "passage": profile.passage}.get(request.purpose or "", "")
    how: dict[str, Any] = {}
    if request.dimensions is not None:
        how["outputDimensionality"] = request.dimensions
    if request.purpose is not None and not form:
        how["taskType"] = "RETRIEVAL_QUERY" if request.purpose == "query" else "RETRIEVAL_DOCUMENT"
    return [{"content": {"parts": [{"text": form.format(text) if form else text}]}, **how} for text in request.inputs]
