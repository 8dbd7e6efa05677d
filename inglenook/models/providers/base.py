"""The contract of a provider: something that answers requests, run here or bought."""

from collections.abc import AsyncIterator, Callable, Sequence
from typing import Any, Protocol

from msgspec import Struct, field, structs

from inglenook.kit.settings_schema import in_words
from inglenook.models.calls import Event, Operation, Passthrough, Request
from inglenook.models.errors import CannotCarry
from inglenook.models.prices import Prices

#: What models do (`models.calls.NEEDED`), and then what their prompts and answers may hold.
CAPABILITIES = (
    *("completion", "embedding", "rerank", "image", "transcription", "speech", "moderation"),
    *("tools", "vision", "audio", "files", "thinking", "insert", "prefill"),
)


class ModelFacts(Struct, kw_only=True, omit_defaults=True):
    """What is known of a model a provider offers.

    Attributes:
        name: The provider's own name of it.
        capabilities: Some of `CAPABILITIES`. `prefill`: goes on with a trailing assistant message as with its own
            words.
        context_length: In tokens; 0 if unknown.
        output_length: Most tokens of one answer; 0 if unknown.
        languages: BCP 47 tags it is good at; empty if unknown.
        prices: As its provider publishes them; None if unknown.
    """

    name: str
    capabilities: frozenset[str] = frozenset({"completion"})
    context_length: int = 0
    languages: tuple[str, ...] = ()
    embedding_length: int = 0
    output_length: int = 0
    prices: Prices | None = None


class Job(Struct, kw_only=True):
    """One request as a provider gets it.

    Attributes:
        model: The provider's own name of the model.
        stream: Whether the caller reads the answer as it is made. Providers that are better streamed inside do so
            whatever this says.
        passthrough: Set when the caller speaks a protocol in the provider's `wires` and no step needs the text.
            The provider then answers `RawHead` and `Raw` (plus `Usage` and `Notice`), and must not touch `request`.
        decode: Gives the request; call it once, through `request`, only when there is no `passthrough`.
        operation: What is asked; tells `COUNT` from `CHAT`, whose requests are alike.
        key: Which of the provider's several API keys to use, from 0 (`Provider.keys` says how many there are).
    """

    model: str
    stream: bool
    decode: Callable[[], Request]
    passthrough: Passthrough | None = None
    operation: Operation = Operation.CHAT
    key: int = 0

    @property
    def request(self) -> Request:
        """The decoded request."""
        return self.decode()


#: What a provider that does not say is asked for.
USUAL = frozenset({Operation.CHAT, Operation.COMPLETION, Operation.EMBEDDING})


def not_offered(job: Job) -> CannotCarry:
    """The error for a job of a kind that a provider has no way to do."""
    return CannotCarry(f"the provider of '{job.model}' has no way to do this: {job.operation}", field="model")


class Provider(Protocol):
    """One configured provider. Instances live as long as their configuration does.

    Errors: raise `kit.errors` and `models.errors` classes only; by them a route decides whether to try again.
    `UpstreamFailed`/`UpstreamTimeout` when the other side failed, `KeyRefused` when it does not take our key,
    `OutOfCredit` when it wants to be paid, `TooMany` when it limited us (`retry_after`), `Unavailable` when it cannot
    take more, `ContextTooLong` and `ContentRefused` when it will not answer this prompt, `BadInput` when it refused the
    request otherwise (with its message), `CannotCarry` when we cannot say a field in its protocol. Raised before the
    first event, the gateway may try another target; after it, the stream ends with an explicit error. Closing the
    iterator early cancels the work upstream.

    Optional: `own: bool`, whether it is a server of ours, which may be told the id and the trace of a call
    (`kit.carried`; False when absent). `operations: frozenset[Operation]`, what it has a way to do (`USUAL` when
    absent); one that counts prompts exactly (`COUNT`) answers with one `Usage` and `Finished`. `keys: int`, how many
    API keys it has (1 when absent).

    A provider with `wires` may also offer `async relay(job) -> list[Event]`: what `stream` gives for a job with
    `passthrough` that is not streamed, at once. It saves the gateway half the time it spends on such a call. Where not
    every body of its `wires` can pass, `passes(model, passthrough) -> bool` says which can; the others are decoded.

    `known(model) -> ModelFacts | None` tells what it knows of a model without asking, prices included.
    `async prove(key, model) -> list[ModelFacts] | None` shows that address and API key number `key` are right: the
    models it lists, or None when it asked a model instead (`model`, or one it knows).
    """

    #: Protocols whose callers' bodies may pass through: `openai.chat`, …
    wires: frozenset[str]

    @property
    def kind(self) -> str:
        """Registry name: `openai-compatible`, `local`, `fake`."""
        ...

    def stream(self, job: Job) -> AsyncIterator[Event]:
        """Answer `job` with events. Usage comes before `Finished`; an async generator."""
        ...

    async def models(self) -> list[ModelFacts]:
        """The models it offers now."""
        ...

    async def close(self) -> None:
        """Free what it holds."""
        ...


def known_of(provider: Provider, model: str) -> ModelFacts | None:
    """What a provider knows of a model without asking; None: nothing, or it never knows."""
    known: Callable[[str], ModelFacts | None] | None = getattr(provider, "known", None)
    return None if known is None else known(model)


class ProviderKind(Struct, frozen=True, kw_only=True):
    """How a kind of provider is shown, configured and made; what `registry` lists.

    Attributes:
        settings_schema: JSON schema of `settings`; properties marked `"secret": true` are encrypted at rest and
            never returned by the API.
        make: From settings (secrets included, in the clear) and the server's shared parts to an instance.
        standing: One instance exists by itself, under the kind's name and with empty settings; none can be added.
        starts_programs: Its settings name a program that is started here. Only administrators may set it up, whoever
            else may manage providers.
        hidden: Not offered to people; it can be made through the API all the same.
        known: The models it knows without being asked. Reads a file the first time.
        docs, keys_page: Where its API is described, and where one gets a key for it.
        translations: By language (`zh-CN`), what `title` and the titles and descriptions of the schema are in it.
    """

    name: str
    title: str
    icon: str
    settings_schema: dict[str, Any]
    make: Callable[[dict[str, Any], "ProviderParts"], Provider]
    standing: bool = False
    starts_programs: bool = False
    hidden: bool = False
    known: Callable[[], Sequence[ModelFacts]] = tuple
    docs: str = ""
    keys_page: str = ""
    translations: dict[str, dict[str, str]] = field(default_factory=dict)

    def localized(self, language: str) -> "ProviderKind":
        """The kind with its words in a language; words without a translation stay as they are."""
        words = self.translations.get(language)
        if not words:
            return self
        return structs.replace(
            self, title=words.get(self.title, self.title), settings_schema=in_words(self.settings_schema, words)
        )


class ProviderParts(Struct, kw_only=True):
    """What the server lends to providers: the HTTP pool (`kit.http.pool.HttpPool`), the engine, …"""

    http: Any
    engine: Any = None
