"""Whose proof a thought carries. Providers sign what their models thought and want it back unchanged; another provider
would refuse the whole conversation over a signature it did not write.

Anthropic's signatures, which its own clients see, are left as they are. All others get their provider's name in front
on their way out, and lose it on their way back.
"""

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
