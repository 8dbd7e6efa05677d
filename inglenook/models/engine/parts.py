"""Files that are parts of a model rather than models: adapters (LoRA) and projectors (what lets it see or hear)."""

from functools import lru_cache
from pathlib import Path

from msgspec import Struct

from inglenook.models.engine.gguf import GGUFFile, Tensor, read_gguf
from inglenook.models.errors import BadModelFile


class Projector(Struct, frozen=True):
    """A projector's file, and what it lets a model take: `vision`, `audio`."""

    path: Path
    size: int
    capabilities: frozenset[str]


class Adapter(Struct, frozen=True):
    """An adapter's file, and how strongly it is to be applied."""

    path: Path
    size: int
    scale: float = 1.0


def kind_of(path: Path) -> str:
    """What a GGUF file is: `model`, `projector` or `adapter`. Blocks.

    Raises:
        BadModelFile: it is no GGUF file.
    """
    return _kind(read_gguf(path))


def _kind(file: GGUFFile) -> str:
    kind = file.values.get("general.type")
    if file.values.get("general.architecture") == "clip" or kind == "mmproj":
        return "projector"
    return "adapter" if kind == "adapter" else "model"


def projector(path: Path) -> Projector:
    """Read and check a projector; remembered until the file changes. Blocks.

    Raises:
        BadModelFile: it is none that could be used.
    """
    stat = _stat(path)
    return _projector(path, stat[0], stat[1])


@lru_cache(maxsize=64)
def _projector(path: Path, size: int, changed: int) -> Projector:
    file = read_gguf(path)
    if _kind(file) != "projector":
        raise BadModelFile(f"{path.name} is no projector")
    values = file.values
    sees = values.get("clip.has_vision_encoder", "clip.vision.block_count" in values)
    hears = values.get("clip.has_audio_encoder", False)
    found = {name for name, has in (("vision", sees), ("audio", hears)) if has is True}
    if not found:
        raise BadModelFile(f"projector {path.name} neither sees nor hears (clip.has_vision_encoder is not true)")
    return Projector(path, size, frozenset(found))


def check_adapter(path: Path, model: Path) -> int:
    """Whether an adapter fits a model; its size in bytes. Blocks.

    Raises:
        BadModelFile: it does not; says why.
    """
    size, changed = _stat(path)
    _check_adapter(path, size, changed, model)
    return size


@lru_cache(maxsize=64)
def _check_adapter(path: Path, size: int, changed: int, model: Path) -> None:
    file, base = read_gguf(path), read_gguf(model)
    name = path.name
    if _kind(file) != "adapter" or file.values.get("adapter.type") != "lora":
        raise BadModelFile(f"{name} is no LoRA adapter in GGUF (llama.cpp's convert_lora_to_gguf.py makes one)")
    ours, theirs = (str(each.values.get("general.architecture")) for each in (file, base))
    if ours != theirs:
        raise BadModelFile(f"adapter {name} is for models of {ours}, this one is of {theirs}")
    tensors = {tensor.name: tensor for tensor in base.tensors}
    pairs: dict[str, dict[str, Tensor]] = {}
    for tensor in file.tensors:
        stem, dot, side = tensor.name.rpartition(".")
        if not dot or side not in ("lora_a", "lora_b"):
            continue  # norms and the like; llama.cpp says what it makes of them
        if stem not in tensors:
            raise BadModelFile(f"adapter {name} changes {stem}, which this model does not have")
        pairs.setdefault(stem, {})[side] = tensor
    if not pairs:
        raise BadModelFile(f"adapter {name} holds no lora_a and lora_b tensors")
    for stem, pair in pairs.items():
        if len(pair) != 2:
            raise BadModelFile(f"adapter {name} holds only one half of {stem}")
        _check_shapes(name, stem, tensors[stem].shape, pair["lora_a"].shape, pair["lora_b"].shape)


def _check_shapes(name: str, stem: str, base: tuple[int, ...], a: tuple[int, ...], b: tuple[int, ...]) -> None:
    if stem == "token_embd.weight":  # looked up rather than multiplied: the other way round
        return
    if min(len(base), len(a), len(b)) < 2 or a[0] != base[0] or b[1] != base[1] or a[1] != b[0]:
        raise BadModelFile(
            f"adapter {name} does not fit: {stem} is {list(base)}, its halves are {list(a)} and {list(b)}"
        )


def _stat(path: Path) -> tuple[int, int]:
    try:
        stat = path.stat()
    except OSError:
        raise BadModelFile(f"file {path.name} is missing; pull the model again") from None
    return stat.st_size, stat.st_mtime_ns
