"""What an administrator says about budgets in general."""

from typing import Literal

from msgspec import Struct

from inglenook.accounts.settings import Section
from inglenook.gateway.budgets.periods import zone


class BudgetSettings(Struct, frozen=True, kw_only=True):
    """Settings of budgets.

    Attributes:
        time_zone: In which days and months begin (IANA name).
        unpriced: Whether callers with a budget may call bought models whose price is not known: `allow` takes them
            for free, `refuse` does not let them through.
    """

    time_zone: str = "UTC"
    unpriced: Literal["allow", "refuse"] = "allow"

    def __post_init__(self) -> None:
        try:
            zone(self.time_zone)
        except ValueError as error:
            raise ValueError(f"time_zone: {error}") from None


BUDGETS: Section[BudgetSettings] = Section(
    name="budgets",
    title="Budgets",
    kind=BudgetSettings,
    settings_schema={
        "type": "object",
        "additionalProperties": False,
        "properties": {
            "time_zone": {
                "type": "string",
                "title": "Time zone",
                "description": "Days and months of budgets begin at its midnight, such as Asia/Shanghai.",
                "default": "UTC",
            },
            "unpriced": {
                "type": "string",
                "enum": ["allow", "refuse"],
                "title": "Bought models without a known price",
                "description": "For callers with a budget: allow takes such calls for free, refuse turns them away.",
                "default": "allow",
            },
        },
    },
    translations={
        "zh-CN": {
            "Budgets": "预算",
            "Time zone": "时区",
            "Days and months of budgets begin at its midnight, such as Asia/Shanghai.": (
                "预算的日与月从该时区的零点算起，例如 Asia/Shanghai。"
            ),
            "Bought models without a known price": "价格未知的外购模型",
            "For callers with a budget: allow takes such calls for free, refuse turns them away.": (
                "对有预算的调用者：allow 按免费放行，refuse 则拒绝。"
            ),
        }
    },
)
