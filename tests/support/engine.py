"""Running models in tests: the starter model where there is one, waiting for the engine, asking a provider."""

import asyncio
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from inglenook.models.calls import Event, Operation, Request
from inglenook.models.engine.service import Engine
from inglenook.models.hub.layout import ModelStore
from inglenook.models.providers.base import Job, Provider

_STORE = Path(__file__).resolve().parents[2] / ".make" / "models"


def starter_gguf() -> Path:
    """The starter model's file: `INGLENOOK_TEST_GGUF`, else what `make setup` fetched; skips the test without."""
    named = os.environ.get("INGLENOOK_TEST_GGUF")
    if named:
        return Path(named)
    found = [model.gguf for model in ModelStore(_STORE).list() if "smollm" in model.name.lower()]
    if not found:
        pytest.skip("no starter model: run `make starter`, or name a GGUF file in INGLENOOK_TEST_GGUF")
    return found[0]


async def until(engine: Engine, condition: Callable[[], bool], seconds: float = 10) -> None:
    """Wait for the engine to change until `condition` holds."""
    async with asyncio.timeout(seconds):
        while not condition():
            await engine.wait(engine.version)


async def ask(
    provider: Provider, model: str, request: Request, *, operation: Operation = Operation.CHAT
) -> list[Event]:
    """Every event of an answer."""
    job = Job(model=model, stream=True, decode=lambda: request, operation=operation)
    return [event async for event in provider.stream(job)]


def of(kind: type[Any], events: list[Event]) -> list[Any]:
    """The events of one kind."""
    return [event for event in events if isinstance(event, kind)]


def is_gone(pid: int) -> bool:
    """Whether a process has ended."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z"
    except (FileNotFoundError, ProcessLookupError):
        return True
