"""A look at every target of a route for one call: who may take it, in what order, and why the others not."""

from collections.abc import Callable, Sequence

from msgspec import structs

from inglenook.gateway.routing.compiled import Bounds, Branch, LiveRoute, least
from inglenook.gateway.routing.conditions import UNSURE, Asked, cannot, price, room
from inglenook.gateway.routing.conversations import Warm, WarmTarget
from inglenook.gateway.routing.strategies import Option, View, lot_of
from inglenook.gateway.routing.targets import Leaf


class Survey:
    """One such look. Routes that routes name are looked at in their place."""

    def __init__(self, asked: Asked, view: View, conversation: Callable[[], str], warm: Warm) -> None:
        self.asked = asked
        self.view = view
        self.passed: list[tuple[str, str]] = []
        #: By how much the prompt may be too long for a target, of those that may be too small.
        self.unsure: dict[Leaf, float] = {}
        self.timeouts: dict[Leaf, float] = {}
        #: The routes that stick, with the conversation.
        self.sticky: list[tuple[LiveRoute, str]] = []
        self.warm: WarmTarget | None = None
        self._conversation = conversation
        self._warm = warm

    def leaves(self, route: LiveRoute, bounds: Bounds) -> list[Leaf]:
        """The models of a route that may take the call, in the order of its strategy."""
        if route.when is not None and (why := route.when.passed_over(self.asked)):
            self.passed.append((route.name, why))
            return []
        bounds = route.within(bounds)
        options = []
        for branch in route.branches:
            if leaves := self._of(branch, bounds):
                options.append(Option(branch.weight, leaves))
        if not options:
            return []
        view, warm = self.view, None
        if route.sticks:
            conversation = self._conversation()
            self.sticky.append((route, conversation))
            view = structs.replace(view, draw=lot_of(conversation))
            warm = self._warm.get(route.id, conversation, view.now)
        arranged = [leaf for option in route.strategist(options, view) for leaf in option.leaves]
        found = list(dict.fromkeys(arranged))
        if warm is not None and (leaf := next((leaf for leaf in found if leaf.place == warm.place), None)):
            self.warm = warm
            found.remove(leaf)
            found.insert(0, leaf)
        return found

    def _of(self, branch: Branch, bounds: Bounds) -> Sequence[Leaf]:
        if branch.when is not None:
            if why := branch.when.passed_over(self.asked):
                self.passed.append((branch.model, why))
                return ()
            if branch.when.max_cost is not None:
                bounds = Bounds(bounds.private, least(bounds.max_cost, branch.when.max_cost))
        if branch.private:
            bounds = Bounds(private=False, max_cost=bounds.max_cost)
        if branch.route is not None:
            return self.leaves(branch.route, bounds)
        leaf = branch.leaf
        why = "missing" if leaf is None else self._why_not(leaf, bounds)
        if leaf is None or why:
            self.passed.append((branch.model, why))
            return ()
        if branch.first_byte_timeout is not None:
            self.timeouts[leaf] = branch.first_byte_timeout
        return (leaf,)

    def _why_not(self, leaf: Leaf, bounds: Bounds) -> str:
        entry = leaf.entry
        if bounds.private and not entry.local:
            return "private"
        if why := cannot(entry, self.asked):
            return why
        taken = room(entry, self.asked)
        if taken > UNSURE:
            return "context"
        if taken > 1:
            self.unsure[leaf] = taken
        if bounds.max_cost is not None:
            cost = price(entry, self.asked)
            if cost is None:
                return "price"
            if cost > bounds.max_cost:
                return "cost"
        return ""
