"""Checked access to the metadata of a GGUF file: what cannot be right is named, with file, key and value."""

from typing import Any

from inglenook.models.engine.gguf import Array, GGUFFile
from inglenook.models.errors import BadModelFile

MAX_BLOCKS = 1_024
MAX_CONTEXT = 1 << 28


class Metadata:
    """The keys of one file. `arch` is its architecture.

    Raises:
        BadModelFile: it names none.
    """

    def __init__(self, file: GGUFFile) -> None:
        self.file = file
        self.values = file.values
        self.arch = self.text("general.architecture")
        if not self.arch:
            raise self.bad("general.architecture", self.values.get("general.architecture"), "must name an architecture")

    def bad(self, key: str, value: Any, why: str) -> BadModelFile:
        """The error for a value that cannot be right."""
        shown = repr(value) if len(repr(value)) < 80 else repr(value)[:77] + "…"
        return BadModelFile(
            f"model file {self.file.path.name} cannot be used: {key} is {shown}: {why}",
            details={"file": self.file.path.name, "key": key},
        )

    def text(self, key: str) -> str:
        """A text; empty where the key is missing."""
        value = self.values.get(key, "")
        if not isinstance(value, str):
            raise self.bad(key, value, "must be a string")
        return value

    def own(self, key: str, low: int, high: int, default: int | None = None) -> int:
        """`number` of a key of the architecture's own: `own("block_count")` is `llama.block_count`."""
        return self.number(f"{self.arch}.{key}", low, high, default)

    def has(self, key: str) -> bool:
        """Whether there is such a key of the architecture's own."""
        return f"{self.arch}.{key}" in self.values

    def number(self, key: str, low: int, high: int, default: int | None = None) -> int:
        """An integer key; of an array (one value a layer) its largest."""
        value = self.values.get(key, default)
        if isinstance(value, Array):
            value = max(self.file.array(key, MAX_BLOCKS), default=None)
        return self._whole(key, value, low, high)

    def by_layer(self, key: str, blocks: int, low: int, high: int, default: int) -> list[int]:
        """An integer key of the architecture's own for each layer: one value holds for all. Truth is 1."""
        key = f"{self.arch}.{key}"
        value = self.values.get(key, default)
        if not isinstance(value, Array):
            return [self._whole(key, value, low, high)] * blocks
        found = [int(each) if isinstance(each, bool) else each for each in self.file.array(key, blocks)]
        if len(found) < blocks:
            raise self.bad(key, f"{len(found)} values", f"there are {blocks} layers")
        return [self._whole(key, each, low, high) for each in found]

    def _whole(self, key: str, value: Any, low: int, high: int) -> int:
        if value is None:
            raise self.bad(key, None, "the key is missing")
        if isinstance(value, bool) or not isinstance(value, int) or not low <= value <= high:
            raise self.bad(key, value, f"must be a whole number from {low} to {high}")
        return value
