"""The contract of a step."""

from collections.abc import Awaitable
from typing import ClassVar

from inglenook.gateway.call import Exchange, Outcome
from inglenook.models.calls import Event


class Step:
    """One concern of every call. The gateway holds its steps in an explicit order.

    `open` runs in that order before the provider is asked; a step that raises refuses the call. It answers at once
    where it can, which is nearly always, and returns an awaitable only if it must wait. `event` sees each event on its
    way out, if `watches`. `close` runs in reverse order, exactly once for every step whose `open` was through,
    whether the call finished, failed or was cancelled; it must not raise and must not wait.
    """

    #: Whether `event` is to be called.
    watches: ClassVar[bool] = False
    #: Whether the step must see text: ends pass-through for the call.
    needs_text: ClassVar[bool] = False

    def open(self, exchange: Exchange) -> Awaitable[None] | None:
        """Let the call in, or raise one of `kit.errors`."""
        return None

    def event(self, exchange: Exchange, event: Event) -> None:
        """Look at an event."""

    def close(self, exchange: Exchange, outcome: Outcome) -> None:
        """Settle."""
