"""One billing currency."""

from pathlib import Path

import pytest

from inglenook.accounts.principal import CONSOLE
from inglenook.gateway.money import IN_DOLLARS
from inglenook.kit.errors import BadInput
from inglenook.models.calls import Usage
from inglenook.models.prices import NANO, Prices
from tests.support.gateway import open_desk

YUAN = Prices(input=2_000_000, currency="CNY")
MILLION = Usage(input=1_000_000)


async def test_costs_are_in_the_billing_currency(tmp_path: Path) -> None:
    async with open_desk(tmp_path) as desk:
        money, settings = desk.gateway.money, desk.accounts.settings
        assert money.currency == "USD"
        assert money.cost(Prices(input=2_000_000), MILLION) == 2 * NANO
        assert money.cost(YUAN, MILLION) == round(2 * IN_DOLLARS["CNY"] * NANO)
        await settings.put(CONSOLE, "billing", {"rates": {"CNY": 0.15}})
        assert money.cost(YUAN, MILLION) == round(0.3 * NANO)
        await settings.put(CONSOLE, "billing", {"currency": "CNY"})
        assert money.cost(YUAN, MILLION) == 2 * NANO
        assert money.cost(Prices(input=1_000_000), MILLION) == round(NANO / IN_DOLLARS["CNY"] / 1000) * 1000


async def test_what_a_provider_says_it_costs_holds_unless_an_administrator_said_a_price(tmp_path: Path) -> None:
    told = Usage(input=1_000_000, cost=5 * NANO)
    published, own = Prices(input=2_000_000, source="https://openrouter.ai/api/v1/models"), Prices(input=3_000_000)
    async with open_desk(tmp_path) as desk:
        money = desk.gateway.money
        assert money.charged(published, told) == 5 * NANO
        assert money.charged(None, told) == 5 * NANO
        assert money.charged(own, told) == 3 * NANO
        assert money.charged(published, MILLION) == 2 * NANO
        assert money.charged(None, MILLION) is None
        await desk.accounts.settings.put(CONSOLE, "billing", {"currency": "CNY", "rates": {"USD": 7.0}})
        assert money.charged(None, told) == 35 * NANO


@pytest.mark.parametrize("rates", [{"CNY": 0}, {"yuan": 1.0}, {"CNY": -1}])
async def test_a_rate_must_make_sense(tmp_path: Path, rates: dict[str, float]) -> None:
    async with open_desk(tmp_path) as desk:
        with pytest.raises(BadInput, match="rates"):
            await desk.accounts.settings.put(CONSOLE, "billing", {"rates": rates})
