"""Whose proof a thought carries. Providers sign what their models thought and want it back unchanged; another provider
would refuse the whole conversation over a signature it did not write.

Anthropic's signatures, which its own clients see, are left as they are. All others get their provider's name in front
on their way out, and lose it on their way back.
"""

from typing import Any

from inglenook.models.calls import Thought

_MARK = "~"


def sealed(origin: str, proof: str) -> str:
    """A proof with its origin, as it goes out."""
    return f"{_MARK}{origin}{_MARK}{proof}"


def unsealed(origin: str, proof: str | None) -> str | None:
    """The proof, if it is of that origin."""
    before = f"{_MARK}{origin}{_MARK}"
    return proof[len(before) :] if proof and proof.startswith(before) else None


def is_foreign(thought: Thought) -> bool:
    """Whether the thought is some other provider's than Anthropic's."""
    proof = thought.data or thought.signature
    return bool(proof and proof.startswith(_MARK))


def own_messages(messages: Any) -> Any:
    """Messages in Anthropic's shape without thoughts that are other providers', or that nothing proves; the same object
    if there are none."""
    if type(messages) is not list:
        return messages
    foreign = {at for at, message in enumerate(messages) if _has_foreign(message)}
    if not foreign:
        return messages
    kept = [_without_foreign(message) if at in foreign else message for at, message in enumerate(messages)]
    return [message for message in kept if message["content"]]


def _has_foreign(message: Any) -> bool:
    if type(message) is not dict or message.get("role") != "assistant":
        return False
    content = message.get("content")
    return type(content) is list and any(_is_foreign_block(block) for block in content)


def _without_foreign(message: dict[str, Any]) -> dict[str, Any]:
    return {**message, "content": [block for block in message["content"] if not _is_foreign_block(block)]}


def _is_foreign_block(block: Any) -> bool:
    if type(block) is not dict or block.get("type") not in ("thinking", "redacted_thinking"):
        return False
    proof = block.get("signature") or block.get("data")
    return not proof or (isinstance(proof, str) and proof.startswith(_MARK))
