"""What Ollama's protocol tells of models: `/api/tags`, `/api/ps`, `/api/show`."""

import hashlib
from typing import Any

import msgspec

from inglenook.kit.time import now_ms, rfc3339
from inglenook.models.catalogue import Entry
from inglenook.models.engine.gguf import Array, GGUFFile, read_gguf
from inglenook.models.engine.model_file import inspect
from inglenook.models.engine.service import LoadedModel
from inglenook.models.errors import ModelNotFound
from inglenook.models.hub.layout import ModelStore
from inglenook.models.hub.stored import StoredModel

#: When a model that stays loaded for ever expires.
_FOR_EVER_MS = 100 * 365 * 86_400_000
#: Longer arrays of a model's metadata are shown in the verbose form only.
_SHORT_ARRAY = 5
_HIDDEN = ("general.name", "tokenizer.chat_template")


def listed(entry: Entry) -> dict[str, Any]:
    """A model as `/api/tags` lists it."""
    found: dict[str, Any] = {
        "name": entry.name,
        "model": entry.name,
        "modified_at": rfc3339(entry.modified_at),
        "size": entry.size,
        "digest": digest(entry.digest, entry.name),
        "details": details(entry),
        "capabilities": sorted(entry.facts.capabilities),
    }
    if not entry.local:
        found |= {"remote_model": entry.upstream, "remote_host": entry.provider_name}
    return found


def running(model: LoadedModel, entry: Entry) -> dict[str, Any]:
    """A loaded model as `/api/ps` lists it."""
    return {
        "name": entry.name,
        "model": entry.name,
        "size": (model.memory + model.gpu_memory) or model.size,
        "size_vram": model.gpu_memory,
        "digest": digest(model.digest, entry.name),
        "details": details(entry),
        "expires_at": rfc3339(now_ms() + _FOR_EVER_MS if model.expires_at is None else model.expires_at),
        "context_length": model.context_length,
    }


def digest(known: str, name: str) -> str:
    """64 hex digits in any case: what has no manifest is named by its name's hash."""
    return known or hashlib.sha256(name.encode()).hexdigest()


def details(entry: Entry) -> dict[str, Any]:
    """A model's family, size and so on; empty where unknown."""
    told = entry.details
    found: dict[str, Any] = {
        "parent_model": "",
        "format": told.format if entry.local else "",
        "family": told.family,
        "families": list(told.families) or ([told.family] if told.family else []),
        "parameter_size": told.parameter_size,
        "quantization_level": told.quantization_level,
    }
    context = told.context_length or entry.facts.context_length
    length = told.embedding_length or entry.facts.embedding_length
    return found | ({"context_length": context} if context else {}) | ({"embedding_length": length} if length else {})


def shown(entry: Entry, model_store: ModelStore, *, verbose: bool, system: str | None) -> dict[str, Any]:
    """A model as `/api/show` describes it. Blocks on the disk."""
    found: dict[str, Any] = {
        "details": details(entry),
        "model_info": {},
        "capabilities": sorted(entry.facts.capabilities),
        "modified_at": rfc3339(entry.modified_at),
    }
    if not entry.local:
        return found | {"remote_model": entry.upstream, "remote_host": entry.provider_name}
    try:
        stored = model_store.resolve(entry.name)
    except ModelNotFound:  # the built-in embedder is no file of the store
        return found
    file, facts = read_gguf(stored.gguf), inspect(stored.gguf)
    found["details"] |= {
        "family": entry.details.family or facts.architecture,
        "parameter_size": entry.details.parameter_size or facts.parameter_size,
        "quantization_level": entry.details.quantization_level or facts.quantization,
    }
    found["model_info"] = _model_info(file, verbose=verbose)
    found["model_info"].setdefault("general.parameter_count", facts.parameters)
    template = stored.template or facts.chat_template
    system = system or stored.system
    parameters = _parameters(stored.params)
    texts = {
        "license": stored.license,
        "modelfile": _modelfile(stored, template, system),
        "parameters": parameters,
        "template": template,
        "system": system,
    }
    found |= {key: text for key, text in texts.items() if text}
    if stored.messages:
        found["messages"] = list(stored.messages)
    if verbose:
        found["tensors"] = [
            {"name": tensor.name, "type": tensor.type, "shape": list(tensor.shape)} for tensor in file.tensors
        ]
    return found


def _model_info(file: GGUFFile, *, verbose: bool) -> dict[str, Any]:
    info = {}
    for key, value in file.values.items():
        if key in _HIDDEN:
            continue
        if isinstance(value, Array):
            info[key] = file.array(key) if verbose or value.length <= _SHORT_ARRAY else []
        else:
            info[key] = value
    return info


def _parameters(params: dict[str, Any]) -> str:
    lines = []
    for key, value in sorted(params.items()):
        for one in value if isinstance(value, list) else [value]:
            lines.append(f"{key:<30} {msgspec.json.encode(one).decode()}")
    return "\n".join(lines)


def _modelfile(stored: StoredModel, template: str, system: str) -> str:
    lines = [f"FROM {stored.name}"]
    if template:
        lines.append(f'TEMPLATE """{template}"""')
    if system:
        lines.append(f'SYSTEM """{system}"""')
    for line in _parameters(stored.params).splitlines():
        key, value = line.split(maxsplit=1)
        lines.append(f"PARAMETER {key} {value}")
    if stored.license:
        lines.append(f'LICENSE """{stored.license}"""')
    return "\n".join(lines) + "\n"
