"""Whole answers given again to the very same call, where a route says so.

A kept answer is there before anything is promised or asked: the steps after this one hold nothing for it, it costs
nothing, and it is given as it came, a stream as a stream. Only answers that came whole are kept.
"""

import logging
from collections.abc import Awaitable

import msgspec

from inglenook.gateway.answers.key import key_of, may_be_kept, owner_of
from inglenook.gateway.answers.service import Answer, Answers, decode, encode
from inglenook.gateway.call import Exchange, Outcome
from inglenook.gateway.routing.live import LiveRoutes
from inglenook.gateway.steps.base import Step
from inglenook.models.calls import Event, RawHead, Timings

log = logging.getLogger(__name__)


class Cache(Step):
    """Looks for an answer that is kept, and keeps those that come."""

    def __init__(self, routes: LiveRoutes, answers: Answers) -> None:
        self._routes = routes
        self._answers = answers

    def open(self, exchange: Exchange) -> Awaitable[None] | None:
        """Sets the answer if it is kept; else has the events gathered."""
        if exchange.route is None:
            return None
        call, principal, plan = exchange.call, exchange.principal, exchange.plan
        route = self._routes.get(exchange.route)
        rules = route.cache if route is not None else None
        if route is None or rules is None or call.cache == "off" or not may_be_kept(call):
            return None
        assert principal is not None
        assert plan is not None
        owner = owner_of(principal, rules.shared)
        exchange.cache_key = key = key_of(call, route.id, list(plan.candidates), owner)
        found = None if call.cache == "renew" else self._answers.get(key)
        if found is None or isinstance(found, Answer):
            self._take(exchange, found)
            return None
        return self._wait(exchange, found)

    def close(self, exchange: Exchange, outcome: Outcome) -> None:
        """Keep the answer, if it is whole."""
        key, events = exchange.cache_key, exchange.kept
        if key is None or not events or outcome.status != "finished" or exchange.answer_cap is not None:
            return
        route = self._routes.get(exchange.route or "")
        rules = route.cache if route is not None else None
        if route is None or rules is None or exchange.principal is None:
            return
        if any(type(event) is RawHead and event.status != 200 for event in events):
            return
        now = self._answers.now()
        self._answers.put(
            Answer(
                key=key,
                route_id=route.id,
                owner=owner_of(exchange.principal, rules.shared),
                model=exchange.target.name,
                made_at=now,
                expires_at=now + rules.ttl * 1000,
                events=encode([event for event in events if type(event) is not Timings]),
            )
        )

    async def _wait(self, exchange: Exchange, found: Awaitable[Answer | None]) -> None:
        self._take(exchange, await found)

    def _take(self, exchange: Exchange, answer: Answer | None) -> None:
        events = None if answer is None else self._events(answer)
        if answer is None or events is None:
            self._answers.misses += 1
            exchange.kept = []
            exchange.reasons.append({"step": "cache", "why": "miss"})
            return
        self._answers.hits += 1
        exchange.answer, exchange.replayed = events, True
        assert exchange.plan is not None
        for candidate in exchange.plan.candidates:
            if candidate.entry.name == answer.model:
                exchange.target = candidate.entry
        age = (self._answers.now() - answer.made_at) // 1000
        exchange.reasons.append({"step": "cache", "why": "hit", "model": answer.model, "age": age})

    def _events(self, answer: Answer) -> list[Event] | None:
        try:
            return decode(answer.events)
        except msgspec.DecodeError as error:  # another version wrote it
            log.warning("a kept answer cannot be read, and is asked for anew: %s", error)
            return None
