"""Which calls are the same, so that one's answer is the other's.

The key is the SHA-256 of everything that reaches the model, in a canonical form: what is asked and in which protocol,
whether as a stream (it is given again as it came), the whole request, the targets that may answer, the route, and whom
the answer may be given to. What only says who the caller's own end user is (`user`) is left out.

Not kept at all: answers to calls that want several answers by chance (`n` above 1, unless a seed or a temperature of 0
makes them certain), or that have an effect beyond their answer (`store`), and operations whose answers are large or
that only count.
"""

from hashlib import sha256
from typing import Any

import msgspec
import orjson

from inglenook.accounts.principal import Principal
from inglenook.gateway.call import Call, Candidate
from inglenook.models.calls import ChatRequest, CompletionRequest, Operation

#: Changes when what is kept changes its form.
_FORM = 1
OPERATIONS = frozenset(
    {Operation.CHAT, Operation.COMPLETION, Operation.EMBEDDING, Operation.RERANK, Operation.MODERATION}
)
#: Protocols whose answers can be given again byte by byte. Of OpenAI's responses each has an identity of its own.
_WIRES = frozenset(
    {"openai.chat", "openai.completions", "openai.embeddings", "openai.moderations", "anthropic.messages", "rerank"}
)
_LEFT_OUT = frozenset({"model", "user"})


def owner_of(principal: Principal, shared: str) -> str:
    """Whom an answer may be given to, by what the route says: `user`, `team` (of who has none: the user) or
    `everyone`."""
    if shared == "everyone":
        return ""
    if shared == "team" and principal.team_id is not None:
        return principal.team_id
    return principal.user_id


def may_be_kept(call: Call) -> bool:
    """Whether the answer to a call can be given again."""
    if call.operation not in OPERATIONS or call.tailored is not None:
        return False
    if call.passthrough is None:
        request = call.decode()
        if not isinstance(request, ChatRequest | CompletionRequest):
            return True
        sampling = request.sampling
        return _is_certain(sampling.n, sampling.seed, sampling.temperature)
    body = call.passthrough.body
    if call.passthrough.wire not in _WIRES or call.passthrough.form is not None or body.get("store"):
        return False
    return _is_certain(body.get("n"), body.get("seed"), body.get("temperature")) and not body.get("best_of")


def key_of(call: Call, route_id: str, candidates: "list[Candidate] | tuple[Candidate, ...]", owner: str) -> bytes:
    """The key of a call that may be kept."""
    targets = sorted({(candidate.entry.provider_id, candidate.entry.upstream) for candidate in candidates})
    about = orjson.dumps([_FORM, call.operation, call.stream, route_id, targets, owner])
    return sha256(about + b"\0" + _request(call)).digest()


def _request(call: Call) -> bytes:
    passthrough = call.passthrough
    if passthrough is None:
        return msgspec.json.encode(call.decode(), order="deterministic")
    body = {name: value for name, value in passthrough.body.items() if name not in _LEFT_OUT}
    whole: list[Any] = [passthrough.wire, passthrough.headers, body]
    return orjson.dumps(whole, option=orjson.OPT_SORT_KEYS)


def _is_certain(n: Any, seed: Any, temperature: Any) -> bool:
    """Whether asking once more would give the caller nothing else to choose from."""
    return n in (None, 1) or seed is not None or temperature == 0
