"""Configured providers and their chosen models, as the tables have them."""

import logging
from typing import Any

import msgspec
from msgspec import Struct, structs
from sqlalchemy import select
from sqlalchemy.orm import Session

from inglenook.models.providers.base import ModelFacts
from inglenook.models.tables import ProviderModelRow, ProviderRow

#: Where `ProviderModelRow.facts` has what a provider told of a model of which nothing else is known.
PUBLISHED = "published"

_SAYABLE = frozenset(ModelFacts.__struct_fields__) - {"name"}

log = logging.getLogger(__name__)


class ChosenModel(Struct, frozen=True, kw_only=True):
    """A provider's model as the table has it. `facts`: see `ProviderModelRow`."""

    name: str
    public_name: str
    facts: dict[str, Any]
    enabled: bool
    created_at: int


class Configured(Struct, frozen=True, kw_only=True):
    """A provider as the tables have it."""

    id: str
    kind: str
    name: str
    settings: dict[str, Any]
    secret: str | None
    enabled: bool
    models: tuple[ChosenModel, ...]


def load(session: Session) -> tuple[Configured, ...]:
    """The tables as they are."""
    models: dict[str, list[ChosenModel]] = {}
    for row in session.scalars(select(ProviderModelRow).order_by(ProviderModelRow.id)):
        models.setdefault(row.provider_id, []).append(
            ChosenModel(
                name=row.name,
                public_name=row.public_name,
                facts=dict(row.facts),
                enabled=row.enabled,
                created_at=row.created_at,
            )
        )
    return tuple(
        Configured(
            id=row.id,
            kind=row.kind,
            name=row.name,
            settings=dict(row.settings),
            secret=row.secret,
            enabled=row.enabled,
            models=tuple(models.get(row.id, ())),
        )
        for row in session.scalars(select(ProviderRow).order_by(ProviderRow.id))
    )


def told_facts(name: str, facts: dict[str, Any], known: ModelFacts | None = None) -> ModelFacts:
    """What holds of a chosen model: what an administrator said of it, then what we know, then what its provider told.

    Args:
        facts: As `ProviderModelRow.facts`.
        known: What its provider knows of it without asking.
    """
    try:
        published = known or msgspec.convert({**facts.get(PUBLISHED, {}), "name": name}, ModelFacts)
        said = {field: value for field, value in facts.items() if value and field in _SAYABLE}
        own = msgspec.convert({**said, "name": name}, ModelFacts)
    except msgspec.ValidationError as error:
        log.warning("the facts of model %s are unreadable: %s", name, error)
        return known or ModelFacts(name=name)
    return structs.replace(published, name=name, **{field: getattr(own, field) for field in said})
