"""An answer while it is being written: what has arrived, and how fast."""

from typing import Any

from msgspec import Struct, field

from inglenook.kit.time import now_ms
from inglenook.models.calls import Timings, Usage


class Draft(Struct, kw_only=True):
    """The whole answer so far, what an earlier run wrote of it included.

    Attributes:
        held: White space that ended the earlier text. It was not shown to the model, which may or may not write it
            again.
        model: The one that answers, once the gateway has chosen, and `reasons` why it is that one.
        asked_at: When the model was asked, in milliseconds since the epoch.
    """

    model: str = ""
    reasons: list[dict[str, Any]] = field(default_factory=list)
    texts: list[str] = field(default_factory=list)
    reasonings: list[str] = field(default_factory=list)
    held: str = ""
    earlier_reasoning: bool = False
    asked_at: int = field(default_factory=now_ms)
    first_at: int = 0
    usage: Usage | None = None
    timings: Timings | None = None
    finish_reason: str | None = None
    notices: list[dict[str, Any]] = field(default_factory=list)

    @classmethod
    def after(cls, text: str, reasoning: str) -> "Draft":
        """A draft that goes on after an earlier `text`."""
        kept = text.rstrip()
        return cls(
            texts=[kept], reasonings=[reasoning], held=text[len(kept) :], earlier_reasoning=bool(reasoning.strip())
        )

    @property
    def text(self) -> str:
        """The answer so far."""
        return "".join(self.texts)

    @property
    def reasoning(self) -> str:
        """The model's thinking so far."""
        return "".join(self.reasonings)

    def add_text(self, text: str) -> str:
        """Take more text; returns what is to be shown of it."""
        if self.held and text:
            if not text[0].isspace():
                text = self.held + text
            self.held = ""
        self._arrived()
        self.texts.append(text)
        return text

    def add_reasoning(self, text: str) -> str:
        """Take more of the model's thinking; returns what is to be shown of it."""
        if self.earlier_reasoning and text:
            self.earlier_reasoning = False
            text = f"\n\n{text}"
        self._arrived()
        self.reasonings.append(text)
        return text

    def pace(self) -> dict[str, Any] | None:
        """Tokens and times of this call (`conversations.schemas.MessageUsage`); None if the provider counted none.

        The pace is the model's own measure where there is one, else counted from the first token's arrival.
        """
        if self.usage is None:
            return None
        now = now_ms()
        counted: dict[str, Any] = {
            "input": self.usage.input,
            "output": self.usage.output,
            "cached": self.usage.cached,
            "reasoning": self.usage.reasoning,
            "estimated": self.usage.estimated,
            "duration_ms": now - self.asked_at,
        }
        if self.first_at:
            counted["ttft_ms"] = self.first_at - self.asked_at
        writing = self.timings.predicted_ms if self.timings else 0
        if not writing and self.first_at:
            writing = now - self.first_at
        if writing > 0 and self.usage.output:
            counted["tokens_per_second"] = round(self.usage.output * 1000 / writing, 2)
        return counted

    def _arrived(self) -> None:
        self.first_at = self.first_at or now_ms()
