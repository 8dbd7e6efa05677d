"""Which of a provider's models people here may see, and what is said of them."""

from collections.abc import Sequence
from typing import Any, NamedTuple

import msgspec
from sqlalchemy import select
from sqlalchemy.orm import Session

from inglenook.kit.errors import BadInput, Conflict
from inglenook.kit.ids import new_id
from inglenook.kit.time import now_ms
from inglenook.models.configured import PUBLISHED, told_facts
from inglenook.models.providers.base import ModelFacts
from inglenook.models.schemas import ChosenModelIn, ChosenModelInfo, ModelPrices
from inglenook.models.tables import ProviderModelRow, ProviderRow


class Known(NamedTuple):
    """What is known of a model: without asking, and what its provider told when it was last asked."""

    unasked: ModelFacts | None
    told: ModelFacts | None


def models_of(session: Session, provider_id: str) -> list[ProviderModelRow]:
    """The chosen models of a provider, by the names they have here."""
    query = select(ProviderModelRow).where(ProviderModelRow.provider_id == provider_id)
    return list(session.scalars(query.order_by(ProviderModelRow.public_name)))


def choose(session: Session, row: ProviderRow, models: Sequence[ChosenModelIn], known: dict[str, Known]) -> None:
    """Make `models` the provider's choice; those that stay keep their id and public name."""
    before = {model.name: model for model in models_of(session, row.id)}
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
        kept.facts = _facts(model, known[name], (kept.facts or {}).get(PUBLISHED))


def _facts(model: ChosenModelIn, known: Known, kept: dict[str, Any] | None) -> dict[str, Any]:
    """What to keep of a model: what is said of it that is not known anyway, and if nothing is known, what was told.

    Args:
        kept: What was told earlier.
    """
    if known.unasked is not None:
        kept = None
    elif known.told is not None:
        kept = published(known.told)
    usual = told_facts(model.name, {PUBLISHED: kept} if kept else {}, known.unasked)
    said: dict[str, Any] = {
        "capabilities": sorted(set(model.capabilities or ())),
        "context_length": model.context_length,
        "output_length": model.output_length,
        "embedding_length": model.embedding_length,
        "languages": model.languages,
        "prices": _own_prices(model.prices),
    }
    own = told_facts(model.name, said)
    facts = {name: value for name, value in said.items() if value and getattr(own, name) != getattr(usual, name)}
    return {**facts, PUBLISHED: kept} if kept else facts


def _own_prices(prices: ModelPrices | None) -> dict[str, Any] | None:
    # The currency is kept whatever it is: a model without any price costs nothing.
    return None if prices is None else {"currency": prices.currency, **prices.model_dump(exclude_defaults=True)}


def published(facts: ModelFacts) -> dict[str, Any]:
    """What a provider told of a model, as `ProviderModelRow.facts` keeps it."""
    told: dict[str, Any] = msgspec.to_builtins(facts)
    told.pop("name", None)
    if "capabilities" in told:
        told["capabilities"] = sorted(told["capabilities"])
    return told


def model_info(row: ProviderModelRow, known: ModelFacts | None) -> ChosenModelInfo:
    """A chosen model as it is shown.

    Args:
        known: What its provider knows of it without asking.
    """
    facts = told_facts(row.name, row.facts, known)
    return ChosenModelInfo(
        name=row.name,
        public_name=row.public_name,
        capabilities=sorted(facts.capabilities),
        context_length=facts.context_length,
        output_length=facts.output_length,
        embedding_length=facts.embedding_length,
        languages=list(facts.languages),
        prices=None if facts.prices is None else ModelPrices.model_validate(facts.prices),
        own=sorted(name for name, value in row.facts.items() if value and name != PUBLISHED),
        enabled=row.enabled,
    )
