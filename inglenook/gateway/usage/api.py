"""`/api/v1/usage`: figures, single calls, exports, and what runs now. Who is no administrator sees their own."""

from collections.abc import AsyncIterator
from typing import Annotated

import msgspec
from fastapi import APIRouter, Depends, Query, Request
from fastapi.responses import StreamingResponse

from inglenook.accounts import audit
from inglenook.accounts.permissions import needs
from inglenook.accounts.principal import Principal, Thing, Verb
from inglenook.gateway.gateway import Gateway
from inglenook.gateway.usage import export, running
from inglenook.gateway.usage.breakeven import PricedModel, break_even
from inglenook.gateway.usage.schemas import (
    BreakEvenOut,
    RunningCalls,
    SaidInCall,
    UsageEntry,
    UsagePage,
    UsageSums,
)
from inglenook.gateway.usage.service import Filter, Group, Usage
from inglenook.kit.time import now_ms
from inglenook.models.catalogue import LOCAL, Catalogue
from inglenook.models.providers import catalogue_data
from inglenook.runs.sse import event_stream

router = APIRouter(prefix="/api/v1/usage", tags=["usage"])

Reader = Annotated[Principal, needs(Verb.READ, "usage")]
Administrator = Annotated[Principal, needs(Verb.MANAGE, "server")]
_HOUR = 3_600_000


def _filter(
    since: Annotated[int, Query(ge=0)] = 0,
    until: Annotated[int | None, Query(ge=0)] = None,
    user_id: str | None = None,
    key_id: str | None = None,
    team_id: str | None = None,
    app_id: str | None = None,
    model: str | None = None,
    provider: str | None = None,
    source: str | None = None,
    status: str | None = None,
) -> Filter:
    """Which calls are asked about."""
    return Filter(
        since=since,
        until=until,
        user_id=user_id,
        key_id=key_id,
        team_id=team_id,
        app_id=app_id,
        model=model,
        provider=provider,
        source=source,
        status=status,
    )


def _allowed(principal: Principal, where: Filter) -> Filter:
    """What `principal` may see of it: a member's own, whatever they ask for."""
    return where if principal.is_admin else msgspec.structs.replace(where, user_id=principal.user_id)


def _gateway(request: Request) -> Gateway:
    gateway: Gateway = request.app.state.gateway
    return gateway


def _usage(request: Request) -> Usage:
    return Usage(_gateway(request).ledger)


Wanted = Annotated[Filter, Depends(_filter)]
TheGateway = Annotated[Gateway, Depends(_gateway)]
TheUsage = Annotated[Usage, Depends(_usage)]


@router.get("")
async def usage_sums(
    principal: Reader,
    where: Wanted,
    usage: TheUsage,
    by: Annotated[list[Group] | None, Query(max_length=6)] = None,
    zone: Annotated[str, Query(max_length=64)] = "UTC",
) -> list[UsageSums]:
    """Totals, grouped by any columns; days begin in the time zone `zone`. Hours are the finest there is."""
    return [
        UsageSums.model_validate(sums)
        for sums in await usage.sums(*(by or ()), where=_allowed(principal, where), zone=zone)
    ]


@router.get("/entries")
async def usage_entries(
    principal: Reader,
    where: Wanted,
    usage: TheUsage,
    before: int | None = None,
    limit: Annotated[int, Query(ge=1, le=500)] = 100,
) -> UsagePage:
    """Single calls, newest first, as long as the settings keep them."""
    rows = await usage.entries(_allowed(principal, where), before=before, limit=limit + 1)
    page = [UsageEntry.model_validate(row) for row in rows[:limit]]
    return UsagePage(entries=page, next=page[-1].id if len(rows) > limit else None)


@router.get("/calls/{call_id}")
async def said_in_call(principal: Administrator, request: Request, usage: TheUsage, call_id: str) -> SaidInCall:
    """What was said in a call of a team whose calls are recorded. That it was looked at is written down."""
    said = await usage.said(call_id)
    store = request.app.state.store
    await store.write(lambda session: audit.record(session, principal, "call.read", Thing("usage", call_id)))
    return SaidInCall(request=said.request, answer=said.answer)


@router.get("/export", response_class=StreamingResponse)
async def export_usage(
    principal: Reader,
    where: Wanted,
    gateway: TheGateway,
    format: Annotated[str, Query(pattern="^(csv|parquet)$")] = "csv",  # noqa: A002 - the name in the query
) -> StreamingResponse:
    """Single calls as a file, oldest first: CSV, or Parquet where pyarrow is installed."""
    pieces = export.csv_lines if format == "csv" else export.parquet
    body = pieces(gateway.ledger, _allowed(principal, where))
    first = await anext(body)  # what cannot be done is said before the file begins
    kind = "text/csv; charset=utf-8" if format == "csv" else "application/vnd.apache.parquet"
    headers = {"content-disposition": f'attachment; filename="inglenook-usage.{format}"'}
    return StreamingResponse(_from(first, body), media_type=kind, headers=headers)


@router.get("/break-even")
async def local_against_bought(
    _: Administrator,
    request: Request,
    where: Wanted,
    gateway: TheGateway,
    usage: TheUsage,
    everything: bool = False,
) -> BreakEvenOut:
    """What local models' work would have cost at the prices of bought ones: of those set up here, or with `everything`
    of every model whose price is known. Without `since`, of the last 30 days."""
    until = where.until or now_ms()
    since = where.since or until - 30 * 24 * _HOUR
    only = msgspec.structs.replace(where, since=since, until=until, provider=LOCAL)
    sums = await usage.sums("model", where=only)
    priced = _known_prices() if everything else _priced(request.app.state.catalogue)
    found = break_even(gateway.money, sums, (until - since) / _HOUR, priced)
    return BreakEvenOut.model_validate(found)


@router.get("/running")
async def running_calls(principal: Reader, gateway: TheGateway) -> RunningCalls:
    """The calls under way now on this server, oldest first; who is no administrator sees their own."""
    return running.seen_by(principal, gateway)


@router.get("/running/events")
async def watch_running(principal: Reader, request: Request, gateway: TheGateway) -> StreamingResponse:
    """The same as server-sent events: as it is, and then whenever it is different, at most once a second."""
    grants = request.app.state.accounts.grants
    return event_stream(
        running.watch(principal, gateway), allowed=lambda: bool(grants.may(principal, Verb.READ, Thing("usage")))
    )


@router.delete("/running/{call_id}")
async def stop_call(
    principal: Annotated[Principal, needs(Verb.MANAGE, "usage")], request: Request, gateway: TheGateway, call_id: str
) -> None:
    """Stop a call under way: one's own, or as an administrator anybody's. That it was is written down."""
    exchange = running.find(principal, gateway, call_id)
    facts = {"user_id": running.owner(exchange), "model": exchange.call.model}
    store = request.app.state.store
    await store.write(
        lambda session: audit.record(session, principal, "call.stopped", Thing("usage", call_id), **facts)
    )
    gateway.halt(exchange, running.reason(principal, exchange))


async def _from(first: bytes, rest: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    yield first
    async for piece in rest:
        yield piece


def _priced(catalogue: Catalogue) -> list[PricedModel]:
    return [
        PricedModel(provider=entry.provider_name, model=entry.name, prices=entry.prices)
        for entry in catalogue.entries()
        if entry.prices is not None and not entry.local
    ]


def _known_prices() -> list[PricedModel]:
    return [
        PricedModel(provider=name, model=facts.name, prices=facts.prices)
        for name in catalogue_data.names()
        for facts in catalogue_data.vendor(name).models()
        if facts.prices is not None and "completion" in facts.capabilities
    ]
