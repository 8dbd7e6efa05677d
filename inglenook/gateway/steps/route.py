"""Which model answers: the one that was named, or the targets of the route that was."""

from inglenook.accounts.principal import Principal, Thing, Verb
from inglenook.accounts.service import Accounts
from inglenook.gateway.call import Exchange
from inglenook.gateway.errors import NotCapable
from inglenook.gateway.routing.compiled import LiveRoute
from inglenook.gateway.routing.live import LiveRoutes
from inglenook.gateway.steps.base import Step
from inglenook.kit.errors import InglenookError
from inglenook.models.calls import NEEDED, Operation
from inglenook.models.catalogue import Catalogue, Entry
from inglenook.models.errors import ModelNotFound

_WORDS = {
    Operation.CHAT: "chat",
    Operation.COMPLETION: "completion",
    Operation.EMBEDDING: "embeddings",
    Operation.RERANK: "reranking",
    Operation.COUNT: "chat",
    Operation.IMAGE: "making images",
    Operation.TRANSCRIPTION: "transcription",
    Operation.SPEECH: "speech",
    Operation.MODERATION: "moderation",
}
_NAMED = {"step": "route", "why": "named"}


class Route(Step):
    """Makes the plan of a call, if the caller may use what it named and that can do what is asked.

    Who may use a route may use its targets through it, and need not be granted them by their own names.
    """

    def __init__(self, accounts: Accounts, catalogue: Catalogue, routes: LiveRoutes) -> None:
        self._grants = accounts.grants
        self._catalogue = catalogue
        self._routes = routes

    def open(self, exchange: Exchange) -> None:
        """Sets the plan and the target to be asked first, and says why.

        Raises:
            ModelNotFound: there is no such model or route, or the caller may not use it.
            NotCapable: it cannot chat, embed, call tools, …
            ContextTooLong, NoTarget: no target of the route may take the call.
        """
        call, principal = exchange.call, exchange.principal
        assert principal is not None
        route, entry = self._named(principal, call.model)
        capabilities = entry.facts.capabilities
        if NEEDED[call.operation] not in capabilities:
            raise _not_capable(call.model, _WORDS[call.operation], entry)
        if call.needs and not call.needs <= capabilities:
            raise _not_capable(call.model, min(call.needs - capabilities), entry)
        if route is not None:
            self._routes.open(route, exchange)
            return
        exchange.plan = self._routes.named(entry)
        exchange.target = entry
        exchange.reasons.append(_NAMED)

    def find(self, principal: Principal, name: str) -> Entry:
        """The model or route of that name, as the catalogue has it, if `principal` may use it.

        Raises:
            ModelNotFound: there is none, or not for this principal, who is not told which.
        """
        return self._named(principal, name)[1]

    def visible(self, principal: Principal) -> list[Entry]:
        """Every model and route `principal` may use, by name."""
        entries = self._catalogue.entries()
        if routes := self._routes.entries():
            named = {entry.name: entry for entry in (*entries, *routes)}
            entries = [named[name] for name in sorted(named)]
        return [entry for entry in entries if self._open_to(principal, entry)]

    def _named(self, principal: Principal, name: str) -> tuple[LiveRoute | None, Entry]:
        route = self._routes.get(name)
        if route is None:
            try:
                entry = self._catalogue.resolve(name)
            except InglenookError as error:
                if error.status not in (400, 404):
                    raise
                # A name that no model can have names no model either.
                route = self._routes.find(name)
                if route is None:
                    raise self._not_found(principal, name) from None
                entry = route.entry
        else:
            entry = route.entry
        if not self._open_to(principal, entry):
            raise self._not_found(principal, name)
        return route, entry

    def _open_to(self, principal: Principal, entry: Entry) -> bool:
        if principal.models is not None and entry.name not in principal.models:
            return False
        return self._grants.may(principal, Verb.USE, Thing("model", entry.name))

    def _not_found(self, principal: Principal, name: str) -> ModelNotFound:
        """Names the tags that `principal` may use, for who mistook one."""
        tags = ", ".join(entry.name for entry in self._catalogue.tags(name) if self._open_to(principal, entry))
        message = f"model '{name}' not found" + (f"; there is {tags}" if tags else "")
        return ModelNotFound(message, field="model", details={"model": name})


def _not_capable(name: str, lacking: str, entry: Entry) -> NotCapable:
    can = ", ".join(sorted(entry.facts.capabilities))
    return NotCapable(
        f"model '{name}' does not support {lacking} (it offers: {can})",
        field="model",
        details={"model": name, "capability": lacking},
    )
