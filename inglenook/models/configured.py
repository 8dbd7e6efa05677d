"""Configured providers and their chosen models, as the tables have them."""

import logging
from typing import Any

import msgspec
from msgspec import Struct
from sqlalchemy import select
from sqlalchemy.orm import Session

from inglenook.models.providers.base import ModelFacts
from inglenook.models.tables import ProviderModelRow, ProviderRow

log = logging.getLogger(__name__)


class ChosenModel(Struct, frozen=True, kw_only=True):
    """A provider's model as the table has it."""

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


def told_facts(model: ChosenModel) -> ModelFacts:
    """What is known of a chosen model."""
    try:
        return msgspec.convert({**model.facts, "name": model.name}, ModelFacts)
    except msgspec.ValidationError as error:
        log.warning("the facts of model %s are unreadable: %s", model.public_name, error)
        return ModelFacts(name=model.name)
