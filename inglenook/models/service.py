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
from inglenook.kit.errors import BadInput, Conflict, InglenookError, NotFound, UpstreamTimeout
from inglenook.kit.ids import new_id
from inglenook.kit.settings_schema import check_settings, secret_names
from inglenook.kit.time import now_ms
from inglenook.models.catalogue import Catalogue
from inglenook.models.providers import registry
from inglenook.models.providers.base import ModelFacts, ProviderKind
from inglenook.models.schemas import ChosenModelIn, ChosenModelInfo, ProviderIn, ProviderInfo, ProviderPatch
from inglenook.models.tables import ProviderModelRow, ProviderRow
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
            return [(row, _models_of(session, row.id)) for row in rows]

        return [self._info(row, models) for row, models in await self._store.read(read)]

    async def get(self, provider_id: str) -> ProviderInfo:
        """One provider.

        Raises:
            NotFound: there is none of that id.
        """
        row, models = await self._store.read(lambda s: (_row(s, provider_id), _models_of(s, provider_id)))
        return self._info(row, models)

    async def add(self, actor: Principal, given: ProviderIn) -> ProviderInfo:
        """Set up a provider.

        Raises:
            BadInput: the kind cannot be added, or a setting is wrong.
            Conflict: there is a provider, or a model, of that name.
        """
        kind = _addable(given.kind)
        shown, secret = await self._accept(kind, given.settings)

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
            _choose(session, row, given.models)
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
        shown, secret = before.settings, before.secret
        if patch.settings is not None:
            shown, secret = await self._accept(_addable(before.kind), patch.settings, self._secret(before))

        def write(session: Session) -> None:
            row = _row(session, provider_id)
            if patch.name is not None:
                row.name = _free_name(session, patch.name, provider_id)
            if patch.enabled is not None:
                row.enabled = patch.enabled
            if patch.settings is not None:
                row.settings, row.secret = shown, secret
            if patch.models is not None:
                _choose(session, row, patch.models)
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
            for model in _models_of(session, provider_id):
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
        return sorted(found, key=lambda facts: facts.name)

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
        whole = {name: value for name, value in {**(kept or {}), **settings}.items() if value not in (None, "")}
        check_settings(kind.settings_schema, whole)
        await self._catalogue.try_out(kind, whole)
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
        return ProviderInfo(
            id=row.id,
            kind=row.kind,
            name=row.name,
            settings=row.settings,
            secrets=sorted(self._secret(row)),
            enabled=row.enabled,
            problem=self._catalogue.problem(row.id),
            models=[_model_info(model) for model in models],
            created_at=row.created_at,
            updated_at=row.updated_at,
        )


def _addable(name: str) -> ProviderKind:
    try:
        kind = registry.get(name)
    except NotFound as error:
        raise BadInput(error.message, field="kind") from None
    if kind.standing:
        raise BadInput(f"the provider {name} is always there; another cannot be added", field="kind")
    return kind


def _row(session: Session, provider_id: str) -> ProviderRow:
    row = session.get(ProviderRow, provider_id)
    if row is None:
        raise NotFound(f"there is no provider {provider_id}")
    return row


def _models_of(session: Session, provider_id: str) -> list[ProviderModelRow]:
    query = select(ProviderModelRow).where(ProviderModelRow.provider_id == provider_id)
    return list(session.scalars(query.order_by(ProviderModelRow.public_name)))


def _free_name(session: Session, name: str, provider_id: str | None) -> str:
    taken = session.execute(select(ProviderRow.id, ProviderRow.name)).all()
    standing = [(kind, kind) for kind in registry.names()]
    if any(other.lower() == name.lower() and owner != provider_id for owner, other in [*taken, *standing]):
        raise Conflict(f"there is a provider called {name} already; choose another name", field="name")
    return name


def _choose(session: Session, row: ProviderRow, models: Sequence[ChosenModelIn]) -> None:
    """Make `models` the provider's choice; those that stay keep their id and public name."""
    before = {model.name: model for model in _models_of(session, row.id)}
    wanted = {model.name: model for model in models}
    if len(wanted) != len(models):
        raise BadInput("a model is named twice", field="models")
    for name in before.keys() - wanted.keys():
        session.delete(before[name])
    session.flush()
    for name, row_before in before.items():  # so that two may swap their public names
        if name in wanted and wanted[name].public_name not in (None, row_before.public_name):
            row_before.public_name = row_before.id
    session.flush()
    taken = set(session.scalars(select(ProviderModelRow.public_name).where(ProviderModelRow.provider_id != row.id)))
    for place, (name, model) in enumerate(wanted.items()):
        kept = before.get(name)
        if kept is None:
            kept = ProviderModelRow(id=new_id("pmd"), provider_id=row.id, name=name, created_at=now_ms())
            kept.public_name = f"{row.name}/{name}" if model.public_name is None and name in taken else name
            session.add(kept)
        if model.public_name is not None:
            kept.public_name = model.public_name
        if kept.public_name in taken:
            raise Conflict(
                f"there is a model called {kept.public_name} already; choose another public name",
                field=f"models[{place}].public_name",
            )
        taken.add(kept.public_name)
        kept.enabled = model.enabled
        kept.facts = _facts(model)


def _facts(model: ChosenModelIn) -> dict[str, Any]:
    return {
        "capabilities": sorted(set(model.capabilities if model.capabilities is not None else ["completion"])),
        "context_length": model.context_length,
        "embedding_length": model.embedding_length,
        "languages": model.languages,
    }


def _model_info(row: ProviderModelRow) -> ChosenModelInfo:
    facts = row.facts
    return ChosenModelInfo(
        name=row.name,
        public_name=row.public_name,
        capabilities=list(facts.get("capabilities", ())),
        context_length=facts.get("context_length", 0),
        embedding_length=facts.get("embedding_length", 0),
        languages=list(facts.get("languages", ())),
        enabled=row.enabled,
    )
