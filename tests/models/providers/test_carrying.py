"""Every part of a request by every provider that is asked in a protocol: it is sent, or refused by name.

Nothing is looked at but that the body changes: what it becomes is in the tests of each wire and vendor.
"""

import json
from collections.abc import AsyncIterator
from typing import Any

import pytest
from msgspec import structs

from inglenook.kit.errors import BadInput
from inglenook.kit.http.pool import HttpPool
from inglenook.models.calls import (
    AudioPart,
    ChatRequest,
    FilePart,
    ImagePart,
    Message,
    ResponseFormat,
    Sampling,
    TextPart,
    ToolCall,
    ToolSpec,
)
from inglenook.models.errors import CannotCarry
from inglenook.models.providers.base import Provider
from tests.models.providers.test_vendors import VENDORS, read
from tests.support.bought import KEY, answers, collect, job, provider
from tests.support.bought_cases import CASES, Case
from tests.support.upstream import Upstream, open_upstream

SCHEMA = {"type": "object", "properties": {"a": {"type": "string"}}, "required": ["a"], "additionalProperties": False}
TOOLS = [ToolSpec("f", "does", SCHEMA), ToolSpec("g", "does too", SCHEMA)]
PNG = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="
CALLED = [
    Message("user", "hi"),
    Message("assistant", "", tool_calls=[ToolCall("c1", "f", '{"a":"x"}')]),
    Message("tool", "four", tool_call_id="c1", name="f"),
]

#: Of a request: what is asked beside the usual, by the field that is named when it cannot be. Where what is asked
#: rests on something, that is the second one, which the body is compared with.
SAMPLING: dict[str, Any] = {
    "max_tokens": 77,
    "temperature": 0.3,
    "top_p": 0.4,
    "top_k": 5,
    "min_p": 0.1,
    "typical_p": 0.5,
    "seed": 7,
    "stop": ["xyz"],
    "frequency_penalty": 0.5,
    "presence_penalty": 0.5,
    "repeat_penalty": 1.2,
    "repeat_last_n": 32,
    "logprobs": True,
    "top_logprobs": 3,
    "n": 2,
    "logit_bias": {"1": 1.0},
}
CHAT: dict[str, list[tuple[dict[str, Any], dict[str, Any]]]] = {
    "messages": [
        ({"messages": CALLED, "tools": TOOLS}, {"tools": TOOLS}),
        *(
            ({"messages": [Message("user", [TextPart("hi"), part])]}, {})
            for part in (
                ImagePart("image/png", PNG),
                FilePart("application/pdf", "JVBERi0=", "a.pdf"),
                AudioPart("wav", "UklGRg=="),
            )
        ),
        ({"messages": [Message("system", "Be brief."), Message("user", "hi")]}, {}),
    ],
    "tools": [({"tools": TOOLS}, {})],
    "tool_choice": [
        ({"tools": TOOLS, "tool_choice": "required"}, {"tools": TOOLS}),
        ({"tools": TOOLS, "tool_choice": {"name": "f"}}, {"tools": TOOLS}),
        ({"tools": TOOLS, "tool_choice": "none"}, {"tools": TOOLS}),
    ],
    "parallel_tool_calls": [({"tools": TOOLS, "parallel_tool_calls": False}, {"tools": TOOLS})],
    "response_format": [
        ({"response_format": ResponseFormat("json_object")}, {}),
        ({"response_format": ResponseFormat("json_schema", SCHEMA, "a", True)}, {}),
    ],
    "reasoning": [({"reasoning": "low"}, {}), ({"reasoning": "none"}, {})],
    "reasoning_budget": [({"reasoning": "low", "reasoning_budget": 2000}, {})],
}
#: What says nothing about the answer, or speaks to models that run here: sent where there is a word for it.
FREE = {"user", "local", "sampling"}
#: Whose model has no dial for its thinking: it never thinks (then the gateway refuses who asks it to, by `Call.needs`),
#: or always does. How much to think is a wish, and here there is nothing to wish for.
NO_DIAL = {"bedrock-up-model:0", "openai-gpt-4.1", "azure_openai", "hunyuan", "openai", "yi"}


#: How a field may be called when it is refused.
WORDS = {
    "messages": ("messages", "image", "files", "sound", "audio", "document"),
    "reasoning": ("reasoning", "think"),
    "reasoning_budget": ("reasoning", "think", "budget"),
    "response_format": ("response_format", "json"),
    "top_logprobs": ("logprobs",),
    "tool_choice": ("tool_choice", "tool"),
}


def test_every_part_of_a_request_is_here() -> None:
    assert set(Sampling.__struct_fields__) == SAMPLING.keys()
    assert set(ChatRequest.__struct_fields__) == CHAT.keys() | FREE


class Played:
    """A provider, its model, and the server that plays it."""

    def __init__(self, case: Case | str, http: HttpPool, upstream: Upstream) -> None:
        url = f"http://127.0.0.1:{upstream.port}"
        self._upstream = upstream
        self.provider: Provider
        if isinstance(case, Case):
            self.model = case.model
            self.provider = provider(case.kind, http, **case.settings(url))
            upstream.beside = case.beside
            answers(upstream, case.first + case.rest, 0, case.content_type)
        else:
            vendor = read(case)
            self.model = vendor.model
            address = f"{url}{vendor.base}"
            self.provider = provider(vendor.kind, http, base_url=address, api_key=KEY, **vendor.settings)
            answers(upstream, vendor.stream["sse"].encode())

    async def body(self, **changes: Any) -> Any:
        """What is sent for a request."""
        request = structs.replace(ChatRequest(messages=[Message("user", "hi")]), **changes)
        self._upstream.asked.clear()
        await collect(self.provider, job(request, self.model))
        return json.loads(self._upstream.asked[-1].body)


KINDS: list[Case | str] = [*CASES, *VENDORS]


@pytest.fixture(params=KINDS, ids=lambda case: case if isinstance(case, str) else f"{case.kind}-{case.model}")
async def played(request: pytest.FixtureRequest, http: HttpPool) -> AsyncIterator[Played]:
    async with open_upstream() as upstream:
        yield Played(request.param, http, upstream)


async def test_nothing_is_dropped_in_silence(played: Played, request: pytest.FixtureRequest) -> None:
    dropped = []
    for name, value in SAMPLING.items():
        more = {"logprobs": True} if name == "top_logprobs" else {}
        before = {"sampling": Sampling(**more)}
        if not await carried(played, name, {"sampling": Sampling(**more, **{name: value})}, before):
            dropped.append(name)
    for name, asked in CHAT.items():
        if name.startswith("reasoning") and request.node.callspec.id in NO_DIAL:
            continue
        for changes, before in asked:
            if not await carried(played, name, changes, before):
                dropped.append(f"{name}: {changes}")
    assert dropped == []


async def carried(played: Played, name: str, changes: dict[str, Any], before: dict[str, Any]) -> bool:
    """Whether it is sent, or refused in words that name it."""
    try:
        usual = await played.body(**before)
    except CannotCarry:
        return True  # what it rests on is refused, which has its own turn
    try:
        return bool(await played.body(**changes) != usual)
    except BadInput as error:
        said = f"{error.field} {error.message}".lower()
        assert any(word in said for word in WORDS.get(name, (name,))), said
        return True
