"""The fake provider's models in a catalogue."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import msgspec

from inglenook.models.providers.fake import Fake, FakeSettings
from inglenook.store.database import Store
from tests.support.gateway import Shelf


@asynccontextmanager
async def open_models(folder: Path, store: Store, scripts: dict[str, Any]) -> AsyncIterator[tuple[Any, Fake]]:
    """A catalogue of the fake provider's models, and the provider."""
    fake = Fake(msgspec.convert({"scripts": scripts}, FakeSettings))
    shelf = Shelf()
    await shelf.put(fake, "fake")
    yield shelf, fake
