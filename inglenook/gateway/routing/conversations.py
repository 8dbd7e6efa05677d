"""Which calls share a long beginning, and which target has it in its cache."""

from collections import OrderedDict
from hashlib import blake2b
from typing import Any, NamedTuple

import msgspec

from inglenook.gateway.call import Call
from inglenook.gateway.routing.targets import Leaf
from inglenook.models.calls import ChatRequest

#: Conversations that are remembered; the longest unused go first.
MOST = 50_000


def conversation_of(call: Call) -> str:
    """What binds a call to others: what the caller says, else the prompt up to the first thing the user said.

    Of another user's it is another conversation, even with the same words.
    """
    who = call.principal.user_id if call.principal is not None else ""
    if call.conversation is not None:
        return f"{who}\0{call.conversation}"
    digest = blake2b(msgspec.msgpack.encode(_beginning(call)), digest_size=16).hexdigest()
    return f"{who}\0\0{digest}"


def _beginning(call: Call) -> Any:
    if call.passthrough is None:
        request = call.decode()
        return _until_user(request.messages) if isinstance(request, ChatRequest) else request
    body = call.passthrough.body
    if isinstance(key := body.get("prompt_cache_key"), str):
        return key
    for name in ("messages", "input"):
        if isinstance(messages := body.get(name), list):
            return [body.get("system"), body.get("instructions"), _until_user(messages)]
    return {name: value for name, value in body.items() if name in ("prompt", "input", "query")}


def _until_user(messages: list[Any]) -> list[Any]:
    for place, message in enumerate(messages):
        role = message.get("role") if isinstance(message, dict) else getattr(message, "role", None)
        if role == "user":
            return messages[: place + 1]
    return messages


class WarmTarget(NamedTuple):
    """Who answered last, with which key, and until when (seconds of the clock) its cache is thought to be warm."""

    place: tuple[str, str]
    key: int
    until: float


class Warm:
    """Where each conversation's prompt is cached, of every route that sticks."""

    def __init__(self, most: int = MOST) -> None:
        self._most = most
        self._targets: OrderedDict[tuple[str, str], WarmTarget] = OrderedDict()

    def get(self, route_id: str, conversation: str, now: float) -> WarmTarget | None:
        """The warm target, if there is one."""
        found = self._targets.get((route_id, conversation))
        return found if found is not None and now < found.until else None

    def set(self, route_id: str, conversation: str, leaf: Leaf, key: int, until: float) -> None:
        """It answered."""
        about = (route_id, conversation)
        self._targets[about] = WarmTarget(leaf.place, key, until)
        self._targets.move_to_end(about)
        if len(self._targets) > self._most:
            self._targets.popitem(last=False)
