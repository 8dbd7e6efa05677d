"""Lists of models as vendors of the OpenAI family give them, with whatever they tell beside the name."""

from collections.abc import Iterator
from decimal import Decimal, InvalidOperation
from typing import Any

import msgspec
from msgspec import Struct, structs

from inglenook.kit.errors import UpstreamFailed
from inglenook.models.prices import Prices
from inglenook.models.profiles.base import guess
from inglenook.models.providers.base import ModelFacts

_MILLION = 1_000_000

#: What vendors call the kind of a model, in our words.
_KINDS = {
    "embedding": "embedding",
    "embeddings": "embedding",
    "rerank": "rerank",
    "reranker": "rerank",
    "image": "image",
    "moderation": "moderation",
    "transcribe": "transcription",
    "audio": "speech",
}
#: What they call a capability, in our words.
_ABILITIES = {
    "function_calling": "tools",
    "tool_use": "tools",
    "tools": "tools",
    "vision": "vision",
    "image": "vision",
    "reasoning": "thinking",
    "thinking": "thinking",
    "audio": "audio",
    "file": "files",
    "completion_fim": "insert",
    "insert": "insert",
    "embedding": "embedding",
    "completion": "completion",
}


class _Top(Struct):
    max_completion_tokens: int | None = None


class _Architecture(Struct):
    input_modalities: list[str] = []
    output_modalities: list[str] = []


class _Listed(Struct):
    id: str = ""
    type: str | None = None
    active: bool | None = None
    # OpenRouter and Together; vLLM and SGLang; Groq; Mistral and LM Studio
    context_length: int | None = None
    max_model_len: int | None = None
    context_window: int | None = None
    max_context_length: int | None = None
    max_completion_tokens: int | None = None
    top_provider: _Top | None = None
    architecture: _Architecture | None = None
    supported_parameters: list[str] | None = None
    capabilities: Any = None
    pricing: dict[str, Any] | None = None


class _Models(Struct):
    data: list[_Listed]


def read_models(body: bytes, where: str, today: str) -> list[ModelFacts]:
    """What a list tells. Capabilities are empty where it does not tell them.

    Args:
        where: The URL of the list, and `today` the date: source and day of the prices in it.

    Raises:
        UpstreamFailed: it is no such list.
    """
    try:
        listed = msgspec.json.decode(body, type=_Models | list[_Listed])
    except (msgspec.DecodeError, UnicodeDecodeError):
        raise UpstreamFailed(
            f"{where} did not answer with a list of models; is the base URL right? It often ends in /v1",
            details={"cause": "no_such_api"},
        ) from None
    models = listed if isinstance(listed, list) else listed.data
    return [
        ModelFacts(
            name=model.id,
            capabilities=frozenset(_capabilities(model)),
            context_length=model.context_length
            or model.max_model_len
            or model.context_window
            or model.max_context_length
            or 0,
            output_length=model.max_completion_tokens
            or (model.top_provider and model.top_provider.max_completion_tokens)
            or 0,
            prices=_prices(model.pricing, where, today),
        )
        for model in models
        if model.id and model.active is not False
    ]


def judged(listed: ModelFacts, known: ModelFacts | None) -> ModelFacts:
    """Facts of a listed model: what the list tells of sizes and prices, then what is known, then a guess."""
    if known is None:
        return listed if listed.capabilities else structs.replace(listed, capabilities=guess(listed.name))
    return structs.replace(
        known,
        name=listed.name,
        context_length=listed.context_length or known.context_length,
        output_length=listed.output_length or known.output_length,
        prices=listed.prices or known.prices,
    )


def _capabilities(model: _Listed) -> Iterator[str]:
    if kind := _KINDS.get(model.type or ""):
        yield kind
        return
    told = model.capabilities
    words = [name for name, has in told.items() if has] if isinstance(told, dict) else told or []
    if model.architecture is not None:
        if "image" in model.architecture.output_modalities and "text" not in model.architecture.output_modalities:
            yield "image"
            return
        words = [*words, *model.architecture.input_modalities, *(model.supported_parameters or [])]
    found = {_ABILITIES[word] for word in words if isinstance(word, str) and word in _ABILITIES}
    if found and not found & {"embedding", "rerank"}:
        yield "completion"
    yield from found


def _prices(told: dict[str, Any] | None, where: str, today: str) -> Prices | None:
    """Prices as OpenRouter tells them (dollars a token, as text) or Together (dollars a million, as numbers)."""
    if not told:
        return None
    by_token = "prompt" in told
    scale = _MILLION if by_token else 1
    names = (
        ("input", "prompt" if by_token else "input"),
        ("output", "completion" if by_token else "output"),
        ("cached", "input_cache_read" if by_token else "cached_input"),
        ("cache_write", "input_cache_write"),
        ("reasoning", "internal_reasoning"),
    )
    amounts = {ours: _amount(told.get(theirs), scale) for ours, theirs in names}
    found: dict[str, Any] = {name: amount for name, amount in amounts.items() if amount is not None}
    if by_token and (request := _amount(told.get("request"), 1)):
        found["request"] = request
    if found.get("reasoning") == 0:
        del found["reasoning"]  # it is not free, but in the output
    if "input" not in found or "output" not in found:
        return None
    return Prices(**found, as_of=today, source=where)


def _amount(value: Any, scale: int) -> int | None:
    try:
        amount = Decimal(str(value)) * scale * _MILLION
    except InvalidOperation:
        return None
    return round(amount) if amount >= 0 else None
