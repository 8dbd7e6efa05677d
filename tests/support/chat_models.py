"""A catalogue that holds the fake provider's models, as an administrator would have chosen them."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, cast

import msgspec
from sqlalchemy.orm import Session

from inglenook.kit.ids import new_id
from inglenook.kit.time import now_ms
from inglenook.models.catalogue import Catalogue
from inglenook.models.hub.layout import ModelStore
from inglenook.models.providers.base import ProviderParts
from inglenook.models.providers.fake import Fake, FakeSettings
from inglenook.models.tables import ProviderModelRow, ProviderRow
from inglenook.store.database import Store
from inglenook.store.secrets import Secrets

PROVIDER = "prv_fake"


@asynccontextmanager
async def open_models(
    folder: Path, store: Store, scripts: dict[str, Any], prefills: frozenset[str]
) -> AsyncIterator[tuple[Catalogue, Fake]]:
    """The catalogue and the provider. Models in `prefills` are said to go on with their own words."""
    facts = await Fake(msgspec.convert({"scripts": scripts}, FakeSettings)).models()

    def choose(session: Session) -> None:
        if session.get(ProviderRow, PROVIDER) is not None:
            return
        now = now_ms()
        session.add(
            ProviderRow(
                id=PROVIDER, kind="fake", name="fake", settings={"scripts": scripts}, secret=None, enabled=True,
                created_at=now, updated_at=now,
            )
        )  # fmt: skip
        session.flush()
        for known in facts:
            told = msgspec.to_builtins(known)
            if known.name in prefills:
                told["capabilities"] = ["completion", "prefill"]
            session.add(
                ProviderModelRow(
                    id=new_id("pmd"), provider_id=PROVIDER, name=known.name, public_name=known.name, facts=told,
                    enabled=True, created_at=now,
                )
            )  # fmt: skip

    await store.write(choose)
    parts = ProviderParts(http=None, engine=None)  # no model that runs here is asked for anything
    catalogue = Catalogue(store, Secrets(folder), ModelStore(folder / "models"), parts)
    await catalogue.start()
    try:
        yield catalogue, cast("Fake", catalogue.provider(PROVIDER))
    finally:
        await catalogue.stop()
