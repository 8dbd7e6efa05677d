"""What each principal has used: counted, not yet limited.

Every call is reserved when it starts and settled exactly once when it ends, so that limits find both numbers. Counts
are of the calendar month (UTC) since the server started, and live in memory.
"""

from msgspec import Struct

from inglenook.gateway.call import Exchange, Outcome
from inglenook.gateway.ledger import month_start
from inglenook.gateway.steps.base import Step
from inglenook.kit.time import now_ms

_SOON = 32 * 86_400_000


class Spending(Struct):
    """One principal's month. `cost` is in millionths of the currency unit; `reserved` are calls under way."""

    calls: int = 0
    input: int = 0
    output: int = 0
    cost: int = 0
    reserved: int = 0


class Budget(Step):
    """Reserves and settles."""

    def __init__(self) -> None:
        self._spending: dict[str, Spending] = {}
        self._from = month_start(now_ms())
        self._until = month_start(self._from + _SOON)

    def spent(self, user_id: str) -> Spending:
        """What a principal has used this month; the object goes on counting."""
        if now_ms() >= self._until:
            self._turn_the_page()
        spending = self._spending.get(user_id)
        if spending is None:
            spending = self._spending[user_id] = Spending()
        return spending

    def open(self, exchange: Exchange) -> None:
        """Reserve; an answer that is there already takes nothing."""
        if exchange.answer is not None:
            return
        assert exchange.principal is not None
        self.spent(exchange.principal.user_id).reserved += 1

    def close(self, exchange: Exchange, outcome: Outcome) -> None:
        """Settle. The meter closed before us and has set the usage."""
        if exchange.answer is not None:
            return
        assert exchange.principal is not None
        spending = self.spent(exchange.principal.user_id)
        spending.reserved -= 1
        spending.calls += 1
        usage = exchange.usage
        if usage is not None:
            spending.input += usage.input
            spending.output += usage.output

    def _turn_the_page(self) -> None:
        self._from = month_start(now_ms())
        self._until = month_start(self._from + _SOON)
        self._spending = {}
        self._spending = {
            user_id: Spending(reserved=spending.reserved)
            for user_id, spending in self._spending.items()
            if spending.reserved
        }
