"""HTTP routes of runs. A run that one may not see does not exist, as far as one is told."""

from typing import Annotated

from fastapi import APIRouter, Header, Query, Request
from fastapi.responses import StreamingResponse

from inglenook.accounts.permissions import needs
from inglenook.accounts.principal import Principal, Thing, Verb
from inglenook.kit.errors import NotFound
from inglenook.runs.schemas import InputIn, InputOut, RunDetails, RunPage, RunStatus, RunSummary
from inglenook.runs.service import Runs
from inglenook.runs.sse import event_stream
from inglenook.runs.tables import RunRow

router = APIRouter(prefix="/api/v1/runs", tags=["runs"])

Reader = Annotated[Principal, needs(Verb.READ, "run")]
Editor = Annotated[Principal, needs(Verb.EDIT, "run")]


@router.get("")
async def list_runs(
    request: Request,
    principal: Reader,
    kind: str | None = None,
    status: Annotated[list[RunStatus] | None, Query()] = None,
    before: str | None = None,
    limit: Annotated[int, Query(ge=1, le=200)] = 50,
) -> RunPage:
    """The caller's own runs, newest first."""
    rows = await _runs(request).page(principal.user_id, kind=kind, status=status or (), before=before, limit=limit + 1)
    more = len(rows) > limit
    summaries = [RunSummary.model_validate(row) for row in rows[:limit]]
    return RunPage(runs=summaries, next=summaries[-1].id if more else None)


@router.get("/{run_id}")
async def read_run(request: Request, principal: Reader, run_id: str) -> RunDetails:
    """One run."""
    await _require(request, principal, Verb.READ, run_id)
    row, output = await _runs(request).read(run_id)
    return RunDetails.model_validate({**RunDetails.model_validate(row).model_dump(), "output": output})


@router.get("/{run_id}/events", response_class=StreamingResponse)
async def watch_run(
    request: Request,
    principal: Reader,
    run_id: str,
    last_event_id: Annotated[str | None, Header()] = None,
) -> StreamingResponse:
    """The run's stream as server-sent events, from `Last-Event-ID` on, or from a `reset` with the whole state.

    `delta` `{"deltas": […]}`, `event` `{"type", "payload", "seq", "at"}`, `reset` `{"state", "status"}` (replaces
    what the client had), `end` `{"status"}` (nothing follows).
    """
    row = await _require(request, principal, Verb.READ, run_id)
    thing, grants = Thing("run", run_id, row.actor_id), request.app.state.accounts.grants
    return event_stream(
        _runs(request).watch(run_id, last_event_id),
        allowed=lambda: grants.may(principal, Verb.READ, thing),
    )


@router.post("/{run_id}/inputs", status_code=202)
async def send_input(request: Request, principal: Editor, run_id: str, given: InputIn) -> InputOut:
    """Send something to a run that has not ended."""
    await _require(request, principal, Verb.EDIT, run_id)
    return InputOut(id=await _runs(request).send(run_id, given.kind, given.payload))


def _runs(request: Request) -> Runs:
    runs: Runs = request.app.state.runs
    return runs


async def _require(request: Request, principal: Principal, verb: Verb, run_id: str) -> RunRow:
    """The run, if the principal may do `verb` to it."""
    row = await _runs(request).find(run_id)
    # One that does not exist is nobody's, and refused in the same words.
    thing = Thing("run", run_id, row.actor_id if row is not None else "")
    request.app.state.accounts.grants.require(principal, verb, thing)
    if row is None:  # somebody holds a grant on a run that is gone
        raise NotFound(f"there is no run {run_id}, or you may not see it")
    return row
