"""What holds of a model here unless the call says otherwise.

Strongest first: the call; what an administrator set for the model; its Modelfile (`PARAMETER`, `SYSTEM`, `TEMPLATE`);
the server's settings. They hold on every face, for they are applied where the model runs.
"""

from typing import Any

from msgspec import Struct, structs

#: Our names of what Ollama calls otherwise in a Modelfile.
_PARAMETERS = {
    "num_ctx": "context_length",
    "num_predict": "max_tokens",
    **{
        name: name
        for name in (
            "stop", "temperature", "top_p", "top_k", "min_p", "typical_p", "seed", "repeat_penalty", "repeat_last_n",
            "presence_penalty", "frequency_penalty",
        )
    },
}  # fmt: skip


class Defaults(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Defaults of one model; None: not said here.

    Attributes:
        context_length: Of one slot, in tokens.
        slots: Calls it works on at a time.
        keep_alive: Seconds it stays loaded after a call; negative for ever.
        cache_type: How its key-value cache is kept (`memory.CACHE_TYPES`).
        system: System prompt of chats that bring none.
        template: Chat template, in Jinja, in place of the file's own.
        thinking: Effort, or `none`, for models that think.
        max_tokens: Of one answer.
    """

    context_length: int | None = None
    slots: int | None = None
    keep_alive: float | None = None
    cache_type: str | None = None
    system: str | None = None
    template: str | None = None
    thinking: str | None = None
    max_tokens: int | None = None
    stop: list[str] | None = None
    temperature: float | None = None
    top_p: float | None = None
    top_k: int | None = None
    min_p: float | None = None
    typical_p: float | None = None
    seed: int | None = None
    repeat_penalty: float | None = None
    repeat_last_n: int | None = None
    presence_penalty: float | None = None
    frequency_penalty: float | None = None

    def over(self, weaker: "Defaults") -> "Defaults":
        """These, and where they say nothing the weaker ones."""
        return structs.replace(weaker, **self.said())

    def said(self) -> dict[str, Any]:
        """What they say, by name."""
        return {name: value for name in self.__struct_fields__ if (value := getattr(self, name)) is not None}

    def parameters(self) -> dict[str, Any]:
        """Those of a Modelfile's `PARAMETER`, by Ollama's names."""
        said = self.said()
        return {theirs: said[ours] for theirs, ours in _PARAMETERS.items() if ours in said}


NOTHING = Defaults()


def from_modelfile(params: dict[str, Any], system: str, template: str) -> Defaults:
    """The defaults a Modelfile sets. Values of a wrong kind are passed over: the layer may be anybody's."""
    said: dict[str, Any] = {}
    for theirs, ours in _PARAMETERS.items():
        value = _fitting(ours, params.get(theirs))
        if value is not None:
            said[ours] = value
    return Defaults(system=system or None, template=template or None, **said)


def _fitting(name: str, value: Any) -> Any:
    if name == "stop":
        stops = [value] if isinstance(value, str) else value
        return stops if isinstance(stops, list) and all(isinstance(stop, str) for stop in stops) else None
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    if name in _WHOLE:
        return int(value) if name != "context_length" or value > 0 else None
    return float(value)


_WHOLE = frozenset({"context_length", "max_tokens", "top_k", "seed", "repeat_last_n"})
