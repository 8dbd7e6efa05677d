"""Pulls: models on their way here, each an object that can be watched, shared and stopped."""

import asyncio
import logging
import time
from collections import deque
from collections.abc import AsyncIterator, Callable, Collection
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any, Literal

from msgspec import Struct, structs

from inglenook.kit.config import Settings
from inglenook.kit.errors import InglenookError, NotFound
from inglenook.kit.ids import new_id
from inglenook.kit.time import now_ms
from inglenook.models.hub import space
from inglenook.models.hub.access import Access
from inglenook.models.hub.base import Fetcher, Sender, Source, Step
from inglenook.models.hub.files import to_the_end
from inglenook.models.hub.layout import ModelStore
from inglenook.models.hub.registry import parse_source
from inglenook.models.hub.settings import HubSettings
from inglenook.models.hub.sharing import Sharing
from inglenook.models.hub.space import Pruned, Space
from inglenook.models.hub.stored import StoredModel

log = logging.getLogger(__name__)

KEPT = 100
#: What a pull says before it does anything.
WAITING = "waiting"
#: Seconds that a speed is measured over, and between two looks.
_WINDOW = 8.0
_SAMPLE = 0.25
_DAY = 86_400.0

Status = Literal["running", "done", "failed", "cancelled"]


class Pull(Struct, frozen=True, kw_only=True):
    """What a pull is at. A new object for every change.

    Attributes:
        source: What was asked for.
        model: What the model is called once it is here.
        message: What is being done, as Ollama says it: `pulling manifest`, `pulling 6a0746a1ec1a`, …, `success`.
        completed, total: Bytes of this step; `total` 0 while unknown. `completed` never goes back within a step.
        speed: Bytes a second over the last seconds; 0 while unknown.
        seconds_left: Until this step's end at that speed; None while unknown.
        error, error_code: Why it failed, for people and for machines.
    """

    id: str
    source: str
    model: str
    status: Status = "running"
    message: str = WAITING
    digest: str = ""
    completed: int = 0
    total: int = 0
    speed: int = 0
    seconds_left: int | None = None
    error: str | None = None
    error_code: str | None = None
    started_at: int = 0
    ended_at: int | None = None


class Hub:
    """Pulls models into the store. One pull of a thing at a time: who asks for the same joins it."""

    def __init__(
        self, settings: Settings, model_store: ModelStore, outbound: Sender, access: Access | None = None
    ) -> None:
        self.settings = settings
        self.models = model_store
        self.outbound = outbound
        self.access = access or Access()
        self.sharing = Sharing()
        #: Gives files that loaded models were made from; whoever loads them sets it.
        self.in_use: Callable[[], Collection[Path]] = tuple
        self._tidying: asyncio.Task[None] | None = None
        self._lending: set[asyncio.Task[None]] = set()
        self._pulls: dict[str, _Running] = {}
        self._locks: dict[str, _Shared] = {}

    def pulls(self) -> list[Pull]:
        """Running pulls and the last ended ones, newest first."""
        return [running.pull for running in reversed(self._pulls.values())]

    def get(self, pull_id: str) -> Pull:
        """A pull as it is now.

        Raises:
            NotFound: there is none of that id.
        """
        return self._find(pull_id).pull

    def start(self, source: str, *, name: str | None = None) -> Pull:
        """Begin a pull in the background, or join the one of the same source that is running.

        Args:
            name: What the model is to be called here; None: what its source calls it.

        Raises:
            BadInput: `source` is none; see `hub.registry`.
        """
        wanted = parse_source(source, name)
        for running in self._pulls.values():
            if running.source.key == wanted.key and running.pull.status == "running":
                return running.pull
        pull = Pull(id=new_id("pull"), source=source.strip(), model=wanted.name, started_at=now_ms())
        running = _Running(self, wanted, pull)
        self._pulls[pull.id] = running
        self._forget_old()
        running.task = asyncio.create_task(running.run(), name=f"pull {pull.source}")
        running.task.add_done_callback(running.stopped)
        return pull

    async def wait(self, pull_id: str) -> Pull:
        """Wait for a pull's end, however it ends."""
        running = self._find(pull_id)
        await asyncio.wait({running.task})
        await asyncio.sleep(0)  # its callback comes first
        return running.pull

    async def watch(self, pull_id: str) -> AsyncIterator[Pull]:
        """A pull as it is now, then every step it takes, until it has ended.

        A slow watcher sees every step once, with the newest numbers; nobody waits for it.
        """
        running = self._find(pull_id)
        watcher = _Watcher(running.pull)
        running.watchers.append(watcher)
        try:
            while True:
                for pull in await watcher.next():
                    yield pull
                    if pull.status != "running":
                        return
        finally:
            running.watchers.remove(watcher)

    async def cancel(self, pull_id: str) -> Pull:
        """Stop a pull and wait until it has stopped. What arrived is kept for the next try."""
        running = self._find(pull_id)
        running.task.cancel()
        return await self.wait(pull_id)

    async def stop(self) -> None:
        """Stop every pull and wait until it has stopped; what arrived is kept for the next try."""
        tasks = [running.task for running in self._pulls.values()]
        if self._tidying is not None:
            tasks.append(self._tidying)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def lend(self, sources: HubSettings) -> None:
        """Use the models of the folder of Ollama's that is set, if there is one."""
        told, usual = sources.ollama_folder, self.settings.ollama_models

        def lend() -> None:
            self.models.lend(Path(told).expanduser() if told else usual, may_delete=sources.ollama_delete)

        await to_the_end(lend)

    def on_settings(self, sources: HubSettings) -> None:
        """Obey changed settings."""
        task = asyncio.create_task(self.lend(sources), name="lend a folder")
        self._lending.add(task)
        task.add_done_callback(self._lending.discard)

    def keep_tidy(self) -> None:
        """Begin to remove, now and every day, what nobody will go on with (`space.sweep`)."""
        self._tidying = asyncio.create_task(self._tidy(), name="tidy downloads")

    async def sweep(self) -> None:
        """Remove what nobody will go on with; see `space.sweep`."""
        await to_the_end(space.sweep, self.models, self._active(), self.access.now.partial_days)

    async def prune(self, *, partials: bool) -> Pruned:
        """Remove blobs that no model uses and, if `partials`, the beginnings of downloads that nobody works on."""
        return await to_the_end(space.prune, self.models, self.in_use, self._active, partials=partials)

    async def measure(self) -> Space:
        """What models take on the disk."""
        return await to_the_end(space.measure, self.models)

    def _active(self) -> set[str]:
        return {*self._locks, *self.sharing.keys()}

    async def _tidy(self) -> None:
        while True:
            try:
                await self.sweep()
            except OSError as error:
                log.warning("stopped downloads could not be looked through: %s", error)
            await asyncio.sleep(_DAY)

    @asynccontextmanager
    async def alone(self, key: str) -> AsyncIterator[None]:
        """Be the only pull that works on `key`."""
        shared = self._locks.setdefault(key, _Shared())
        shared.users += 1
        try:
            async with shared.lock:
                yield
        finally:
            shared.users -= 1
            if not shared.users:
                del self._locks[key]

    def _find(self, pull_id: str) -> "_Running":
        try:
            return self._pulls[pull_id]
        except KeyError:
            raise NotFound(f"there is no pull {pull_id}") from None

    def _forget_old(self) -> None:
        ended = [pull_id for pull_id, running in self._pulls.items() if running.pull.status != "running"]
        for pull_id in ended[: max(0, len(self._pulls) - KEPT)]:
            del self._pulls[pull_id]


class _Running:
    """A pull under way: what its source is lent (`base.Tools`)."""

    task: asyncio.Task[None]

    def __init__(self, hub: Hub, source: Source, pull: Pull) -> None:
        self.hub = hub
        self.source = source
        self.pull = pull
        self.models = hub.models
        self.outbound: Fetcher = hub.outbound
        self.access = hub.access
        self.alone = hub.alone
        self.shared = hub.sharing.run
        self.watchers: list[_Watcher] = []
        self.pace = Pace()
        self.loop = asyncio.get_running_loop()

    def report(self, step: Step) -> None:
        """See `base.Tools.report`."""
        with suppress(RuntimeError):  # a thread outlived the loop
            self.loop.call_soon_threadsafe(self._report, step)

    async def run(self) -> None:
        """Do it, and never raise."""
        try:
            await self.hub.sweep()
            stored: StoredModel = await self.source.pull(self)
            await asyncio.sleep(0)  # let the reports of threads come first
            self._change(
                status="done", message="success", model=stored.name, completed=stored.size, total=stored.size, digest=""
            )
        except asyncio.CancelledError:
            self._change(status="cancelled", message="cancelled")
        except InglenookError as error:
            log.warning("pull of %s failed: %s", self.pull.source, error.message)
            self._change(status="failed", message="failed", error=error.message, error_code=error.code)
        except Exception:  # told to whoever watches; the server goes on
            log.exception("pull of %s failed", self.pull.source)
            unexpected = InglenookError("the pull failed in a way that was not foreseen; the server's log says more")
            self._change(status="failed", message="failed", error=unexpected.message, error_code=unexpected.code)

    def stopped(self, task: asyncio.Task[None]) -> None:
        """The task is over, perhaps before it ran at all."""
        if task.cancelled() and self.pull.status == "running":
            self._change(status="cancelled", message="cancelled")

    def _report(self, step: Step) -> None:
        if self.pull.status != "running":
            return
        now = self.pull
        same = (now.message, now.digest) == (step.status, step.digest)
        completed = max(step.completed, now.completed) if same else step.completed
        if not same:
            self.pace.begin()
        speed, left = self.pace.note(completed, step.total)
        self._change(
            message=step.status,
            digest=step.digest,
            completed=completed,
            total=step.total,
            speed=speed,
            seconds_left=left,
        )

    def _change(self, **changes: Any) -> None:
        if changes.get("status", "running") != "running":
            changes |= {"ended_at": now_ms(), "speed": 0, "seconds_left": None}
        self.pull = structs.replace(self.pull, **changes)
        for watcher in self.watchers:
            watcher.tell(self.pull)


class Pace:
    """How fast something goes, by its last seconds."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._seen: deque[tuple[float, int]] = deque()

    def begin(self) -> None:
        """Something else begins."""
        self._seen.clear()

    def note(self, completed: int, total: int) -> tuple[int, int | None]:
        """Bytes a second, and seconds until `total`; 0 and None while that cannot be told."""
        now = self._clock()
        if not self._seen or now - self._seen[-1][0] >= _SAMPLE:
            self._seen.append((now, completed))
        while now - self._seen[0][0] > _WINDOW and len(self._seen) > 1:
            self._seen.popleft()
        began, before = self._seen[0]
        if now - began < _SAMPLE:
            return 0, None
        speed = int((completed - before) / (now - began))
        return speed, (total - completed) // speed if speed > 0 and total else None


class _Watcher:
    """The changes one watcher has not seen yet: for each step only the newest."""

    def __init__(self, first: Pull) -> None:
        self._unseen = [first]
        self._more = asyncio.Event()
        self._more.set()

    def tell(self, pull: Pull) -> None:
        if self._unseen and (self._unseen[-1].message, self._unseen[-1].status) == (pull.message, pull.status):
            self._unseen[-1] = pull
        else:
            self._unseen.append(pull)
        self._more.set()

    async def next(self) -> list[Pull]:
        await self._more.wait()
        self._more.clear()
        unseen, self._unseen = self._unseen, []
        return unseen


class _Shared:
    """A lock, and how many hold or want it."""

    def __init__(self) -> None:
        self.lock = asyncio.Lock()
        self.users = 0
