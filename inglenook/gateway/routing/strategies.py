"""In what order a route's targets are asked. Pure: chance and time are in `View`.

A strategy arranges all options; those that rest are passed over later, so that shares hold among the healthy. An
option is what one target of the definition comes down to: one model, or the models of the route it names; it is judged
by the first of them.
"""

from collections.abc import Callable, Sequence
from hashlib import blake2b
from math import inf, log

from msgspec import Struct

from inglenook.gateway.routing.conditions import Asked, price
from inglenook.gateway.routing.targets import Leaf


class Option(Struct, frozen=True):
    """A target of the definition, with the models it stands for in the order they would be asked (at least one)."""

    weight: float
    leaves: Sequence[Leaf]


class View(Struct, frozen=True):
    """What a strategy may look at. `draw(name)`: a number in [0, 1), for the option whose first model has that name;
    `now`: seconds of the clock of health."""

    asked: Asked
    now: float
    draw: Callable[[str], float]


Strategist = Callable[[Sequence[Option], View], Sequence[Option]]


def ordered(options: Sequence[Option], view: View) -> Sequence[Option]:
    """As written."""
    return options


def weighted(options: Sequence[Option], view: View) -> Sequence[Option]:
    """By lot: each comes first with a chance in proportion to its weight, and second among the rest likewise. (The
    least of exponentially distributed numbers with the weights as rates.)"""

    def lot(option: Option) -> float:
        return -log(1 - view.draw(option.leaves[0].entry.name)) / option.weight if option.weight else inf

    return sorted(options, key=lot)


def least_busy(options: Sequence[Option], view: View) -> Sequence[Option]:
    """By calls on their way, in proportion to the weights; among equals by lot."""

    def busy(option: Option) -> tuple[float, float]:
        leaf = option.leaves[0]
        return _shared(leaf.health.in_flight, option.weight), view.draw(leaf.entry.name)

    return sorted(options, key=busy)


def least_latency(options: Sequence[Option], view: View) -> Sequence[Option]:
    """By how long one more call may take there; those nobody has measured yet first, among equals as written."""

    def load(option: Option) -> float:
        return option.leaves[0].health.load(view.now, stream=view.asked.stream) if option.weight else inf

    return sorted(options, key=load)


def cheapest(options: Sequence[Option], view: View) -> Sequence[Option]:
    """By what the call costs at most; among equals as written, without a known price last."""

    def cost(option: Option) -> float:
        known = price(option.leaves[0].entry, view.asked)
        return inf if known is None or not option.weight else known

    return sorted(options, key=cost)


#: By the name definitions use. `sticky` is one of these, drawn by `lot_of`, with the warm target first (`live`).
STRATEGIES: dict[str, Strategist] = {
    "ordered": ordered,
    "weighted": weighted,
    "least-busy": least_busy,
    "least-latency": least_latency,
    "cheapest": cheapest,
}


def lot_of(conversation: str) -> Callable[[str], float]:
    """The draws of a conversation: always the same, on every server, and a target that comes or goes changes nobody
    else's (rendezvous hashing)."""

    def draw(name: str) -> float:
        digest = blake2b(f"{conversation}\0{name}".encode(), digest_size=7).digest()
        return (int.from_bytes(digest, "big") >> 3) / 2**53

    return draw


def _shared(amount: float, weight: float) -> float:
    return amount / weight if weight else inf
