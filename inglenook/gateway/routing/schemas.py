"""Requests and answers of the routes' routes. Times are milliseconds since the Unix epoch, amounts billionths of the
billing currency."""

from collections.abc import Callable
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, WrapValidator

from inglenook.gateway.routing import definition
from inglenook.gateway.routing.definition import RouteDefinition, RouteTarget
from inglenook.kit.errors import BadInput
from inglenook.models.calls import Operation

RouteName = Annotated[
    str, StringConstraints(strip_whitespace=True, min_length=1, max_length=200, pattern=r"^[^\x00-\x1f\x7f]+$")
]
Text = Annotated[str, StringConstraints(strip_whitespace=True, max_length=2000)]
Id = Annotated[str, StringConstraints(max_length=40)]


def _read(given: Any, _: Callable[[Any], Any]) -> RouteDefinition:
    """A definition whose mistakes are told by target and field."""
    if isinstance(given, RouteDefinition):
        return given
    if not isinstance(given, dict):
        raise BadInput("definition must be an object", field="definition")
    return definition.read(given)


Told = Annotated[RouteDefinition, WrapValidator(_read)]


class _Input(BaseModel):
    model_config = ConfigDict(extra="forbid")


class RouteIn(_Input):
    """A route to make. Its name is used like a model's, so it is neither a model's nor another route's."""

    name: RouteName
    description: Text = ""
    enabled: bool = True
    definition: Told


class RoutePatch(_Input):
    """Changes of a route; what is left out stays. Under a new name it needs new grants."""

    name: RouteName | None = None
    description: Text | None = None
    enabled: bool | None = None
    definition: Told | None = None


class RouteOrder(_Input):
    """Every route's id, in the order they are to be listed."""

    ids: list[Id]


class RouteTargets(_Input):
    """A route's targets, in the order they are to be asked."""

    targets: list[RouteTarget]


class RouteDraft(_Input):
    """A definition to look at, of the route `name` as it may become."""

    name: RouteName
    definition: dict[str, Any]


class ProblemInfo(BaseModel):
    """Something about a definition: `field` as in `targets[1].when.times[0].zone`, `target` the one it is about. An
    `error` must be mended before the route can be kept, a `warning` may stand.

    `code`: `form`, `twice`, `loops`, `missing`, `empty_span`, `never` (no call is ever taken), `zone`, `no_weight`,
    `embedders`, `shared_private`, `shadowed`.
    """

    level: Literal["error", "warning"]
    field: str
    target: str | None
    message: str
    code: str


class RouteTargetInfo(BaseModel):
    """A target as it is now. `kind`: `model`, `route`, or `missing`; `state` as `TargetHealth`'s, empty unless it is a
    model; `local`: it runs here."""

    model: str
    kind: Literal["model", "route", "missing"]
    provider: str
    local: bool
    capabilities: list[str]
    context_length: int
    state: str


class RouteInfo(BaseModel):
    """A route. `targets` says of each target of the definition, in its order, what there is; `capabilities` and
    `context_length` are what the route offers: the union, and the largest."""

    id: str
    name: str
    description: str
    enabled: bool
    definition: RouteDefinition
    targets: list[RouteTargetInfo]
    capabilities: list[str]
    context_length: int
    problems: list[ProblemInfo]
    created_at: int
    updated_at: int


class RouteReview(BaseModel):
    """What is wrong with a draft; nothing, if it is empty."""

    problems: list[ProblemInfo]


class SampleCall(_Input):
    """A call to try. `prompt` is counted like any; `prompt_tokens` says the count instead. `at`: the time it would be
    made; now, if it is left out. `user_id`: who would make it, instead of whoever asks."""

    operation: Operation = Operation.CHAT
    prompt: Annotated[str, StringConstraints(max_length=200_000)] = ""
    prompt_tokens: Annotated[int, Field(ge=0)] | None = None
    max_tokens: Annotated[int, Field(ge=1)] | None = None
    needs: list[str] = []
    tags: list[str] = []
    stream: bool = True
    conversation: str | None = None
    at: int | None = None
    user_id: Id | None = None


class ExplainRequest(_Input):
    """A name, and a call to it; with a `definition` as if that were the route of this name."""

    model: RouteName
    call: SampleCall = SampleCall()
    definition: dict[str, Any] | None = None


class PassedOver(BaseModel):
    """A target that is not asked, and why: `needs`, `tags`, `time`, `prompt`, `cost`, `price`, `private`, `capability`,
    `operation`, `context`, `missing`, `resting`, `limited`, `key`."""

    model: str
    why: str


class AskedNext(BaseModel):
    """A target that is asked if all before it failed.

    `why`: the strategy that put it first, `only`, `warm`, `fallback`, `key` (another of the provider's keys), `again`,
    `nobody_else` (it rests, but all others failed), or `named`. `wait`: seconds that would pass before, by lot.
    `cost`: what the call costs there at most, null where no price is known. `first_byte_timeout` in seconds.
    """

    model: str
    provider: str
    local: bool
    key: int
    why: str
    wait: float
    cost: int | None
    first_byte_timeout: float | None


class RouteRefusal(BaseModel):
    """The error a call would end with."""

    code: str
    message: str


class Explanation(BaseModel):
    """What would become of a call, in the order things would happen.

    `asked`: who would be asked if every target failed in a way that says "try again"; the first of them answers where
    all is well. By a strategy that draws lots this is one draw. `error`: why nobody would be asked. `reasons` as an
    answer's event tells them, `header` as `x-inglenook-route`.
    """

    model: str
    route: str | None
    strategy: str | None
    prompt_tokens: int
    asked: list[AskedNext]
    passed: list[PassedOver]
    error: RouteRefusal | None
    reasons: list[dict[str, Any]]
    header: str


class KeyHealth(BaseModel):
    """One of a provider's keys, at one model. `limit` and `key` are states: of the model's limit with this key, and of
    the key itself. `until`: when the longer rest ends."""

    number: int
    in_flight: int
    limit: str
    key: str
    until: int | None


class TargetHealth(BaseModel):
    """A model as routes see it.

    `state`: `ready`; `resting` until `until` after `failures` in a row; `waiting` for somebody to try it; `probing`
    while one does. `streamed_ms`, `whole_ms`: how long until a stream began, and a whole answer took; 0 if unknown.
    """

    model: str
    provider: str
    provider_id: str
    local: bool
    state: str
    failures: int
    until: int | None
    in_flight: int
    streamed_ms: float
    whole_ms: float
    keys: list[KeyHealth]


class CacheInfo(BaseModel):
    """How the cache of whole answers does: answers and bytes kept, of those in memory, and since the start how many
    calls were answered from it (`hits`) or had to be asked (`misses`), of routes that keep answers."""

    answers: int
    size: int
    in_memory: int
    memory: int
    hits: int
    misses: int


class Forgotten(BaseModel):
    """How many kept answers are gone."""

    answers: int
