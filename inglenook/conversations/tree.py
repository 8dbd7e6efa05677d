"""The shape of a conversation: pure functions over messages that know their parent.

Editing a question adds a sibling of it, regenerating an answer adds a sibling of that, and the branch one looks at
is named by its leaf; so nothing that was ever said is overwritten. Ids grow with time: among siblings the greatest
is the newest.
"""

from collections.abc import Iterable, Mapping
from typing import Protocol, TypeVar


class Node(Protocol):
    """A message as far as its place in the tree goes."""

    @property
    def id(self) -> str:
        """Its own id."""
        ...

    @property
    def parent_id(self) -> str | None:
        """The message it answers or follows; None at a root."""
        ...


N = TypeVar("N", bound=Node)


def by_id(nodes: Iterable[N]) -> dict[str, N]:
    """The nodes under their ids."""
    return {node.id: node for node in nodes}


def path(nodes: Mapping[str, N], leaf_id: str | None) -> list[N]:
    """The branch that ends in `leaf_id`, root first; empty for None.

    Raises:
        KeyError: `leaf_id` or an ancestor of it is not among `nodes`.
        ValueError: the parents run in a circle.
    """
    branch: list[N] = []
    at = leaf_id
    while at is not None:
        if len(branch) == len(nodes) and at in nodes:
            raise ValueError(f"the parents of message {leaf_id} run in a circle")
        branch.append(nodes[at])
        at = nodes[at].parent_id
    branch.reverse()
    return branch


def children(nodes: Iterable[N]) -> dict[str | None, list[N]]:
    """The nodes under their parent's id, oldest first; the roots under None."""
    found: dict[str | None, list[N]] = {}
    for node in sorted(nodes, key=lambda node: node.id):
        found.setdefault(node.parent_id, []).append(node)
    return found


def siblings(nodes: Mapping[str, N], node_id: str) -> list[N]:
    """The alternatives to a message, itself among them, oldest first.

    Raises:
        KeyError: there is no such node.
    """
    parent = nodes[node_id].parent_id
    return sorted((node for node in nodes.values() if node.parent_id == parent), key=lambda node: node.id)


def newest_leaf(nodes: Mapping[str, N], node_id: str) -> str:
    """The tip one arrives at from a message by always taking the newest child; the message itself if it has none.

    Raises:
        KeyError: there is no such node.
    """
    below = children(nodes.values())
    at = nodes[node_id].id
    while at in below:
        at = below[at][-1].id
    return at
