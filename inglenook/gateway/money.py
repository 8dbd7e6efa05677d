"""The money of this server: one billing currency, what others are worth in it, and what the machine itself costs."""

from msgspec import Struct, field

from inglenook.accounts.settings import Registered, RuntimeSettings, Section
from inglenook.models.calls import Usage
from inglenook.models.prices import NANO, Prices, cost

#: What a currency unit is worth in US dollars, in round figures, until an administrator says better. What changes
#: with the day belongs to the settings.
IN_DOLLARS = {"USD": 1.0, "CNY": 0.14, "EUR": 1.15, "GBP": 1.3, "JPY": 0.0065}
_MICRO = 1_000_000


class Billing(Struct, frozen=True, kw_only=True):
    """Settings of money.

    Attributes:
        currency: What amounts here are in.
        rates: What one unit of another currency is worth in it; where one is missing, `IN_DOLLARS` holds.
        machine_price: What the machine cost, in `currency`, written off over `machine_years`.
        watts_busy, watts_idle: What it draws while a model here works, and otherwise.
        power_price: Of a kilowatt hour. `hours_per_day`: that it is switched on.
    """

    currency: str = "USD"
    rates: dict[str, float] = field(default_factory=dict)
    machine_price: float = 0.0
    machine_years: float = 4.0
    watts_busy: float = 150.0
    watts_idle: float = 40.0
    power_price: float = 0.25
    hours_per_day: float = 24.0

    def __post_init__(self) -> None:
        for code, rate in self.rates.items():
            if len(code) != 3 or not code.isupper() or not rate > 0:
                raise ValueError(f"rates: {code!r} must be a currency such as 'CNY', and its worth above 0")


_NUMBER = {"type": "number", "minimum": 0}
BILLING: Section[Billing] = Section(
    name="billing",
    title="Billing",
    kind=Billing,
    settings_schema={
        "type": "object",
        "additionalProperties": False,
        "properties": {
            "currency": {
                "type": "string",
                "title": "Currency",
                "description": "Budgets and costs are in it. What was spent before stays in the currency of its day.",
                "enum": list(IN_DOLLARS),
                "default": "USD",
            },
            "rates": {
                "type": "object",
                "title": "Exchange rates",
                "description": "What a unit of another currency is worth in yours; without one, a round figure holds.",
                "additionalProperties": {"type": "number"},
            },
            "machine_price": {**_NUMBER, "title": "Price of this machine", "default": 0},
            "machine_years": {
                "type": "number",
                "title": "Years it is written off over",
                "minimum": 0.25,
                "maximum": 30,
                "default": 4,
            },
            "watts_busy": {**_NUMBER, "title": "Watts while a model works", "default": 150},
            "watts_idle": {**_NUMBER, "title": "Watts when idle", "default": 40},
            "power_price": {**_NUMBER, "title": "Price of a kilowatt hour", "default": 0.25},
            "hours_per_day": {**_NUMBER, "title": "Hours a day it is on", "maximum": 24, "default": 24},
        },
    },
    translations={
        "zh-CN": {
            "Billing": "计费",
            "Currency": "货币",
            "Budgets and costs are in it. What was spent before stays in the currency of its day.": (
                "预算和费用都以它计；以前的花费仍保留当时的货币。"
            ),
            "Exchange rates": "汇率",
            "What a unit of another currency is worth in yours; without one, a round figure holds.": (
                "一单位其他货币折合多少本币；未填写时使用约数。"
            ),
            "Price of this machine": "本机价格",
            "Years it is written off over": "折旧年数",
            "Watts while a model works": "模型运行时功率（瓦）",
            "Watts when idle": "空闲时功率（瓦）",
            "Price of a kilowatt hour": "每千瓦时电价",
            "Hours a day it is on": "每天开机小时数",
        }
    },
)


def in_words(amount: int, currency: str) -> str:
    """An amount in words: `12.34 USD`; with more digits where it is less than a hundredth."""
    units = amount / NANO
    return f"{units:.2f} {currency}" if amount == 0 or abs(units) >= 0.01 else f"{units:.2g} {currency}"


class Money:
    """What calls cost in the billing currency. Reads settings in memory only."""

    def __init__(self, settings: RuntimeSettings) -> None:
        self._billing: Registered[Billing] = settings.register(BILLING)
        self._rates: dict[str, int] = {}
        self._billing.on_change(lambda _: self._rates.clear())

    @property
    def billing(self) -> Billing:
        """The settings as they are now."""
        return self._billing.now

    @property
    def currency(self) -> str:
        """The billing currency."""
        return self._billing.now.currency

    def cost(self, prices: Prices, usage: Usage) -> int:
        """What `usage` comes to, in billionths of the billing currency, rounded up."""
        return self._billed(cost(prices, usage), prices.currency)

    def charged(self, prices: Prices | None, usage: Usage) -> int | None:
        """What a call costs: what its provider itself says, as long as the price is the one it publishes and not an
        administrator's, which has no source; else as `cost`. None: nobody knows."""
        if usage.cost is not None and (prices is None or prices.source):
            return self._billed(usage.cost, "USD")
        return None if prices is None else self.cost(prices, usage)

    def _billed(self, amount: int, currency: str) -> int:
        if currency == self._billing.now.currency:
            return amount
        return -(-amount * self.rate(currency) // _MICRO)

    def shown(self, amount: int) -> str:
        """An amount of the billing currency in words (`in_words`)."""
        return in_words(amount, self.currency)

    def rate(self, currency: str) -> int:
        """What a million units of a currency are worth in the billing currency; 1 for 1 where nothing is known."""
        rate = self._rates.get(currency)
        if rate is None:
            rate = self._rates[currency] = round(_worth(currency, self._billing.now) * _MICRO)
        return rate


def _worth(currency: str, billing: Billing) -> float:
    if currency == billing.currency:
        return 1.0
    if (told := billing.rates.get(currency)) is not None:
        return told
    return IN_DOLLARS.get(currency, 1.0) / IN_DOLLARS.get(billing.currency, 1.0)
