"""What a route says: whom it may ask, in what order, and what happens when one fails.

`read` takes what an administrator wrote; `problems` finds what is wrong with it as it stands among the models and
routes of this server. Both name the target and the field.
"""

import re
from collections.abc import Callable, Iterable, Mapping
from datetime import UTC, tzinfo
from typing import Annotated, Any, Literal, NamedTuple, get_args
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, ValidationError

from inglenook.gateway.routing.failures import MOVE_ON, Failure
from inglenook.kit.errors import BadInput
from inglenook.models.providers.base import ModelFacts

#: Targets of one route.
MOST_TARGETS = 64
#: How many routes may stand behind one another.
DEEPEST = 8

Strategy = Literal["ordered", "weighted", "least-busy", "least-latency", "cheapest", "sticky"]
Plain = Literal["ordered", "weighted", "least-busy", "least-latency", "cheapest"]
Day = Literal["mon", "tue", "wed", "thu", "fri", "sat", "sun"]
DAYS: tuple[Day, ...] = get_args(Day)
Word = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=80)]
Name = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=200)]
Time = Annotated[str, StringConstraints(pattern=r"^([01]\d|2[0-3]):[0-5]\d$")]
Seconds = Annotated[float, Field(gt=0, le=3600)]
Nano = Annotated[int, Field(ge=0, le=2**62)]
Tokens = Annotated[int, Field(ge=0, le=2**40)]


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class RouteHours(_Part):
    """Hours of some days of the week, in the time of a place. An end that is not after the start is on the next day;
    one that equals it makes a whole day."""

    days: list[Day] = Field(list(DAYS), min_length=1)
    start: Time = "00:00"
    end: Time = "00:00"
    zone: Word = "UTC"


class RouteConditions(_Part):
    """Which calls are taken. All that are given must hold.

    `needs`: the call needs all of these capabilities. `tags`: it has one of these; `without_tags`: none of these.
    `min_prompt_tokens`, `max_prompt_tokens`: by our own estimate of the prompt. `times`: now is within one of these.
    `max_cost`: input and longest answer cost at most so much at the target's prices, in billionths of the billing
    currency; a model run here costs nothing, and one without a known price is not asked.
    """

    needs: list[Word] = []
    tags: list[Word] = []
    without_tags: list[Word] = []
    min_prompt_tokens: Tokens | None = None
    max_prompt_tokens: Tokens | None = None
    times: list[RouteHours] = []
    max_cost: Nano | None = None


class RouteTarget(_Part):
    """A model, or another route, that may be asked.

    `weight`: its share where the strategy weighs; with 0 it comes after all others, unless the order is given.
    `private`: an administrator's word that what is sent there stays in the house. `first_byte_timeout`: instead of the
    route's.
    """

    model: Name
    weight: float = Field(1, ge=0, le=1_000_000)
    when: RouteConditions = RouteConditions()
    private: bool = False
    first_byte_timeout: Seconds | None = None


class RouteRetries(_Part):
    """Asking a target again after a failure that says "try again" (`failed`, `overloaded`, `limited`).

    `times`: in all, beyond the first ask of each target. `order`: `next` asks the other targets first, `same` the one
    that failed. Before the n-th a random time up to `wait` x 2^n seconds passes, at most `max_wait`, and what the
    provider asked for; one that asks for more than `max_retry_after` is not waited for.
    """

    times: int = Field(1, ge=0, le=10)
    order: Literal["next", "same"] = "next"
    wait: float = Field(0.5, ge=0, le=60)
    max_wait: float = Field(8, ge=0, le=120)
    max_retry_after: float = Field(15, ge=0, le=300)


class RouteSticky(_Part):
    """For the strategy `sticky`: who takes a new conversation, and for how many seconds after an answer the target's
    cache of the prompt is thought to be warm."""

    then: Plain = "weighted"
    warm_for: int = Field(600, ge=1, le=86_400)


class RouteCache(_Part):
    """Keeping whole answers, to give them again to the very same call: for `ttl` seconds, to the `user` who asked, to
    those of the same `team`, or to `everyone` who may use the route."""

    ttl: int = Field(ge=1, le=30 * 86_400)
    shared: Literal["user", "team", "everyone"] = "user"


class RouteDefinition(_Part):
    """What a route does.

    `private`: `local-only` asks only targets that run here or are marked private. `fallback`: the classes of failure
    after which another target is asked. `first_byte_timeout`: seconds until a stream begins, after which the next
    target is asked; `answer_timeout`: the same for answers in one piece.
    """

    strategy: Strategy = "ordered"
    targets: list[RouteTarget] = Field(min_length=1, max_length=MOST_TARGETS)
    when: RouteConditions = RouteConditions()
    private: Literal["local-only"] | None = None
    fallback: list[Failure] = Field(default_factory=lambda: sorted(MOVE_ON))  # type: ignore[arg-type]
    retries: RouteRetries = RouteRetries()
    first_byte_timeout: Seconds | None = None
    answer_timeout: Seconds | None = None
    sticky: RouteSticky = RouteSticky()
    cache: RouteCache | None = None


class Problem(NamedTuple):
    """Something about a definition. `field` as in `targets[1].when.times[0].zone`; `target` is the one it is about,
    as it is named; an `error` must be mended, a `warning` may stand. `code` is for those who say it in other words:
    `form` is any value that is not what it should be."""

    level: Literal["error", "warning"]
    field: str
    target: str | None
    message: str
    code: str = "form"


class Known(NamedTuple):
    """What `problems` asks the server: the facts of a model (None: there is none of that name), and the other routes'
    definitions by name."""

    model: Callable[[str], ModelFacts | None]
    routes: Mapping[str, RouteDefinition]


def read(given: Mapping[str, Any]) -> RouteDefinition:
    """A definition from JSON.

    Raises:
        BadInput: a field will not do; the message names the target and the field, `details["problems"]` has all.
    """
    found = mistakes(given)
    if isinstance(found, RouteDefinition):
        return found
    raise refused(found)


def mistakes(given: Mapping[str, Any]) -> "RouteDefinition | list[Problem]":
    """A definition from JSON, or what is wrong with its form."""
    try:
        return RouteDefinition.model_validate(given)
    except ValidationError as error:
        return [_problem(given, complaint["loc"], complaint["msg"]) for complaint in error.errors()]


def refused(found: Iterable[Problem]) -> BadInput:
    """The error for a definition with errors."""
    errors = [problem for problem in found if problem.level == "error"]
    first = errors[0]
    return BadInput(
        first.message,
        field=f"definition.{first.field}" if first.field else "definition",
        details={"problems": [problem._asdict() for problem in errors]},
    )


def problems(name: str, definition: RouteDefinition, known: Known, *, kept: Iterable[str] = ()) -> list[Problem]:
    """What is wrong with the definition of the route `name` on this server.

    Args:
        kept: Names of targets that may be missing: the route had them before, and their provider may only be off.
    """
    kept = frozenset(kept)
    found: list[Problem] = []
    seen: set[str] = set()
    for place, target in enumerate(definition.targets):
        where = f"targets[{place}]"
        facts = known.model(target.model)
        if target.model in seen:
            found.append(_about(target, f"{where}.model", "is there twice; name each target once", "twice"))
        seen.add(target.model)
        if target.model == name or _leads_to(name, target.model, known.routes, DEEPEST):
            found.append(_about(target, f"{where}.model", f"leads back to '{name}' itself", "loops"))
        elif target.model not in known.routes and facts is None:
            level: Literal["error", "warning"] = "warning" if target.model in kept else "error"
            found.append(_about(target, f"{where}.model", "is no model and no route here", "missing", level))
        found += _of_conditions(target.when, f"{where}.when", target)
    found += _of_conditions(definition.when, "when", None)
    if definition.strategy == "weighted" and not any(target.weight for target in definition.targets):
        found.append(Problem("error", "targets", None, "every weight is 0; give one target more", "no_weight"))
    found += _of_embeddings(definition, known)
    if definition.cache and definition.cache.shared == "everyone" and definition.private:
        text = "a private route keeps answers for everyone: whoever may use it sees what others were answered"
        found.append(Problem("warning", "cache.shared", None, text, "shared_private"))
    return found


def zone(name: str) -> tzinfo | None:
    """The time of a place (`Asia/Shanghai`); None if this system does not know it."""
    if name == "UTC":
        return UTC
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        return None


def _of_conditions(when: RouteConditions, where: str, target: RouteTarget | None) -> Iterable[Problem]:
    least, most = when.min_prompt_tokens, when.max_prompt_tokens
    if least is not None and most is not None and least > most:
        yield _about(
            target, f"{where}.max_prompt_tokens", f"{most} is less than min_prompt_tokens, {least}", "empty_span"
        )
    if both := sorted(set(when.tags) & set(when.without_tags)):
        yield _about(
            target, f"{where}.without_tags", f"'{both[0]}' is among tags too, so no call is ever taken", "never"
        )
    for place, window in enumerate(when.times):
        if zone(window.zone) is None:
            text = f"this system knows no time zone '{window.zone}'; write one such as Europe/Berlin, or UTC"
            yield _about(target, f"{where}.times[{place}].zone", text, "zone")


def _of_embeddings(definition: RouteDefinition, known: Known) -> Iterable[Problem]:
    embedders = {}
    for target in definition.targets:
        facts = known.model(target.model)
        if facts is not None and "embedding" in facts.capabilities:
            embedders[facts.name] = target.model
    if len(embedders) > 1:
        names = "' and '".join(sorted(embedders.values())[:2])
        text = f"'{names}' embed with different models: vectors of one cannot be compared with those of the other"
        yield Problem("warning", "targets", None, text, "embedders")


def _leads_to(name: str, target: str, routes: Mapping[str, RouteDefinition], depth: int) -> bool:
    """Whether the route `target` can come to ask `name`, or is too deep to tell."""
    definition = routes.get(target)
    if definition is None:
        return False
    if depth == 0:
        return True
    return any(
        following.model == name or _leads_to(name, following.model, routes, depth - 1)
        for following in definition.targets
    )


def _about(
    target: RouteTarget | None, field: str, text: str, code: str, level: Literal["error", "warning"] = "error"
) -> Problem:
    if target is None:
        return Problem(level, field, None, f"{field}: {text}", code)
    inner = re.sub(r"^targets\[\d+\]\.", "", field)
    return Problem(level, field, target.model, f"target '{target.model}', {inner}: {text}", code)


def _problem(given: Mapping[str, Any], loc: tuple[int | str, ...], text: str) -> Problem:
    field = "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in loc).lstrip(".")
    target = None
    if loc[:1] == ("targets",) and len(loc) > 1 and isinstance(loc[1], int):
        whole = given["targets"][loc[1]]
        target = whole.get("model") if isinstance(whole, dict) else None
        target = target if isinstance(target, str) else None
        inner = field.partition("]")[2].lstrip(".")
        which = f"target {loc[1] + 1}" + (f" ('{target}')" if target else "")
        return Problem("error", field, target, f"{which}, {inner}: {text}" if inner else f"{which}: {text}")
    return Problem("error", field, None, f"{field}: {text}" if field else text)
