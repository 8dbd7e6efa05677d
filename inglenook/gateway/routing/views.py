"""Targets and their health, as the API shows them."""

from collections.abc import Iterable

from inglenook.gateway.routing import schemas
from inglenook.gateway.routing.compiled import Branch, LiveRoute
from inglenook.gateway.routing.live import LiveRoutes
from inglenook.gateway.routing.targets import Leaf
from inglenook.kit.time import now_ms


def target_infos(route: LiveRoute, now: float) -> list[schemas.RouteTargetInfo]:
    """What there is of each of a route's targets. `now`: seconds of the clock of health."""
    return [_target(branch, now) for branch in route.branches]


def health_info(live: LiveRoutes) -> list[schemas.TargetHealth]:
    """How the targets of all routes are, by name."""
    leaves: dict[tuple[str, str], Leaf] = {}
    for facts in live.all():
        for leaf in _leaves(live.preview(facts.name, facts.definition)):
            leaves.setdefault(leaf.place, leaf)
    now = live.targets.clock()
    wall = now_ms()
    return [_health(leaf, now, wall) for leaf in sorted(leaves.values(), key=lambda leaf: leaf.entry.name)]


def _leaves(route: LiveRoute) -> Iterable[Leaf]:
    for branch in route.branches:
        if branch.leaf is not None:
            yield branch.leaf
        elif branch.route is not None:
            yield from _leaves(branch.route)


def _target(branch: Branch, now: float) -> schemas.RouteTargetInfo:
    leaf, route = branch.leaf, branch.route
    entry = leaf.entry if leaf is not None else route.entry if route is not None else None
    return schemas.RouteTargetInfo(
        model=branch.model,
        kind="model" if leaf is not None else "route" if route is not None else "missing",
        provider=entry.provider_name if entry is not None else "",
        local=entry is not None and entry.local,
        capabilities=sorted(entry.facts.capabilities) if entry is not None else [],
        context_length=entry.facts.context_length if entry is not None else 0,
        state=_state(leaf, now) if leaf is not None else "",
    )


def _state(leaf: Leaf, now: float) -> str:
    if leaf.health.until:
        return leaf.health.state(now)
    states = {rest.state(now) for lane in leaf.lanes for rest in (lane.limit, lane.key) if rest.until}
    return "ready" if leaf.may(now) or not states else min(states)


def _health(leaf: Leaf, now: float, wall: int) -> schemas.TargetHealth:
    health, entry = leaf.health, leaf.entry

    def date(until: float) -> int | None:
        return wall + int((until - now) * 1000) if until else None

    return schemas.TargetHealth(
        model=entry.name,
        provider=entry.provider_name,
        provider_id=entry.provider_id,
        local=entry.local,
        state=health.state(now),
        failures=health.failures,
        until=date(health.until),
        in_flight=health.in_flight,
        streamed_ms=round(health.streamed.read(now), 3),
        whole_ms=round(health.whole.read(now), 3),
        keys=[
            schemas.KeyHealth(
                number=lane.candidate.key,
                in_flight=lane.limit.in_flight,
                limit=lane.limit.state(now),
                key=lane.key.state(now),
                until=date(max(lane.limit.until, lane.key.until)),
            )
            for lane in leaf.lanes
        ],
    )
