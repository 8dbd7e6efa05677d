"""How many calls and tokens a minute, and how many calls at once: those of the key, its user, the team that pays, and
everybody together.

Counted in memory and exactly: no sixty seconds hold more calls than are allowed. Tokens are counted by our estimate
when a call comes, and by what it used when it ends. A call that is refused by one limit counts for none. Where several
servers share a database, each allows its share.
"""

from collections.abc import Callable
from time import monotonic
from typing import NamedTuple

from inglenook.accounts.principal import Principal
from inglenook.accounts.service import Accounts
from inglenook.accounts.snapshot import LimitFacts, Snapshot, Subject
from inglenook.gateway.call import Exchange, Outcome
from inglenook.gateway.errors import RateLimited
from inglenook.gateway.estimate import answer_limit, prompt_tokens
from inglenook.gateway.steps.base import Step
from inglenook.gateway.window import Bucket, Window
from inglenook.kit.time import now_ms
from inglenook.models.calls import Operation

#: Tokens an answer is taken to have until it ends, unless its caller wants fewer; and no more than such a part of what
#: a minute allows.
_ANSWER, _PART = 512, 8
_WORDS = {
    "requests_per_minute": "{} request{} a minute",
    "tokens_per_minute": "{} token{} a minute",
    "concurrent_requests": "{} request{} at once",
}


class Rates:
    """What one subject does and may do. `requests` and `tokens` are there once they are limited."""

    __slots__ = ("calls", "concurrent", "requests", "requests_allowed", "subject", "tokens", "tokens_allowed")

    def __init__(self, subject: Subject) -> None:
        self.subject = subject
        self.requests = Window()
        self.tokens = Window()
        self.calls = 0
        self.requests_allowed: int | None = None
        self.tokens_allowed: int | None = None
        self.concurrent: int | None = None

    def allow(self, facts: LimitFacts, servers: int) -> None:
        """Take new limits."""
        self.requests_allowed = _share(facts.requests_per_minute, servers)
        self.tokens_allowed = _share(facts.tokens_per_minute, servers)
        self.concurrent = _share(facts.concurrent_requests, servers)

    def add(self, second: int, prompt: int, answer: int) -> "Counted":
        """Count a call that comes now, with tokens in its prompt and perhaps in its answer."""
        self.calls += 1
        if self.requests_allowed is not None:
            self.requests.add(second, 1)
        allowed = self.tokens_allowed
        if allowed is None:
            return self, 0, None
        tokens = prompt + min(answer, allowed // _PART)
        return self, tokens, self.tokens.add(second, tokens)

    def idle(self, second: int) -> bool:
        """Whether there is nothing to remember."""
        return not (self.calls or self.requests.look(second) or self.tokens.look(second))


class RatesUse(NamedTuple):
    """What a subject did in the last minute, and how many of its calls are under way."""

    requests: int
    tokens: int
    concurrent: int


#: By whom a call is counted until it ends, as how many tokens, and where.
Counted = tuple[Rates, int, Bucket | None]


class Limits(Step):
    """Counts, and refuses what is too much."""

    def __init__(self, accounts: Accounts, clock: Callable[[], float] = monotonic) -> None:
        self._accounts = accounts
        self._clock = clock
        self._rates: dict[Subject, Rates] = {}
        #: What a call must fit under, by the id of its key or else its user.
        self._stacks: dict[str, tuple[Rates, ...]] = {}
        #: Servers that share the limits.
        self.servers = 1
        accounts.snapshot.on_change(self._changed)

    def open(self, exchange: Exchange) -> None:
        """Raises RateLimited: a limit is reached."""
        principal = exchange.principal
        assert principal is not None
        stack = self._stacks.get(principal.key_id or principal.user_id)
        if stack is None:
            stack = self._resolve(principal)
        if stack:
            self._count(exchange, stack)

    def close(self, exchange: Exchange, outcome: Outcome) -> None:
        """Count the tokens that were used. The meter closed before us and has set the usage."""
        counted: list[Counted] | None = exchange.rates
        if counted is None:
            return
        usage = exchange.usage if exchange.answer is None else None
        used = usage.input + usage.output if usage is not None else 0
        second = int(self._clock())
        for rates, tokens, bucket in counted:
            rates.calls -= 1
            if bucket is not None and used != tokens:
                rates.tokens.correct(bucket, used - tokens, second)

    def use(self, subject: Subject) -> RatesUse:
        """What a subject did on this server in the last minute, as far as it is limited."""
        rates = self._rates.get(subject)
        if rates is None:
            return RatesUse(0, 0, 0)
        second = int(self._clock())
        return RatesUse(rates.requests.look(second), rates.tokens.look(second), rates.calls)

    def active(self) -> list[Subject]:
        """Whose calls are remembered now."""
        return list(self._rates)

    def _count(self, exchange: Exchange, stack: tuple[Rates, ...]) -> None:
        second = int(self._clock())
        prompt = answer = -1
        for rates in stack:
            allowed = rates.requests_allowed
            if allowed is not None and rates.requests.look(second) >= allowed:
                raise self._refused(rates, "requests_per_minute", allowed, rates.requests, 1, second)
            if rates.concurrent is not None and rates.calls >= rates.concurrent:
                raise self._refused(rates, "concurrent_requests", rates.concurrent, None, 1, second)
            allowed = rates.tokens_allowed
            if allowed is not None:
                if answer < 0:
                    prompt, answer = _tokens(exchange)
                # For an answer that is only guessed at, nobody is refused who has the whole minute before them.
                wanted = max(prompt, min(prompt + min(answer, allowed // _PART), allowed))
                if rates.tokens.look(second) + wanted > allowed:
                    raise self._refused(rates, "tokens_per_minute", allowed, rates.tokens, prompt, second)
        exchange.rates = [rates.add(second, prompt, answer) for rates in stack]

    def _resolve(self, principal: Principal) -> tuple[Rates, ...]:
        stack = []
        for subject, facts in self._accounts.limits.stack(principal):
            if facts.has_rates:
                rates = self._rates.get(subject)
                if rates is None:
                    rates = self._rates[subject] = Rates(subject)
                rates.allow(facts, self.servers)
                stack.append(rates)
        found = self._stacks[principal.key_id or principal.user_id] = tuple(stack)
        return found

    def share_among(self, servers: int) -> None:
        """So many servers share the limits from now on."""
        if servers != self.servers:
            self.servers = servers
            self._stacks.clear()

    def _changed(self, _: Snapshot) -> None:
        self._stacks.clear()
        second = int(self._clock())
        self._rates = {subject: rates for subject, rates in self._rates.items() if not rates.idle(second)}

    def _refused(
        self, rates: Rates, limit: str, allowed: int, window: Window | None, wanted: int, second: int
    ) -> RateLimited:
        who = self._accounts.limits.name(rates.subject)
        limited = f"{who} is limited to {_WORDS[limit].format(allowed, '' if allowed == 1 else 's')}"
        details = {"limit": limit, "allowed": allowed, "subject_kind": rates.subject[0], "subject_id": rates.subject[1]}
        if window is None:
            details["used"] = rates.calls
            return RateLimited(f"{limited}; try again when one has ended", details=details, retry_after=1)
        details["used"] = window.used
        if not allowed:
            return RateLimited(limited, details=details)
        if wanted > allowed:
            message = f"{limited}, and this prompt has about {wanted}; make it shorter"
            return RateLimited(message, details={**details, "wanted": wanted})
        wait = max(1, window.frees(second, window.used + wanted - allowed))
        details["resets_at"] = now_ms() + wait * 1000
        return RateLimited(f"{limited}; try again in {wait} s", details=details, retry_after=wait)


def _tokens(exchange: Exchange) -> tuple[int, int]:
    """What the prompt of a call has, and what its answer is taken to have until it ends."""
    if exchange.call.operation is Operation.COUNT:
        return 0, 0
    limit = answer_limit(exchange)
    return prompt_tokens(exchange), _ANSWER if limit is None or not 0 < limit < _ANSWER else limit


def _share(limit: int | None, servers: int) -> int | None:
    return None if limit is None else max(1, limit // servers) if limit else 0
