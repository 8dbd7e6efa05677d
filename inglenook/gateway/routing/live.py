"""Every route in memory, and what a call to one comes to.

Routes are compiled when somebody first asks for them, since a change of the catalogue makes all of them anew. A name is
looked up in a dictionary: how many routes there are makes no difference to a call.
"""

from collections.abc import Callable, Iterable, Sequence

from inglenook.gateway.call import Candidate, Exchange
from inglenook.gateway.errors import NotCapable
from inglenook.gateway.routing.compiled import Bounds, Branch, LiveRoute, RouteFacts
from inglenook.gateway.routing.conditions import Asked, Cost, When
from inglenook.gateway.routing.conversations import Warm, conversation_of
from inglenook.gateway.routing.definition import DEEPEST, RouteDefinition, RouteTarget
from inglenook.gateway.routing.errors import NoTarget
from inglenook.gateway.routing.plan import NamedPlan, RoutePlan, Turn, number_of
from inglenook.gateway.routing.strategies import View
from inglenook.gateway.routing.survey import Survey
from inglenook.gateway.routing.targets import Leaf, Targets
from inglenook.kit.errors import InglenookError
from inglenook.models import prices
from inglenook.models.catalogue import Catalogue, Entry
from inglenook.models.errors import ContextTooLong


class LiveRoutes:
    """The routes of this server, and the plans of calls to them and to plain models."""

    def __init__(self, catalogue: Catalogue, targets: Targets | None = None) -> None:
        self.targets = targets or Targets()
        self.warm = Warm()
        self.version = -1
        #: What a usage costs at some prices, in billionths of the billing currency; the gateway's own money.
        self.cost: Cost = prices.cost
        self._catalogue = catalogue
        self._facts: dict[str, RouteFacts] = {}
        self._folded: dict[str, str] = {}
        self._compiled: dict[str, LiveRoute] = {}
        self._listeners: list[Callable[[], None]] = []
        catalogue.on_change(self._forget)

    def show(self, version: int, routes: Iterable[RouteFacts]) -> None:
        """Let these be the routes, unless newer ones are known already."""
        if version <= self.version:
            return
        self.version = version
        self._facts = {facts.name: facts for facts in routes}
        self._folded = {facts.name.lower(): facts.name for facts in self._facts.values()}
        self._forget()
        for listener in self._listeners:
            listener()

    def on_change(self, listener: Callable[[], None]) -> None:
        """Call `listener()` after every change of the routes. It must not raise."""
        self._listeners.append(listener)

    def all(self) -> list[RouteFacts]:
        """Every route in the order of the list, also those that are switched off."""
        return list(self._facts.values())

    def get(self, name: str) -> LiveRoute | None:
        """The route of exactly that name, if it is switched on."""
        return self._compiled.get(name) or (self._compile(name, ()) if name in self._facts else None)

    def find(self, name: str) -> LiveRoute | None:
        """The route that may be meant by a name that is no model's: in any case, and with Ollama's `:latest`."""
        folded = name.strip().lower()
        exact = self._folded.get(folded) or self._folded.get(folded.removesuffix(":latest"))
        return self.get(exact) if exact is not None else None

    def entries(self) -> list[Entry]:
        """The routes that can be asked, as entries beside the catalogue's."""
        routes = (self.get(name) for name in self._facts)
        return [route.entry for route in routes if route is not None and route.usable]

    def preview(self, name: str, definition: RouteDefinition) -> LiveRoute:
        """A route of that name as it would be here, whether or not it is kept, or switched on."""
        facts = RouteFacts(
            id="", name=name, description="", enabled=True, definition=definition, created_at=0, updated_at=0
        )
        return self._made(facts, (name,))

    # --------------------------------------------------------------------------------------------- plans

    def named(self, entry: Entry) -> NamedPlan:
        """The plan of a model that was named."""
        return NamedPlan(self.targets.leaf(entry), self.targets)

    def asked(self, exchange: Exchange) -> Asked:
        """A call as conditions see it."""
        return Asked(exchange, self.cost)

    def open(self, route: LiveRoute, exchange: Exchange) -> None:
        """Make the plan of a call to a route; say in `exchange.reasons` who was passed over.

        Raises:
            NotCapable: no target can do what is asked.
            ContextTooLong: the prompt fits none.
            NoTarget: conditions let none take the call.
        """
        call, targets = exchange.call, self.targets
        asked = self.asked(exchange)
        view = View(asked, targets.clock(), lambda _: targets.draw())
        survey = Survey(asked, view, lambda: conversation_of(call), self.warm)
        leaves = survey.leaves(route, Bounds())
        reasons = exchange.reasons
        reasons.append({"step": "route", "why": "route", "route": route.name, "strategy": route.strategy})
        for model, why in survey.passed:
            reasons.append({"step": "route", "why": "passed", "model": model, "for": why})
        if not leaves:
            raise self._refusal(route, survey)
        if survey.unsure:
            leaves.sort(key=lambda leaf: survey.unsure.get(leaf, 0.0))
        exchange.route = route.name
        exchange.plan = plan = self._planned(route, survey, leaves, exchange)
        exchange.target = plan.candidates[0].entry

    def _planned(self, route: LiveRoute, survey: Survey, leaves: list[Leaf], exchange: Exchange) -> RoutePlan:
        call, warm = exchange.call, survey.warm
        timeout = route.first_byte_timeout if call.stream else route.answer_timeout
        timeouts = survey.timeouts if call.stream else {}
        is_warm = warm is not None and leaves[0].place == warm.place
        return RoutePlan(
            [Turn(leaf, timeouts.get(leaf, timeout)) for leaf in leaves],
            route.rules,
            self.targets,
            why="warm" if is_warm else "only" if len(leaves) == 1 else route.strategy,
            prefer=warm.key if warm is not None else number_of(call.conversation),
            on_answer=self._keep_warm(survey.sticky) if survey.sticky else None,
        )

    def _keep_warm(self, sticky: Sequence[tuple[LiveRoute, str]]) -> Callable[[Leaf, Candidate], None]:
        def answered(leaf: Leaf, candidate: Candidate) -> None:
            now = self.targets.clock()
            for route, conversation in sticky:
                until = now + route.facts.definition.sticky.warm_for
                self.warm.set(route.id, conversation, leaf, candidate.key, until)

        return answered

    def _refusal(self, route: LiveRoute, survey: Survey) -> InglenookError:
        """The error for a call that no target may take: the nearest to a mistake of the caller's."""
        asked, reasons = survey.asked, [why for _, why in survey.passed]
        passed = [{"model": model, "for": why} for model, why in survey.passed]
        details = {"route": route.name, "passed": passed}
        if "context" in reasons:
            longest = route.entry.facts.context_length
            return ContextTooLong(
                f"the prompt has about {asked.prompt_tokens} tokens, and the longest context behind '{route.name}' "
                f"that may take it is too small (the longest of all has {longest}); shorten it",
                field="messages",
                details={**details, "prompt_tokens": asked.prompt_tokens, "context_length": longest},
            )
        if reasons and set(reasons) <= {"capability", "operation"}:
            lacking = sorted(asked.needs - route.entry.facts.capabilities) or sorted(asked.needs)
            return NotCapable(
                f"model '{route.name}' does not support {' with '.join(lacking)}",
                field="model",
                details={**details, "model": route.name, "capability": lacking[0]},
            )
        why = ", ".join(f"{model} ({why})" for model, why in survey.passed) or "it has none"
        return NoTarget(f"no target of '{route.name}' may take this call: {why}", field="model", details=details)

    # ------------------------------------------------------------------------------------------- compiling

    def _forget(self) -> None:
        self._compiled = {}

    def _compile(self, name: str, above: tuple[str, ...]) -> LiveRoute | None:
        facts = self._facts.get(name)
        if facts is None or not facts.enabled or name in above or len(above) > DEEPEST:
            return None
        route = self._compiled.get(name)
        if route is None:
            route = self._compiled[name] = self._made(facts, (*above, name))
        return route

    def _made(self, facts: RouteFacts, above: tuple[str, ...]) -> LiveRoute:
        pairs = zip(facts.definition.targets, facts.reading.whens, strict=True)
        return LiveRoute(facts, [self._branch(target, when, above) for target, when in pairs])

    def _branch(self, target: RouteTarget, when: When | None, above: tuple[str, ...]) -> Branch:
        if target.model in self._facts:
            return Branch(target, when, route=self._compile(target.model, above))
        try:
            entry = self._catalogue.resolve(target.model)
        except InglenookError:
            return Branch(target, when)
        return Branch(target, when, leaf=self.targets.leaf(entry))
