"""Which model answers when nobody named one, and whether one may be asked."""

from inglenook.accounts.principal import Principal
from inglenook.conversations import service as conversations
from inglenook.gateway.gateway import Gateway
from inglenook.gateway.routing.compiled import ROUTE
from inglenook.kit.errors import BadInput, Conflict, NotFound
from inglenook.models.catalogue import Entry
from inglenook.models.errors import ModelNotFound
from inglenook.store.database import Store

#: Conversations looked through for the model a person used last.
_RECENT = 20


class ChatModels:
    """The catalogue as the chat sees it: models that complete, as far as the principal may use them."""

    def __init__(self, store: Store, gateway: Gateway) -> None:
        self._store = store
        self._gateway = gateway

    def check(self, principal: Principal, name: str) -> str:
        """The full name of a model that the principal may chat with.

        Raises:
            BadInput: the model cannot chat.
            ModelNotFound: there is none of that name, or the principal may not use it.
        """
        try:
            entry = self._gateway.find(principal, name)
        except ModelNotFound as error:
            raise ModelNotFound(
                f"the model {name} is not here, or not for you; choose another", field="model", details=error.details
            ) from None
        if not _chats(entry):
            raise BadInput(
                f"{entry.name} does not write answers (it can: {', '.join(sorted(entry.facts.capabilities))}); "
                "choose a chat model",
                field="model",
            )
        return entry.name

    def again(self, principal: Principal, name: str, chosen: str | None) -> str:
        """The full name of what goes on with an answer that `name` wrote: itself, or the conversation's route that had
        led to it, for who may use that and not the model by its own name.

        Raises:
            BadInput, ModelNotFound: as `check`.
        """
        try:
            return self.check(principal, name)
        except ModelNotFound:
            if chosen is None or self._gateway.find(principal, chosen).provider_id != ROUTE:
                raise
            return self.check(principal, chosen)

    async def default(self, principal: Principal) -> str:
        """The model the principal used last, else the first that runs here, else any.

        Raises:
            Conflict: there is none.
        """
        rows, _ = await self._store.read(lambda s: conversations.page(s, principal.user_id, limit=_RECENT))
        for row in rows:
            if name := conversations.settings_of(row).model:
                try:
                    return self.check(principal, name)
                except (BadInput, NotFound):  # gone meanwhile
                    continue
        usable = [entry for entry in self._gateway.visible(principal) if _chats(entry)]
        if not usable:
            raise Conflict("there is no chat model yet; pull one or add a provider on the Models page", field="model")
        return min(usable, key=lambda entry: (not entry.local, entry.name)).name


def _chats(entry: Entry) -> bool:
    return "completion" in entry.facts.capabilities
