"""How each bought provider says the same things: a short answer in pieces, a failure in its middle, refusals."""

import json
from collections.abc import Callable
from functools import cache
from typing import Any

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from msgspec import Struct, field, structs

from inglenook.kit.errors import InglenookError, Unavailable, UpstreamTimeout
from tests.support.bought import KEY, converse_events, frame, named_events, plain_events
from tests.support.upstream import Answerer, Asked

SAID = "Grüß Gott 你好"


class Case(Struct, kw_only=True):
    """One provider.

    Attributes:
        settings: Its settings, from the mock server's URL.
        path: What a chat is sent to.
        first: Bytes of the stream up to the first word, whole events.
        rest: The other bytes of it. Together they say `SAID`.
        nonsense: An event that cannot be read.
        broken: An event that says that it failed, and the error it becomes.
        refusal: The body of a refusal with a message in it.
        proof: From an API key to the header that carries it.
        beside: What else it asks of the mock server (`Upstream.beside`).
    """

    kind: str
    settings: Callable[[str], dict[str, Any]]
    path: str
    first: bytes
    rest: bytes
    nonsense: bytes
    broken: bytes
    broken_as: type[InglenookError]
    refusal: Callable[[str], Any]
    proof: Callable[[str], tuple[str, str]] | None
    model: str = "up-model"
    content_type: str = "text/event-stream"
    beside: dict[str, Answerer] = field(default_factory=dict)


def anthropic_start(**usage: int) -> dict[str, Any]:
    message = {
        "id": "msg_1",
        "type": "message",
        "role": "assistant",
        "content": [],
        "model": "claude",
        "stop_reason": None,
    }
    return {"type": "message_start", "message": {**message, "usage": {"input_tokens": 9, "output_tokens": 1, **usage}}}


def anthropic_block(index: int, block: dict[str, Any], *deltas: dict[str, Any]) -> list[dict[str, Any]]:
    return [
        {"type": "content_block_start", "index": index, "content_block": block},
        *({"type": "content_block_delta", "index": index, "delta": delta} for delta in deltas),
        {"type": "content_block_stop", "index": index},
    ]


def anthropic_end(reason: str = "end_turn", stop: str | None = None, **usage: Any) -> list[dict[str, Any]]:
    delta = {"stop_reason": reason, "stop_sequence": stop}
    return [{"type": "message_delta", "delta": delta, "usage": {"output_tokens": 3, **usage}}, {"type": "message_stop"}]


def _text(text: str) -> dict[str, Any]:
    return {"type": "text_delta", "text": text}


_BLOCK = anthropic_block(0, {"type": "text", "text": ""}, _text("Grüß "), _text("Gott 你"), _text("好"))
ANTHROPIC = Case(
    kind="anthropic",
    settings=lambda url: {"base_url": url, "api_key": KEY},
    path="/v1/messages",
    first=named_events(anthropic_start(), {"type": "ping"}, *_BLOCK[:2]),
    rest=named_events(*_BLOCK[2:], *anthropic_end()),
    nonsense=b"event: content_block_delta\ndata: {nonsense\n\n",
    broken=named_events({"type": "error", "error": {"type": "overloaded_error", "message": "Overloaded"}}),
    broken_as=Unavailable,
    refusal=lambda said: {"type": "error", "error": {"type": "", "message": said}},
    proof=lambda key: ("x-api-key", key),
)


def gemini_chunk(*parts: dict[str, Any], reason: str | None = None, **more: Any) -> dict[str, Any]:
    candidate = {"content": {"parts": list(parts), "role": "model"}, "index": 0}
    if reason is not None:
        candidate["finishReason"] = reason
    return {"candidates": [candidate], "modelVersion": "gemini", "responseId": "r", **more}


GEMINI_USAGE = {"promptTokenCount": 9, "candidatesTokenCount": 3, "totalTokenCount": 12}
GEMINI = Case(
    kind="gemini",
    settings=lambda url: {"base_url": f"{url}/v1beta", "api_key": KEY},
    path="/v1beta/models/up-model:streamGenerateContent?alt=sse",
    first=plain_events(gemini_chunk({"text": "Grüß "}, usageMetadata={"promptTokenCount": 9})),
    rest=plain_events(
        gemini_chunk({"text": "Gott 你"}),
        gemini_chunk({"text": "好"}, reason="STOP", usageMetadata=GEMINI_USAGE),
    ),
    nonsense=b"data: {nonsense\n\n",
    broken=plain_events({"error": {"code": 503, "message": "overloaded", "status": "UNAVAILABLE"}}),
    broken_as=Unavailable,
    refusal=lambda said: {"error": {"code": 400, "message": said, "status": "UNKNOWN"}},
    proof=lambda key: ("x-goog-api-key", key),
)


# ------------------------------------------------------------------------------------------------- Vertex AI


@cache
def service_account_key() -> rsa.RSAPrivateKey:
    """The key of a service account of ours."""
    return rsa.generate_private_key(public_exponent=65537, key_size=2048)


def service_account(url: str) -> str:
    """The JSON file of that key, whose tokens are given out at `url`."""
    pem = service_account_key().private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    return json.dumps(
        {
            "type": "service_account",
            "project_id": "p-1",
            "private_key_id": "k-1",
            "private_key": pem.decode(),
            "client_email": "robot@p-1.iam.gserviceaccount.com",
            "token_uri": f"{url}/token",
        }
    )


async def give_token(asked: Asked) -> None:
    """Answer as Google's token server does."""
    await asked.whole({"access_token": KEY, "expires_in": 3599, "token_type": "Bearer"})


_VERTEX: dict[str, Any] = {
    "kind": "vertex",
    "settings": lambda url: {"base_url": f"{url}/v1", "service_account": service_account(url)},
    "proof": None,
    "beside": {"/token": give_token},
}
_AT = "/v1/projects/p-1/locations/global/publishers"
VERTEX_GEMINI = structs.replace(GEMINI, **_VERTEX, path=f"{_AT}/google/models/up-model:streamGenerateContent?alt=sse")
VERTEX_CLAUDE = structs.replace(
    ANTHROPIC, **_VERTEX, path=f"{_AT}/anthropic/models/claude-9:streamRawPredict", model="claude-9"
)


# --------------------------------------------------------------------------------------------------- Bedrock


def converse_text(text: str) -> tuple[str, dict[str, Any]]:
    return "contentBlockDelta", {"contentBlockIndex": 0, "delta": {"text": text}}


def converse_end(reason: str = "end_turn", **usage: Any) -> list[tuple[str, dict[str, Any]]]:
    told = {"inputTokens": 9, "outputTokens": 3, "totalTokens": 12, **usage}
    return [("messageStop", {"stopReason": reason}), ("metadata", {"usage": told, "metrics": {"latencyMs": 7}})]


BEDROCK = Case(
    kind="bedrock",
    settings=lambda url: {"base_url": url, "api_key": KEY},
    path="/model/up-model%3A0/converse-stream",
    model="up-model:0",
    content_type="application/vnd.amazon.eventstream",
    first=converse_events(("messageStart", {"role": "assistant"}), converse_text("Grüß ")),
    rest=converse_events(
        converse_text("Gott 你"),
        converse_text("好"),
        ("contentBlockStop", {"contentBlockIndex": 0}),
        *converse_end(),
    ),
    nonsense=frame(b"{nonsense", event_type="contentBlockDelta", message_type="event"),
    broken=frame(b'{"message":"overloaded"}', exception_type="serviceUnavailableException", message_type="exception"),
    broken_as=Unavailable,
    refusal=lambda said: {"message": said},
    proof=lambda key: ("authorization", f"Bearer {key}"),
)


# ---------------------------------------------------------------------------------------------------- Cohere


def cohere_text(text: str) -> dict[str, Any]:
    return {"type": "content-delta", "index": 0, "delta": {"message": {"content": {"text": text}}}}


def cohere_end(reason: str = "COMPLETE", **delta: Any) -> dict[str, Any]:
    usage = {
        "billed_units": {"input_tokens": 9, "output_tokens": 3},
        "tokens": {"input_tokens": 70, "output_tokens": 3},
    }
    return {"type": "message-end", "delta": {"finish_reason": reason, "usage": usage, **delta}}


_CONTENT = {"type": "text", "text": ""}
COHERE = Case(
    kind="cohere",
    settings=lambda url: {"base_url": url, "api_key": KEY},
    path="/v2/chat",
    first=named_events(
        {"type": "message-start", "id": "m", "delta": {"message": {"role": "assistant", "content": []}}},
        {"type": "content-start", "index": 0, "delta": {"message": {"content": _CONTENT}}},
        cohere_text("Grüß "),
    ),
    rest=named_events(cohere_text("Gott 你"), cohere_text("好"), {"type": "content-end", "index": 0}, cohere_end())
    + b"data: [DONE]\n\n",
    nonsense=b"event: content-delta\ndata: {nonsense\n\n",
    broken=named_events(cohere_end("TIMEOUT")),
    broken_as=UpstreamTimeout,
    refusal=lambda said: {"id": "x", "message": said},
    proof=lambda key: ("authorization", f"Bearer {key}"),
)

OPENAI = Case(
    kind="openai",
    model="gpt-4.1",
    settings=lambda url: {"base_url": f"{url}/v1", "api_key": KEY},
    path="/v1/chat/completions",
    first=plain_events({"choices": [{"index": 0, "delta": {"content": "Grüß "}}]}),
    rest=plain_events(
        {"choices": [{"index": 0, "delta": {"content": "Gott 你"}}]},
        {"choices": [{"index": 0, "delta": {"content": "好"}}]},
        {"choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}]},
        {"choices": [], "usage": {"prompt_tokens": 9, "completion_tokens": 3}},
    )
    + b"data: [DONE]\n\n",
    nonsense=b"data: {nonsense\n\n",
    broken=plain_events({"error": {"type": "overloaded_error", "message": "Overloaded"}}),
    broken_as=Unavailable,
    refusal=lambda said: {"error": {"message": said}},
    proof=lambda key: ("authorization", f"Bearer {key}"),
)

CASES = [ANTHROPIC, GEMINI, VERTEX_GEMINI, VERTEX_CLAUDE, BEDROCK, COHERE, OPENAI]
