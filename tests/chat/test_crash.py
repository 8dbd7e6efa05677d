"""What becomes of answers that were being written when the server ended, gracefully or not."""

import asyncio
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from tests.support.chat import PATIENCE, Person, Rooms, open_rooms, serve
from tests.support.running import ROOT, command_environment

#: Says three words, has them journaled (a notice is an event), then stands at a gate.
SCRIPTS = {
    "gated": {"steps": [{"text": "one two three"}, {"notice": {"message": "n"}}, {"wait": "more"}, {"text": " four"}]},
}

CHILD = """
import asyncio, sys
from pathlib import Path
from tests.chat.test_crash import SCRIPTS
from tests.support.chat import open_rooms, serve

async def main():
    async with open_rooms(Path(sys.argv[1]), SCRIPTS) as rooms, serve(rooms) as url:
        ada = await rooms.person("ada", url)
        chat = await ada.begin(model="gated")
        sent = await ada.send(chat, "go")
        await rooms.fake.gate("more").reached()
        print(chat, sent["answer"]["id"], sent["run_id"], flush=True)
        await asyncio.Event().wait()

asyncio.run(main())
"""


@pytest.mark.slow
async def test_kill_9_leaves_an_interrupted_answer_that_can_be_continued(tmp_path: Path) -> None:
    child = await asyncio.create_subprocess_exec(
        sys.executable, "-c", CHILD, str(tmp_path), stdout=asyncio.subprocess.PIPE, cwd=ROOT, env=command_environment()
    )
    assert child.stdout is not None
    try:
        async with asyncio.timeout(PATIENCE * 3):
            line = (await child.stdout.readline()).decode()
    finally:
        child.send_signal(signal.SIGKILL)
        await child.wait()
    chat, answer_id, run_id = line.split()

    async with again(tmp_path) as (rooms, ada):
        watch = await ada.follow(run_id)
        assert (watch.status, watch.text) == ("interrupted", "one two three")
        answer = await ada.message(chat, answer_id)
        assert (answer["status"], answer["text"]) == ("interrupted", "one two three")
        assert answer["error"]
        assert answer["notices"][0]["message"] == "n"
        await continues(rooms, ada, chat, answer_id)


async def test_a_graceful_stop_interrupts_too(tmp_path: Path) -> None:
    async with open_rooms(tmp_path, SCRIPTS) as rooms, serve(rooms) as url, await rooms.person("ada", url) as ada:
        chat = await ada.begin(model="gated")
        sent = await ada.send(chat, "go")
        await rooms.fake.gate("more").reached()
        await rooms.runs.stop(grace=0.01)
        answer = await ada.message(chat, sent["answer"]["id"])
        assert (answer["status"], answer["text"]) == ("interrupted", "one two three")

    async with again(tmp_path) as (rooms, ada):
        assert (await ada.message(chat, answer["id"]))["status"] == "interrupted"
        await continues(rooms, ada, chat, answer["id"])


async def test_an_answer_that_was_only_queued_is_written_after_the_restart(tmp_path: Path) -> None:
    async with open_rooms(tmp_path, SCRIPTS) as rooms, serve(rooms) as url, await rooms.person("ada", url) as ada:
        await rooms.runs.stop(grace=0.01)
        chat = await ada.begin(model="echo")
        sent = await ada.send(chat, "hello")
        assert (await ada.message(chat, sent["answer"]["id"]))["status"] == "streaming"

    async with again(tmp_path) as (_, ada):
        await ada.follow(sent["run_id"])
        answer = await ada.message(chat, sent["answer"]["id"])
        assert (answer["status"], answer["text"]) == ("complete", "hello")


@asynccontextmanager
async def again(folder: Path) -> AsyncIterator[tuple[Rooms, Person]]:
    """The same data, served anew, and the same user."""
    async with open_rooms(folder, SCRIPTS) as rooms, serve(rooms) as url, await rooms.known_person("ada", url) as ada:
        yield rooms, ada


async def continues(rooms: Rooms, ada: Person, chat: str, answer_id: str) -> None:
    rooms.fake.gate("more").open()
    done = await ada.call("POST", f"conversations/{chat}/messages/{answer_id}/continue")
    await ada.follow(done["run_id"])
    answer = await ada.message(chat, answer_id)
    assert (answer["status"], answer["text"]) == ("complete", "one two threeone two three four")
    assert (answer["error"], len((await ada.conversation(chat))["messages"])) == (None, 2)
