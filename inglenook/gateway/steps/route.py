"""Which model answers."""

from inglenook.accounts.principal import Principal, Thing, Verb
from inglenook.accounts.service import Accounts
from inglenook.gateway.call import Candidate, Exchange
from inglenook.gateway.errors import NotCapable
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


class Single:
    """The plan of a model that was named: it alone, once."""

    __slots__ = ("_only",)

    direct = True
    first_byte_timeout: float | None = None

    def __init__(self, entry: Entry) -> None:
        self._only = Candidate(entry)

    @property
    def candidates(self) -> tuple[Candidate, ...]:
        """The one."""
        return (self._only,)

    def first(self, exchange: Exchange) -> Candidate:
        """The one."""
        return self._only

    def next(self, exchange: Exchange, failed: Candidate, error: InglenookError) -> None:
        """Nobody else."""

    def began(self, candidate: Candidate, exchange: Exchange) -> None:
        """Nothing to note."""

    def ended(self, candidate: Candidate, exchange: Exchange, error: BaseException | None, first_ms: float) -> None:
        """Nothing to note."""


class Route(Step):
    """Takes the model that was named, if the caller may use it and it can do what is asked."""

    def __init__(self, accounts: Accounts, catalogue: Catalogue) -> None:
        self._grants = accounts.grants
        self._catalogue = catalogue

    def open(self, exchange: Exchange) -> None:
        """Sets the target and says why.

        Raises:
            ModelNotFound: there is no such model, or the caller may not use it.
            NotCapable: it cannot chat, embed, call tools, …
        """
        call, principal = exchange.call, exchange.principal
        assert principal is not None
        entry = self.find(principal, call.model)
        capabilities = entry.facts.capabilities
        if NEEDED[call.operation] not in capabilities:
            raise _not_capable(call.model, _WORDS[call.operation], entry)
        if call.needs and not call.needs <= capabilities:
            raise _not_capable(call.model, min(call.needs - capabilities), entry)
        exchange.plan = Single(entry)
        exchange.target = entry
        exchange.reasons.append(_NAMED)

    def find(self, principal: Principal, name: str) -> Entry:
        """The catalogue's entry of that name, if `principal` may use it.

        Raises:
            ModelNotFound: there is none, or not for this principal, who is not told which.
        """
        try:
            entry = self._catalogue.resolve(name)
        except InglenookError as error:
            # A name that no model can have names no model either.
            raise self._not_found(principal, name) if error.status in (400, 404) else error from None
        if not self._open_to(principal, entry):
            raise self._not_found(principal, name)
        return entry

    def visible(self, principal: Principal) -> list[Entry]:
        """Every model `principal` may use, by name."""
        return [entry for entry in self._catalogue.entries() if self._open_to(principal, entry)]

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
