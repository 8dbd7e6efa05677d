"""The shape of a conversation."""

from typing import NamedTuple

import pytest

from inglenook.conversations import tree


class Node(NamedTuple):
    id: str
    parent_id: str | None


#   a ─ b ─ c ─ d
#    \       └─ f        (f: d regenerated)
#     └ g ─ h            (g: b regenerated)
#   e                    (e: a edited)
NODES = tree.by_id(
    [
        Node("f", "c"),
        Node("a", None),
        Node("b", "a"),
        Node("c", "b"),
        Node("d", "c"),
        Node("e", None),
        Node("g", "a"),
        Node("h", "g"),
    ]
)


def ids(nodes: list[Node]) -> str:
    return "".join(node.id for node in nodes)


def test_the_path_runs_from_the_root_to_the_leaf() -> None:
    assert ids(tree.path(NODES, "d")) == "abcd"
    assert ids(tree.path(NODES, "h")) == "agh"
    assert ids(tree.path(NODES, "e")) == "e"
    assert tree.path(NODES, None) == []


def test_a_path_may_end_within_a_branch() -> None:
    assert ids(tree.path(NODES, "b")) == "ab"


def test_siblings_are_the_alternatives_oldest_first() -> None:
    assert ids(tree.siblings(NODES, "f")) == "df"
    assert ids(tree.siblings(NODES, "b")) == "bg"
    assert ids(tree.siblings(NODES, "e")) == "ae"
    assert ids(tree.siblings(NODES, "h")) == "h"


def test_children_are_grouped_under_their_parent() -> None:
    below = tree.children(NODES.values())
    assert ids(below[None]) == "ae"
    assert ids(below["a"]) == "bg"
    assert ids(below["c"]) == "df"
    assert "d" not in below


def test_switching_to_a_message_lands_on_the_newest_tip_below_it() -> None:
    assert tree.newest_leaf(NODES, "a") == "h"
    assert tree.newest_leaf(NODES, "b") == "f"
    assert tree.newest_leaf(NODES, "d") == "d"


def test_a_missing_message_or_parent_is_an_error() -> None:
    with pytest.raises(KeyError):
        tree.path(NODES, "z")
    with pytest.raises(KeyError):
        tree.path(tree.by_id([Node("b", "a")]), "b")
    with pytest.raises(KeyError):
        tree.newest_leaf(NODES, "z")


def test_a_circle_is_found_out() -> None:
    with pytest.raises(ValueError, match="circle"):
        tree.path(tree.by_id([Node("a", "b"), Node("b", "a")]), "a")


def test_a_thousand_messages_are_no_depth() -> None:
    chain = tree.by_id([Node(f"{n:05}", f"{n - 1:05}" if n else None) for n in range(5000)])
    assert len(tree.path(chain, "04999")) == 5000
    assert tree.newest_leaf(chain, "00000") == "04999"
