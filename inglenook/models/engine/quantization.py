"""How weights are stored in fewer bits: which tensor in which type, for each level.

The levels are llama.cpp's own mixes of types: some layers, and some kinds of tensor, suffer more from few bits and get
more. Levels that need a file of measured importance (`IQ1`, `IQ2`, `IQ3`) are not offered.
"""

import re
from collections.abc import Iterable

from msgspec import Struct

from inglenook.models.engine.gguf import TENSOR_TYPES, Tensor


class Level(Struct, frozen=True):
    """A level: its number in `general.file_type`, and the type most tensors get."""

    file_type: int
    type: str


LEVELS = {
    "F32": Level(0, "F32"),
    "F16": Level(1, "F16"),
    "BF16": Level(32, "BF16"),
    "Q8_0": Level(7, "Q8_0"),
    "Q6_K": Level(18, "Q6_K"),
    "Q5_K_M": Level(17, "Q5_K"),
    "Q5_K_S": Level(16, "Q5_K"),
    "Q5_1": Level(9, "Q5_1"),
    "Q5_0": Level(8, "Q5_0"),
    "Q4_K_M": Level(15, "Q4_K"),
    "Q4_K_S": Level(14, "Q4_K"),
    "Q4_1": Level(3, "Q4_1"),
    "Q4_0": Level(2, "Q4_0"),
    "IQ4_NL": Level(25, "IQ4_NL"),
    "IQ4_XS": Level(30, "IQ4_XS"),
    "Q3_K_L": Level(13, "Q3_K"),
    "Q3_K_M": Level(12, "Q3_K"),
    "Q3_K_S": Level(11, "Q3_K"),
    "Q2_K": Level(10, "Q2_K"),
}

#: What files may be quantised from: fewer bits of what has few already would only lose more.
FULL = frozenset({"F32", "F16", "BF16"})

_BY_NAME = {block.name: block for block in TENSOR_TYPES.values()}
#: In place of a type whose blocks do not fit a tensor's rows.
_FALLBACKS = {
    "Q2_K": "Q4_0",
    "Q3_K": "Q4_0",
    "Q4_K": "Q5_0",
    "Q5_K": "Q5_1",
    "Q6_K": "Q8_0",
    "IQ4_XS": "IQ4_NL",
}
#: Parts of the names of tensors that stay as they are: small, or of no use in few bits.
_KEPT = re.compile(
    r"_norm\.weight|ffn_gate_inp\.weight|ffn_gate_tid2eid|altup|laurel|per_layer_model_proj|ssm_conv1d|shortconv\.conv"
    r"|indexer\.[kq]_proj|time_mix_(?:first|[wvag]\d|decay_w\d|lerp_fused)|attn_rel_b|position_embd|token_types"
    r"|sam\.(?:pos_embd|neck|net_)|\.rel_pos|\.patch_embd|\.patch_merger|a\.rvq\.codebook|mm\.a\.code_embd"
)
_BLOCK = re.compile(r"blk\.(\d+)\.")


class Heads(Struct, frozen=True):
    """What of a model matters to the choice: query heads for each key-value head, experts, and its architecture."""

    shared: int
    experts: int
    architecture: str


def choose(tensors: Iterable[Tensor], level: str, heads: Heads) -> dict[str, str]:
    """The type of every tensor at `level`, by name."""
    tensors = list(tensors)
    types: dict[str, str] = {}
    tied = all(tensor.name != "output.weight" for tensor in tensors)
    places = {kind: _places(tensors, kind) for kind in ("values", "down")}
    for tensor in tensors:
        if not _may(tensor):
            types[tensor.name] = tensor.type
        elif LEVELS[level].type in FULL:
            types[tensor.name] = LEVELS[level].type
        else:
            wanted = _wanted(tensor, level, heads, tied, places)
            types[tensor.name] = _fitting(tensor, wanted)
    return types


def _may(tensor: Tensor) -> bool:
    dimensions = len([length for length in tensor.shape if length > 1]) if len(tensor.shape) > 1 else 1
    return dimensions > 1 and tensor.name.endswith("weight") and _KEPT.search(tensor.name) is None


def _fitting(tensor: Tensor, wanted: str) -> str:
    for kind in (wanted, _FALLBACKS.get(wanted, "F16")):
        if tensor.shape[0] % _BY_NAME[kind].values == 0:
            return kind
    return "F16"


def _kind(name: str) -> str:
    """The kind of a tensor, as far as it matters."""
    for part, kind in (
        ("attn_v.weight", "values"), ("attn_qkv.weight", "values"), ("attn_kv_b.weight", "values"),
        ("attn_k.weight", "keys"), ("attn_output.weight", "out"), ("ffn_down", "down"),
    ):  # fmt: skip
        if part in name:
            return kind
    return ""


def _places(tensors: list[Tensor], kind: str) -> dict[str, tuple[int, int]]:
    """By name, which of how many tensors of a kind it is, in the order of the layers."""
    names = [tensor.name for tensor in tensors if _kind(tensor.name) == kind]
    names.sort(key=lambda name: int(match[1]) if (match := _BLOCK.search(name)) else 0)
    return {name: (place, len(names)) for place, name in enumerate(names)}


def _wanted(tensor: Tensor, level: str, heads: Heads, tied: bool, places: dict[str, dict[str, tuple[int, int]]]) -> str:
    base, name = LEVELS[level].type, tensor.name
    if name == "output.weight" or (tied and name in ("token_embd.weight", "per_layer_token_embd.weight")):
        # The last step decides between tokens: it keeps more than the rest.
        if heads.architecture == "falcon" or tensor.shape[0] % _BY_NAME[base].values:
            return "Q8_0"
        return base if base == "Q8_0" else "Q6_K"
    kind = _kind(name)
    if kind == "values":
        return _values(base, level, heads, places["values"][name])
    if kind == "keys":
        return "Q8_0" if heads.experts == 8 else base
    if kind == "down":
        return _down(base, level, heads, places["down"][name])
    if kind == "out" and heads.architecture != "falcon":
        if heads.experts == 8:
            return "Q5_K" if base in ("Q2_K", "Q3_K", "Q4_K", "IQ4_NL", "IQ4_XS") and level != "Q3_K_L" else base
        return {"Q2_K": "Q3_K", "Q3_K_M": "Q4_K", "Q3_K_L": "Q5_K"}.get(level, base)
    return base


def _values(base: str, level: str, heads: Heads, place: tuple[int, int]) -> str:
    if heads.experts == 8:
        return "Q8_0"
    number, count = place
    if level == "Q2_K":
        return "Q4_K" if heads.shared >= 4 else "Q3_K"
    if level in ("IQ4_NL", "IQ4_XS"):
        return "Q5_K" if heads.shared >= 4 else base
    if level == "Q3_K_M":
        return "Q5_K" if number < 2 else "Q4_K"
    if level == "Q4_K_S":
        return "Q5_K" if number < 4 else base
    if level in ("Q4_K_M", "Q5_K_M"):
        return "Q6_K" if _more(number, count) else base
    return "Q5_K" if level == "Q3_K_L" else base


def _down(base: str, level: str, heads: Heads, place: tuple[int, int]) -> str:
    number, count = place
    falcon = heads.architecture == "falcon"
    if level == "Q2_K":
        return "Q3_K"
    if level == "Q3_K_M":
        if number < count // 16:
            return "Q5_K"
        return "Q4_K" if not falcon or _more(number, count) else "Q3_K"
    if level == "Q3_K_L":
        return "Q4_K" if falcon else "Q5_K"
    if level == "Q4_K_M" and falcon:
        return "Q6_K" if number < count // 16 else "Q5_K" if _more(number, count) else "Q4_K"
    if level in ("Q4_K_M", "Q5_K_M"):
        return "Q6_K" if _more(number, count) else base
    if number < count // 8 and (level in ("IQ4_NL", "IQ4_XS") or (level == "Q4_K_S" and not falcon)):
        return "Q5_K"
    return base


def _more(number: int, count: int) -> bool:
    """Whether a layer gets more bits: the first and last eighth, and every third between."""
    return number < count // 8 or number >= 7 * count // 8 or (number - count // 8) % 3 == 2
