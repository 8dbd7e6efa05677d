"""Telling people that a budget is nearly, or wholly, used: once for each, in the transaction that writes it down.

So nothing of it is on a call's way, two servers on one database tell it once, and what was told survives a crash.
"""

import logging
from collections.abc import Iterable

from sqlalchemy import select
from sqlalchemy.orm import Session

from inglenook.accounts.groups import managers
from inglenook.accounts.mail.letters import Letter, Words
from inglenook.accounts.principal import Role
from inglenook.accounts.service import Accounts
from inglenook.accounts.settings import Registered
from inglenook.accounts.snapshot import Subject
from inglenook.accounts.tables import ApiKey, Group, GroupMember, User
from inglenook.gateway.budgets.book import LEVELS, Reached
from inglenook.gateway.budgets.periods import shown, span, zone
from inglenook.gateway.budgets.settings import BudgetSettings
from inglenook.gateway.money import in_words

log = logging.getLogger(__name__)


class Warnings:
    """Writes the letters."""

    def __init__(self, accounts: Accounts, settings: Registered[BudgetSettings]) -> None:
        self._outbox = accounts.outbox
        self._live = accounts.snapshot
        self._settings = settings

    def tell(self, session: Session, reached: Reached) -> None:
        """Write to whom it concerns, in the caller's transaction. What goes wrong here is not the budget's trouble."""
        if not self._outbox.is_ready or self._outbox.mail.now.budget_warnings == "nobody":
            return
        try:
            with session.begin_nested():
                self._write(session, reached)
        except Exception:
            log.exception("cannot tell people that a budget is used to %s %%", reached.level)

    def _write(self, session: Session, reached: Reached) -> None:
        subject, zone_name = reached.key.subject, self._settings.now.time_zone
        end = span(reached.key.period, reached.key.start, zone(zone_name)).end
        names = _names(session, subject)
        for user in self._whom(session, subject):
            language = user.language or self._outbox.site.now.language
            letter = _letter(reached, language, names, mine=subject == ("user", user.id), anew=shown(end, zone_name))
            self._outbox.add(session, "budget", user.email or "", letter, expires_at=end)

    def _whom(self, session: Session, subject: Subject) -> Iterable[User]:
        """Those who use the budget, and administrators; of these who can be written to."""
        who = User.role == Role.ADMIN.value
        if self._outbox.mail.now.budget_warnings == "all":
            kind, subject_id = subject
            if kind == "key" and (key := session.get(ApiKey, subject_id)) is not None:
                kind, subject_id = ("group", key.group_id) if key.group_id else ("user", key.user_id or "")
            if kind == "user":
                who |= User.id == subject_id
            elif kind == "group":
                who |= User.id.in_(select(GroupMember.user_id).where(GroupMember.group_id == subject_id))
                who |= User.id.in_(managers(self._live.now).get(subject_id or "", ()))
        return session.scalars(select(User).where(who, User.disabled.is_(False), User.email.is_not(None)))


def _names(session: Session, subject: Subject) -> tuple[str, str]:
    """Whose budget it is, in English and in Chinese."""
    kind, subject_id = subject
    if kind == "key":
        key = session.get(ApiKey, subject_id)
        name = key.name if key else subject_id
        return f"the API key “{name}”", f"API 密钥“{name}”"
    if kind == "user":
        user = session.get(User, subject_id)
        name = user.name if user else subject_id
        return f"the user {name}", f"用户 {name} "
    if kind == "group":
        group = session.get(Group, subject_id)
        name = group.name if group else subject_id
        return f"the team “{name}”", f"团队“{name}”"
    return "everybody together", "全体用户"


def _letter(reached: Reached, language: str, names: tuple[str, str], *, mine: bool, anew: str) -> Letter:
    english, chinese = ("your account", "您的账号") if mine else names
    words = _USED_UP if reached.level >= LEVELS[-1] else _NEARLY
    is_day = reached.key.period == "day"
    return words.fill(
        language,
        whose=english,
        whose_zh=chinese,
        period="daily" if is_day else "monthly",
        period_zh="每日" if is_day else "每月",
        share=reached.level,
        spent=in_words(reached.spent, reached.key.currency),
        limit=in_words(reached.limit, reached.key.currency),
        anew=anew,
    )


_NEARLY = Words(
    Letter(
        "{share} % of a budget is used: {whose}",
        """Hello,

{share} % of the {period} budget of {whose} is used: {spent} of {limit}.

Calls that do not fit any more will be refused. The budget begins anew on {anew}; an administrator can raise it.
""",
    ),
    Letter(
        "预算已用 {share}%：{whose_zh}",
        """您好：

{whose_zh}的{period_zh}预算已使用 {share}%：共 {limit}，已用 {spent}。

超出预算的调用将被拒绝。预算将于 {anew} 重新计算；如需提高，请联系管理员。
""",
    ),
)

_USED_UP = Words(
    Letter(
        "A budget is used up: {whose}",
        """Hello,

the {period} budget of {whose} does not suffice for further calls: {spent} of {limit} are spent.

Calls are refused until the budget begins anew on {anew}, or an administrator raises it.
""",
    ),
    Letter(
        "预算已用完：{whose_zh}",
        """您好：

{whose_zh}的{period_zh}预算已不足以继续调用：共 {limit}，已用 {spent}。

在预算于 {anew} 重新计算之前，调用会被拒绝；如需提高，请联系管理员。
""",
    ),
)
