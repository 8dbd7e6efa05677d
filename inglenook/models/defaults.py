"""What administrators set for models of this machine: kept in a table, read from memory."""

from collections.abc import Callable

import msgspec
from sqlalchemy import select
from sqlalchemy.orm import Session

from inglenook.accounts import audit
from inglenook.accounts.principal import Principal, Thing
from inglenook.kit.time import now_ms
from inglenook.models.engine.defaults import NOTHING, Defaults
from inglenook.models.tables import ModelDefaultsRow
from inglenook.store.database import Store, after_commit


class ModelDefaults:
    """Defaults by the name of a model in the store (`name:tag`)."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._by_name: dict[str, Defaults] = {}
        self._listeners: list[Callable[[str], None]] = []

    async def start(self) -> None:
        """Read the table."""
        self._by_name = await self._store.read(_load)

    def of(self, name: str) -> Defaults:
        """What was set for a model; nothing by default."""
        return self._by_name.get(name.lower(), NOTHING)

    def on_change(self, listener: Callable[[str], None]) -> None:
        """Call `listener(name)` on the event loop after every change."""
        self._listeners.append(listener)

    async def put(self, actor: Principal, name: str, defaults: Defaults) -> None:
        """Set what holds for a model, in place of all that was set."""
        settings = msgspec.to_builtins(defaults)

        def write(session: Session) -> None:
            row = session.get(ModelDefaultsRow, name.lower())
            if not settings:
                if row is not None:
                    session.delete(row)
            elif row is None:
                session.add(ModelDefaultsRow(name=name.lower(), settings=settings, updated_at=now_ms()))
            else:
                row.settings, row.updated_at = settings, now_ms()
            audit.record(session, actor, "model.defaults_changed", Thing("model", name), fields=sorted(settings))
            after_commit(session, lambda: self._take(name, defaults))

        await self._store.write(write)

    def forget(self, session: Session, name: str) -> None:
        """Forget what was set for a model, in the write that deletes it."""
        row = session.get(ModelDefaultsRow, name.lower())
        if row is not None:
            session.delete(row)
            after_commit(session, lambda: self._take(name, NOTHING))

    def _take(self, name: str, defaults: Defaults) -> None:
        self._by_name[name.lower()] = defaults
        for listener in self._listeners:
            listener(name)


def _load(session: Session) -> dict[str, Defaults]:
    return {row.name: msgspec.convert(row.settings, Defaults) for row in session.scalars(select(ModelDefaultsRow))}
