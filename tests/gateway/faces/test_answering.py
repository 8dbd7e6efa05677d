"""Ids that hold proofs, and errors about money."""

import json

import pytest

from inglenook.gateway.faces import anthropic_answers, ollama, openai_answers
from inglenook.gateway.faces.sealing import sealed, unsealed
from inglenook.kit.errors import InglenookError


@pytest.mark.parametrize("proof", [None, "", "abc", "é" * 3, "a+/=\n" * 1000])
def test_proofs_in_ids(proof: str | None) -> None:
    shown = sealed("call_1", proof)
    assert shown.replace("_", "").replace("-", "").isalnum()
    assert unsealed(shown) == ("call_1", proof)


@pytest.mark.parametrize("call_id", ["", "call_1", "toolu_x__y", "a__sig__%%", "a__sig__/w"])
def test_ids_that_hold_none(call_id: str) -> None:
    assert unsealed(call_id) == (call_id, None)


class Spent(InglenookError):
    status = 402
    code = "budget_exceeded"


def test_errors_about_money() -> None:
    error = Spent("all is spent", details={"resets_at": 5})
    told = json.loads(openai_answers.render_error(error))["error"]
    assert (told["type"], told["code"], told["details"]) == ("insufficient_quota", "budget_exceeded", {"resets_at": 5})
    told = json.loads(anthropic_answers.render_error(error))["error"]
    assert (told["type"], told["details"]) == (
        "billing_error",
        {"error_code": "budget_exceeded", "resets_at": 5},
    )
    assert json.loads(ollama.render_error(error)) == {"error": "all is spent"}
