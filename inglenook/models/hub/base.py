"""The contract of a source: a place models are pulled from."""

from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager
from typing import TYPE_CHECKING, Protocol

from msgspec import Struct

from inglenook.models.hub.access import Access
from inglenook.models.hub.layout import ModelStore
from inglenook.models.hub.sharing import Work
from inglenook.models.hub.stored import StoredModel

if TYPE_CHECKING:
    import httpx


class Step(Struct, frozen=True, kw_only=True):
    """What a pull is at: Ollama's progress object. `total` 0 means not known."""

    status: str
    digest: str = ""
    total: int = 0
    completed: int = 0


class Fetcher(Protocol):
    """What sources need of the guarded client (`kit.http.outbound.Outbound`)."""

    def stream(
        self, method: str, url: str, *, headers: dict[str, str] | None = None
    ) -> "AbstractAsyncContextManager[httpx.Response]":
        """Send a request; the body is read from the response as it comes. Redirects are followed.

        Raises:
            httpx.TransportError: it cannot be reached, or broke off.
        """
        ...


class Sender(Protocol):
    """A `Fetcher` that can send a body too (`kit.http.outbound.Outbound`)."""

    def stream(
        self,
        method: str,
        url: str,
        *,
        headers: dict[str, str] | None = None,
        content: "bytes | AsyncIterator[bytes] | None" = None,
        redirects: bool = True,
        idle: float = 60.0,
    ) -> "AbstractAsyncContextManager[httpx.Response]":
        """As a `Fetcher` does; redirects are followed if `redirects`, and `idle` seconds may pass between two pieces of
        the answer.
        """
        ...


class Tools(Protocol):
    """What a pull lends to its source."""

    models: ModelStore
    outbound: Fetcher
    #: Tokens and mirrors, as they are set.
    access: Access

    def report(self, step: Step) -> None:
        """Tell how far it is. Cheap; may be called for every chunk and from any thread."""
        ...

    def alone(self, key: str) -> AbstractAsyncContextManager[None]:
        """Be the only pull that works on `key` (a partial file); others wait."""
        ...

    async def shared(self, key: str, work: Work, progress: Callable[[int, int], None]) -> None:
        """Do `work`, or join the pull that does it for the same `key` (a blob). See `sharing.Sharing.run`."""
        ...


class Source(Protocol):
    """One thing to pull. Data that arrived is kept under a `-partial` name for the next try where the other side
    lets one go on; nothing half-made is ever visible as a model.
    """

    @property
    def key(self) -> str:
        """What pulls of the same thing share."""
        ...

    @property
    def name(self) -> str:
        """The model's name once it is here."""
        ...

    async def pull(self, tools: Tools) -> StoredModel:
        """Bring it here. Cancelling stops it, and leaves no process behind.

        Raises:
            PullFailed, WrongChecksum, DiskFull, BadModelFile: with what went wrong, where, and what to do.
        """
        ...


class Scheme(Struct, frozen=True):
    """A kind of source: `registry` lists them.

    Attributes:
        name: Before the colon: `pypi`.
        example: For people.
        parse: From what stands after the colon, and the name the model is to get (None: the source's own choice).
            Raises `BadInput`.
    """

    name: str
    example: str
    parse: Callable[[str, str | None], Source]
