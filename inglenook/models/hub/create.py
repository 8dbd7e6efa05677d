"""Making a model of what is here already: of another model, or of blobs that were uploaded, with words, defaults and
adapters of its own, and in fewer bits. What Ollama's `Modelfile` asks for, once its client has read it.

Not here: safetensors (convert them to GGUF first), and Ollama's `template` where it is in Go's template language: a
model here is prompted by the template in its own file, or by one in Jinja.
"""

import threading
from collections.abc import Callable
from typing import Any, Literal

import orjson
from msgspec import Struct, field

from inglenook.kit.errors import BadInput
from inglenook.models.engine.model_file import inspect
from inglenook.models.engine.parts import check_adapter, kind_of, projector
from inglenook.models.engine.quantize import level_of, quantize
from inglenook.models.engine.source import SCALES, is_jinja
from inglenook.models.errors import BadModelFile, CannotCarry
from inglenook.models.hub import manifest as media
from inglenook.models.hub.base import Step
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
        files: Instead of it, the blobs (`sha256:<hex>`) of GGUF files by the names they had: one of weights, and those
            of adapters and projectors beside it.
        adapters: Blobs of adapters by name; with `base`, in place of those it has.
        scales: How strongly an adapter is applied, by its name; 1 for the others.
        template: A chat template in Jinja, in place of the one in the file.
        parameters: Defaults (`PARAMETERS`).
        quantize: Level to store the weights at; they must be F16, BF16 or F32.
    """

    base: str = ""
    files: dict[str, str] = field(default_factory=dict)
    adapters: dict[str, str] = field(default_factory=dict)
    scales: dict[str, float] = field(default_factory=dict)
    template: str = ""
    quantize: str = ""
    system: str = ""
    license: list[str] = field(default_factory=list)
    parameters: dict[str, Any] = field(default_factory=dict)
    messages: list[SampleMessage] = field(default_factory=list)


Report = Callable[[Step], None]


def create(
    store: ModelStore,
    name: str,
    recipe: Recipe,
    report: Report = lambda step: None,
    *,
    stop: threading.Event | None = None,
) -> StoredModel:
    """Make the model `name`, replacing one of that name; blobs are shared, not copied. Blocks on the disk, and when it
    quantises for as long as that takes.

    Args:
        report: Called with every step, from this thread.
        stop: Ends the work when it is set; nothing is left of it then.

    Raises:
        InvalidModelName, ModelNotFound: of `name`, of `recipe.base`.
        BadInput: neither a base nor files, a blob that is not here, a parameter or a level nobody knows.
        BadModelFile: a file is not GGUF, one that no process should be started for, or an adapter that does not fit.
        CannotCarry: it is of a kind that cannot be used here.
        DiskFull: nothing was kept.
        Stopped: `stop` was set.
    """
    target = ModelName.parse(name)
    _check_parameters(recipe.parameters)
    _check_template(recipe.template)
    level = level_of(recipe.quantize) if recipe.quantize else ""
    uploaded = [*recipe.files.values(), *recipe.adapters.values()]
    with store.pin(uploaded):
        if recipe.files:
            config, layers = _from_files(store, recipe.files, report)
        elif recipe.base:
            config, layers = _from_model(store, recipe.base)
        else:
            raise BadInput("neither 'from' or 'files' was specified", field="from")
        with store.pin([layer.digest for layer in layers]):
            adapters = _adapters(store, recipe, layers, config)
            if level:
                layers, config = _quantized(store, layers, config, level, report, stop)
            with store.pin([layer.digest for layer in layers]):
                layers = _with(store, layers, recipe, adapters)
                _say_what_it_can(store, layers, config)
                for layer in layers:
                    report(Step(status=f"using existing layer {layer.digest}"))
                made = Manifest(config=store.put_blob(orjson.dumps(config), media.CONFIG), layers=layers)
                report(Step(status="writing manifest"))
                store.put_manifest(target, encode_manifest(made))
    return store.resolve(target.full)


def _check_template(template: str) -> None:
    if template and not is_jinja(template):
        raise CannotCarry(
            "field 'template' cannot be carried: it is in Go's template language, and models here take Jinja; leave it "
            "out to use the template in the model's own file",
            field="template",
        )


def _quantized(
    store: ModelStore,
    layers: list[Layer],
    config: dict[str, Any],
    level: str,
    report: Report,
    stop: threading.Event | None,
) -> tuple[list[Layer], dict[str, Any]]:
    """The layers with their weights at another level."""
    weights = next(layer for layer in layers if layer.media_type == media.MODEL)
    source = store.blob_path(weights.digest)
    status = f"quantizing {inspect(source).quantization} model to {level}"

    def progress(done: int, total: int) -> None:
        report(Step(status=status, digest=weights.digest, total=total, completed=done))

    made = store.temporary()
    try:
        quantize(source, made, level, progress=progress, stop=stop)
        facts = facts_of(inspect(made))
        layer = store.adopt(made, media.MODEL)
    finally:
        made.unlink(missing_ok=True)
    report(Step(status=f"creating new layer {layer.digest}"))
    return [layer if each is weights else each for each in layers], {**config, **facts}


def _adapters(store: ModelStore, recipe: Recipe, layers: list[Layer], config: dict[str, Any]) -> list[Layer]:
    """The layers of the recipe's adapters, which fit the model; their scales are noted in the config."""
    weights = next((layer for layer in layers if layer.media_type == media.MODEL), None)
    found = []
    for name, digest in recipe.adapters.items():
        layer = _blob(store, digest, f"adapters.{name}", media.ADAPTER)
        if weights is None:
            raise BadInput("there is no model to attach adapters to", field="adapters")
        try:
            check_adapter(store.blob_path(digest), store.blob_path(weights.digest))
        except BadModelFile as error:
            raise BadModelFile(f"{name}: {error.message}", field=f"adapters.{name}") from None
        found.append(layer)
    scales = {recipe.adapters[name]: scale for name, scale in recipe.scales.items() if name in recipe.adapters}
    if unknown := [name for name in recipe.scales if name not in recipe.adapters]:
        raise BadInput(f"there is no adapter {unknown[0]} to scale", field=f"scales.{unknown[0]}")
    if recipe.adapters:
        config.pop(SCALES, None)
    if scales:
        config[SCALES] = scales
    return found


def _say_what_it_can(store: ModelStore, layers: list[Layer], config: dict[str, Any]) -> None:
    """Note in the config what projectors add to the model's capabilities."""
    added: set[str] = set()
    for layer in layers:
        if layer.media_type == media.PROJECTOR:
            added |= projector(store.blob_path(layer.digest)).capabilities
    if added and isinstance(config.get("capabilities"), list):
        config["capabilities"] = sorted({*config["capabilities"], *added})


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
    found: dict[str, list[tuple[str, Layer]]] = {}
    for name, digest in files.items():
        layer = _blob(store, digest, f"files.{name}", media.MODEL)
        report(Step(status="parsing GGUF"))
        try:
            kind = kind_of(store.blob_path(digest))
            found.setdefault(kind, []).append((name, layer))
            if kind == "projector":
                projector(store.blob_path(digest))
            elif kind == "model":
                inspect(store.blob_path(digest))
        except BadModelFile as error:
            if name.endswith((".safetensors", ".bin", ".pt", ".pth")):
                raise CannotCarry(
                    f"{name} must be converted to GGUF first (llama.cpp's convert_hf_to_gguf.py does it)",
                    field=f"files.{name}",
                ) from None
            raise BadModelFile(f"{name}: {error.message}", field=f"files.{name}") from None
    models = found.get("model", [])
    if len(models) != 1:
        names = ", ".join(sorted(files))
        raise CannotCarry(
            f"a model here is made of one GGUF file of weights, these hold {len(models)}: {names}", field="files"
        )
    [(_, weights)] = models
    layers = [weights]
    for _, layer in found.get("projector", []):
        layers.append(Layer(media_type=media.PROJECTOR, digest=layer.digest, size=layer.size))
    for name, layer in found.get("adapter", []):
        try:
            check_adapter(store.blob_path(layer.digest), store.blob_path(weights.digest))
        except BadModelFile as error:
            raise BadModelFile(f"{name}: {error.message}", field=f"files.{name}") from None
        layers.append(Layer(media_type=media.ADAPTER, digest=layer.digest, size=layer.size))
    return facts_of(inspect(store.blob_path(weights.digest))), layers


def _blob(store: ModelStore, digest: str, field: str, kind: str) -> Layer:
    try:
        size = store.blob_path(digest).stat().st_size
    except ValueError:
        raise BadInput("invalid digest format", field=field) from None
    except FileNotFoundError:
        raise BadInput(f"blob {digest} is not here; upload it to /api/blobs/{digest} first", field=field) from None
    return Layer(media_type=kind, digest=digest, size=size)


def _with(store: ModelStore, layers: list[Layer], recipe: Recipe, adapters: list[Layer]) -> list[Layer]:
    """The layers with the recipe's own in place of the base's of their kind; parameters are laid over the base's."""
    own: dict[str, list[bytes]] = {}
    if recipe.system:
        own[media.SYSTEM] = [recipe.system.encode()]
    if recipe.template:
        own[media.TEMPLATE] = [recipe.template.encode()]
    if recipe.license:
        own[media.LICENSE] = [text.encode() for text in recipe.license]
    if recipe.messages:
        own[media.MESSAGES] = [orjson.dumps([{"role": m.role, "content": m.content} for m in recipe.messages])]
    if recipe.parameters:
        before = next((layer for layer in layers if layer.media_type == media.PARAMS), None)
        known = orjson.loads(store.blob_path(before.digest).read_bytes()) if before else {}
        own[media.PARAMS] = [orjson.dumps({**known, **recipe.parameters})]
    replaced = {*own, *([media.ADAPTER] if adapters else [])}
    kept = [layer for layer in layers if layer.media_type not in replaced]
    return [*kept, *adapters] + [store.put_blob(data, kind) for kind, texts in own.items() for data in texts]
