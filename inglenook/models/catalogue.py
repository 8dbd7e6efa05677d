"""Every model that can be asked, in memory: models of the store here, the built-in embedder, configured providers'.

Read on every call, so nothing here waits. The snapshot is replaced as a whole, in the moment a write is committed
(`stage`) or a model came or went on disk.
"""

import asyncio
import logging
import threading
from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import asynccontextmanager
from typing import Any

import orjson
from msgspec import Struct, field
from sqlalchemy.orm import Session

from inglenook.kit.errors import Conflict, InglenookError
from inglenook.models.configured import Configured, load, told_facts
from inglenook.models.engine.model_file import inspect
from inglenook.models.engine.parts import projector
from inglenook.models.errors import BadModelFile, InvalidModelName, ModelNotFound
from inglenook.models.hub.layout import ModelStore
from inglenook.models.hub.names import ModelName, has_tag
from inglenook.models.hub.stored import Details, StoredModel
from inglenook.models.prices import Prices
from inglenook.models.providers import registry
from inglenook.models.providers.base import ModelFacts, Provider, ProviderKind, ProviderParts, known_of
from inglenook.store.database import Store
from inglenook.store.secrets import Secrets

log = logging.getLogger(__name__)

LOCAL = "local"

#: Seconds a replaced provider may go on with the calls it has.
GRACE = 600.0


class Entry(Struct, kw_only=True):
    """A model that can be asked.

    Attributes:
        name: The public name: what callers write.
        provider_id: Of the configured provider, or the kind's name of one that stands by itself (`local`).
        provider_name: For people.
        upstream: The provider's own name of it.
        digest: SHA-256 of the manifest in hex, of models here.
        size: Bytes on disk, of models here.
        modified_at: Milliseconds since the epoch.
        prices: What it costs: the administrator's own price, else the published one; None: nobody knows, or it runs
            here.
        local: Whether it runs on this machine.
    """

    name: str
    provider: Provider
    provider_id: str
    provider_name: str
    upstream: str
    facts: ModelFacts
    digest: str = ""
    size: int = 0
    modified_at: int = 0
    prices: Prices | None = None
    local: bool = False
    details: Details = field(default_factory=Details)


class Catalogue:
    """The models of this server. Make it in a running event loop."""

    def __init__(self, store: Store, secrets: Secrets, model_store: ModelStore, parts: ProviderParts) -> None:
        self._store = store
        self._secrets = secrets
        self._model_store = model_store
        self._parts = parts
        self._loop = asyncio.get_running_loop()
        self._scan_lock = threading.Lock()
        self._tasks: set[asyncio.Task[None]] = set()
        self._standing: dict[str, Provider] = {}
        self._standing_facts: dict[str, list[ModelFacts]] = {}
        self._instances: dict[str, tuple[bytes, Provider]] = {}
        self._broken: dict[str, str] = {}
        self._offered: dict[str, dict[str, ModelFacts]] = {}
        self._local: list[tuple[StoredModel, ModelFacts]] = []
        self._configured: tuple[Configured, ...] = ()
        self._index = Index(())
        self._listeners: list[Callable[[], None]] = []

    async def start(self) -> None:
        """Make the providers and read what there is. A provider that cannot be made is logged and left out."""
        for kind in registry.standing():
            await self._start_standing(kind)
        self._configured = await self._store.read(load)
        self._local = await asyncio.to_thread(self._scan, thorough=False)
        self._model_store.on_change(self._on_disk_change)
        self._rebuild()
        if any(not _is_told(stored) for stored, _ in self._local):
            self._spawn(self.rescan())

    async def stop(self) -> None:
        """Close every provider."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        for provider in (*self._standing.values(), *(provider for _, provider in self._instances.values())):
            await provider.close()

    def entries(self) -> list[Entry]:
        """Every model, by name."""
        return list(self._index.entries)

    def resolve(self, name: str) -> Entry:
        """The model of that name: a public name; a local name in any form Ollama takes (`m`, `library/m:latest`, any
        case); `provider/model`; or a local name without its tag, where there is no `latest` and only one other.

        Raises:
            ModelNotFound: there is none.
        """
        entry = self._index.find(name)
        if entry is None:
            raise ModelNotFound(
                f"model '{name}' not found; see the Models page, `inglenook list` or GET /v1/models for what there is",
                field="model",
                details={"model": name},
            )
        return entry

    def tags(self, name: str) -> list[Entry]:
        """The models here whose names differ from this one in the tag alone, for who left it out or mistook it."""
        return self._index.tags(name)

    def provider(self, provider_id: str) -> Provider:
        """A configured provider's instance.

        Raises:
            Conflict: it is switched off, or cannot be made; the message says why.
        """
        try:
            return self._instances[provider_id][1]
        except KeyError:
            raise Conflict(self._broken.get(provider_id, "the provider is switched off; switch it on first")) from None

    @asynccontextmanager
    async def trial(self, kind: ProviderKind, settings: dict[str, Any]) -> AsyncIterator[Provider]:
        """A provider that is closed again, to see whether its settings are right.

        Raises:
            InglenookError: they are not.
        """
        provider = kind.make(settings, self._parts)
        try:
            yield provider
        finally:
            await provider.close()

    def known(self, provider_id: str, model: str) -> ModelFacts | None:
        """What a configured provider knows of a model without asking; None also when it is not in use."""
        instance = self._instances.get(provider_id)
        return None if instance is None else known_of(instance[1], model)

    def note_offered(self, provider_id: str, models: Iterable[ModelFacts]) -> None:
        """Remember what a configured provider told of its models."""
        self._offered[provider_id] = {facts.name: facts for facts in models}

    def offered(self, provider_id: str) -> dict[str, ModelFacts]:
        """What a configured provider told when it was last asked since the start, by name."""
        return self._offered.get(provider_id, {})

    def problem(self, provider_id: str) -> str | None:
        """Why a configured provider is not in use, if something is wrong with it."""
        return self._broken.get(provider_id)

    def stage(self, session: Session) -> Callable[[], None]:
        """What to hand to `after_commit` by a write that changed the tables: it makes the change seen."""
        session.flush()
        configured = load(session)
        return lambda: self._apply(configured)

    async def reload(self) -> None:
        """Read the tables anew (another server may have changed them)."""
        self._apply(await self._store.read(load))

    async def rescan(self) -> None:
        """Look at the model store's folder anew (another program may have changed it)."""
        await asyncio.to_thread(self._on_disk_change)

    def on_change(self, listener: Callable[[], None]) -> None:
        """Call `listener()` on the event loop after every change of the snapshot."""
        self._listeners.append(listener)

    # ------------------------------------------------------------------------------------------- internals

    async def _start_standing(self, kind: ProviderKind) -> None:
        try:
            provider = kind.make({}, self._parts)
            self._standing[kind.name] = provider
            if kind.name != LOCAL:
                self._standing_facts[kind.name] = await provider.models()
        except InglenookError as error:
            log.warning("provider %s is not in use: %s", kind.name, error.message)

    def _on_disk_change(self) -> None:
        # In the thread that made the change: whoever waits for that thread sees the model at once.
        with self._scan_lock:
            local = self._scan()
            self._loop.call_soon_threadsafe(self._apply_local, local)

    def _apply_local(self, local: list[tuple[StoredModel, ModelFacts]]) -> None:
        if local == self._local:
            return  # looked at, and nothing has changed
        self._local = local
        self._rebuild()

    def _scan(self, *, thorough: bool = True) -> list[tuple[StoredModel, ModelFacts]]:
        return [(stored, _facts(stored, thorough)) for stored in self._model_store.list()]

    def _apply(self, configured: tuple[Configured, ...]) -> None:
        self._configured = configured
        self._rebuild()

    def _rebuild(self) -> None:
        self._make_instances()
        entries = [*self._local_entries(), *self._standing_entries()]
        taken = {entry.name.lower() for entry in entries}
        for row in self._configured:
            if row.id in self._instances:
                entries += self._provider_entries(row, taken)
        self._index = Index(entries)
        for listener in self._listeners:
            listener()

    def _make_instances(self) -> None:
        current: dict[str, tuple[bytes, Provider]] = {}
        self._broken = {}
        for row in self._configured:
            if not row.enabled:
                continue
            fingerprint = orjson.dumps([row.kind, row.settings, row.secret], option=orjson.OPT_SORT_KEYS)
            before = self._instances.get(row.id)
            if before and before[0] == fingerprint:
                current[row.id] = before
                continue
            try:
                current[row.id] = (fingerprint, self._make(row))
            except InglenookError as error:
                self._broken[row.id] = error.message
                log.warning("provider %s is not in use: %s", row.name, error.message)
        for provider_id, (_, provider) in self._instances.items():
            if current.get(provider_id, (b"", None))[1] is not provider:
                self._spawn(_retire(provider))
        self._instances = current

    def _make(self, row: Configured) -> Provider:
        secret = orjson.loads(self._secrets.decrypt(row.secret)) if row.secret else {}
        return registry.get(row.kind).make({**row.settings, **secret}, self._parts)

    def _local_entries(self) -> Iterable[Entry]:
        provider = self._standing.get(LOCAL)
        if provider is None:
            return
        for stored, facts in self._local:
            yield Entry(
                name=stored.name,
                provider=provider,
                provider_id=LOCAL,
                provider_name=LOCAL,
                upstream=stored.name,
                facts=facts,
                digest=stored.digest,
                size=stored.size,
                modified_at=stored.modified_at,
                local=True,
                details=stored.details,
            )

    def _standing_entries(self) -> Iterable[Entry]:
        for kind, models in self._standing_facts.items():
            for facts in models:
                yield Entry(
                    name=facts.name,
                    provider=self._standing[kind],
                    provider_id=kind,
                    provider_name=kind,
                    upstream=facts.name,
                    facts=facts,
                    local=True,
                )

    def _provider_entries(self, row: Configured, taken: set[str]) -> Iterable[Entry]:
        provider = self._instances[row.id][1]
        for model in row.models:
            if not model.enabled:
                continue
            # A model here has the plain name; the bought one of that name keeps its long one.
            facts = told_facts(model.name, model.facts, known_of(provider, model.name))
            clash = model.public_name.lower() in taken or _is_local_name(model.public_name, taken)
            yield Entry(
                name=f"{row.name}/{model.name}" if clash else model.public_name,
                provider=provider,
                provider_id=row.id,
                provider_name=row.name,
                upstream=model.name,
                facts=facts,
                modified_at=model.created_at,
                prices=facts.prices,
            )

    def _spawn(self, work: Any) -> None:
        task = self._loop.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)


class Index:
    """Entries by every name they can be called."""

    def __init__(self, entries: Iterable[Entry]) -> None:
        self.entries = sorted(entries, key=lambda entry: entry.name)
        self._exact: dict[str, Entry] = {}
        self._local: dict[str, Entry] = {}
        self._loose: dict[str, Entry] = {}
        self._families: dict[str, list[Entry]] = {}
        for entry in self.entries:
            self._exact.setdefault(entry.name, entry)
            self._loose.setdefault(entry.name.lower(), entry)
            self._loose.setdefault(f"{entry.provider_name}/{entry.upstream}".lower(), entry)
            self._loose.setdefault(f"{entry.provider_id}/{entry.upstream}".lower(), entry)
            if entry.local:
                parsed = ModelName.parse(entry.name)
                self._local.setdefault(parsed.key, entry)
                self._families.setdefault(parsed.family, []).append(entry)

    def find(self, name: str) -> Entry | None:
        """The entry of that name, in the order of `Catalogue.resolve`."""
        if (entry := self._exact.get(name)) is not None:
            return entry
        try:
            key = ModelName.parse(name).key
        except InvalidModelName:
            key = ""
        if (entry := self._local.get(key) or self._loose.get(name.strip().lower())) is not None:
            return entry
        tags = [] if has_tag(name) else self.tags(name)
        return tags[0] if len(tags) == 1 else None

    def tags(self, name: str) -> list[Entry]:
        """See `Catalogue.tags`."""
        try:
            return list(self._families.get(ModelName.parse(name).family, ()))
        except InvalidModelName:
            return []


def _is_local_name(name: str, taken: set[str]) -> bool:
    try:
        return ModelName.parse(name).short.lower() in taken
    except InvalidModelName:
        return False


def _is_told(stored: StoredModel) -> bool:
    config = stored.config
    return isinstance(config.get("capabilities"), list) and isinstance(config.get("languages"), list)


def _facts(stored: StoredModel, thorough: bool) -> ModelFacts:
    """What is known of a model here: from its config if we wrote that, else from the file itself, which takes up to
    a tenth of a second the first time."""
    config, details = stored.config, stored.details
    if _is_told(stored):
        return ModelFacts(
            name=stored.name,
            capabilities=frozenset(map(str, config["capabilities"])),
            context_length=details.context_length,
            embedding_length=details.embedding_length,
            languages=tuple(map(str, config["languages"])),
        )
    if thorough:
        try:
            file = inspect(stored.gguf)
            added = [projector(path).capabilities for path in stored.projectors[:1]]
            return ModelFacts(
                name=stored.name,
                capabilities=file.capabilities.union(*added),
                context_length=file.context_length,
                embedding_length=file.embedding_length,
                languages=file.languages,
            )
        except BadModelFile as error:
            log.warning("model %s: %s", stored.name, error.message)
    return ModelFacts(name=stored.name, context_length=details.context_length)


async def _retire(provider: Provider) -> None:
    """Close a provider that was replaced, once the calls it has are over."""
    try:
        await asyncio.sleep(GRACE)
    finally:
        await provider.close()
