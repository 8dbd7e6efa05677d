"""Thinking that a model writes into its text, between `<think>` and `</think>`, told apart from the answer."""

from collections.abc import Iterator
from typing import Literal

from inglenook.models.calls import Event, ReasoningDelta, TextDelta

_OPEN, _CLOSE = "<think>", "</think>"


class ThinkTags:
    """Reads one answer in pieces cut anywhere. Only what the answer begins with can be thinking."""

    def __init__(self) -> None:
        self._waiting = ""
        self._state: Literal["start", "opened", "thinking", "gap", "text"] = "start"

    def feed(self, text: str, choice: int) -> Iterator[Event]:
        """What the next piece adds to the thinking, to the answer, or to both."""
        self._waiting += text
        if self._state == "start":
            start = self._waiting.lstrip()
            if start.startswith(_OPEN):
                self._state, self._waiting = "opened", start[len(_OPEN) :]
            elif _OPEN.startswith(start):
                return  # it may still begin with it
            else:
                self._state = "text"
        if self._state == "opened":
            self._waiting = self._waiting.lstrip("\n")
            if not self._waiting:
                return
            self._state = "thinking"
        if self._state == "thinking":
            thought, found, rest = self._waiting.partition(_CLOSE)
            keep = 0 if found else _overlap(thought, _CLOSE)
            if keep < len(thought):
                yield ReasoningDelta(thought[: len(thought) - keep], choice)
            if not found:
                self._waiting = thought[len(thought) - keep :]
                return
            self._state, self._waiting = "gap", rest
        if self._state == "gap":
            self._waiting = self._waiting.lstrip()
            if not self._waiting:
                return
            self._state = "text"
        text, self._waiting = self._waiting, ""
        yield TextDelta(text, choice)

    def end(self, choice: int) -> Iterator[Event]:
        """What still waited for more."""
        if self._waiting:
            yield (ReasoningDelta if self._state == "thinking" else TextDelta)(self._waiting, choice)
            self._waiting = ""


def _overlap(text: str, mark: str) -> int:
    """How many characters at the end of `text` may be the beginning of `mark`."""
    return next((size for size in range(min(len(mark) - 1, len(text)), 0, -1) if mark.startswith(text[-size:])), 0)
