"""Pulls: models on their way here, each an object that can be watched, shared and stopped."""

import asyncio
import logging
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from typing import Any, Literal

from msgspec import Struct, structs

from inglenook.kit.config import Settings
from inglenook.kit.errors import InglenookError, NotFound
from inglenook.kit.ids import new_id
from inglenook.kit.time import now_ms
from inglenook.models.hub.access import Access
from inglenook.models.hub.base import Fetcher, Sender, Source, Step
from inglenook.models.hub.files import to_the_end
from inglenook.models.hub.layout import ModelStore
from inglenook.models.hub.registry import parse_source
from inglenook.models.hub.sharing import Sharing
from inglenook.models.hub.stored import StoredModel

log = logging.getLogger(__name__)

KEPT = 100
#: What a pull says before it does anything.
WAITING = "waiting"
_DAY = 86_400.0

Status = Literal["running", "done", "failed", "cancelled"]


class Pull(Struct, frozen=True, kw_only=True):
    """What a pull is at. A new object for every change.

    Attributes:
        source: What was asked for.
        model: What the model is called once it is here.
        message: What is being done, as Ollama says it: `pulling manifest`, `pulling 6a0746a1ec1a`, …, `success`.
        completed, total: Bytes of this step; `total` 0 while unknown.
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
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

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
        self.loop = asyncio.get_running_loop()

    def report(self, step: Step) -> None:
        """See `base.Tools.report`."""
        with suppress(RuntimeError):  # a thread outlived the loop
            self.loop.call_soon_threadsafe(self._report, step)

    async def run(self) -> None:
        """Do it, and never raise."""
        try:
            await to_the_end(_sweep, self.models)
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
        if self.pull.status == "running":
            self._change(message=step.status, digest=step.digest, completed=step.completed, total=step.total)

    def _change(self, **changes: Any) -> None:
        if changes.get("status", "running") != "running":
            changes["ended_at"] = now_ms()
        self.pull = structs.replace(self.pull, **changes)
        for watcher in self.watchers:
            watcher.tell(self.pull)


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


def _sweep(models: ModelStore) -> None:
    """Remove copies that a killed process left behind a day ago or earlier. Downloads stay: they go on."""
    for path in models.blobs.glob("import-tmp_*-partial"):
        with suppress(OSError):
            if time.time() - path.stat().st_mtime > _DAY:
                path.unlink()
