"""The only list of provider kinds.

A kind is an entry point of the group `inglenook.providers` whose value names a `ProviderKind`. The kinds that come
with Inglenook are entry points too, declared here rather than in the package's metadata so that they are found
wherever the code runs from. Nothing is imported before it is asked for.
"""

import importlib.metadata
import logging
from collections.abc import Iterable
from functools import cache
from importlib.metadata import EntryPoint

from inglenook.kit.errors import NotFound, Unavailable
from inglenook.models.providers.base import ProviderKind

log = logging.getLogger(__name__)

GROUP = "inglenook.providers"

BUILT_IN = {
    "local": "inglenook.models.providers.local:KIND",
    "embedding": "inglenook.models.providers.embedding:KIND",
    "anthropic": "inglenook.models.providers.anthropic:KIND",
    "bedrock": "inglenook.models.providers.bedrock:KIND",
    "gemini": "inglenook.models.providers.gemini:KIND",
    "vertex": "inglenook.models.providers.vertex:KIND",
    "cohere": "inglenook.models.providers.cohere:KIND",
    "jina": "inglenook.models.providers.jina:KIND",
    "voyage": "inglenook.models.providers.voyage:KIND",
    "openai": "inglenook.models.providers.openai:KIND",
    "azure-openai": "inglenook.models.providers.azure_openai:KIND",
    "mistral": "inglenook.models.providers.mistral:KIND",
    "xai": "inglenook.models.providers.xai:KIND",
    "groq": "inglenook.models.providers.groq:KIND",
    "together": "inglenook.models.providers.together:KIND",
    "openrouter": "inglenook.models.providers.openrouter:KIND",
    "deepseek": "inglenook.models.providers.deepseek:KIND",
    "qwen": "inglenook.models.providers.qwen:KIND",
    "doubao": "inglenook.models.providers.doubao:KIND",
    "moonshot": "inglenook.models.providers.moonshot:KIND",
    "zhipu": "inglenook.models.providers.zhipu:KIND",
    "ernie": "inglenook.models.providers.ernie:KIND",
    "hunyuan": "inglenook.models.providers.hunyuan:KIND",
    "spark": "inglenook.models.providers.spark:KIND",
    "minimax": "inglenook.models.providers.minimax:KIND",
    "stepfun": "inglenook.models.providers.stepfun:KIND",
    "yi": "inglenook.models.providers.yi:KIND",
    "siliconflow": "inglenook.models.providers.siliconflow:KIND",
    "ollama": "inglenook.models.providers.ollama:KIND",
    "vllm": "inglenook.models.providers.vllm:KIND",
    "sglang": "inglenook.models.providers.sglang:KIND",
    "mlx": "inglenook.models.providers.mlx:KIND",
    "vllm-here": "inglenook.models.providers.commanded:VLLM",
    "sglang-here": "inglenook.models.providers.commanded:SGLANG",
    "mlx-here": "inglenook.models.providers.commanded:MLX",
    "lmstudio": "inglenook.models.providers.lmstudio:KIND",
    "inglenook": "inglenook.models.providers.inglenook:KIND",
    "openai-compatible": "inglenook.models.providers.openai_compatible:KIND",
    "fake": "inglenook.models.providers.fake:KIND",
}
#: Those of our own that exist by themselves; the others need not be imported to know that they do not.
STANDING = frozenset({"local", "embedding"})


def names() -> list[str]:
    """Every kind's name, whether it can be loaded or not; our own first."""
    return [*_entry_points()]


def get(name: str) -> ProviderKind:
    """The kind of that name.

    Raises:
        NotFound: no kind is called so.
        Unavailable: a package it needs is not installed, or its plugin is broken; the message names which.
    """
    point = _entry_points().get(name)
    if point is None:
        raise NotFound(f"there is no kind of provider called '{name}'; there are {', '.join(names())}", field="kind")
    return _load(point)


def kinds() -> list[ProviderKind]:
    """Every kind that can be loaded; the others are logged."""
    found = []
    for name in names():
        try:
            found.append(get(name))
        except Unavailable as error:
            log.warning("%s", error.message)
    return found


def standing() -> list[ProviderKind]:
    """The kinds of which one instance exists by itself; those that cannot be loaded are logged."""
    found = []
    for name in names():
        if name in BUILT_IN and name not in STANDING:
            continue
        try:
            kind = get(name)
        except Unavailable as error:
            log.warning("%s", error.message)
            continue
        if kind.standing:
            found.append(kind)
    return found


@cache
def _entry_points() -> dict[str, EntryPoint]:
    return _by_name(
        [EntryPoint(name, value, GROUP) for name, value in BUILT_IN.items()],
        importlib.metadata.entry_points(group=GROUP),
    )


def _by_name(ours: Iterable[EntryPoint], theirs: Iterable[EntryPoint]) -> dict[str, EntryPoint]:
    found = {point.name: point for point in ours}
    for point in theirs:
        if point.name in found:
            log.warning("the plugin %s is left out: there is a provider kind %s already", point.value, point.name)
        else:
            found[point.name] = point
    return found


def _load(point: EntryPoint) -> ProviderKind:
    try:
        kind = point.load()
    except Exception as error:
        missing = (error.name or "").partition(".")[0] if isinstance(error, ModuleNotFoundError) else ""
        if missing and missing != point.module.partition(".")[0]:
            raise Unavailable(
                f"the provider kind '{point.name}' needs the package '{missing}', which is not installed; "
                f"install it with: pip install {missing}",
                details={"package": missing},
            ) from error
        raise Unavailable(f"the provider kind '{point.name}' ({point.value}) cannot be loaded: {error}") from error
    if not isinstance(kind, ProviderKind):
        raise Unavailable(f"the provider kind '{point.name}' is broken: {point.value} is not a ProviderKind")
    return kind
