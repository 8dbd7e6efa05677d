"""Which of the files of a repository are the model that was asked for: by quantization, by file, or by default."""

import re
from collections.abc import Sequence
from pathlib import PurePosixPath

from msgspec import Struct

from inglenook.kit.errors import BadInput
from inglenook.models.errors import ModelNotFound

#: What is taken where nothing is said, the best bargain of size and quality first.
_DEFAULTS = (
    *("Q4_K_M", "UD-Q4_K_XL", "Q4_K_XL", "Q4_K_L", "Q4_K_S", "IQ4_XS", "IQ4_NL", "Q4_0", "Q4_1", "MXFP4", "MXFP4_MOE"),
    *("Q5_K_M", "Q5_K_S", "Q5_0", "Q5_1", "Q6_K", "Q8_0", "Q3_K_L", "Q3_K_M", "Q3_K_S", "IQ3_M", "Q2_K"),
    *("BF16", "F16", "FP16", "F32", "FP32"),
)
#: The precision of a projector, the best bargain first.
_PROJECTORS = ("F16", "FP16", "BF16", "Q8_0", "F32", "FP32")
_QUANTIZATION = re.compile(
    r"(?:^|[-._/ ])((?:UD-)?(?:I?Q\d(?:_[A-Z0-9]+)*|TQ\d_\d|MXFP4(?:_MOE)?|(?:BF|FP?)(?:16|32)))(?=$|[-._/ ])",
    re.IGNORECASE,
)
_PART = re.compile(r"^(.*)-(\d{5})-of-(\d{5})$")
_SHOWN = 12


class RepositoryFile(Struct, frozen=True):
    """A file of a repository. `sha256` in hex, empty where it is not told."""

    path: str
    size: int
    sha256: str = ""


class Choice(Struct, frozen=True):
    """The files of one model: its weights, several if they are split, in order; and a vision projector beside them."""

    weights: tuple[RepositoryFile, ...]
    projector: RepositoryFile | None = None


def choose(files: Sequence[RepositoryFile], wanted: str, repository: str) -> Choice:
    """The model that `wanted` means: a quantization such as `Q4_K_M`, a file, or (empty, `latest`) the usual choice.

    Raises:
        ModelNotFound: there is none such; the message lists what there is.
        BadInput: several are meant alike, or parts of a split model are missing.
    """
    groups = _grouped(files)
    if not groups:
        raise ModelNotFound(f"{repository} holds no GGUF file; look for a repository of the same model that does")
    stem = _by_default(groups) if wanted.lower() in ("", "latest") else _named(groups, wanted, repository)
    weights = groups[stem]
    if (match := _PART.match(_stem(weights[0].path))) and len(weights) != int(match[3]):
        raise BadInput(f"{repository} has only {len(weights)} of the {int(match[3])} parts of {stem}", field="source")
    return Choice(tuple(weights), _projector(files, weights[0]))


def quantization_of(path: str) -> str:
    """The quantization that a file's name (or else its folder's) tells, in capitals; empty if none."""
    for text in (_stem(path), str(PurePosixPath(path).parent)):
        if found := _QUANTIZATION.findall(text):
            return str(found[-1]).upper()
    return ""


def _stem(path: str) -> str:
    return re.sub(r"\.gguf$", "", PurePosixPath(path).name, flags=re.IGNORECASE)


def _whole_stem(path: str) -> str:
    """The path without its ending and without the number of its part."""
    stem = re.sub(r"\.gguf$", "", path, flags=re.IGNORECASE)
    match = _PART.match(stem)
    return match[1] if match else stem


def _grouped(files: Sequence[RepositoryFile]) -> dict[str, list[RepositoryFile]]:
    """The files of each model, by what their paths have in common."""
    groups: dict[str, list[RepositoryFile]] = {}
    for file in sorted(files, key=lambda file: file.path):
        name = PurePosixPath(file.path).name.lower()
        if name.endswith(".gguf") and not any(word in name for word in ("mmproj", "imatrix")):
            groups.setdefault(_whole_stem(file.path), []).append(file)
    return groups


def _by_default(groups: dict[str, list[RepositoryFile]]) -> str:
    by_label: dict[str, list[str]] = {}
    for stem, parts in groups.items():
        by_label.setdefault(quantization_of(parts[0].path), []).append(stem)
    for label in _DEFAULTS:
        if label in by_label:
            return min(by_label[label], key=lambda stem: (len(stem), stem))
    return min(groups, key=lambda stem: (sum(part.size for part in groups[stem]), stem))


def _named(groups: dict[str, list[RepositoryFile]], wanted: str, repository: str) -> str:
    low = wanted.lower()
    for stem, parts in groups.items():
        if low in (stem.lower(), parts[0].path.lower(), PurePosixPath(stem).name.lower()):
            return stem
        if any(low in (part.path.lower(), PurePosixPath(part.path).name.lower()) for part in parts):
            return stem
    found = [stem for stem, parts in groups.items() if quantization_of(parts[0].path).lower() == low]
    if not found:
        labels = sorted({quantization_of(parts[0].path) or parts[0].path for parts in groups.values()})
        more = "" if len(labels) <= _SHOWN else f" and {len(labels) - _SHOWN} more"
        raise ModelNotFound(f"{repository} has no {wanted}; there is {', '.join(labels[:_SHOWN])}{more}")
    if len(found) > 1:
        paths = ", ".join(groups[stem][0].path for stem in found[:_SHOWN])
        raise BadInput(f"{wanted} means several files of {repository}; name one of them: {paths}", field="source")
    return found[0]


def _projector(files: Sequence[RepositoryFile], weights: RepositoryFile) -> RepositoryFile | None:
    """The projector beside the weights, or at the top of the repository."""
    folder = PurePosixPath(weights.path).parent
    found = [
        file
        for file in files
        if "mmproj" in PurePosixPath(file.path).name.lower()
        and file.path.lower().endswith(".gguf")
        and PurePosixPath(file.path).parent in (folder, PurePosixPath())
    ]
    order = {label: place for place, label in enumerate(_PROJECTORS)}
    return min(
        found,
        key=lambda file: (
            PurePosixPath(file.path).parent != folder,
            order.get(quantization_of(file.path), len(order)),
            file.path,
        ),
        default=None,
    )
