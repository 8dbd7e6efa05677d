"""Configured providers: set up by an administrator, their models chosen for the people here.

Every change is one write with its audit record, and is seen by the catalogue in the moment it is committed.
"""

import asyncio
from collections.abc import Callable, Sequence
from typing import Any, TypeVar

import orjson
from sqlalchemy import select
from sqlalchemy.orm import Session

from inglenook.accounts import audit
from inglenook.accounts.principal import Principal, Thing
from inglenook.kit.errors import BadInput, Conflict, Forbidden, InglenookError, NotFound, UpstreamTimeout
from inglenook.kit.ids import new_id
from inglenook.kit.settings_schema import check_settings, secret_names
from inglenook.kit.time import now_ms
from inglenook.models.catalogue import Catalogue
from inglenook.models.choice import Known, choose, model_info, models_of, published
from inglenook.models.configured import PUBLISHED
from inglenook.models.keys import keys_of, with_kept_keys
from inglenook.models.providers import registry
from inglenook.models.providers.base import ModelFacts, ProviderKind, known_of
from inglenook.models.schemas import (
    ChosenModelIn,
    ProviderIn,
    ProviderInfo,
    ProviderPatch,
)
from inglenook.models.tables import ProviderModelRow, ProviderRow
from inglenook.models.trial import Problem, Trial, tried
from inglenook.store.database import Store, after_commit
from inglenook.store.secrets import Secrets

#: Seconds a provider has to say which models it offers.
CHECK_TIMEOUT = 30.0

T = TypeVar("T")


class Providers:
    """The providers table, and what hangs on it."""

    def __init__(self, store: Store, secrets: Secrets, catalogue: Catalogue) -> None:
        self._store = store
        self._secrets = secrets
        self._catalogue = catalogue

    async def all(self) -> list[ProviderInfo]:
        """Every provider, oldest first."""

        def read(session: Session) -> list[tuple[ProviderRow, list[ProviderModelRow]]]:
            rows = session.scalars(select(ProviderRow).order_by(ProviderRow.id)).all()
            return [(row, models_of(session, row.id)) for row in rows]

        return [self._info(row, models) for row, models in await self._store.read(read)]

    async def get(self, provider_id: str) -> ProviderInfo:
        """One provider.

        Raises:
            NotFound: there is none of that id.
        """
        row, models = await self._store.read(lambda s: (_row(s, provider_id), models_of(s, provider_id)))
        return self._info(row, models)

    async def add(self, actor: Principal, given: ProviderIn) -> ProviderInfo:
        """Set up a provider.

        Raises:
            BadInput: the kind cannot be added, or a setting is wrong.
            Conflict: there is a provider, or a model, of that name.
        """
        kind = _addable(given.kind, actor)
        shown, secret = await self._accept(kind, given.settings)
        known = await self._known(given.models, kind, given.settings)

        def write(session: Session) -> str:
            now = now_ms()
            row = ProviderRow(
                id=new_id("prv"),
                kind=kind.name,
                name=_free_name(session, given.name, None),
                settings=shown,
                secret=secret,
                enabled=given.enabled,
                created_at=now,
                updated_at=now,
            )
            session.add(row)
            session.flush()
            choose(session, row, given.models, known)
            audit.record(session, actor, "provider.created", Thing("provider", row.id), name=row.name, kind=row.kind)
            return row.id

        return await self.get(await self._write(write))

    async def change(self, actor: Principal, provider_id: str, patch: ProviderPatch) -> ProviderInfo:
        """Change what is given. A secret setting that is left out stays; null or "" removes it.

        Raises:
            NotFound: there is no such provider.
            BadInput, Conflict: as `add`.
        """
        before = await self._store.read(lambda s: _row(s, provider_id))
        _demand_may_set_up(before.kind, actor)
        shown, secret = before.settings, before.secret
        known = self._known_of(provider_id, patch.models or ())
        if patch.settings is not None:
            kind, kept = _addable(before.kind, actor), self._secret(before)
            settings = with_kept_keys(patch.settings, kept)
            shown, secret = await self._accept(kind, settings, kept)
            known |= await self._known(patch.models or (), kind, {**kept, **settings}, provider_id)

        def write(session: Session) -> None:
            row = _row(session, provider_id)
            if patch.name is not None:
                row.name = _free_name(session, patch.name, provider_id)
            if patch.enabled is not None:
                row.enabled = patch.enabled
            if patch.settings is not None:
                row.settings, row.secret = shown, secret
            if patch.models is not None:
                choose(session, row, patch.models, known)
            row.updated_at = now_ms()
            changed = sorted(patch.model_fields_set)
            audit.record(session, actor, "provider.changed", Thing("provider", row.id), name=row.name, fields=changed)

        await self._write(write)
        return await self.get(provider_id)

    async def remove(self, actor: Principal, provider_id: str) -> None:
        """Remove a provider and its models.

        Raises:
            NotFound: there is no such provider.
        """

        def write(session: Session) -> None:
            row = _row(session, provider_id)
            for model in models_of(session, provider_id):
                session.delete(model)
            session.flush()
            session.delete(row)
            audit.record(session, actor, "provider.deleted", Thing("provider", row.id), name=row.name)

        await self._write(write)

    async def offered(self, provider_id: str) -> list[ModelFacts]:
        """Ask a provider which models it offers now, by name.

        Raises:
            NotFound: there is no such provider.
            Conflict: it is switched off, or cannot be used; the message says why.
            UpstreamFailed, BadInput, …: what the provider made of it.
        """
        await self._store.read(lambda s: _row(s, provider_id))
        provider = self._catalogue.provider(provider_id)
        try:
            async with asyncio.timeout(CHECK_TIMEOUT):
                found = await provider.models()
        except TimeoutError:
            raise UpstreamTimeout(
                f"the provider did not say within {CHECK_TIMEOUT:.0f} s which models it offers; check its address"
            ) from None
        self._catalogue.note_offered(provider_id, found)
        await self._keep_published(provider_id, {facts.name: facts for facts in found})
        return sorted(found, key=lambda facts: facts.name)

    async def test(self, actor: Principal, kind: str, settings: dict[str, Any], model: str | None = None) -> Trial:
        """Try settings out that are not saved.

        Raises:
            BadInput: the kind cannot be added.
            Forbidden: its settings start programs, and the actor does not administer the server.
        """
        whole = _given(settings)
        found = _addable(kind, actor)
        try:
            check_settings(found.settings_schema, whole)
            async with self._catalogue.trial(found, whole) as provider:
                return await tried(provider, model)
        except InglenookError as error:
            return Trial(ok=False, problem=Problem("settings", error.message))

    async def test_saved(
        self,
        actor: Principal,
        provider_id: str,
        settings: dict[str, Any] | None = None,
        model: str | None = None,
    ) -> Trial:
        """Try a provider out as it is saved, or with `settings` in place of its own (but a secret left out stays).

        Raises:
            NotFound: there is no such provider.
        """
        row = await self._store.read(lambda s: _row(s, provider_id))
        kept = self._secret(row)
        try:
            given = row.settings if settings is None else with_kept_keys(settings, kept)
        except BadInput as error:
            return Trial(ok=False, problem=Problem("settings", error.message))
        return await self.test(actor, row.kind, {**kept, **given}, model)

    def _known_of(self, provider_id: str, models: Sequence[ChosenModelIn]) -> dict[str, Known]:
        """What is known of chosen models of a provider as it is."""
        offered = self._catalogue.offered(provider_id)
        return {
            model.name: Known(self._catalogue.known(provider_id, model.name), offered.get(model.name))
            for model in models
        }

    async def _known(
        self,
        models: Sequence[ChosenModelIn],
        kind: ProviderKind,
        settings: dict[str, Any],
        provider_id: str = "",
    ) -> dict[str, Known]:
        """The same of a provider as it shall be."""
        if not models:
            return {}
        offered = self._catalogue.offered(provider_id)
        async with self._catalogue.trial(kind, _given(settings)) as provider:
            return {model.name: Known(known_of(provider, model.name), offered.get(model.name)) for model in models}

    async def _keep_published(self, provider_id: str, offered: dict[str, ModelFacts]) -> None:
        """Keep what a provider told of chosen models of which we know nothing else."""

        def stale(session: Session) -> list[tuple[str, dict[str, Any]]]:
            found = []
            for model in models_of(session, provider_id):
                facts = offered.get(model.name)
                if facts is not None and PUBLISHED in model.facts:
                    told = published(facts)
                    if told != model.facts[PUBLISHED]:
                        found.append((model.id, told))
            return found

        changes = await self._store.read(stale)
        if not changes:
            return

        def write(session: Session) -> None:
            for model_id, told in changes:
                row = session.get(ProviderModelRow, model_id)
                if row is not None:
                    row.facts = {**row.facts, PUBLISHED: told}

        await self._write(write)

    async def _write(self, fn: Callable[[Session], T]) -> T:
        def write(session: Session) -> T:
            result = fn(session)
            after_commit(session, self._catalogue.stage(session))
            return result

        result = await self._store.write(write)
        if not self._store.is_sqlite:  # other servers write too
            await self._catalogue.reload()
        return result

    async def _accept(
        self, kind: ProviderKind, settings: dict[str, Any], kept: dict[str, Any] | None = None
    ) -> tuple[dict[str, Any], str | None]:
        """Check settings, and split them: what may be shown, and the ciphertext of what may not.

        Args:
            kept: Secret settings from before, for those that are not given.
        """
        whole = _given({**(kept or {}), **settings})
        check_settings(kind.settings_schema, whole)
        async with self._catalogue.trial(kind, whole):
            pass
        hidden = secret_names(kind.settings_schema)
        secret = {name: value for name, value in whole.items() if name in hidden}
        shown = {name: value for name, value in whole.items() if name not in hidden}
        return shown, self._secrets.encrypt(orjson.dumps(secret).decode()) if secret else None

    def _secret(self, row: ProviderRow) -> dict[str, Any]:
        if row.secret is None:
            return {}
        try:
            secret: dict[str, Any] = orjson.loads(self._secrets.decrypt(row.secret))
        except InglenookError:  # another key file: what is entered now replaces it
            return {}
        return secret

    def _info(self, row: ProviderRow, models: Sequence[ProviderModelRow]) -> ProviderInfo:
        secret = self._secret(row)
        return ProviderInfo(
            id=row.id,
            kind=row.kind,
            name=row.name,
            settings=row.settings,
            secrets=sorted(secret),
            keys=len(keys_of(secret)),
            enabled=row.enabled,
            problem=self._catalogue.problem(row.id),
            models=[model_info(model, self._catalogue.known(row.id, model.name)) for model in models],
            created_at=row.created_at,
            updated_at=row.updated_at,
        )


def _given(settings: dict[str, Any]) -> dict[str, Any]:
    """Settings without those that are empty."""
    return {name: value for name, value in settings.items() if value not in (None, "", [])}


def _addable(name: str, actor: Principal) -> ProviderKind:
    _demand_may_set_up(name, actor)
    try:
        kind = registry.get(name)
    except NotFound as error:
        raise BadInput(error.message, field="kind") from None
    if kind.standing:
        raise BadInput(f"the provider {name} is always there; another cannot be added", field="kind")
    return kind


def _demand_may_set_up(name: str, actor: Principal) -> None:
    """Whoever else may manage providers: programs are started by administrators only."""
    if not actor.is_admin and name in registry.names() and registry.get(name).starts_programs:
        raise Forbidden(f"a provider of the kind {name} starts a program here; only an administrator may set it up")


def _row(session: Session, provider_id: str) -> ProviderRow:
    row = session.get(ProviderRow, provider_id)
    if row is None:
        raise NotFound(f"there is no provider {provider_id}")
    return row


def _free_name(session: Session, name: str, provider_id: str | None) -> str:
    taken = session.execute(select(ProviderRow.id, ProviderRow.name)).all()
    standing = [(kind.name, kind.name) for kind in registry.standing()]
    if any(other.lower() == name.lower() and owner != provider_id for owner, other in [*taken, *standing]):
        raise Conflict(f"there is a provider called {name} already; choose another name", field="name")
    return name
