"""The contract of a step."""

from typing import ClassVar

from inglenook.gateway.call import Exchange, Outcome
from inglenook.models.calls import Event


class Step:
    """One concern of every call. The gateway holds its steps in an explicit order.

    `open` runs in that order before the provider is asked; a step that raises refuses the call. `event` sees each
    event on its way out, if `watches`. `close` runs in reverse order, exactly once for every step whose `open`
    returned, whether the call finished, failed or was cancelled; it must not raise and must not wait.
    """

    #: Whether `event` is to be called.
    watches: ClassVar[bool] = False
    #: Whether the step must see text: ends pass-through for the call.
    needs_text: ClassVar[bool] = False

    async def open(self, exchange: Exchange) -> None:
        """Let the call in, or raise one of `kit.errors`."""

    def event(self, exchange: Exchange, event: Event) -> None:
        """Look at an event."""

    def close(self, exchange: Exchange, outcome: Outcome) -> None:
        """Settle."""
