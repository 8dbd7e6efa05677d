"""`GET /api/v1/server`: how the server itself is doing, for its administrator."""

import time
from typing import Annotated

import psutil
from fastapi import APIRouter, Request
from pydantic import BaseModel

from inglenook import __version__
from inglenook.accounts.permissions import needs
from inglenook.accounts.principal import Principal, Verb
from inglenook.kit.loop import LagMonitor

router = APIRouter(prefix="/api/v1", tags=["server"])
_started = time.monotonic()


class LoopLag(BaseModel):
    """Lag of the event loop over the last minute, in milliseconds."""

    p50: float
    p99: float
    worst: float
    samples: int


class ServerStatus(BaseModel):
    """The server process: `memory` is its proportional set size in bytes, children not counted."""

    version: str
    uptime_s: float
    memory: int
    loop_lag: LoopLag


@router.get("/server")
def server_status(request: Request, _: Annotated[Principal, needs(Verb.READ, "server")]) -> ServerStatus:
    """Version, uptime, memory and loop lag."""
    lag: LagMonitor = request.app.state.lag
    return ServerStatus(
        version=__version__,
        uptime_s=time.monotonic() - _started,
        memory=psutil.Process().memory_full_info().pss,
        loop_lag=LoopLag(**lag.report()._asdict()),
    )
