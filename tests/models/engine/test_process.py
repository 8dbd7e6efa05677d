import asyncio
import os
import resource
import signal
import subprocess
import sys
import textwrap
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import httpx
import pytest

from inglenook.kit.config import Settings
from inglenook.kit.errors import Unavailable
from inglenook.models.engine import process
from inglenook.models.engine.process import Child, ChildSpec
from inglenook.models.engine.source import BOUNDLESS, Source, built_in_embedder, from_path
from inglenook.models.errors import BadModelFile
from tests.support.engine import is_gone
from tests.support.gguf import tiny_llama

GIB = 1 << 30


def _spec(source: Source) -> ChildSpec:
    return source.plan(512, Settings(), BOUNDLESS).spec


@pytest.fixture
async def start() -> AsyncIterator[Callable[..., Any]]:
    children: list[Child] = []

    async def begin(source: Source, timeout: float = 30) -> Child:
        children.append(await Child.start(_spec(source), timeout))
        return children[-1]

    yield begin
    for child in children:
        await child.stop()


async def _get(child: Child, path: str, key: str | None = None) -> int:
    async with httpx.AsyncClient(trust_env=False) as client:
        headers = {"authorization": f"Bearer {key}"} if key else {}
        return (await client.get(child.origin + path, headers=headers)).status_code


async def test_listens_on_loopback_and_wants_its_key(start: Any, tiny: Callable[..., Source]) -> None:
    child = await start(tiny())
    assert child.origin.startswith("http://127.0.0.1:")
    assert await _get(child, "/slots", child.api_key) == 200
    assert await _get(child, "/slots", "wrong") == 401
    assert await _get(child, "/slots") == 401


async def test_secrets_reach_a_child_by_pipe_only(
    start: Any, tiny: Callable[..., Source], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SOME_VENDORS_API_KEY", "hush")
    monkeypatch.setenv("INGLENOOK_DATABASE_URL", "postgresql+psycopg://u:hush@h/d")
    child = await start(tiny())
    environment, arguments = _read(child.pid, "environ"), _read(child.pid, "cmdline")
    assert "hush" not in environment
    assert child.api_key not in environment + arguments
    assert "OMP_WAIT_POLICY=passive" in environment
    assert "GOMP_SPINCOUNT=0" in environment


def _read(pid: int, name: str) -> str:
    return Path(f"/proc/{pid}/{name}").read_text()


async def test_the_embedder_wants_its_key_too(start: Any) -> None:
    child = await start(built_in_embedder())
    async with httpx.AsyncClient(trust_env=False) as client:
        for key, status in ((child.api_key, 200), ("wrong", 401)):
            answer = await client.post(
                f"{child.origin}/v1/embeddings",
                json={"input": [["a", True]]},
                headers={"authorization": f"Bearer {key}"},
            )
            assert answer.status_code == status


async def test_stop_ends_it(start: Any, tiny: Callable[..., Source]) -> None:
    child = await start(tiny())
    assert child.alive
    assert child.memory() > 1 << 20
    await child.stop()
    assert not child.alive
    assert is_gone(child.pid)
    assert child.memory() == 0
    await child.stop()


async def test_its_end_is_heard_of_and_explained(start: Any, tiny: Callable[..., Source]) -> None:
    child = await start(tiny())
    ended = asyncio.Event()
    child.on_end(ended.set)
    os.kill(child.pid, signal.SIGKILL)
    await asyncio.wait_for(ended.wait(), 5)
    assert "signal 9, SIGKILL" in (await child.failure("x")).message


@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGTERM])
def test_dies_with_its_parent(how: signal.Signals, tmp_path: Path) -> None:
    tiny_llama(tmp_path / "tiny.gguf")
    script = """
        import asyncio, sys
        from pathlib import Path
        from inglenook.kit.config import Settings
        from inglenook.models.engine.process import Child
        from inglenook.models.engine.source import BOUNDLESS, from_path
        async def main():
            child = await Child.start(from_path(Path(sys.argv[1])).plan(512, Settings(), BOUNDLESS).spec, 30)
            print(child.pid, flush=True)
            await asyncio.Event().wait()
        asyncio.run(main())
    """
    parent = subprocess.Popen(
        [sys.executable, "-c", textwrap.dedent(script), str(tmp_path / "tiny.gguf")], stdout=subprocess.PIPE
    )
    assert parent.stdout is not None
    with parent:
        pid = int(parent.stdout.readline())
        watched = os.pidfd_open(pid)
        parent.send_signal(how)
        parent.wait()
        try:
            import select

            assert select.select([watched], [], [], 5)[0], "the child outlived its parent"
        finally:
            os.close(watched)


def test_dies_at_the_end_of_its_pipe() -> None:
    child = subprocess.Popen(
        [sys.executable, "-m", "inglenook.models.engine.e5_child"], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    assert child.stdin is not None
    assert child.stdout is not None
    with child:
        child.stdin.write(b'{"api_key": "k", "threads": 1, "parent": %d}\n' % os.getpid())
        child.stdin.flush()
        assert b"port" in child.stdout.readline()
        child.stdin.close()
        assert child.wait(5) == 0


async def test_a_load_that_takes_too_long_is_ended(tiny: Callable[..., Source]) -> None:
    with pytest.raises(Unavailable, match=r"did not load within 0\.01 s"):
        await Child.start(_spec(tiny()), 0.01)


async def test_a_cancelled_start_leaves_nothing(tiny: Callable[..., Source]) -> None:
    before = _children()
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(Child.start(_spec(tiny()), 30), 0.03)
    assert _children() == before


def _children() -> set[str]:
    return set(Path(f"/proc/self/task/{os.getpid()}/children").read_text().split())


async def test_where_no_process_can_be_started_it_is_told(tiny: Callable[..., Source]) -> None:
    limits = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (3, limits[1]))
    try:
        with pytest.raises(Unavailable, match=r"process of model a could not be started.*open files"):
            await Child.start(_spec(tiny()), 30)
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, limits)


ENDLESS = (
    "{% for a in range(30000) %}{% for b in range(30000) %}{% for c in range(30000) %}{% endfor %}{% endfor %}"
    "{% endfor %}"
)


async def test_a_template_without_end_is_found_while_loading(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(process, "TEMPLATE_DEADLINE", 0.5)
    path = tiny_llama(tmp_path / "endless.gguf", tokenizer__chat_template=ENDLESS)
    with pytest.raises(BadModelFile, match=r"endless cannot be used: .*chat template"):
        await Child.start(_spec(from_path(path)), 30)


async def test_a_template_that_eats_memory_is_ended(tmp_path: Path) -> None:
    path = tiny_llama(tmp_path / "hungry.gguf", tokenizer__chat_template="{% for a in range(1000000000) %}{% endfor %}")
    spec = _spec(from_path(path))
    spec.memory_limit = 300 << 20
    with pytest.raises(BadModelFile, match="hungry cannot be used: it took more than 300 MiB"):
        await Child.start(spec, 30)


async def test_a_template_that_crashes_is_told(tmp_path: Path) -> None:
    crash = "{% macro f(x) %}{{ f(x) }}{% endmacro %}{{ f(1) }}"
    path = tiny_llama(tmp_path / "crash.gguf", tokenizer__chat_template=crash)
    with pytest.raises(BadModelFile, match=r"crash did not load.*SIGSEGV"):
        await Child.start(_spec(from_path(path)), 30)


async def test_what_llama_cpp_refuses_is_told_in_its_words(tmp_path: Path) -> None:
    path = tiny_llama(tmp_path / "odd.gguf", tokenizer__ggml__pre="no such splitter")
    with pytest.raises(BadModelFile, match=r"odd did not load: .*no such splitter"):
        await Child.start(_spec(from_path(path)), 30)


@pytest.mark.parametrize(
    ("key", "value", "told"),
    [
        (
            "llama__rope__dimension_count",
            12,
            r"odd did not load: error loading model: .*invalid n_rot: 12, expected 16$",
        ),
        (
            "llama__attention__layer_norm_rms_epsilon",
            float("nan"),
            r"odd did not load: ops\.cpp:\d+: GGML_ASSERT.*SIGABRT$",
        ),
    ],
)
async def test_why_it_did_not_load_is_told_without_clutter(tmp_path: Path, key: str, value: Any, told: str) -> None:
    path = tiny_llama(tmp_path / "odd.gguf", **{key: value})
    with pytest.raises(BadModelFile, match=told):
        await Child.start(_spec(from_path(path)), 30)
