"""One model's place in the engine: its queue of callers and, while loaded, its process.

One task per resident makes every change of it, so there is one place where loading, granting, reloading, expiry,
eviction and crashes meet. Callers only put themselves in the queue, and leases give themselves back.
"""

import asyncio
import logging
import math
import time
from collections import deque
from typing import Protocol

from msgspec import Struct, structs

from inglenook.kit.config import Settings
from inglenook.kit.errors import InglenookError, Unavailable
from inglenook.kit.logging import event
from inglenook.kit.time import now_ms
from inglenook.models.engine.gpu import NONE
from inglenook.models.engine.process import Child
from inglenook.models.engine.source import Plan, Room, Source
from inglenook.models.errors import BadModelFile

log = logging.getLogger(__name__)

#: Seconds of keep-alive beyond which a model stays for ever: a hundred years, which calendars still hold.
FOR_EVER = 100 * 365 * 86_400.0


class House(Protocol):
    """What a resident needs of the engine."""

    settings: Settings
    #: Held while one model makes room and loads: loads are serial.
    loading: asyncio.Lock

    def room(self, source: Source) -> Room:
        """The memory `source` could be loaded in if every other model left."""
        ...

    async def look_at_gpus(self) -> None:
        """See what GPUs have free, for the next plan."""
        ...

    async def make_room(self, resident: "Resident", plan: Plan) -> bool:
        """Wait until `plan` fits; False if nobody wants the resident any more."""
        ...

    def leave(self, resident: "Resident") -> None:
        """Forget an empty resident."""
        ...

    def changed(self) -> None:
        """Something that `status` shows has changed."""
        ...


class Instance(Struct, eq=False):
    """One loaded process.

    Attributes:
        memory: The most it was seen to take, in bytes.
        busy: How many leases there are.
        awaited: Requests whose answer has not begun.
        silent_since: When something was asked of it, by the monotonic clock, if it has given no sign of life since.
    """

    child: Child
    plan: Plan
    memory: int
    loaded_at: int
    load_ms: float
    busy: int = 0
    awaited: int = 0
    silent_since: float | None = None

    def heard(self) -> None:
        """It gave a sign of life."""
        self.silent_since = None


class Lease:
    """The right to send one call to a loaded model.

    `load_ms` is the time its caller waited for a load, 0 when it was loaded. `context` is the slot's in tokens.
    """

    def __init__(self, resident: "Resident", instance: Instance, keep_alive: float | None, load_ms: float) -> None:
        self.source = resident.source
        self.child = instance.child
        self.context = instance.plan.context
        self.slots = instance.plan.slots
        self.load_ms = load_ms
        self.instance = instance
        self._resident = resident
        self._keep_alive = keep_alive
        self._given_back = False

    def release(self) -> None:
        """Give it back; again does nothing."""
        if not self._given_back:
            self._given_back = True
            self._resident.give_back(self.instance, self._keep_alive)


class Waiter(Struct, eq=False):
    """A caller in the queue."""

    num_ctx: int | None
    keep_alive: float | None
    future: asyncio.Future[Lease]
    load_ms: float = 0


class Resident:
    """See the module. `state`: `waiting` (for room), `loading`, `ready`, `stopping`."""

    def __init__(self, house: House, source: Source) -> None:
        self.source = source
        self.waiters: deque[Waiter] = deque()
        self.instance: Instance | None = None
        self.state = "waiting"
        self.keep_alive = _bounded(house.settings.keep_alive)
        self.last_used = time.monotonic()
        self.last_used_ms = now_ms()
        self._house = house
        self._evicted = False
        self._closed = False
        self._wake = asyncio.Event()
        self.task = asyncio.create_task(self._run(), name=f"engine {source.name}")

    # ------------------------------------------------------------------------------- what callers may do

    @property
    def idle(self) -> bool:
        """Loaded, and nobody uses or wants it."""
        return self.instance is not None and not self.instance.busy and not self.waiters

    def fits(self, num_ctx: int | None) -> bool:
        """Whether the loaded process serves a call with that explicit context."""
        if self.instance is None or not self.instance.child.alive:
            return False
        wanted = self.source.context(num_ctx, self._house.settings) if num_ctx is not None else None
        return wanted is None or wanted == self.instance.plan.context

    def try_lease(self, num_ctx: int | None, keep_alive: float | None) -> Lease | None:
        """A lease at once, if one is to be had and nobody waits for it."""
        instance = self.instance
        if instance is None or self.state != "ready" or self._closed:
            return None
        if self.waiters or instance.busy >= self._places(instance):
            return None
        return self._grant(instance, keep_alive, 0) if self.fits(num_ctx) else None

    def queue(self, waiter: Waiter) -> None:
        """Line up."""
        self.waiters.append(waiter)
        self.wake()

    def give_back(self, instance: Instance, keep_alive: float | None) -> None:
        """A lease has ended; the keep-alive counts from now."""
        instance.busy -= 1
        self.keep_alive = _bounded(self._house.settings.keep_alive if keep_alive is None else keep_alive)
        self.last_used, self.last_used_ms = time.monotonic(), now_ms()
        self.wake()
        self._house.changed()

    def evict(self) -> None:
        """Unload as soon as it is idle."""
        self._evicted = True
        self.wake()

    def close(self) -> None:
        """Grant no more until it has been unloaded: a model that is never idle must make room in its turn."""
        self._closed = True

    def reopen(self) -> None:
        """Nobody needs its room any more."""
        self._closed = False
        self.wake()

    def wake(self) -> None:
        """Look at things anew."""
        self._wake.set()

    @property
    def expires_at(self) -> int | None:
        """When it would be unloaded, in ms since the epoch; None while busy or for ever."""
        if self.keep_alive < 0 or self.instance is None or self.instance.busy:
            return None
        return self.last_used_ms + int(self.keep_alive * 1000)

    # ------------------------------------------------------------------------------------------- the task

    async def _run(self) -> None:
        try:
            while await self._step():
                pass
        except asyncio.CancelledError:
            self._fail(Unavailable("the server is shutting down"))
            raise
        except Exception as error:
            log.exception("the engine lost model %s", self.source.name)
            self._fail(error)
        finally:
            self._house.leave(self)
            if self.instance is not None:
                await self.instance.child.stop()
                self.instance = None

    async def _step(self) -> bool:
        """One look at how things stand, and what follows; False when the place is empty."""
        self._wake.clear()
        self._forget_gone()
        instance = self.instance
        if instance is not None and not instance.child.alive:
            event(log, logging.WARNING, "model process ended", model=self.source.name, pid=instance.child.pid)
            await self._unload()
        elif self.waiters:
            await self._serve(self.waiters[0])
        elif instance is None:
            return False
        elif instance.busy:
            await self._wake.wait()
        elif self._evicted or self._seconds_left() <= 0:
            await self._unload()
        else:
            await self._sleep(self._seconds_left())
        return True

    async def _serve(self, head: Waiter) -> None:
        instance = self.instance
        if instance is not None and self.fits(head.num_ctx) and not self._closed:
            if instance.busy < self._places(instance):
                self.waiters.popleft()
                head.future.set_result(self._grant(instance, head.keep_alive, head.load_ms))
            else:
                await self._wake.wait()
        elif instance is not None and instance.busy:
            await self._wake.wait()  # the others finish with the old context first
        else:
            try:
                await self._house.look_at_gpus()
                plan = self.source.plan(head.num_ctx, self._house.settings, self._house.room(self.source))
            except InglenookError as error:  # too much for this machine: those behind may ask for less
                self.waiters.popleft()
                head.future.set_exception(error)
                self._house.changed()
                return
            if instance is not None:
                await self._unload()
            await self._load(plan, head.num_ctx)

    async def _load(self, plan: Plan, num_ctx: int | None) -> None:
        began = time.monotonic()
        try:
            async with self._house.loading:
                if not await self._house.make_room(self, plan):
                    return
                room = self._house.room(self.source)
                if plan.memory > room.most:  # the others left less behind than they seemed to take
                    plan = self.source.plan(num_ctx, self._house.settings, room)
                self.state = "loading"
                self._house.changed()
                plan, child = await self._start(plan, num_ctx, room)
                self.instance = instance = Instance(child, plan, plan.memory, now_ms(), 0)
                instance.memory = max(await asyncio.to_thread(child.memory), plan.memory)
        except InglenookError as error:
            self.state = "waiting"
            self._fail(error)
            return
        instance.load_ms = (time.monotonic() - began) * 1000
        for waiter in self.waiters:
            waiter.load_ms = instance.load_ms
        self.state = "ready"
        self.last_used, self.last_used_ms = time.monotonic(), now_ms()
        child.on_end(self.wake)
        event(
            log, logging.INFO, "model loaded", model=self.source.name, ms=round(instance.load_ms), context=plan.context
        )
        self._house.changed()

    async def _start(self, plan: Plan, num_ctx: int | None, room: Room) -> tuple[Plan, Child]:
        """Start the process; where a GPU would not take what was planned for it, without any."""
        timeout = self._house.settings.load_timeout
        try:
            return plan, await Child.start(plan.spec, timeout)
        except (Unavailable, BadModelFile) as error:
            if not plan.gpu_layers:
                raise
            event(log, logging.WARNING, "a GPU refused the model", model=self.source.name, reason=error.message)
            plan = self.source.plan(num_ctx, self._house.settings, structs.replace(room, gpus=NONE, gpu_held=0))
            return plan, await Child.start(plan.spec, timeout)

    async def _unload(self) -> None:
        instance = self.instance
        assert instance is not None
        self.state = "stopping"
        self._house.changed()
        await instance.child.stop()
        self.instance = None
        self.state = "waiting"
        self._evicted = self._closed = False
        event(log, logging.INFO, "model unloaded", model=self.source.name)
        self._house.changed()

    # -------------------------------------------------------------------------------------------- details

    def _places(self, instance: Instance) -> int:
        """How many calls may be under way. One-slot embedding processes queue inside, to take turns by batch."""
        return max(instance.plan.slots, self._house.settings.parallel if self._embeds else 1)

    @property
    def _embeds(self) -> bool:
        return self.source.file is None or self.source.file.whole

    def _grant(self, instance: Instance, keep_alive: float | None, load_ms: float) -> Lease:
        instance.busy += 1
        self._house.changed()
        return Lease(self, instance, keep_alive, load_ms)

    def _seconds_left(self) -> float:
        if self.keep_alive < 0:
            return math.inf
        return self.keep_alive - (time.monotonic() - self.last_used)

    async def _sleep(self, seconds: float) -> None:
        try:
            async with asyncio.timeout(None if math.isinf(seconds) else seconds):
                await self._wake.wait()
        except TimeoutError:
            pass

    def _forget_gone(self) -> None:
        while self.waiters and self.waiters[0].future.done():
            self.waiters.popleft()

    def _fail(self, error: Exception) -> None:
        for waiter in self.waiters:
            if not waiter.future.done():
                waiter.future.set_exception(error)
        self.waiters.clear()
        self._house.changed()


def _bounded(keep_alive: float) -> float:
    """Seconds of keep-alive that can be counted and shown; -1 for ever."""
    return keep_alive if keep_alive <= FOR_EVER else -1
