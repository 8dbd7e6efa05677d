"""A machine of one's own against prices."""

from pathlib import Path

import pytest

from inglenook.accounts.principal import CONSOLE
from inglenook.gateway.ledger import Ledger
from inglenook.gateway.money import Billing
from inglenook.gateway.usage.breakeven import PricedModel, break_even, machine_cost
from inglenook.gateway.usage.service import Usage
from inglenook.models.prices import NANO, Prices
from tests.support.gateway import open_desk
from tests.support.ledger import HOUR, record


def test_a_machine_costs_its_price_over_its_years_and_its_power() -> None:
    billing = Billing(machine_price=8760, machine_years=1, watts_idle=100, watts_busy=300, power_price=0.5)
    assert machine_cost(billing, hours=10, busy_hours=2) == round((10 + (1.0 + 0.4) * 0.5) * NANO)
    half = Billing(machine_price=8760, machine_years=1, watts_idle=100, power_price=0.5, hours_per_day=12)
    assert machine_cost(half, hours=10, busy_hours=0) == round((10 + 0.5 * 0.5) * NANO)


async def test_local_models_share_the_cost_by_their_work(tmp_path: Path) -> None:
    async with open_desk(tmp_path) as desk:
        ledger: Ledger = desk.ledger
        ledger.record(record(model="small", provider="local", input_tokens=1_000_000, duration_ms=HOUR))
        ledger.record(record(model="large", provider="local", output_tokens=2_000_000, duration_ms=3 * HOUR))
        settings = {"machine_price": 8760, "machine_years": 1, "watts_idle": 0, "watts_busy": 0}
        await desk.accounts.settings.put(CONSOLE, "billing", settings)
        priced = [
            PricedModel(provider="v", model="dear", prices=Prices(input=30_000_000, output=60_000_000)),
            PricedModel(provider="v", model="cheap", prices=Prices(input=1_000_000, output=1_000_000)),
            PricedModel(provider="v", model="free", prices=Prices()),
        ]
        found = break_even(desk.gateway.money, await Usage(ledger).sums("model"), 8, priced)
    assert found.machine_cost == 8 * NANO
    large, small = found.models
    assert (large.model, large.cost, small.cost) == ("large", 6 * NANO, 2 * NANO)
    assert [other.model for other in small.comparisons] == ["free", "cheap", "dear"]
    dear = small.comparisons[2]
    assert dear.cost == 30 * NANO + 5 * 60_000
    assert dear.break_even_share == pytest.approx(2 / 30, rel=1e-3)
    assert small.comparisons[0].break_even_share is None


async def test_a_month_reckoned_by_hand(tmp_path: Path) -> None:
    """A machine of 2,190, kept three years, always on: 50 W idle, 300 W at work, 0.30 a kWh. In 30 days (720 h) its
    model works 120 h and reads 40 million tokens and writes 10 million."""
    async with open_desk(tmp_path) as desk:
        for _ in range(10):
            desk.ledger.record(
                record(
                    provider="local",
                    input_tokens=4_000_000,
                    output_tokens=1_000_000,
                    cached_tokens=0,
                    duration_ms=12 * HOUR,
                )
            )
        machine = {"machine_price": 2190, "machine_years": 3, "watts_idle": 50, "watts_busy": 300, "power_price": 0.3}
        await desk.accounts.settings.put(CONSOLE, "billing", machine)
        priced = [
            PricedModel(provider="v", model="dear", prices=Prices(input=3_000_000, output=15_000_000)),
            PricedModel(provider="v", model="cheap", prices=Prices(input=100_000, output=400_000)),
        ]
        found = break_even(desk.gateway.money, await Usage(desk.ledger).sums("model"), 720, priced)
    # Written off: 2,190 x 720 h / (3 x 365 x 24 h) = 60.00.
    # Power: 50 W x 720 h = 36 kWh; and 250 W more x 120 h = 30 kWh; 66 kWh x 0.30 = 19.80. Together 79.80.
    assert found.machine_cost == round(79.80 * NANO)
    (model,) = found.models
    assert model.busy_hours == 120
    assert model.cost == found.machine_cost
    cheap, dear = model.comparisons
    # 40 x 3 + 10 x 15 = 270: the machine is the cheaper one from 79.80 / 270 = 0.296 of these tokens on.
    assert (dear.cost, dear.break_even_share) == (270 * NANO, pytest.approx(0.29556, abs=1e-5))
    # 40 x 0.1 + 10 x 0.4 = 8: it would have to make 79.80 / 8 = 9.975 times as many.
    assert (cheap.cost, cheap.break_even_share) == (8 * NANO, pytest.approx(9.975))


async def test_without_a_price_of_the_machine_nothing_is_claimed(tmp_path: Path) -> None:
    async with open_desk(tmp_path) as desk:
        desk.ledger.record(record(provider="local"))
        found = break_even(desk.gateway.money, await Usage(desk.ledger).sums("model"), 8, [])
    assert found.machine_cost is None
