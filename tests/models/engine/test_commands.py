"""Other engines as programs started here: ready, keyed, scheduled, restarted, and gone with all they started."""

import asyncio
import json
import shlex
import subprocess
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import psutil
import pytest

from inglenook.kit.config import load_settings
from inglenook.kit.errors import BadInput, InglenookError, Unavailable
from inglenook.kit.http.pool import HttpPool
from inglenook.models.calls import ChatRequest, Event, Message, TextDelta
from inglenook.models.engine.commands.registry import ENGINES
from inglenook.models.engine.service import Engine
from inglenook.models.errors import ModelFailed
from inglenook.models.hub.layout import ModelStore
from inglenook.models.providers.base import Job, ProviderParts
from inglenook.models.providers.commanded import MLX, SGLANG, VLLM, CommandProvider
from tests.support import fake_engine

PROGRAM = f"{shlex.quote(sys.executable)} {shlex.quote(fake_engine.__file__)}"
KINDS = {"vllm": VLLM, "sglang": SGLANG, "mlx": MLX}
USUAL = "--port {port} --model {model}"


@pytest.fixture
async def parts(tmp_path: Path) -> AsyncIterator[ProviderParts]:
    engine = Engine(load_settings(data=tmp_path, memory_budget=8192), ModelStore(tmp_path / "models"))
    http = HttpPool()
    yield ProviderParts(http=http, engine=engine)
    await engine.stop()
    await http.close()


def provider(parts: ProviderParts, name: str = "vllm", command: str = USUAL, **more: Any) -> CommandProvider:
    made = KINDS[name].make({"model": "org/m", "command": f"{PROGRAM} {command}", **more}, parts)
    assert isinstance(made, CommandProvider)
    return made


async def ask(provider: CommandProvider, text: str = "hello") -> str:
    request = ChatRequest(messages=[Message(role="user", content=text)])
    events: list[Event] = [e async for e in provider.stream(Job(model="org/m", stream=True, decode=lambda: request))]
    return "".join(event.text for event in events if isinstance(event, TextDelta))


@pytest.mark.parametrize(
    ("name", "command", "answer"),
    [
        ("vllm", USUAL, "org/m heard hello"),
        ("sglang", f"{USUAL} --config {{key_file}}", "org/m heard hello"),
        ("mlx", USUAL, "default_model heard hello"),
    ],
)
async def test_a_program_is_started_by_the_first_call_and_shown_its_key(
    parts: ProviderParts, tmp_path: Path, name: str, command: str, answer: str
) -> None:
    record = tmp_path / "record"
    made = provider(parts, name, f"{command} --record {record}", environment="EXTRA='1 = 2' OTHER=x\n# no\n")
    assert parts.engine.status() == []
    assert [facts.name for facts in await made.models()] == ["org/m"]
    assert parts.engine.status() == []  # which models there are is known without it
    assert await ask(made) == answer
    assert await ask(made) == answer
    [started] = recorded(record)
    assert started["extra"] == "1 = 2"
    [loaded] = parts.engine.status()
    assert (loaded.name, loaded.state) == (f"{name}/org/m", "ready")
    key = next(r.instance.child.api_key for r in parts.engine._residents.values() if r.instance)
    assert key not in json.dumps(started)


def recorded(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text().splitlines()]


async def test_its_log_never_shows_the_key(parts: ProviderParts) -> None:
    made = provider(parts, command=f"{USUAL} --say words")
    await ask(made)
    child = next(r.instance.child for r in parts.engine._residents.values() if r.instance)
    assert any("api_key='***' words" in line for line in child.log)
    assert child.api_key not in "".join(child.log)


async def test_one_that_fails_shows_its_last_words(parts: ProviderParts) -> None:
    with pytest.raises(Unavailable) as failed:
        await ask(provider(parts, command=f"{USUAL} --fail"))
    assert "ended with status 3 before it was ready" in failed.value.message
    assert "RuntimeError: no GPU found" in failed.value.message
    assert "api_key='***'" in failed.value.message


async def test_one_that_is_never_ready_is_ended(parts: ProviderParts, tmp_path: Path) -> None:
    record = tmp_path / "record"
    with pytest.raises(Unavailable, match="was not ready within 2 s"):
        await ask(provider(parts, command=f"{USUAL} --never --record {record}", start_timeout=2))
    assert not psutil.pid_exists(recorded(record)[0]["pid"])


async def test_one_that_is_missing_is_named(parts: ProviderParts) -> None:
    made = VLLM.make({"model": "org/m", "command": "no-such-program --port {port}"}, parts)
    with pytest.raises(Unavailable, match="no-such-program cannot be started: No such file"):
        await ask(made)  # type: ignore[arg-type]
    assert ENGINES["vllm"].missing("no-such-program --port {port}") == "no-such-program"
    assert ENGINES["vllm"].missing(f"{PROGRAM} --port {{port}}") == ""


async def test_one_that_dies_is_started_anew_by_the_next_call(parts: ProviderParts, tmp_path: Path) -> None:
    record = tmp_path / "record"
    made = provider(parts, command=f"{USUAL} --record {record}")
    with pytest.raises(ModelFailed, match="ended unexpectedly"):
        await ask(made, "die")
    assert await ask(made) == "org/m heard hello"
    assert len(recorded(record)) == 2


async def test_it_ends_with_all_it_started(parts: ProviderParts, tmp_path: Path) -> None:
    helper, record = tmp_path / "helper", tmp_path / "record"
    made = provider(parts, command=f"{USUAL} --helper {helper} --record {record}")
    await ask(made)
    pids = [int(read(helper)), recorded(record)[0]["pid"]]
    assert all(psutil.pid_exists(pid) for pid in pids)
    await parts.engine.stop()
    assert not any(alive(pid) for pid in pids)


def read(path: Path) -> str:
    return path.read_text()


def alive(pid: int) -> bool:
    try:
        return bool(psutil.Process(pid).status() != psutil.STATUS_ZOMBIE)
    except psutil.NoSuchProcess:
        return False


async def test_it_is_ended_when_idle_or_when_its_provider_goes(parts: ProviderParts) -> None:
    made = provider(parts, keep_alive=0.05)
    await ask(made)
    while parts.engine.status():
        await parts.engine.wait(parts.engine.version)
    other = provider(parts, keep_alive=-1)
    await ask(other)
    await other.close()
    while parts.engine.status():
        await parts.engine.wait(parts.engine.version)


async def test_its_memory_counts_and_others_make_room(parts: ProviderParts) -> None:
    first = provider(parts, memory=5000)
    second = provider(parts, "mlx", memory=5000)
    parts.engine._available = lambda: 1 << 40
    await ask(first)
    assert parts.engine.memory().used >= 5000 << 20
    await ask(second)
    assert [model.name for model in parts.engine.status()] == ["mlx/org/m"]
    with pytest.raises(Unavailable, match="is to have 9000 MiB of memory"):
        await ask(provider(parts, memory=9000))


async def test_calls_at_once_are_counted(parts: ProviderParts) -> None:
    made = provider(parts)
    answers = await asyncio.gather(*(ask(made, str(number)) for number in range(20)))
    assert answers == [f"org/m heard {number}" for number in range(20)]


@pytest.mark.parametrize(
    ("settings", "says"),
    [
        ({"command": "vllm serve {model}"}, "where {port} goes"),
        ({"command": "vllm {secret} --port {port}"}, "{secret} means nothing"),
        ({"command": "vllm 'x --port {port}"}, "cannot be read"),
        ({"model": "--trust-remote-code"}, "settings.model"),
        ({"environment": "not a line"}, "NAME=value"),
    ],
)
async def test_what_cannot_be_started_is_said_when_it_is_set_up(
    parts: ProviderParts, settings: dict[str, Any], says: str
) -> None:
    with pytest.raises(BadInput, match=says):
        VLLM.make({"model": "org/m", **settings}, parts)
    with pytest.raises(BadInput, match="key_file"):
        SGLANG.make({"model": "org/m", "command": "sglang serve --port {port}"}, parts)


def test_usual_commands_are_whole() -> None:
    for engine in ENGINES.values():
        assert engine.words("")
        assert engine.install
    with pytest.raises(InglenookError):
        ENGINES["sglang"].words("x {port}")


SERVER = """
import asyncio, sys
from pathlib import Path
from inglenook.kit.config import load_settings
from inglenook.models.engine.commands.registry import ENGINES
from inglenook.models.engine.commands.source import CommandSource, Launch
from inglenook.models.engine.process import Child
from inglenook.models.engine.source import BOUNDLESS

async def main():
    launch = Launch(model="m", template=sys.argv[1])
    source = CommandSource(key="k", name="m", digest="", size=0, engine=ENGINES["vllm"], launch=launch)
    child = await Child.start(source.plan(None, load_settings(data=Path("/nowhere")), BOUNDLESS).spec, 30)
    print(child.pid, flush=True)
    await asyncio.Event().wait()

asyncio.run(main())
"""


def test_it_dies_with_the_server_and_so_does_what_it_started(tmp_path: Path) -> None:
    helper, record = tmp_path / "helper", tmp_path / "record"
    command = f"{PROGRAM} {USUAL} --helper {helper} --record {record}"
    with subprocess.Popen([sys.executable, "-c", SERVER, command], stdout=subprocess.PIPE, text=True) as server:
        assert server.stdout is not None
        pids = [int(server.stdout.readline()), int(helper.read_text()), recorded(record)[0]["pid"]]
        watched = [psutil.Process(pid) for pid in pids]
        server.kill()
    _, left = psutil.wait_procs(watched, timeout=15)
    assert not left
