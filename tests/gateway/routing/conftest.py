"""A gateway whose clock, lots and waits belong to the test."""

from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from random import Random
from typing import Any

import pytest

from inglenook.gateway.answers.service import Answers
from inglenook.gateway.call import Call
from inglenook.gateway.routing.compiled import RouteFacts
from inglenook.gateway.routing.targets import Targets
from inglenook.models.calls import Event, Routed
from tests.support.gateway import Desk, open_desk
from tests.support.routing import Actor, Clock, chat, entry, route, text_of


@dataclass
class Board:
    """A desk with routes on it."""

    desk: Desk
    clock: Clock
    answers: Answers

    def models(self, *actors: Actor, **facts: Any) -> None:
        """Put a model on the shelf for each actor, under its name."""
        self.desk.shelf.show(*(entry(actor.name, actor, **facts) for actor in actors))

    def routes(self, *routes: RouteFacts) -> None:
        """Let these be the routes."""
        self.desk.routes.show(self.desk.routes.version + 1, routes)

    def route(self, *targets: str | dict[str, Any], **given: Any) -> None:
        """Let there be one route, `smart`."""
        self.routes(route("smart", *targets, **given))

    def call(self, model: str = "smart", text: str = "one two three", **more: Any) -> Call:
        """A call of the desk's member."""
        return chat(model, text, principal=self.desk.principal, **more)

    async def events(self, model: str = "smart", **more: Any) -> list[Event]:
        """All events of such a call."""
        return [event async for event in self.desk.gateway.call(self.call(model, **more))]

    async def ask(self, model: str = "smart", **more: Any) -> str:
        """The text of its answer."""
        return text_of(await self.events(model, **more))

    async def path(self, model: str = "smart", **more: Any) -> list[str]:
        """Its decisions: `model why cause`."""
        routed = (await self.events(model, **more))[0]
        assert isinstance(routed, Routed)
        return [
            f"{reason['model']} {reason['why']} {reason.get('for') or reason['code']}"
            for reason in routed.reasons
            if "model" in reason
        ]


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
async def board(tmp_path: Path, clock: Clock) -> AsyncIterator[Board]:
    targets = Targets(clock, Random(11).random)
    answers = Answers(tmp_path / "answers.db", now=clock.ms)
    await answers.start()
    async with open_desk(tmp_path, targets=targets, answers=answers, sleep=clock.sleep) as desk:
        yield Board(desk, clock, answers)
    await answers.stop()
