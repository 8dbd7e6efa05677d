"""Keeping answers: in memory, in the file, within bounds."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from inglenook.gateway.answers.service import LARGEST, Answer, Answers, decode, encode
from inglenook.models.calls import Event, Finished, Logprobs, Raw, RawHead, TextDelta, TokenLogprob, Usage, Vectors


class Time:
    """Milliseconds that a test lets pass."""

    def __init__(self) -> None:
        self.now = 1_000_000

    def __call__(self) -> int:
        return self.now


@pytest.fixture
def time() -> Time:
    return Time()


@pytest.fixture
async def answers(tmp_path: Path, time: Time) -> AsyncIterator[Answers]:
    answers = Answers(tmp_path / "answers.db", in_memory=10_000, in_file=30_000, now=time)
    await answers.start()
    yield answers
    await answers.stop()


def answer(name: str, *, ttl: int = 60_000, size: int = 100, route: str = "rte_1", owner: str = "") -> Answer:
    return Answer(
        key=name.encode(),
        route_id=route,
        owner=owner,
        model="m",
        made_at=1_000_000,
        expires_at=1_000_000 + ttl,
        events=b"x" * size,
    )


async def got(answers: Answers, name: str) -> Answer | None:
    found = answers.get(name.encode())
    return found if found is None or isinstance(found, Answer) else await found


def test_events_are_kept_as_they_were() -> None:
    events: list[Event] = [
        RawHead(200, "text/event-stream"),
        Raw(b"data: \xff\n\n"),
        TextDelta("你好", 1),
        Logprobs([TokenLogprob("a", -0.5, [97], [TokenLogprob("b", -1.5)])]),
        Vectors([[0.25, -1.0]]),
        Usage(input=3, output=4, cached=2),
        Finished("stop", context=[1, 2]),
    ]
    assert decode(encode(events)) == events


async def test_an_answer_is_kept_until_it_expires(answers: Answers, time: Time) -> None:
    assert await got(answers, "a") is None
    answers.put(answer("a", ttl=1000))
    assert answers.get(b"a") == answer("a", ttl=1000)  # nobody has to wait
    time.now += 999
    assert answers.get(b"a") is not None
    time.now += 1
    assert await got(answers, "a") is None
    assert answers.stats().in_memory == 0


async def test_what_memory_has_no_room_for_is_in_the_file(answers: Answers) -> None:
    for number in range(10):
        answers.put(answer(f"a{number}", size=2000))
    await answers.flush()
    stats = answers.stats()
    assert (stats.answers, stats.in_memory) == (10, 3)
    assert stats.memory <= 10_000
    found = answers.get(b"a0")
    assert not isinstance(found, Answer)
    assert found is not None
    assert await found == answer("a0", size=2000)
    assert isinstance(answers.get(b"a0"), Answer)  # it is in memory again
    assert answers.stats().in_memory == 3  # in place of the one used longest ago


async def test_the_file_has_bounds_and_loses_the_oldest(answers: Answers) -> None:
    for number in range(20):
        answers.put(answer(f"a{number:02}", size=2000))
        await answers.flush()
    stats = answers.stats()
    assert stats.size <= 30_000
    assert await got(answers, "a00") is None
    assert await got(answers, "a19") == answer("a19", size=2000)
    assert stats.answers == 11


async def test_an_answer_of_too_many_bytes_is_not_kept(answers: Answers) -> None:
    answers.put(answer("large", size=LARGEST))
    answers.put(answer("larger than memory", size=10_000))
    assert answers.stats().in_memory == 0


async def test_answers_are_there_after_a_restart(answers: Answers, tmp_path: Path, time: Time) -> None:
    answers.put(answer("a", owner="usr_1"))
    answers.put(answer("soon over", ttl=10))
    await answers.stop()
    time.now += 20
    again = Answers(tmp_path / "answers.db", now=time)
    await again.start()
    assert await got(again, "a") == answer("a", owner="usr_1")
    assert await got(again, "soon over") is None
    again.put(answer("b"))
    await again.flush()
    assert again.stats().answers == 2  # what expired left the file
    await again.stop()


async def test_a_renewed_answer_takes_the_place_of_the_other(answers: Answers) -> None:
    answers.put(answer("a", size=100))
    await answers.flush()
    answers.put(answer("a", size=200))
    await answers.flush()
    assert answers.stats().answers == 1
    assert answers.stats().size == answer("a", size=200).size
    for number in range(5):
        answers.put(answer(f"b{number}", size=2000))  # out of memory
    assert await got(answers, "a") == answer("a", size=200)


async def test_forgetting(answers: Answers, tmp_path: Path) -> None:
    answers.put(answer("a", route="rte_1", owner="usr_1"))
    answers.put(answer("b", route="rte_1", owner="usr_2"))
    answers.put(answer("c", route="rte_2", owner="usr_1"))
    await answers.flush()
    answers.put(answer("d", route="rte_2", owner="usr_2"))  # not written yet
    assert answers.forget_route("rte_1") == 2
    answers.forget_owner("usr_2")
    assert [name for name in "abcd" if await got(answers, name)] == ["c"]
    await answers.flush()
    await answers.stop()
    again = Answers(tmp_path / "answers.db")
    await again.start()
    assert again.stats().answers == 1
    again.keep_only({"rte_9"})
    assert again.stats().answers == 0
    await again.stop()


async def test_an_answer_read_while_it_is_forgotten_is_not_kept_again(answers: Answers) -> None:
    for number in range(10):
        answers.put(answer(f"a{number}", size=2000))
    await answers.flush()
    reading = answers.get(b"a0")
    assert reading is not None
    assert not isinstance(reading, Answer)
    task = asyncio.ensure_future(reading)
    answers.forget_route("rte_1")
    await task
    assert await got(answers, "a0") is None


async def test_without_a_file_there_is_memory(time: Time) -> None:
    answers = Answers(in_memory=5000, now=time)
    await answers.start()
    for number in range(5):
        answers.put(answer(f"a{number}", size=2000))
    await answers.flush()
    assert await got(answers, "a0") is None
    assert await got(answers, "a4") is not None
    assert answers.stats().answers == 1
    await answers.stop()


async def test_a_file_of_another_version_begins_anew(answers: Answers, tmp_path: Path) -> None:
    import sqlite3

    answers.put(answer("a"))
    await answers.stop()
    with sqlite3.connect(tmp_path / "answers.db") as file:
        file.execute("PRAGMA user_version = 99")
    file.close()
    again = Answers(tmp_path / "answers.db")
    await again.start()
    assert again.stats().answers == 0
    await again.stop()
