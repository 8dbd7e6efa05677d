"""Routes, as an administrator wrote them."""

from typing import Any

from sqlalchemy import BigInteger, String, Text
from sqlalchemy.orm import Mapped, mapped_column

from inglenook.store.tables import Table


class RouteRow(Table):
    """A route. `definition` as `definition.RouteDefinition`; `position` is its place in the list, from 0."""

    __tablename__ = "routes"

    id: Mapped[str] = mapped_column(String(40), primary_key=True)
    name: Mapped[str] = mapped_column(String(200), unique=True)
    description: Mapped[str] = mapped_column(Text)
    enabled: Mapped[bool]
    definition: Mapped[dict[str, Any]]
    position: Mapped[int]
    created_at: Mapped[int] = mapped_column(BigInteger)
    updated_at: Mapped[int] = mapped_column(BigInteger)


class RoutingState(Table):
    """One row: the number of the routes' snapshot. Whoever changes routes locks it first."""

    __tablename__ = "routing_state"

    id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    version: Mapped[int] = mapped_column(BigInteger)
