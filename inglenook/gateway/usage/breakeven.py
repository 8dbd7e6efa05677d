"""When a machine of one's own is cheaper: what local models' work would have cost at the prices of bought ones.

The machine's cost of a period is its price written off over the hours it is on, and its power: idle for all of them,
the difference while a model worked. It is shared among the local models by their busy time. Against it stands, for each
known price, what the same tokens would have cost there. Two models are not equally good: only money is compared.
"""

from collections.abc import Iterable

from msgspec import Struct, field

from inglenook.gateway.money import Billing, Money
from inglenook.gateway.usage.service import Sums
from inglenook.models.calls import Usage
from inglenook.models.prices import NANO, Prices

_HOUR_MS = 3_600_000


class PricedModel(Struct, frozen=True, kw_only=True):
    """A bought model to compare with."""

    provider: str
    model: str
    prices: Prices


class Comparison(Struct, kw_only=True):
    """What a local model's tokens would have cost at one price.

    Attributes:
        cost: In billionths of the billing currency.
        break_even_share: How many times the tokens of the period the machine would have to make until it is the
            cheaper one; 1 or less: it is already. None where the price is nothing.
    """

    provider: str
    model: str
    cost: int
    break_even_share: float | None


class LocalCost(Struct, kw_only=True):
    """A local model's period. Costs in billionths of the billing currency, `busy_hours` with a call under way."""

    model: str
    calls: int
    input_tokens: int
    output_tokens: int
    busy_hours: float
    cost: int
    comparisons: list[Comparison] = field(default_factory=list)


class BreakEven(Struct, kw_only=True):
    """The comparison of a period. `machine_cost` is None until an administrator told what the machine costs."""

    currency: str
    hours: float
    machine_cost: int | None
    models: list[LocalCost]


def break_even(money: Money, local: Iterable[Sums], hours: float, priced: Iterable[PricedModel]) -> BreakEven:
    """Compare.

    Args:
        local: Sums by model of the models that run here; `group["model"]` names each.
        hours: Length of the period.
    """
    used = [sums for sums in local if sums.input_tokens or sums.output_tokens]
    busy = [sums.busy_ms / _HOUR_MS for sums in used]
    told = money.billing.machine_price > 0
    total = machine_cost(money.billing, hours, min(sum(busy), hours)) if told else None
    models = []
    choices = list(priced)
    for sums, spent in zip(used, busy, strict=True):
        share = spent / sum(busy) if sum(busy) else 1 / len(used)
        cost = round(total * share) if total is not None else 0
        tokens = Usage(input=sums.input_tokens, output=sums.output_tokens, cached=sums.cached_tokens)
        models.append(
            LocalCost(
                model=str(sums.group["model"]),
                calls=sums.calls,
                input_tokens=sums.input_tokens,
                output_tokens=sums.output_tokens,
                busy_hours=spent,
                cost=cost,
                comparisons=sorted(
                    (_compare(money, choice, tokens, cost) for choice in choices), key=lambda found: found.cost
                ),
            )
        )
    return BreakEven(currency=money.currency, hours=hours, machine_cost=total, models=models)


def machine_cost(billing: Billing, hours: float, busy_hours: float) -> int:
    """What the machine costs in a period of `hours`, in billionths of the currency."""
    on = hours * billing.hours_per_day / 24
    written_off = billing.machine_price * hours / (billing.machine_years * 365 * 24)
    watts = billing.watts_idle * on + (billing.watts_busy - billing.watts_idle) * busy_hours
    return round((written_off + watts / 1000 * billing.power_price) * NANO)


def _compare(money: Money, choice: PricedModel, tokens: Usage, cost: int) -> Comparison:
    elsewhere = money.cost(choice.prices, tokens)
    share = cost / elsewhere if elsewhere else None
    return Comparison(provider=choice.provider, model=choice.model, cost=elsewhere, break_even_share=share)
