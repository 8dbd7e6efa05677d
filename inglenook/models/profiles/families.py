"""What is peculiar to families of models, wherever they are served: data in TOML files of this folder.

    [families.claude]                  what holds for every name with `claude` in it
    thinking = "adaptive"

    [families.claude-opus-4-1]         and what is different for those with this in their name
    thinking = "budget"

The longest family in a model's name is its own. A field it leaves out is that of the longest family in *its* name, and
so on. The names are compared in lower case.
"""

import tomllib
from functools import cache
from pathlib import Path
from typing import Any, Generic, TypeVar

import msgspec

T = TypeVar("T")


class Families(Generic[T]):
    """The families of one file, each a `T`; a model of none of them is `T()`.

    Raises:
        ValueError: the file says what a `T` cannot be.
    """

    def __init__(self, file: str, kind: type[T]) -> None:
        tables: dict[str, dict[str, Any]] = tomllib.loads((Path(__file__).parent / file).read_text("utf-8")).get(
            "families", {}
        )
        self._other = kind()
        self._families: list[tuple[str, T]] = []
        whole: dict[str, dict[str, Any]] = {}
        for name in sorted(tables, key=len):
            parent = max((other for other in whole if other in name), key=len, default=None)
            whole[name] = {**(whole[parent] if parent else {}), **tables[name]}
            try:
                self._families.insert(0, (name.lower(), msgspec.convert(whole[name], kind, strict=True)))
            except msgspec.ValidationError as error:
                raise ValueError(f"{file}: families.{name}: {error}") from None

    def of(self, model: str) -> T:
        """The profile of a model."""
        name = model.lower()
        return next((family for part, family in self._families if part in name), self._other)


@cache
def families(file: str, kind: type[T]) -> Families[T]:
    """The families of a file of this folder, read once."""
    return Families(file, kind)
