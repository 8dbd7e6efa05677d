"""The routes an administrator writes. Every change is one write with its audit record, and holds for the calls that
begin after it is committed.

Several servers on PostgreSQL notice each other's changes by a version number within half a second.
"""

import asyncio
import logging
from collections.abc import Callable, Sequence
from typing import Any, TypeVar

from sqlalchemy import select, text, update
from sqlalchemy.orm import Session

from inglenook.accounts import audit
from inglenook.accounts.principal import Principal, Thing
from inglenook.gateway.routing import definition as definitions
from inglenook.gateway.routing.compiled import RouteFacts
from inglenook.gateway.routing.definition import Known, Problem, RouteDefinition, RouteTarget
from inglenook.gateway.routing.live import LiveRoutes
from inglenook.gateway.routing.schemas import RouteIn, RoutePatch
from inglenook.gateway.routing.tables import RouteRow, RoutingState
from inglenook.kit.errors import BadInput, Conflict, InglenookError, NotFound
from inglenook.kit.ids import new_id
from inglenook.kit.time import now_ms
from inglenook.models.catalogue import Catalogue, Entry
from inglenook.models.providers.base import ModelFacts
from inglenook.store.database import Store, after_commit

log = logging.getLogger(__name__)
T = TypeVar("T")

#: Seconds between two looks at the version number, where other processes may change it.
WATCH_EVERY = 0.5


class Routes:
    """The routes table, and the routes in memory that follow it."""

    def __init__(self, store: Store, catalogue: Catalogue, live: LiveRoutes) -> None:
        self.live = live
        self._store = store
        self._catalogue = catalogue
        self._watcher: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Read what there is, and follow what other servers change."""
        await self._load()
        if not self._store.is_sqlite:
            self._watcher = asyncio.create_task(self._watch(), name="routes-watch")

    async def stop(self) -> None:
        """Stop following."""
        if self._watcher is not None:
            self._watcher.cancel()
            await asyncio.gather(self._watcher, return_exceptions=True)
            self._watcher = None

    def all(self) -> list[RouteFacts]:
        """Every route, in the order of the list."""
        return self.live.all()

    def entries(self) -> list[Entry]:
        """The routes that can be asked, as models."""
        return self.live.entries()

    def keeping(self) -> frozenset[str]:
        """Ids of the routes whose answers are kept."""
        return frozenset(facts.id for facts in self.live.all() if facts.definition.cache is not None)

    def get(self, route_id: str) -> RouteFacts:
        """One route.

        Raises:
            NotFound: there is none of that id.
        """
        for facts in self.live.all():
            if facts.id == route_id:
                return facts
        raise NotFound(f"there is no route {route_id}")

    def problems(self, name: str, definition: RouteDefinition, *, kept: Sequence[RouteTarget] = ()) -> list[Problem]:
        """What is wrong with the definition of the route `name`, as things are here.

        Args:
            kept: Targets it had before: they may be missing for now.
        """
        others = {facts.name: facts.definition for facts in self.live.all() if facts.name != name}
        known = Known(self._facts_of, others)
        return definitions.problems(name, definition, known, kept=[target.model for target in kept])

    def shadowed(self, name: str) -> bool:
        """Whether a model has the name of a route, too: the name then means the route."""
        return self._facts_of(name) is not None

    async def add(self, actor: Principal, given: RouteIn) -> RouteFacts:
        """Make a route; it is listed last.

        Raises:
            Conflict: a model or a route has the name.
            BadInput: the definition will not do; `details["problems"]` says all that is wrong with it.
        """

        def write(session: Session) -> str:
            rows = _rows(session)
            self._check_name(rows, given.name, None)
            self._check(rows, given.name, given.definition, ())
            now = now_ms()
            row = RouteRow(
                id=new_id("rte"),
                name=given.name,
                description=given.description,
                enabled=given.enabled,
                definition=_stored(given.definition),
                position=1 + max((row.position for row in rows), default=-1),
                created_at=now,
                updated_at=now,
            )
            session.add(row)
            audit.record(session, actor, "route.created", Thing("route", row.id), name=row.name)
            return row.id

        return self.get(await self._write(write))

    async def change(self, actor: Principal, route_id: str, patch: RoutePatch) -> RouteFacts:
        """Change what is given. Routes that name it by an old name follow to the new one.

        Raises:
            NotFound: there is no such route.
            Conflict, BadInput: as `add`.
        """

        def write(session: Session) -> None:
            row = _row(session, route_id)
            rows = _rows(session)
            before = row.name
            if patch.name is not None and patch.name != before:
                self._check_name(rows, patch.name, route_id)
                row.name = patch.name
                _follow(rows, before, patch.name)
            if patch.description is not None:
                row.description = patch.description
            if patch.enabled is not None:
                row.enabled = patch.enabled
            if patch.definition is not None:
                kept = RouteDefinition.model_validate(row.definition).targets
                self._check(rows, row.name, patch.definition, kept)
                row.definition = _stored(patch.definition)
            row.updated_at = now_ms()
            changed = sorted(patch.model_fields_set)
            audit.record(session, actor, "route.changed", Thing("route", row.id), name=row.name, fields=changed)

        await self._write(write)
        return self.get(route_id)

    async def set_targets(self, actor: Principal, route_id: str, targets: list[RouteTarget]) -> RouteFacts:
        """Change a route's targets, or only their order.

        Raises:
            NotFound: there is no such route.
            BadInput: as `add`.
        """
        whole = {**_stored(self.get(route_id).definition), "targets": [target.model_dump() for target in targets]}
        return await self.change(actor, route_id, RoutePatch(definition=definitions.read(whole)))

    async def reorder(self, actor: Principal, ids: list[str]) -> list[RouteFacts]:
        """Change the order of the list.

        Raises:
            Conflict: these are not the routes there are; somebody else changed them.
        """

        def write(session: Session) -> None:
            rows = {row.id: row for row in _rows(session)}
            if len(ids) != len(rows) or set(ids) != set(rows):
                raise Conflict("the routes have changed meanwhile; load them anew", field="ids")
            for place, route_id in enumerate(ids):
                rows[route_id].position = place
            audit.record(session, actor, "routes.reordered", Thing("route"), ids=ids)

        await self._write(write)
        return self.live.all()

    async def remove(self, actor: Principal, route_id: str) -> None:
        """Remove a route.

        Raises:
            NotFound: there is no such route.
            Conflict: another route names it.
        """

        def write(session: Session) -> None:
            row = _row(session, route_id)
            for other in _rows(session):
                if any(target["model"] == row.name for target in other.definition["targets"]):
                    raise Conflict(f"the route '{other.name}' names '{row.name}'; change that one first")
            session.delete(row)
            audit.record(session, actor, "route.deleted", Thing("route", row.id), name=row.name)

        await self._write(write)

    async def record_cleared(self, actor: Principal, route_id: str) -> None:
        """Write down that somebody has a route's kept answers forgotten.

        Raises:
            NotFound: there is no such route.
        """
        thing = Thing("route", self.get(route_id).id)
        await self._store.write(lambda session: audit.record(session, actor, "route.cache_cleared", thing))

    # ------------------------------------------------------------------------------------------- internals

    def _facts_of(self, name: str) -> ModelFacts | None:
        try:
            return self._catalogue.resolve(name).facts
        except InglenookError:
            return None

    def _check_name(self, rows: Sequence[RouteRow], name: str, route_id: str | None) -> None:
        if any(row.name.lower() == name.lower() and row.id != route_id for row in rows):
            raise Conflict(f"there is a route called {name} already; choose another name", field="name")
        if self._facts_of(name) is not None:
            raise Conflict(f"there is a model called {name} already; choose another name", field="name")

    def _check(
        self, rows: Sequence[RouteRow], name: str, definition: RouteDefinition, kept: Sequence[RouteTarget]
    ) -> None:
        # Against the rows, not what is in memory: another change may be in the same commit.
        others = {row.name: RouteDefinition.model_validate(row.definition) for row in rows if row.name != name}
        found = definitions.problems(
            name, definition, Known(self._facts_of, others), kept=[target.model for target in kept]
        )
        if any(problem.level == "error" for problem in found):
            raise definitions.refused(found)

    async def _write(self, fn: Callable[[Session], T]) -> T:
        def change(session: Session) -> T:
            version = _lock(session)
            result = fn(session)
            session.flush()
            facts = _facts(session)
            after_commit(session, lambda: self.live.show(version, facts))
            return result

        return await self._store.write(change)

    async def _load(self) -> None:
        version, facts = await self._store.read(lambda session: (_version(session), _facts(session)))
        self.live.show(version, facts)

    async def _watch(self) -> None:
        while True:
            await asyncio.sleep(WATCH_EVERY)
            try:
                if await self._store.read(_version) > self.live.version:
                    await self._load()
            except InglenookError:
                return  # the store is closed
            except Exception:
                log.exception("cannot see whether routes changed; trying again")


def _lock(session: Session) -> int:
    """Lock the version row until the transaction ends."""
    session.execute(text("INSERT INTO routing_state (id, version) VALUES (1, 0) ON CONFLICT (id) DO NOTHING"))
    session.execute(update(RoutingState).where(RoutingState.id == 1).values(version=RoutingState.version + 1))
    return _version(session)


def _version(session: Session) -> int:
    return session.scalar(select(RoutingState.version).where(RoutingState.id == 1)) or 0


def _rows(session: Session) -> list[RouteRow]:
    return list(session.scalars(select(RouteRow).order_by(RouteRow.position, RouteRow.id)))


def _row(session: Session, route_id: str) -> RouteRow:
    row = session.get(RouteRow, route_id)
    if row is None:
        raise NotFound(f"there is no route {route_id}")
    return row


def _facts(session: Session) -> list[RouteFacts]:
    found = []
    for row in _rows(session):
        try:
            definition = definitions.read(row.definition)
        except BadInput as error:
            log.warning("route %s is not in use: %s", row.name, error.message)
            continue
        facts = RouteFacts(
            id=row.id,
            name=row.name,
            description=row.description,
            enabled=row.enabled,
            definition=definition,
            created_at=row.created_at,
            updated_at=row.updated_at,
        )
        _ = facts.reading  # here, and not on the event loop
        found.append(facts)
    return found


def _stored(definition: RouteDefinition) -> dict[str, Any]:
    return definition.model_dump(mode="json")


def _follow(rows: Sequence[RouteRow], before: str, after: str) -> None:
    """Have the routes that name one by its old name name it by its new one."""
    for row in rows:
        targets = row.definition["targets"]
        if any(target["model"] == before for target in targets):
            named = [{**target, "model": after} if target["model"] == before else target for target in targets]
            row.definition = {**row.definition, "targets": named}
