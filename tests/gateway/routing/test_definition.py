"""What a definition says, and how its mistakes are told."""

from collections.abc import Mapping
from typing import Any

import pytest

from inglenook.gateway.routing.definition import Known, Problem, RouteDefinition, mistakes, problems, read
from inglenook.kit.errors import BadInput
from inglenook.models.providers.base import ModelFacts
from tests.support.routing import definition

MODELS = {
    "gpt-4o": ModelFacts(name="gpt-4o"),
    "sonnet": ModelFacts(name="sonnet"),
    "e5": ModelFacts(name="e5", capabilities=frozenset({"embedding"})),
    "bge": ModelFacts(name="bge", capabilities=frozenset({"embedding"})),
}


def found(
    given: RouteDefinition, *, name: str = "smart", routes: Mapping[str, RouteDefinition] = {}, kept: Any = ()
) -> list[str]:
    known = Known(MODELS.get, routes)
    return [f"{problem.level}: {problem.message}" for problem in problems(name, given, known, kept=kept)]


def test_the_least_that_can_be_said() -> None:
    given = read({"targets": [{"model": "gpt-4o"}]})
    assert given.strategy == "ordered"
    assert given.retries.times == 1
    assert "content_refused" not in given.fallback
    assert given.cache is None
    assert read(given.model_dump(mode="json")) == given


@pytest.mark.parametrize(
    ("given", "field", "message"),
    [
        ({}, "targets", "targets: Field required"),
        ({"targets": []}, "targets", "targets: List should have at least 1 item"),
        ({"targets": [{"model": "x"}] * 65}, "targets", "targets: List should have at most 64 items"),
        ({"targets": [{"model": "a"}, {"weight": 1}]}, "targets[1].model", "target 2, model: Field required"),
        ({"targets": ["a"]}, "targets[0]", "target 1: Input should be a valid dictionary"),
        (
            {"targets": [{"model": "a"}, {"model": "b", "weight": -1}]},
            "targets[1].weight",
            "target 2 ('b'), weight: Input should be greater than or equal to 0",
        ),
        (
            {"targets": [{"model": "a", "when": {"times": [{"start": "24:00"}]}}]},
            "targets[0].when.times[0].start",
            "target 1 ('a'), when.times[0].start: String should match pattern",
        ),
        ({"targets": [{"model": "a", "wieght": 2}]}, "targets[0].wieght", "target 1 ('a'), wieght: Extra inputs"),
        ({"targets": [{"model": "a"}], "strategy": "best"}, "strategy", "strategy: Input should be 'ordered', "),
        ({"targets": [{"model": "a"}], "fallback": ["bad_input"]}, "fallback[0]", "fallback[0]: Input should be"),
        ({"targets": [{"model": "a"}], "sticky": {"then": "sticky"}}, "sticky.then", "sticky.then: Input should be"),
        (
            {"targets": [{"model": "a"}], "retries": {"times": 11}},
            "retries.times",
            "retries.times: Input should be less",
        ),
        ({"targets": [{"model": "a"}], "first_byte_timeout": 0}, "first_byte_timeout", "first_byte_timeout: Input"),
        ({"targets": [{"model": "a"}], "cache": {}}, "cache.ttl", "cache.ttl: Field required"),
    ],
)
def test_mistakes_of_form_name_target_and_field(given: dict[str, Any], field: str, message: str) -> None:
    told = mistakes(given)
    assert isinstance(told, list)
    assert told[0].field == field
    assert told[0].message.startswith(message)
    with pytest.raises(BadInput) as refused:
        read(given)
    assert refused.value.field == f"definition.{field}"


def test_all_mistakes_are_told_at_once() -> None:
    with pytest.raises(BadInput) as refused:
        read({"targets": [{"model": "a", "weight": "x"}, {"model": ""}], "strategy": 3})
    told = [problem["field"] for problem in refused.value.details["problems"]]
    assert told == ["strategy", "targets[0].weight", "targets[1].model"]


def test_nothing_is_wrong_with_most() -> None:
    assert found(definition("gpt-4o", "sonnet")) == []
    assert found(definition("fast", "sonnet"), routes={"fast": definition("gpt-4o")}) == []


def test_a_target_that_is_nothing_here() -> None:
    told = found(definition("gpt-4o", "gone"))
    assert told == ["error: target 'gone', model: is no model and no route here"]
    told = found(definition("gpt-4o", "gone"), kept=["gone"])
    assert told == ["warning: target 'gone', model: is no model and no route here"]


def test_a_target_named_twice() -> None:
    assert found(definition("gpt-4o", "gpt-4o")) == [
        "error: target 'gpt-4o', model: is there twice; name each target once"
    ]


@pytest.mark.parametrize(
    ("targets", "routes"),
    [
        (["smart"], {}),
        (["gpt-4o", "b"], {"b": ["smart"]}),
        (["b"], {"b": ["c"], "c": ["gpt-4o", "d"], "d": ["smart"]}),
    ],
)
def test_routes_that_lead_back(targets: list[str], routes: dict[str, list[str]]) -> None:
    others = {name: definition(*names) for name, names in routes.items()}
    (told,) = found(definition(*targets), routes=others)
    assert "leads back to 'smart' itself" in told


def test_routes_that_stand_too_deep() -> None:
    others = {f"r{depth}": definition(f"r{depth + 1}") for depth in range(20)} | {"r20": definition("gpt-4o")}
    assert len(found(definition("r0"), routes=others)) == 1
    assert found(definition("r13"), routes=others) == []


@pytest.mark.parametrize(
    ("target", "message"),
    [
        (
            {"when": {"min_prompt_tokens": 9, "max_prompt_tokens": 3}},
            "target 'gpt-4o', when.max_prompt_tokens: 3 is less than min_prompt_tokens, 9",
        ),
        (
            {"when": {"tags": ["a", "b"], "without_tags": ["b"]}},
            "target 'gpt-4o', when.without_tags: 'b' is among tags too, so no call is ever taken",
        ),
        (
            {"when": {"times": [{}, {"zone": "Mars/Olympus"}]}},
            "target 'gpt-4o', when.times[1].zone: this system knows no time zone 'Mars/Olympus'; "
            "write one such as Europe/Berlin, or UTC",
        ),
    ],
)
def test_conditions_that_cannot_be(target: dict[str, Any], message: str) -> None:
    assert found(definition({"model": "gpt-4o", **target})) == [f"error: {message}"]
    whole = found(definition("gpt-4o", **target))
    assert whole == [f"error: {message.removeprefix('target ').split(', ', 1)[1]}"]


def test_weights_that_leave_nobody() -> None:
    weightless = [{"model": "gpt-4o", "weight": 0}]
    assert found(definition(*weightless, strategy="weighted")) == ["error: every weight is 0; give one target more"]
    assert found(definition(*weightless)) == []


def test_vectors_of_two_models_are_warned_of() -> None:
    (told,) = found(definition("e5", "bge"))
    assert told.startswith("warning: 'bge' and 'e5' embed with different models")
    assert found(definition("e5")) == []


def test_a_problem_names_its_place() -> None:
    (problem,) = problems("smart", definition("gpt-4o", "gone"), Known(MODELS.get, {}))
    assert problem == Problem(
        "error", "targets[1].model", "gone", "target 'gone', model: is no model and no route here", "missing"
    )


def test_a_problem_has_a_code_for_other_words() -> None:
    twice = definition("gpt-4o", "gpt-4o", "nobody", strategy="ordered")
    told = [(problem.code, problem.field) for problem in problems("smart", twice, Known(MODELS.get, {}))]
    assert told == [("twice", "targets[1].model"), ("missing", "targets[2].model")]
    wrong = mistakes({"targets": [{"model": "gpt-4o", "weight": -1}]})
    assert isinstance(wrong, list)
    assert [problem.code for problem in wrong] == ["form"]
