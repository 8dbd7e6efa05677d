"""What tests of routes share: a clock that a test moves, targets that act as they are told, routes in one line."""

import asyncio
from collections import deque
from collections.abc import AsyncGenerator, Iterable
from typing import Any, ClassVar

from inglenook.accounts.principal import Principal
from inglenook.gateway.call import Call, Exchange
from inglenook.gateway.routing.compiled import RouteFacts
from inglenook.gateway.routing.definition import RouteDefinition, read
from inglenook.models.calls import (
    ChatRequest,
    Event,
    Finished,
    Message,
    Operation,
    Raw,
    RawHead,
    Sampling,
    TextDelta,
    Usage,
)
from inglenook.models.catalogue import Entry
from inglenook.models.prices import Prices
from inglenook.models.providers.base import Job, ModelFacts

MEMBER = Principal(user_id="usr_ada", name="ada")


class Clock:
    """Seconds that pass when a test says so. `sleep` lets them pass at once; `slept` are its waits."""

    def __init__(self) -> None:
        self.now = 1000.0
        self.slept: list[float] = []

    def __call__(self) -> float:
        return self.now

    def ms(self) -> int:
        """The same in milliseconds since some epoch."""
        return int(self.now * 1000)

    async def sleep(self, seconds: float) -> None:
        """Let time pass, and others run."""
        self.slept.append(seconds)
        self.now += seconds
        await asyncio.sleep(0)


class Gate:
    """Where an answer waits until a test lets it go on."""

    def __init__(self) -> None:
        self._reached = asyncio.Semaphore(0)
        self._open = asyncio.Event()

    async def wait(self) -> None:
        """Stand at the gate."""
        self._reached.release()
        await self._open.wait()

    async def reached(self) -> None:
        """Return once one more answer stands at the gate."""
        await self._reached.acquire()

    def open(self) -> None:
        """Let answers through."""
        self._open.set()


#: What an actor does when it is asked: say a text, raise, or a list of words, events, gates and errors in turn.
Act = str | Exception | list[Any]


class Actor:
    """A provider that does what a test tells it, one act a call; with none left it says its name.

    `asked` are the jobs it got. With `wires` it relays, too.
    """

    kind: ClassVar[str] = "actor"

    def __init__(self, name: str, *acts: Act, keys: int = 1, wires: Iterable[str] = ()) -> None:
        self.name = name
        self.keys = keys
        self.wires = frozenset(wires)
        self.acts: deque[Act] = deque(acts)
        self.asked: list[Job] = []
        self.cancelled = 0

    @property
    def keys_asked(self) -> list[int]:
        """With which keys it was asked."""
        return [job.key for job in self.asked]

    async def stream(self, job: Job) -> AsyncGenerator[Event, None]:
        """See `Provider.stream`."""
        self.asked.append(job)
        act = self.acts.popleft() if self.acts else self.name
        try:
            if isinstance(act, Exception):
                raise act
            if isinstance(act, list):
                for step in act:
                    if isinstance(step, Exception):
                        raise step
                    if isinstance(step, Gate):
                        await step.wait()
                    else:
                        yield TextDelta(step) if isinstance(step, str) else step
                return
            if job.passthrough is not None:
                yield RawHead(200, "application/json")
                yield Raw(b'{"said":"%b"}' % act.encode())
                return
            yield TextDelta(act)
            yield Usage(input=3, output=1)
            yield Finished("stop")
        except (asyncio.CancelledError, GeneratorExit):
            self.cancelled += 1
            raise

    async def relay(self, job: Job) -> list[Event]:
        """See `Provider`."""
        return [event async for event in self.stream(job)]

    async def models(self) -> list[ModelFacts]:
        """None: a test puts entries on the shelf itself."""
        return []

    async def close(self) -> None:
        """Nothing to free."""


def entry(
    name: str,
    provider: Actor | None = None,
    *,
    capabilities: Iterable[str] = ("completion",),
    context: int = 0,
    output: int = 0,
    prices: Prices | None = None,
    local: bool = False,
    upstream: str | None = None,
) -> Entry:
    """A model of an actor's, by default one of its own."""
    provider = provider or Actor(name)
    return Entry(
        name=name,
        provider=provider,
        provider_id=f"prv_{provider.name}",
        provider_name=provider.name,
        upstream=upstream or name,
        facts=ModelFacts(
            name=upstream or name, capabilities=frozenset(capabilities), context_length=context, output_length=output
        ),
        prices=prices,
        local=local,
    )


def definition(*targets: str | dict[str, Any], **given: Any) -> RouteDefinition:
    """A definition: targets by name, or whole."""
    whole = [{"model": target} if isinstance(target, str) else target for target in targets]
    return read({"targets": whole, **given})


def route(name: str, *targets: str | dict[str, Any], enabled: bool = True, **given: Any) -> RouteFacts:
    """A route as the table would have it."""
    return RouteFacts(
        id=f"rte_{name}",
        name=name,
        description="",
        enabled=enabled,
        definition=definition(*targets, **given),
        created_at=1,
        updated_at=1_700_000_000_000,
    )


def chat(model: str, text: str = "one two three", *, max_tokens: int | None = None, **more: Any) -> Call:
    """A chat call with one user message."""
    request = ChatRequest(messages=[Message("user", text)], sampling=Sampling(max_tokens=max_tokens))
    more.setdefault("principal", MEMBER)
    return Call(operation=Operation.CHAT, model=model, decode=lambda: request, **more)


def exchange(call: Call, *, prompt_tokens: int | None = None, at: int | None = None) -> Exchange:
    """A call on its way, with a prompt of so many tokens, at a time in ms."""
    made = Exchange(call=call, principal=call.principal)
    if prompt_tokens is not None:
        made.prompt_tokens = prompt_tokens
    if at is not None:
        made.started_at = at
    return made


def text_of(events: Iterable[Event]) -> str:
    """The text of an answer."""
    return "".join(event.text for event in events if isinstance(event, TextDelta))
