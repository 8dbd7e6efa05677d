"""The chat behind a real server, and somebody who uses it."""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from tests.support.chat import Person, Rooms, open_rooms, serve

SCRIPTS: dict[str, Any] = {
    # Says three words, stands at the gate `more`, says two more.
    "gated": {"steps": [{"text": "one two three"}, {"wait": "more"}, {"text": " four five"}]},
    "thinker": {"steps": [{"reasoning": "hm hm"}, {"wait": "thought"}, {"text": "Yes."}]},
    "too-long": {
        "steps": [
            {
                "error": {
                    "status": 400,
                    "message": "too long",
                    "details": {"prompt_tokens": 9000, "context_length": 4096},
                }
            }
        ]
    },
    "scribe": {"steps": [{"text": "The rain"}, {"wait": "more"}, {"text": "bow is red,  \n"}]},
}


@pytest.fixture
async def rooms(tmp_path: Path) -> AsyncIterator[Rooms]:
    async with open_rooms(tmp_path, SCRIPTS, prefills=frozenset({"scribe"})) as rooms:
        yield rooms


@pytest.fixture
async def url(rooms: Rooms) -> AsyncIterator[str]:
    async with serve(rooms) as url:
        yield url


@pytest.fixture
async def ada(rooms: Rooms, url: str) -> AsyncIterator[Person]:
    async with await rooms.person("ada", url) as person:
        yield person


@pytest.fixture
async def bob(rooms: Rooms, url: str) -> AsyncIterator[Person]:
    async with await rooms.person("bob", url) as person:
        yield person
