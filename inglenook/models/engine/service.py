"""The engine: which models are loaded here, and who may use them now.

A call takes a lease on a model. The engine loads the model if need be, within a memory budget and a number of loaded
models, evicting the least recently used idle one first and never a busy one; lines callers up for the model's
parallel slots; and unloads it when it was idle for its keep-alive. Calls beyond the queue's limit are refused.
"""

import asyncio
import logging
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

from msgspec import Struct

from inglenook.kit.config import Settings
from inglenook.kit.errors import Unavailable
from inglenook.models.engine import machine
from inglenook.models.engine.cores import CoreShares
from inglenook.models.engine.defaults import NOTHING, Defaults
from inglenook.models.engine.gpu import NONE, Build, probe
from inglenook.models.engine.resident import Instance, Lease, Resident, Waiter
from inglenook.models.engine.source import E5_NAME, Plan, Room, Source, built_in_embedder, of_modelfile, stored
from inglenook.models.errors import BadModelFile
from inglenook.models.hub.layout import ModelStore
from inglenook.models.hub.stored import StoredModel

log = logging.getLogger(__name__)

#: Of a `memory.Estimate`.
_PARTS = ("slots", "weights", "cache", "work", "prompts", "adapters", "projector", "process", "total")


class LoadedModel(Struct, kw_only=True):
    """A model that is loaded or about to be.

    Attributes:
        size: Of its files in bytes.
        memory: Bytes its process takes.
        context_length: Of one slot in tokens; 0 while it is not loaded.
        expires_at, loaded_at: Milliseconds since the epoch; `expires_at` None while it is busy or stays for ever.
        gpu_layers, gpu_memory: Layers that are on GPUs, and the bytes they take there, as estimated.
        state: `waiting` (for room), `loading`, `ready`, `stopping`.
        slots, busy, pending: Calls it takes at a time, has under way, and that wait for it.
    """

    name: str
    digest: str
    size: int
    memory: int
    context_length: int
    expires_at: int | None
    loaded_at: int
    state: str
    slots: int
    busy: int
    pending: int
    pid: int
    gpu_layers: int = 0
    gpu_memory: int = 0


class Fit(Struct, kw_only=True):
    """What a model would take, and whether there is room for it. See `schemas.MemoryEstimate`."""

    name: str
    context_length: int
    slots: int
    weights: int
    cache: int
    work: int
    prompts: int
    adapters: int
    projector: int
    process: int
    total: int
    budget: int
    free: int
    fits: bool
    largest_context_length: int
    largest_alone: int
    loaded: int | None


class MemoryUse(Struct, kw_only=True):
    """Bytes that loaded models take and may take, and what the machine has free now."""

    used: int
    budget: int
    available: int


class Engine:
    """Models on this machine. Make it in a running event loop; `stop` it at the end.

    Args:
        defaults: Tells what an administrator set for a model of the store.
        available: Tells how many bytes this machine has free now.
        probe: Asks the build of llama.cpp here what it sees of GPUs; it may take seconds.
    """

    def __init__(
        self,
        settings: Settings,
        model_store: ModelStore,
        *,
        defaults: Callable[[str], Defaults] = lambda name: NOTHING,
        available: Callable[[], int] = machine.available,
        probe: Callable[[], Build] = probe,
    ) -> None:
        self.settings = settings
        self.budget = machine.memory_budget(settings.memory_budget)
        self.loading = asyncio.Lock()
        #: Grows with every change that `status` shows.
        self.version = 0
        self._model_store = model_store
        self._shares = CoreShares()
        self._defaults = defaults
        self._available = available
        self._probe = probe
        self._looked = False
        #: What there is to use of GPUs, as last seen.
        self.gpus = NONE
        self._held = 0
        self._residents: dict[str, Resident] = {}
        self._change = asyncio.Event()
        self._listeners: list[Callable[[], None]] = []
        self._stopped = False

    async def source(self, name: str) -> Source:
        """The model of that name.

        Raises:
            NotFound: there is none.
            BadModelFile: its file cannot be used.
        """
        if name in (E5_NAME, f"{E5_NAME}:latest"):
            return built_in_embedder()
        return await asyncio.to_thread(lambda: self._stored(self._model_store.resolve(name)))

    async def sources(self) -> list[Source]:
        """Every model of the store whose file can be used; the others are logged."""
        return await asyncio.to_thread(lambda: [s for model in self._model_store.list() if (s := self._usable(model))])

    @asynccontextmanager
    async def lease(
        self, source: Source, *, num_ctx: int | None = None, keep_alive: float | None = None
    ) -> AsyncIterator[Lease]:
        """Use a model for one call: wait until it is loaded and a slot is free.

        Args:
            num_ctx: Another context than the loaded one reloads the model, once its calls have ended; None takes it
                as it is loaded.
            keep_alive: Seconds it stays loaded after this call; negative for ever; None as it is set for the model, or
                the server.

        Raises:
            Unavailable: too many calls wait already, there is not enough memory, or it takes too long to load.
            BadModelFile: it cannot be loaded.
        """
        keep_alive = source.defaults.keep_alive if keep_alive is None else keep_alive
        lease = await self._acquire(source, num_ctx, keep_alive)
        lease.source = source  # models that share their weights, and so their process, differ in the rest
        try:
            yield lease
        finally:
            lease.release()

    async def load(self, name: str, *, num_ctx: int | None = None, keep_alive: float | None = None) -> float:
        """Load a model if it is not; returns the milliseconds it took. Raises as `source` and `lease`."""
        async with self.lease(await self.source(name), num_ctx=num_ctx, keep_alive=keep_alive) as lease:
            return lease.load_ms

    async def unload(self, name: str) -> bool:
        """Unload a model: at once when it is idle (True), else when its calls have ended (False).

        Raises:
            NotFound: there is no model of that name.
        """
        resident = self._residents.get((await self.source(name)).key)
        if resident is None:
            return True
        resident.keep_alive = 0
        resident.evict()
        while resident.idle and self._residents.get(resident.source.key) is resident:
            await self.wait(self.version)
        return resident.instance is None and not resident.waiters

    async def defaults(self, name: str) -> tuple[Defaults, Defaults, Defaults]:
        """Of a model of the store: what an administrator set, what its Modelfile sets, and what holds. Raises as
        `source`."""
        model = await asyncio.to_thread(self._model_store.resolve, name)
        own, modelfile = self._defaults(model.name), of_modelfile(model)
        settings = self.settings
        server = Defaults(
            context_length=settings.context_length,
            slots=settings.parallel,
            keep_alive=settings.keep_alive,
            cache_type=settings.kv_cache_type,
        )
        return own, modelfile, own.over(modelfile).over(server)

    def evict_changed(self, name: str) -> None:
        """What is set for a model has changed: a process that was loaded otherwise goes as soon as it is idle."""
        for resident in self._residents.values():
            if resident.source.name.lower() == name.lower():
                resident.evict()

    def forget(self, key: str) -> None:
        """A source is no more: its process goes as soon as it is idle."""
        resident = self._residents.get(key)
        if resident is not None:
            resident.keep_alive = 0
            resident.evict()

    def status(self) -> list[LoadedModel]:
        """What is loaded or about to be, the latest to expire first."""
        models = [self._describe(resident) for resident in self._residents.values()]
        return sorted(models, key=lambda model: -(model.expires_at or 1 << 62))

    def memory(self) -> MemoryUse:
        """How much of the memory budget is used."""
        return MemoryUse(used=self._used(), budget=self.budget, available=self._available())

    async def estimate(self, name: str, *, num_ctx: int | None = None, slots: int | None = None) -> Fit:
        """What a model takes when it is loaded so, and whether there is room for it. Raises as `source`."""
        source = await self.source(name)
        await self.measure()
        need = source.estimate(self.settings, num_ctx, slots)
        room, resident = self.room(source), self._residents.get(source.key)
        return Fit(
            name=source.name,
            context_length=need.context,
            **{part: getattr(need, part) for part in _PARTS},
            budget=room.budget,
            free=room.most,
            # The cache of prompts is left out where there is no room for it.
            fits=need.total - need.prompts <= room.most,
            largest_context_length=source.largest_context(self.settings, need.slots, room.most),
            largest_alone=source.largest_context(self.settings, 1, room.most),
            loaded=resident.instance.plan.context if resident is not None and resident.instance is not None else None,
        )

    def room(self, source: Source) -> Room:
        """The memory `source` could be loaded in if every other model left."""
        others = sum(r.instance.memory for r in self._residents.values() if r.instance is not None)
        return Room(
            budget=self.budget,
            free=self.budget,
            available=self._available() + others,
            gpus=self.gpus,
            gpu_held=self._held,
        )

    async def look_at_gpus(self) -> None:
        """See `resident.House`. Asked once where there is none, else anew: other programs use them too."""
        if self.settings.gpu_layers and (not self._looked or self.gpus.devices):
            self._looked = True
            held, self.gpus = self._on_gpus(), await asyncio.to_thread(self._probe)
            self._held = held if self.gpus.devices else 0
            if self.gpus.problem:
                log.warning("the GPU build of llama.cpp cannot be asked what it sees: %s", self.gpus.problem)

    def files(self) -> set[Path]:
        """Files that models were loaded from, or are about to be."""
        return {r.source.file.path for r in self._residents.values() if r.source.file is not None}

    async def measure(self) -> None:
        """Look anew at how much memory each process takes; `status` and `memory` show it."""
        for instance in [r.instance for r in self._residents.values() if r.instance is not None]:
            instance.memory = await asyncio.to_thread(instance.child.memory) or instance.memory

    async def wait(self, version: int) -> int:
        """Wait until something has changed since `version`; returns the new version."""
        while self.version <= version:
            await self._change.wait()
        return self.version

    def on_change(self, listener: Callable[[], None]) -> None:
        """Call `listener()` after every change that `status` shows; it must be quick and not raise."""
        self._listeners.append(listener)

    async def stop(self) -> None:
        """End every process and refuse further calls."""
        self._stopped = True
        self._shares.stop()
        tasks = [resident.task for resident in self._residents.values()]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    # ------------------------------------------------------------------------------------ for residents

    async def make_room(self, resident: Resident, plan: Plan) -> bool:
        """See `resident.House`."""
        if self._scarce(plan):
            await self.measure()  # most take less than was expected of them
        closed: Resident | None = None
        try:
            while not all(waiter.future.done() for waiter in resident.waiters):
                others = [r for r in self._residents.values() if r is not resident and r.instance is not None]
                crowded = resident.source.counts and sum(r.source.counts for r in others) >= self.settings.max_loaded
                scarce = self._scarce(plan)
                if not others or not (crowded or scarce):
                    return True
                version = self.version
                removable = sorted((r for r in others if r.source.counts or scarce), key=lambda r: r.last_used)
                if idle := next((r for r in removable if r.idle), None):
                    idle.evict()
                elif closed not in removable:
                    closed = removable[0]
                    closed.close()
                await self.wait(version)
            return False
        finally:
            if closed is not None:
                closed.reopen()

    def leave(self, resident: Resident) -> None:
        """See `resident.House`."""
        if self._residents.get(resident.source.key) is resident:
            del self._residents[resident.source.key]
        self.changed()

    def changed(self) -> None:
        """See `resident.House`."""
        self.version += 1
        self._change.set()
        self._change = asyncio.Event()
        at_work = [r.instance for r in self._residents.values() if r.instance is not None and r.instance.busy]
        self._shares.working(frozenset(instance.child.pid for instance in at_work))
        for listener in self._listeners:
            listener()

    # ---------------------------------------------------------------------------------------- internals

    def _stored(self, model: StoredModel) -> Source:
        return stored(model, self._defaults(model.name))

    def _usable(self, model: StoredModel) -> Source | None:
        try:
            return self._stored(model)
        except BadModelFile as error:
            log.warning("model %s is left out: %s", model.name, error)
            return None

    async def _acquire(self, source: Source, num_ctx: int | None, keep_alive: float | None) -> Lease:
        if self._stopped:
            raise Unavailable("the server is shutting down")
        resident = self._residents.get(source.key)
        if resident is not None and (lease := resident.try_lease(num_ctx, keep_alive)):
            return lease
        if sum(len(r.waiters) for r in self._residents.values()) >= max(1, self.settings.max_queue):
            raise Unavailable("server busy, please try again.  maximum pending requests exceeded", retry_after=1)
        if resident is None:
            resident = self._residents[source.key] = Resident(self, source)
        waiter = Waiter(num_ctx, keep_alive, asyncio.get_running_loop().create_future())
        resident.queue(waiter)
        self.changed()
        try:
            return await waiter.future
        except asyncio.CancelledError:
            self._give_up(resident, waiter)
            raise

    def _give_up(self, resident: Resident, waiter: Waiter) -> None:
        """A caller went away while it waited, or in the very moment it was served."""
        if waiter.future.done() and not waiter.future.cancelled() and waiter.future.exception() is None:
            waiter.future.result().release()
        waiter.future.cancel()
        if waiter in resident.waiters:
            resident.waiters.remove(waiter)
        resident.wake()
        self.changed()

    def _used(self) -> int:
        return sum(r.instance.memory for r in self._residents.values() if r.instance is not None)

    def _scarce(self, plan: Plan) -> bool:
        if plan.gpu_memory and plan.gpu_memory > self.gpus.usable(0) + self._held - self._on_gpus():
            return True
        return self._used() + plan.memory > self.budget or plan.memory > self._available()

    def _on_gpus(self) -> int:
        return sum(r.instance.plan.gpu_memory for r in self._residents.values() if r.instance is not None)

    def _describe(self, resident: Resident) -> LoadedModel:
        instance: Instance | None = resident.instance
        return LoadedModel(
            name=resident.source.name,
            digest=resident.source.digest,
            size=resident.source.size,
            memory=instance.memory if instance else 0,
            context_length=instance.plan.context if instance else 0,
            expires_at=resident.expires_at,
            loaded_at=instance.loaded_at if instance else 0,
            state=resident.state,
            slots=instance.plan.slots if instance else 0,
            busy=instance.busy if instance else 0,
            pending=len(resident.waiters),
            pid=instance.child.pid if instance else 0,
            gpu_layers=instance.plan.gpu_layers if instance else 0,
            gpu_memory=instance.plan.gpu_memory if instance else 0,
        )
