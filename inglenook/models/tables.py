"""Configured providers with the models chosen from each, and what is set for models of this machine."""

from typing import Any

from sqlalchemy import BigInteger, ForeignKey, String, Text, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from inglenook.store.tables import Table


class ProviderRow(Table):
    """A provider an administrator set up. `secret` is the ciphertext of a JSON object of its secret settings."""

    __tablename__ = "providers"

    id: Mapped[str] = mapped_column(String(40), primary_key=True)
    kind: Mapped[str] = mapped_column(String(80))
    name: Mapped[str] = mapped_column(String(80), unique=True)
    settings: Mapped[dict[str, Any]]
    secret: Mapped[str | None] = mapped_column(Text)
    enabled: Mapped[bool]
    created_at: Mapped[int] = mapped_column(BigInteger)
    updated_at: Mapped[int] = mapped_column(BigInteger)


class ProviderModelRow(Table):
    """A model of a provider that people here may see.

    `name` is the provider's own name of it, `public_name` the one it has here. `facts` is what an administrator said
    of it, as fields of `ModelFacts`; in its field `published`, what the provider told when it was last asked, if
    nothing else is known of the model.
    """

    __tablename__ = "provider_models"
    __table_args__ = (UniqueConstraint("provider_id", "name"),)

    id: Mapped[str] = mapped_column(String(40), primary_key=True)
    provider_id: Mapped[str] = mapped_column(ForeignKey("providers.id", ondelete="CASCADE"), index=True)
    name: Mapped[str] = mapped_column(String(200))
    public_name: Mapped[str] = mapped_column(String(200), unique=True)
    facts: Mapped[dict[str, Any]]
    enabled: Mapped[bool]
    created_at: Mapped[int] = mapped_column(BigInteger)


class ModelDefaultsRow(Table):
    """What an administrator set for a model of the store; `name` in lower case, `settings` as `engine.defaults`."""

    __tablename__ = "model_defaults"

    name: Mapped[str] = mapped_column(String(400), primary_key=True)
    settings: Mapped[dict[str, Any]]
    updated_at: Mapped[int] = mapped_column(BigInteger)
