"""How many calls and tokens a minute, and how many calls at once: those of the key, its user, the team that pays, and
everybody together.

Counted in memory and exactly: no sixty seconds hold more calls than are allowed. Tokens are counted by our estimate
when a call comes, and by what it used when it ends. A call that is refused by one limit counts for none. Where several
servers share a database, each allows its share.
"""

from collections.abc import Callable
from time import monotonic
from typing import NamedTuple

from msgspec import Struct

from inglenook.accounts.principal import Principal
from inglenook.accounts.service import Accounts
from inglenook.accounts.snapshot import LimitFacts, Snapshot, Subject
from inglenook.gateway.call import Exchange, Outcome
from inglenook.gateway.errors import RateLimited
from inglenook.gateway.estimate import answer_limit, prompt_tokens
from inglenook.gateway.steps.base import Step
from inglenook.gateway.window import Window
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
    """What one subject does and may do. Tokens are counted once they are limited; `running` calls are under way."""

    __slots__ = ("concurrent", "requests_allowed", "running", "subject", "tokens_allowed", "window")

    def __init__(self, subject: Subject) -> None:
        self.subject = subject
        self.window = Window()
        self.running = 0
        self.requests_allowed: int | None = None
        self.tokens_allowed: int | None = None
        self.concurrent: int | None = None

    def allow(self, facts: LimitFacts, servers: int) -> None:
        """Take new limits."""
        self.requests_allowed = _share(facts.requests_per_minute, servers)
        self.tokens_allowed = _share(facts.tokens_per_minute, servers)
        self.concurrent = _share(facts.concurrent_requests, servers)

    def add(self, prompt: int, answer: int) -> int:
        """Count a call that comes now, with tokens in its prompt and perhaps in its answer; gives how many count."""
        self.running += 1
        allowed = self.tokens_allowed
        tokens = 0 if allowed is None else prompt + min(answer, allowed // _PART)
        self.window.add(tokens)
        return tokens

    def idle(self, second: int) -> bool:
        """Whether there is nothing to remember."""
        self.window.look(second)
        return not (self.running or self.window.calls or self.window.tokens)


class RatesUse(NamedTuple):
    """What a subject did in the last minute, and how many of its calls are under way."""

    requests: int
    tokens: int
    concurrent: int


class Counted(Struct, frozen=True):
    """What a call is counted as until it ends: when, by whom, and as how many tokens by each."""

    second: int
    stack: tuple[Rates, ...]
    tokens: list[int]


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
        counted: Counted | None = exchange.rates
        if counted is None:
            return
        usage = exchange.usage if exchange.answer is None else None
        used = usage.input + usage.output if usage is not None else 0
        second = int(self._clock())
        for rates, tokens in zip(counted.stack, counted.tokens, strict=True):
            rates.running -= 1
            if tokens != used and rates.tokens_allowed is not None:
                rates.window.correct(counted.second, used - tokens, second)

    def use(self, subject: Subject) -> RatesUse:
        """What a subject did on this server in the last minute, as far as it is limited."""
        rates = self._rates.get(subject)
        if rates is None:
            return RatesUse(0, 0, 0)
        rates.window.look(int(self._clock()))
        return RatesUse(rates.window.calls, rates.window.tokens, rates.running)

    def active(self) -> list[Subject]:
        """Whose calls are remembered now."""
        return list(self._rates)

    def _count(self, exchange: Exchange, stack: tuple[Rates, ...]) -> None:
        second = int(self._clock())
        prompt = answer = -1
        for rates in stack:
            window = rates.window
            if window.seen != second:
                window.look(second)
            allowed = rates.requests_allowed
            if allowed is not None and window.calls >= allowed:
                raise self._refused(rates, "requests_per_minute", allowed, 1)
            if rates.concurrent is not None and rates.running >= rates.concurrent:
                raise self._refused(rates, "concurrent_requests", rates.concurrent, 1)
            allowed = rates.tokens_allowed
            if allowed is not None:
                if answer < 0:
                    prompt, answer = _tokens(exchange)
                # For an answer that is only guessed at, nobody is refused who has the whole minute before them.
                wanted = max(prompt, min(prompt + min(answer, allowed // _PART), allowed))
                if window.tokens + wanted > allowed:
                    raise self._refused(rates, "tokens_per_minute", allowed, prompt)
        exchange.rates = Counted(second, stack, [rates.add(prompt, answer) for rates in stack])

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

    def _refused(self, rates: Rates, limit: str, allowed: int, wanted: int) -> RateLimited:
        window = rates.window
        who = self._accounts.limits.name(rates.subject)
        limited = f"{who} is limited to {_WORDS[limit].format(allowed, '' if allowed == 1 else 's')}"
        details = {"limit": limit, "allowed": allowed, "subject_kind": rates.subject[0], "subject_id": rates.subject[1]}
        if limit == "concurrent_requests":
            details["used"] = rates.running
            return RateLimited(f"{limited}; try again when one has ended", details=details, retry_after=1)
        by_call = limit == "requests_per_minute"
        details["used"] = used = window.calls if by_call else window.tokens
        if not allowed:
            return RateLimited(limited, details=details)
        if wanted > allowed:
            message = f"{limited}, and this prompt has about {wanted}; make it shorter"
            return RateLimited(message, details={**details, "wanted": wanted})
        wait = max(1, (window.frees_calls if by_call else window.frees_tokens)(used + wanted - allowed))
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
