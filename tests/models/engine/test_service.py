import asyncio
import os
import signal
from collections.abc import Callable
from contextlib import AsyncExitStack
from typing import Any

import pytest

from inglenook.kit.errors import Unavailable
from inglenook.models.engine.memory import MIB
from inglenook.models.engine.resident import Lease
from inglenook.models.engine.service import Engine
from inglenook.models.engine.source import Source, built_in_embedder, from_path
from inglenook.models.errors import BadModelFile, ModelNotFound
from inglenook.models.hub.layout import ModelStore
from tests.support.engine import is_gone, until
from tests.support.gguf import tiny_llama

Make = Callable[..., Engine]
Tiny = Callable[..., Source]


def _loaded(engine: Engine) -> list[str]:
    return sorted(model.name for model in engine.status() if model.state == "ready")


async def _use(engine: Engine, source: Source, **options: Any) -> int:
    """Take a lease and give it back; the process that served it."""
    async with engine.lease(source, **options) as lease:
        return lease.child.pid


class Held:
    """A lease held by a task of its own."""

    def __init__(self, engine: Engine, source: Source, **options: Any) -> None:
        self.leased: asyncio.Future[Lease] = asyncio.get_running_loop().create_future()
        self._done = asyncio.Event()
        self.task = asyncio.create_task(self._hold(engine, source, options))

    async def _hold(self, engine: Engine, source: Source, options: dict[str, Any]) -> None:
        async with engine.lease(source, **options) as lease:
            self.leased.set_result(lease)
            await self._done.wait()

    async def end(self) -> None:
        self._done.set()
        await self.task


# ----------------------------------------------------------------------------------------------- loading


async def test_a_lease_loads_and_status_tells(make_engine: Make, tiny: Tiny) -> None:
    engine = make_engine()
    async with engine.lease(tiny()) as lease:
        assert lease.load_ms > 0
        [model] = engine.status()
        assert (model.name, model.state, model.busy, model.slots, model.pending) == ("a", "ready", 1, 4, 0)
        assert model.context_length == lease.context == 512
        assert model.expires_at is None
        assert model.memory > MIB
    [model] = engine.status()
    assert model.busy == 0
    assert model.expires_at is not None
    assert model.expires_at > model.loaded_at
    async with engine.lease(tiny()) as again:
        assert again.load_ms == 0


async def test_calls_at_once_load_once(make_engine: Make, tiny: Tiny) -> None:
    engine = make_engine()
    pids = await asyncio.gather(*[_use(engine, tiny()) for _ in range(12)])
    assert len(set(pids)) == 1


async def test_memory_is_measured(make_engine: Make, tiny: Tiny) -> None:
    engine = make_engine()
    await _use(engine, tiny())
    await engine.measure()
    [model] = engine.status()
    assert 5 * MIB < model.memory < 200 * MIB
    assert engine.memory().used == model.memory
    assert engine.memory().budget > engine.memory().used


async def test_models_are_found_by_name(make_engine: Make, tiny: Tiny) -> None:
    engine = make_engine()
    ModelStore(engine.settings.models_dir).import_gguf(_path(tiny()), "hearth", config={})
    assert await engine.load("hearth") > 0
    assert await engine.load("HEARTH:latest") == 0
    assert _loaded(engine) == ["hearth:latest"]
    assert [source.name for source in await engine.sources()] == ["hearth:latest"]
    with pytest.raises(ModelNotFound):
        await engine.load("absent")


def _path(source: Source) -> Any:
    assert source.file is not None
    return source.file.path


async def test_a_load_that_fails_tells_all_who_wait_and_harms_nobody(
    make_engine: Make, tiny: Tiny, tmp_path: Any
) -> None:
    engine = make_engine()
    bad = from_path(tiny_llama(tmp_path / "bad.gguf", tokenizer__ggml__pre="unheard of"))
    results = await asyncio.gather(*[_use(engine, bad) for _ in range(3)], return_exceptions=True)
    assert [type(result) for result in results] == [BadModelFile] * 3
    assert engine.status() == []
    await _use(engine, tiny())


async def test_a_hanging_load_is_ended_in_time(make_engine: Make, tiny: Tiny) -> None:
    engine = make_engine(load_timeout=0.01)
    with pytest.raises(Unavailable, match="did not load within"):
        await _use(engine, tiny())
    assert engine.status() == []


# ------------------------------------------------------------------------------------------------- slots


async def test_no_more_calls_than_slots_and_first_come_first_served(make_engine: Make, tiny: Tiny) -> None:
    engine = make_engine(parallel=2)
    first, second = Held(engine, tiny()), Held(engine, tiny())
    await first.leased
    await second.leased
    third, fourth = Held(engine, tiny()), Held(engine, tiny())
    await until(engine, lambda: engine.status()[0].pending == 2)
    assert not third.leased.done()
    await first.end()
    await third.leased
    assert not fourth.leased.done()
    for held in (second, third, fourth):
        await held.end()


async def test_the_queue_has_a_limit(make_engine: Make, tiny: Tiny) -> None:
    engine = make_engine(max_queue=2, parallel=1)
    results = await asyncio.gather(*[_use(engine, tiny()) for _ in range(30)], return_exceptions=True)
    refused = [result for result in results if isinstance(result, BaseException)]
    assert len(refused) == 28
    assert {str(error) for error in refused} == {"server busy, please try again.  maximum pending requests exceeded"}
    assert all(isinstance(error, Unavailable) and error.status == 503 for error in refused)


async def test_who_goes_away_leaves_the_queue(make_engine: Make, tiny: Tiny) -> None:
    engine = make_engine(parallel=1)
    holder = Held(engine, tiny())
    await holder.leased
    gone, stays = Held(engine, tiny()), Held(engine, tiny())
    await until(engine, lambda: engine.status()[0].pending == 2)
    gone.task.cancel()
    await until(engine, lambda: engine.status()[0].pending == 1)
    await holder.end()
    await stays.leased
    await stays.end()
    assert engine.status()[0].busy == 0


async def test_a_lease_given_to_someone_who_just_left_comes_back(make_engine: Make, tiny: Tiny) -> None:
    engine = make_engine(parallel=1)
    holder = Held(engine, tiny())
    await holder.leased
    waiting = Held(engine, tiny())
    await until(engine, lambda: engine.status()[0].pending == 1)
    await holder.end()
    await until(engine, lambda: engine.status()[0].pending == 0)
    waiting.task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiting.task
    await until(engine, lambda: engine.status()[0].busy == 0)
    await _use(engine, tiny())


# ------------------------------------------------------------------------------------------------ context


async def test_another_num_ctx_reloads_once_the_same_or_none_does_not(make_engine: Make, tiny: Tiny) -> None:
    engine = make_engine()
    first = await _use(engine, tiny())
    assert await _use(engine, tiny(), num_ctx=512) == first
    second = await _use(engine, tiny(), num_ctx=1024)
    assert second != first
    assert is_gone(first)
    assert engine.status()[0].context_length == 1024
    assert await _use(engine, tiny(), num_ctx=1024) == second
    assert await _use(engine, tiny()) == second


async def test_num_ctx_is_capped_at_what_the_model_was_trained_for(make_engine: Make, tiny: Tiny) -> None:
    engine = make_engine()
    pid = await _use(engine, tiny(), num_ctx=1_000_000)
    assert engine.status()[0].context_length == 2048
    assert await _use(engine, tiny(), num_ctx=2048) == pid


async def test_a_reload_waits_for_running_calls(make_engine: Make, tiny: Tiny) -> None:
    engine = make_engine()
    running = Held(engine, tiny())
    pid = (await running.leased).child.pid
    larger, later = Held(engine, tiny(), num_ctx=1024), Held(engine, tiny())
    await until(engine, lambda: engine.status()[0].pending == 2)
    assert not is_gone(pid)
    await running.end()
    assert (await larger.leased).child.pid != pid
    assert (await later.leased).context == 1024
    await larger.end()
    await later.end()


async def test_a_context_that_cannot_be_had_harms_neither_the_loaded_model_nor_those_who_wait(
    make_engine: Make, tiny: Tiny
) -> None:
    enough = tiny().estimate(make_engine(parallel=1).settings, prompts=False).total
    engine = make_engine(memory_budget=enough // MIB + 1, parallel=1)
    running = Held(engine, tiny())
    pid = (await running.leased).child.pid
    greedy, modest = Held(engine, tiny(), num_ctx=2048), Held(engine, tiny())
    await until(engine, lambda: engine.status()[0].pending == 2)
    await running.end()
    with pytest.raises(Unavailable, match=r"context of 2048 tokens"):
        await greedy.task
    assert (await modest.leased).child.pid == pid
    await modest.end()


# --------------------------------------------------------------------------------------------- keep-alive


async def test_leaves_when_its_keep_alive_has_passed(make_engine: Make, tiny: Tiny) -> None:
    engine = make_engine(keep_alive=0.1)
    pid = await _use(engine, tiny())
    await until(engine, lambda: not engine.status())
    assert is_gone(pid)
    assert engine.memory().used == 0


async def test_keep_alive_counts_from_the_end_of_the_last_call(make_engine: Make, tiny: Tiny) -> None:
    engine = make_engine(keep_alive=0.2)
    held = Held(engine, tiny())
    await held.leased
    await asyncio.sleep(0.4)  # longer than the keep-alive, and the call still runs
    assert _loaded(engine) == ["a"]
    await held.end()
    assert _loaded(engine) == ["a"]
    await until(engine, lambda: not engine.status())


async def test_a_call_may_say_how_long(make_engine: Make, tiny: Tiny) -> None:
    engine = make_engine(keep_alive=300)
    await _use(engine, tiny(), keep_alive=-1)
    assert engine.status()[0].expires_at is None
    await _use(engine, tiny(), keep_alive=0)
    await until(engine, lambda: not engine.status())


@pytest.mark.parametrize("keep_alive", [1e15, 1e308, float("inf"), float("nan")])
async def test_a_keep_alive_beyond_all_calendars_is_for_ever(keep_alive: float, make_engine: Make, tiny: Tiny) -> None:
    engine = make_engine(keep_alive=0)
    await _use(engine, tiny(), keep_alive=keep_alive)
    [model] = engine.status()
    assert (model.state, model.expires_at) == ("ready", None)


async def test_unload(make_engine: Make, tiny: Tiny) -> None:
    engine = make_engine()
    ModelStore(engine.settings.models_dir).import_gguf(_path(tiny()), "hearth", config={})
    assert await engine.unload("hearth")
    await engine.load("hearth")
    assert await engine.unload("hearth")
    assert engine.status() == []
    busy = Held(engine, await engine.source("hearth"))
    await busy.leased
    assert not await engine.unload("hearth")
    assert _loaded(engine) == ["hearth:latest"]
    await busy.end()
    await until(engine, lambda: not engine.status())


async def test_unload_of_a_model_that_is_loading_waits_for_its_calls(make_engine: Make, tiny: Tiny) -> None:
    engine = make_engine()
    ModelStore(engine.settings.models_dir).import_gguf(_path(tiny()), "hearth", config={})
    loading = Held(engine, await engine.source("hearth"))
    await until(engine, lambda: bool(engine.status()) and engine.status()[0].state == "loading")
    assert not await engine.unload("hearth")
    await loading.leased
    await loading.end()
    await until(engine, lambda: not engine.status())


# ----------------------------------------------------------------------------------------------- eviction


async def test_the_longest_unused_makes_room(make_engine: Make, tiny: Tiny) -> None:
    engine = make_engine(max_loaded=2)
    for name in ("a", "b"):
        await _use(engine, tiny(name))
    await _use(engine, tiny("a"))
    await _use(engine, tiny("c"))
    assert _loaded(engine) == ["a", "c"]


async def test_a_busy_model_is_waited_for(make_engine: Make, tiny: Tiny) -> None:
    engine = make_engine(max_loaded=1)
    busy = Held(engine, tiny("a"))
    pid = (await busy.leased).child.pid
    other = Held(engine, tiny("b"))
    await until(engine, lambda: len(engine.status()) == 2)
    assert not is_gone(pid)
    assert not other.leased.done()
    await busy.end()
    await other.leased
    assert is_gone(pid)
    await other.end()


async def test_a_model_that_is_never_idle_makes_room_in_its_turn(make_engine: Make, tiny: Tiny) -> None:
    engine = make_engine(max_loaded=1, parallel=4)
    first = Held(engine, tiny("a"))
    pid = (await first.leased).child.pid
    other = Held(engine, tiny("b"))
    await until(engine, lambda: len(engine.status()) == 2)
    later = Held(engine, tiny("a"))
    await until(engine, lambda: sum(model.pending for model in engine.status()) == 2)
    await first.end()
    await asyncio.wait_for(other.leased, 10)
    assert is_gone(pid)
    assert not later.leased.done()
    await other.end()
    await later.leased
    await later.end()


async def test_a_model_stays_open_when_nobody_wants_its_room_any_more(make_engine: Make, tiny: Tiny) -> None:
    engine = make_engine(max_loaded=1, parallel=4)
    first = Held(engine, tiny("a"))
    pid = (await first.leased).child.pid
    other = Held(engine, tiny("b"))
    await until(engine, lambda: len(engine.status()) == 2)
    later = Held(engine, tiny("a"))
    await until(engine, lambda: sum(model.pending for model in engine.status()) == 2)
    other.task.cancel()
    assert (await later.leased).child.pid == pid
    for held in (first, later):
        await held.end()


async def test_the_memory_budget_is_kept(make_engine: Make, tiny: Tiny) -> None:
    engine = make_engine(max_loaded=9)
    await _use(engine, tiny("a"))
    await engine.measure()
    # Each takes less than was expected of it: there is room for two, and for a third only by what was expected.
    engine.budget = engine.memory().used * 3 // 2 + tiny("b").estimate(engine.settings).total
    for name in ("b", "c"):
        await _use(engine, tiny(name))
    assert _loaded(engine) == ["b", "c"]
    await engine.measure()
    assert engine.memory().used <= engine.memory().budget


async def test_a_model_larger_than_the_budget_is_refused_with_both_numbers(make_engine: Make, tiny: Tiny) -> None:
    engine = make_engine(memory_budget=20)
    with pytest.raises(Unavailable, match=r"needs about \d+ MiB .* may use 20 MiB"):
        await _use(engine, tiny())


async def test_idle_models_leave_when_the_machine_is_short_of_memory(make_engine: Make, tiny: Tiny) -> None:
    free = 1 << 40
    engine = make_engine(max_loaded=9, available=lambda: free)
    for name in ("a", "b"):
        await _use(engine, tiny(name))
    busy = Held(engine, tiny("b"))
    await busy.leased
    # Other programs leave room for half a model: "a" goes, "b" is at work, and "c" waits for it.
    need = tiny("c").estimate(engine.settings).total
    free = need // 2
    third = Held(engine, tiny("c"))
    await until(engine, lambda: _loaded(engine) == ["b"])
    assert not third.leased.done()
    free = need
    await busy.end()
    await third.leased
    assert "c" in _loaded(engine)
    await third.end()


async def test_a_machine_without_memory_to_spare_refuses_with_its_number(make_engine: Make, tiny: Tiny) -> None:
    engine = make_engine(available=lambda: 3 * MIB)
    with pytest.raises(Unavailable, match=r"this machine has 3 MiB free"):
        await _use(engine, tiny())


async def test_an_estimate_says_what_fits(make_engine: Make, tiny: Tiny) -> None:
    engine = make_engine(memory_budget=200, parallel=2)
    ModelStore(engine.settings.models_dir).import_gguf(_path(tiny()), "hearth", config={})
    fit = await engine.estimate("hearth", num_ctx=1000)
    assert (fit.context_length, fit.slots, fit.fits, fit.loaded) == (1024, 2, True, None)
    assert fit.largest_context_length == 2048
    assert fit.total == fit.weights + fit.cache + fit.work + fit.prompts + fit.process
    await engine.load("hearth", num_ctx=1000)
    assert (await engine.estimate("hearth", num_ctx=512)).loaded == 1024
    assert (await engine.estimate("multilingual-e5-small")).total == 220 * MIB


async def test_waiting_for_room_ends_with_the_callers(make_engine: Make, tiny: Tiny) -> None:
    engine = make_engine(max_loaded=1)
    busy = Held(engine, tiny("a"))
    await busy.leased
    other = Held(engine, tiny("b"))
    await until(engine, lambda: len(engine.status()) == 2)
    other.task.cancel()
    await until(engine, lambda: len(engine.status()) == 1)
    await busy.end()


async def test_the_embedder_takes_no_place_of_a_model(make_engine: Make, tiny: Tiny) -> None:
    engine = make_engine(max_loaded=1)
    await _use(engine, tiny())
    await _use(engine, built_in_embedder())
    assert _loaded(engine) == ["a", "multilingual-e5-small"]


# -------------------------------------------------------------------------------------------------- ends


async def test_after_a_crash_the_next_call_loads_again(make_engine: Make, tiny: Tiny) -> None:
    engine = make_engine()
    async with engine.lease(tiny()) as lease:
        os.kill(lease.child.pid, signal.SIGKILL)
        error = await lease.child.failure("connection lost")
        assert "SIGKILL" in error.message
        assert "next call loads the model again" in error.message
        second = await _use(engine, tiny())
        assert second != lease.child.pid
    assert engine.status()[0].busy == 0
    assert await _use(engine, tiny()) == second


async def test_those_who_wait_outlive_a_crash(make_engine: Make, tiny: Tiny) -> None:
    engine = make_engine(parallel=1)
    holder = Held(engine, tiny())
    lease = await holder.leased
    waiting = Held(engine, tiny())
    await until(engine, lambda: engine.status()[0].pending == 1)
    os.kill(lease.child.pid, signal.SIGKILL)
    assert (await waiting.leased).child.pid != lease.child.pid
    await holder.end()
    await waiting.end()


async def test_stop_ends_everything(make_engine: Make, tiny: Tiny) -> None:
    engine = make_engine()
    pids = [await _use(engine, tiny(name)) for name in ("a", "b")]
    await engine.stop()
    assert engine.status() == []
    assert all(is_gone(pid) for pid in pids)
    with pytest.raises(Unavailable, match="shutting down"):
        await _use(engine, tiny())


async def test_stop_tells_those_who_wait(make_engine: Make, tiny: Tiny) -> None:
    engine = make_engine()
    waiting = asyncio.create_task(_use(engine, tiny()))
    await until(engine, lambda: bool(engine.status()))
    await engine.stop()
    with pytest.raises(Unavailable, match="shutting down"):
        await waiting


async def test_changes_are_heard_of(make_engine: Make, tiny: Tiny) -> None:
    engine = make_engine()
    states: list[str] = []
    engine.on_change(lambda: states.extend(model.state for model in engine.status()))
    async with AsyncExitStack() as stack:
        await stack.enter_async_context(engine.lease(tiny(), keep_alive=0))
    await until(engine, lambda: not engine.status())
    assert [state for n, state in enumerate(states) if n == 0 or states[n - 1] != state] == [
        "waiting", "loading", "ready", "stopping", "waiting",
    ]  # fmt: skip
