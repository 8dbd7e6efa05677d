"""`/api/v1/routes`: the model names that stand for several models, for administrators."""

from typing import Annotated

from fastapi import APIRouter, Depends, Request
from msgspec import structs

from inglenook.accounts.admin_api import TheAccounts
from inglenook.accounts.permissions import needs
from inglenook.accounts.principal import Principal, Verb
from inglenook.gateway.answers.service import Answers
from inglenook.gateway.gateway import Gateway
from inglenook.gateway.routing import definition as definitions
from inglenook.gateway.routing import schemas
from inglenook.gateway.routing.compiled import RouteFacts
from inglenook.gateway.routing.definition import Problem, RouteDefinition
from inglenook.gateway.routing.explain import exchange_of, explain
from inglenook.gateway.routing.service import Routes
from inglenook.gateway.routing.views import health_info, target_infos
from inglenook.kit.errors import NotFound

router = APIRouter(prefix="/api/v1/routes", tags=["routes"])


def _routes(request: Request) -> Routes:
    routes: Routes = request.app.state.routes
    return routes


def _gateway(request: Request) -> Gateway:
    gateway: Gateway = request.app.state.gateway
    return gateway


def _answers(request: Request) -> Answers:
    answers: Answers = request.app.state.answers
    return answers


TheAnswers = Annotated[Answers, Depends(_answers)]
TheRoutes = Annotated[Routes, Depends(_routes)]
TheGateway = Annotated[Gateway, Depends(_gateway)]
Reads = Annotated[Principal, needs(Verb.READ, "route")]
Manages = Annotated[Principal, needs(Verb.MANAGE, "route")]


@router.get("")
async def list_routes(_: Reads, routes: TheRoutes) -> list[schemas.RouteInfo]:
    """Every route, in the order administrators gave them."""
    return [_info(routes, facts) for facts in routes.all()]


@router.post("", status_code=201)
async def add_route(body: schemas.RouteIn, principal: Manages, routes: TheRoutes) -> schemas.RouteInfo:
    """Make a route. People may use it once they are granted its name, like any model's."""
    return _info(routes, await routes.add(principal, body))


@router.put("/order")
async def reorder_routes(body: schemas.RouteOrder, principal: Manages, routes: TheRoutes) -> list[schemas.RouteInfo]:
    """Change the order of the list."""
    return [_info(routes, facts) for facts in await routes.reorder(principal, body.ids)]


@router.post("/validate")
async def validate_route(body: schemas.RouteDraft, _: Manages, routes: TheRoutes) -> schemas.RouteReview:
    """What is wrong with a definition, all at once; nothing is kept."""
    found = definitions.mistakes(body.definition)
    problems = routes.problems(body.name, found) if isinstance(found, RouteDefinition) else found
    return schemas.RouteReview(problems=_problems(problems))


@router.post("/explain")
async def explain_call(
    body: schemas.ExplainRequest, principal: Manages, routes: TheRoutes, gateway: TheGateway, accounts: TheAccounts
) -> schemas.Explanation:
    """What would become of a call to a route or a model: who would be asked, in which order, and why. Nobody is."""
    if body.call.user_id is not None:
        user = accounts.snapshot.principal_for_user(body.call.user_id)
        if user is None:
            raise NotFound(f"there is no user {body.call.user_id}", field="call.user_id")
        principal = user
    exchange = exchange_of(body.model, body.call, principal)
    if body.definition is None:
        return explain(exchange, gateway.plan, routes.live)
    draft = routes.live.preview(body.model, definitions.read(body.definition))
    return explain(exchange, lambda exchange: routes.live.open(draft, exchange), routes.live)


@router.get("/health")
async def list_health(_: Reads, routes: TheRoutes) -> list[schemas.TargetHealth]:
    """How the targets of all routes are now: busy, quick, resting."""
    return health_info(routes.live)


@router.get("/cache")
async def read_cache(_: Reads, answers: TheAnswers) -> schemas.CacheInfo:
    """How the cache of whole answers does."""
    return schemas.CacheInfo(**structs.asdict(answers.stats()))


@router.delete("/{route_id}/cache")
async def clear_cache(route_id: str, principal: Manages, routes: TheRoutes, answers: TheAnswers) -> schemas.Forgotten:
    """Forget every answer that is kept for a route."""
    await routes.record_cleared(principal, route_id)
    return schemas.Forgotten(answers=answers.forget_route(route_id))


@router.get("/{route_id}")
async def read_route(route_id: str, _: Reads, routes: TheRoutes) -> schemas.RouteInfo:
    """One route."""
    return _info(routes, routes.get(route_id))


@router.patch("/{route_id}")
async def change_route(
    route_id: str, body: schemas.RoutePatch, principal: Manages, routes: TheRoutes
) -> schemas.RouteInfo:
    """Change a route."""
    return _info(routes, await routes.change(principal, route_id, body))


@router.put("/{route_id}/targets")
async def set_targets(
    route_id: str, body: schemas.RouteTargets, principal: Manages, routes: TheRoutes
) -> schemas.RouteInfo:
    """Change a route's targets, or only their order."""
    return _info(routes, await routes.set_targets(principal, route_id, body.targets))


@router.delete("/{route_id}", status_code=204)
async def remove_route(route_id: str, principal: Manages, routes: TheRoutes) -> None:
    """Remove a route."""
    await routes.remove(principal, route_id)


def _info(routes: Routes, facts: RouteFacts) -> schemas.RouteInfo:
    problems = routes.problems(facts.name, facts.definition, kept=facts.definition.targets)
    if routes.shadowed(facts.name):
        text = f"a model is called '{facts.name}' too; the name means this route"
        problems.append(Problem("warning", "name", None, text, "shadowed"))
    live = routes.live.preview(facts.name, facts.definition)
    return schemas.RouteInfo(
        id=facts.id,
        name=facts.name,
        description=facts.description,
        enabled=facts.enabled,
        definition=facts.definition,
        targets=target_infos(live, routes.live.targets.clock()),
        capabilities=sorted(live.entry.facts.capabilities),
        context_length=live.entry.facts.context_length,
        problems=_problems(problems),
        created_at=facts.created_at,
        updated_at=facts.updated_at,
    )


def _problems(found: list[Problem]) -> list[schemas.ProblemInfo]:
    return [schemas.ProblemInfo(**problem._asdict()) for problem in found]
