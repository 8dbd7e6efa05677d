"""What runs now: whose calls one sees, as a list and as it changes, and stopping one.

Nothing is noted for this on a call's way: whoever looks reads what the gateway holds in memory anyway.
"""

import asyncio
from collections.abc import AsyncIterator

from inglenook.accounts.principal import Principal
from inglenook.gateway.call import Exchange
from inglenook.gateway.errors import CallStopped
from inglenook.gateway.gateway import Gateway
from inglenook.gateway.usage.schemas import RunningCall, RunningCalls
from inglenook.kit.errors import NotFound
from inglenook.kit.time import now_ms
from inglenook.runs.live import WatchFrame

#: Calls of one list.
SHOWN = 200
#: Seconds between two looks of one watcher.
LOOK_EVERY = 1.0
_NAME_LIMIT = 200


def seen_by(principal: Principal, gateway: Gateway) -> RunningCalls:
    """What `principal` may see."""
    found = [found for found in list(gateway.running.values()) if _may_see(principal, found)]
    now = now_ms()
    return RunningCalls(calls=[_told(exchange, now) for exchange in found[:SHOWN]], total=len(found))


async def watch(principal: Principal, gateway: Gateway) -> AsyncIterator[WatchFrame]:
    """The same again and again: now, and at every look at which it is different."""
    told: RunningCalls | None = None
    number = 0
    while True:
        found = seen_by(principal, gateway)
        if found != told:
            told = found
            number += 1
            yield WatchFrame(event="event", id=str(number), data=found.model_dump())
        await asyncio.sleep(LOOK_EVERY)


def find(principal: Principal, gateway: Gateway, call_id: str) -> Exchange:
    """The call of that id.

    Raises:
        NotFound: it is over, or not one that `principal` may see.
    """
    exchange = gateway.running.get(call_id)
    if exchange is None or not _may_see(principal, exchange):
        raise NotFound(f"the call {call_id} is not under way here; it may be over")
    return exchange


def owner(exchange: Exchange) -> str:
    """Whose call it is."""
    return exchange.principal.user_id if exchange.principal else ""


def reason(principal: Principal, exchange: Exchange) -> CallStopped:
    """What the caller of a call is told whom `principal` stopped."""
    own = principal.user_id == owner(exchange)
    return CallStopped("the call was stopped" if own else "an administrator stopped the call")


def _may_see(principal: Principal, exchange: Exchange) -> bool:
    return principal.is_admin or (exchange.principal is not None and exchange.principal.user_id == principal.user_id)


def _told(exchange: Exchange, now: int) -> RunningCall:
    call, who, target, first = exchange.call, exchange.principal, exchange.target, exchange.first_event_at
    return RunningCall(
        call_id=call.id,
        user_id=owner(exchange),
        user=who.name if who else "",
        team_id=who.team_id if who else None,
        key_id=who.key_id if who else None,
        route=exchange.route,
        asked=call.model[:_NAME_LIMIT],
        model=target.name if target else None,
        provider=target.provider_name if target else None,
        operation=str(call.operation),
        source=call.source,
        attempts=exchange.attempts,
        started_at=exchange.started_at,
        running_ms=now - exchange.started_at,
        ttft_ms=first - exchange.started_at if first else None,
        output_tokens=exchange.meter.so_far() if exchange.meter is not None else 0,
    )
