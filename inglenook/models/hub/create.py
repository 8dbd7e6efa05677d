"""Making a model of what is here already: of another model, or of blobs that were uploaded, with words and defaults of
its own. What Ollama's `Modelfile` asks for, once its client has read it.

Not here: Ollama's `template`, which is in Go's template language (a model here is prompted by the template in its own
file), safetensors (convert them to GGUF first), projectors and adapters, and quantising.
"""

from collections.abc import Callable
from typing import Any, Literal

import orjson
from msgspec import Struct, field

from inglenook.kit.errors import BadInput
from inglenook.models.engine.model_file import inspect
from inglenook.models.errors import BadModelFile, CannotCarry
from inglenook.models.hub import manifest as media
from inglenook.models.hub.layout import ModelStore, facts_of
from inglenook.models.hub.manifest import Layer, Manifest, encode_manifest, parse_manifest
from inglenook.models.hub.names import ModelName
from inglenook.models.hub.stored import StoredModel

#: Defaults a model can have: Ollama's names of them.
PARAMETERS = frozenset(
    {
        "num_ctx",
        "num_predict",
        "num_keep",
        "num_batch",
        "num_gpu",
        "num_thread",
        "main_gpu",
        "use_mmap",
        "seed",
        "stop",
        "temperature",
        "top_k",
        "top_p",
        "min_p",
        "typical_p",
        "repeat_last_n",
        "repeat_penalty",
        "presence_penalty",
        "frequency_penalty",
        "draft_num_predict",
    }
)


class SampleMessage(Struct):
    """A message put before every chat with the model."""

    role: Literal["system", "user", "assistant"]
    content: str


class Recipe(Struct, kw_only=True):
    """What the new model is made of. Empty: as the model it is made from.

    Attributes:
        base: Name of a model here.
        files: Instead of it, the blob (`sha256:<hex>`) of one GGUF file by the name it had.
        parameters: Defaults (`PARAMETERS`).
    """

    base: str = ""
    files: dict[str, str] = field(default_factory=dict)
    system: str = ""
    license: list[str] = field(default_factory=list)
    parameters: dict[str, Any] = field(default_factory=dict)
    messages: list[SampleMessage] = field(default_factory=list)


Report = Callable[[str], None]


def create(store: ModelStore, name: str, recipe: Recipe, report: Report = lambda status: None) -> StoredModel:
    """Make the model `name`, replacing one of that name; blobs are shared, not copied. Blocks on the disk.

    Raises:
        InvalidModelName, ModelNotFound: of `name`, of `recipe.base`.
        BadInput: neither a base nor files, a blob that is not here, or a parameter nobody knows.
        BadModelFile: a file is not GGUF, or one that no process should be started for.
        CannotCarry: it is of a kind that cannot be used here.
        DiskFull: nothing was kept.
    """
    target = ModelName.parse(name)
    _check_parameters(recipe.parameters)
    if recipe.files:
        with store.pin(recipe.files.values()):
            config, layers = _from_files(store, recipe.files, report)
    elif recipe.base:
        config, layers = _from_model(store, recipe.base)
    else:
        raise BadInput("neither 'from' or 'files' was specified", field="from")
    with store.pin([layer.digest for layer in layers]):
        layers = _with(store, layers, recipe)
        for layer in layers:
            report(f"using existing layer {layer.digest}")
        made = Manifest(config=store.put_blob(orjson.dumps(config), media.CONFIG), layers=layers)
        report("writing manifest")
        store.put_manifest(target, encode_manifest(made))
    return store.resolve(target.full)


def _check_parameters(parameters: dict[str, Any]) -> None:
    for name, value in parameters.items():
        if name not in PARAMETERS:
            raise BadInput(f"unknown parameter '{name}'", field=f"parameters.{name}")
        wanted = list if name == "stop" and isinstance(value, list) else (int, float, bool, str)
        if not isinstance(value, wanted):
            raise BadInput(f"parameters.{name}: {value!r} is no value for it", field=f"parameters.{name}")


def _from_model(store: ModelStore, base: str) -> tuple[dict[str, Any], list[Layer]]:
    model = store.resolve(base)
    return dict(model.config), list(parse_manifest(store.read_manifest(model.full_name.full)).layers)


def _from_files(store: ModelStore, files: dict[str, str], report: Report) -> tuple[dict[str, Any], list[Layer]]:
    for name in files:
        if name.startswith(("/", "\\")) or ".." in name.replace("\\", "/").split("/"):
            raise BadInput("file path must be relative", field=f"files.{name}")
    if len(files) > 1:
        raise CannotCarry(
            f"a model here is made of one GGUF file, these are {len(files)}: {', '.join(sorted(files))}", field="files"
        )
    [(name, digest)] = files.items()
    layer = _blob(store, digest, f"files.{name}")
    report("parsing GGUF")
    try:
        return facts_of(inspect(store.blob_path(digest))), [layer]
    except BadModelFile as error:
        if name.endswith((".safetensors", ".bin", ".pt", ".pth")):
            raise CannotCarry(
                f"{name} must be converted to GGUF first (llama.cpp's convert_hf_to_gguf.py does it)",
                field=f"files.{name}",
            ) from None
        raise BadModelFile(f"{name}: {error.message}", field=f"files.{name}") from None


def _blob(store: ModelStore, digest: str, field: str) -> Layer:
    try:
        size = store.blob_path(digest).stat().st_size
    except ValueError:
        raise BadInput("invalid digest format", field=field) from None
    except FileNotFoundError:
        raise BadInput(f"blob {digest} is not here; upload it to /api/blobs/{digest} first", field=field) from None
    return Layer(media_type=media.MODEL, digest=digest, size=size)


def _with(store: ModelStore, layers: list[Layer], recipe: Recipe) -> list[Layer]:
    """The layers with the recipe's own in place of the base's of their kind; parameters are laid over the base's."""
    own: dict[str, list[bytes]] = {}
    if recipe.system:
        own[media.SYSTEM] = [recipe.system.encode()]
    if recipe.license:
        own[media.LICENSE] = [text.encode() for text in recipe.license]
    if recipe.messages:
        own[media.MESSAGES] = [orjson.dumps([{"role": m.role, "content": m.content} for m in recipe.messages])]
    if recipe.parameters:
        before = next((layer for layer in layers if layer.media_type == media.PARAMS), None)
        known = orjson.loads(store.blob_path(before.digest).read_bytes()) if before else {}
        own[media.PARAMS] = [orjson.dumps({**known, **recipe.parameters})]
    kept = [layer for layer in layers if layer.media_type not in own]
    return kept + [store.put_blob(data, kind) for kind, texts in own.items() for data in texts]
