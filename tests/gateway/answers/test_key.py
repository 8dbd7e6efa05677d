"""Which calls are the same, and which answers may be kept."""

from typing import Any

import pytest
from msgspec.structs import replace

from inglenook.accounts.principal import Principal
from inglenook.gateway.answers.key import key_of, may_be_kept, owner_of
from inglenook.gateway.call import Call, Candidate
from inglenook.models.calls import (
    ChatRequest,
    EmbeddingRequest,
    FormField,
    Message,
    Operation,
    Passthrough,
    Sampling,
    SpeechRequest,
)
from tests.support.routing import entry

ADA = Principal(user_id="usr_ada", name="ada", team_id="grp_1")
BEA = Principal(user_id="usr_bea", name="bea", team_id="grp_1")
CEM = Principal(user_id="usr_cem", name="cem")
TARGETS = [Candidate(entry("a")), Candidate(entry("b"))]
BODY: dict[str, Any] = {"model": "smart", "messages": [{"role": "user", "content": "Hello"}], "temperature": 0.7}


def relayed(wire: str = "openai.chat", *, stream: bool = False, headers: Any = None, **body: Any) -> Call:
    whole = {**BODY, **body}
    return Call(
        operation=Operation.CHAT,
        model="smart",
        decode=lambda: ChatRequest(messages=[]),
        stream=stream,
        passthrough=Passthrough(wire, whole, stream, headers=headers),
    )


def decoded(request: Any = None, operation: Operation = Operation.CHAT, **more: Any) -> Call:
    request = request or ChatRequest(messages=[Message("user", "Hello")])
    return Call(operation=operation, model="smart", decode=lambda: request, **more)


def key(call: Call, *, route: str = "rte_1", targets: Any = TARGETS, owner: str = "") -> bytes:
    return key_of(call, route, targets, owner)


def test_the_same_call_has_the_same_key() -> None:
    again = relayed()
    again.passthrough = Passthrough("openai.chat", dict(reversed(BODY.items())), False)
    assert key(relayed()) == key(again)
    assert key(relayed(), targets=list(reversed(TARGETS))) == key(relayed())
    assert key(relayed(user="ada")) == key(relayed())
    assert key(decoded()) == key(decoded())


@pytest.mark.parametrize(
    "other",
    [
        key(relayed(temperature=0.8)),
        key(relayed(messages=[{"role": "user", "content": "hello"}])),
        key(relayed(seed=1)),
        key(relayed(stream_options={"include_usage": True})),
        key(relayed(stream=True)),
        key(relayed("anthropic.messages")),
        key(relayed(headers={"anthropic-beta": "x"})),
        key(relayed(), route="rte_2"),
        key(relayed(), targets=TARGETS[:1]),
        key(relayed(), owner="usr_ada"),
        key(decoded()),
    ],
)
def test_whatever_reaches_the_model_makes_another_key(other: bytes) -> None:
    assert other != key(relayed())


def test_of_a_request_too() -> None:
    seeded = ChatRequest(messages=[Message("user", "Hello")], sampling=Sampling(seed=1))
    assert len({key(decoded()), key(decoded(seeded)), key(decoded(stream=False))}) == 3


def test_the_targets_are_known_by_what_they_are() -> None:
    renamed = Candidate(replace(TARGETS[0].entry, name="other"))
    assert key(relayed(), targets=[renamed, TARGETS[1]]) == key(relayed())


@pytest.mark.parametrize(
    ("call", "kept"),
    [
        (relayed(), True),
        (relayed(stream=True), True),
        (relayed(n=1), True),
        (relayed(n=2), False),
        (relayed(n=2, temperature=0), True),
        (relayed(n=2, seed=7), True),
        (relayed(best_of=3), False),
        (relayed(store=True), False),
        (relayed(store=False), True),
        (relayed("openai.responses"), False),
        (decoded(), True),
        (decoded(ChatRequest(messages=[], sampling=Sampling(n=2))), False),
        (decoded(ChatRequest(messages=[], sampling=Sampling(n=2, temperature=0.0))), True),
        (decoded(EmbeddingRequest(inputs=["a"]), Operation.EMBEDDING), True),
        (decoded(SpeechRequest(text="a", voice="b"), Operation.SPEECH), False),
        (decoded(operation=Operation.COUNT), False),
        (decoded(tailored=lambda _: ChatRequest(messages=[])), False),
    ],
)
def test_what_may_be_kept(call: Call, kept: bool) -> None:
    assert may_be_kept(call) is kept


def test_forms_are_not_kept() -> None:
    call = relayed()
    assert call.passthrough is not None
    call.passthrough.form = [FormField("file", b"...")]
    assert not may_be_kept(call)


@pytest.mark.parametrize(
    ("shared", "owners"),
    [
        ("user", ["usr_ada", "usr_bea", "usr_cem"]),
        ("team", ["grp_1", "grp_1", "usr_cem"]),
        ("everyone", ["", "", ""]),
    ],
)
def test_whom_an_answer_may_be_given_to(shared: str, owners: list[str]) -> None:
    assert [owner_of(who, shared) for who in (ADA, BEA, CEM)] == owners
