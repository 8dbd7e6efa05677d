"""A model that another engine serves, for the scheduler: the same leases, keep-alive, memory budget and eviction as of
those that llama.cpp runs."""

from msgspec import Struct, field

from inglenook.kit.config import Settings
from inglenook.kit.errors import Unavailable
from inglenook.models.engine.commands.base import CommandEngine
from inglenook.models.engine.memory import MIB, Estimate
from inglenook.models.engine.process import ChildSpec
from inglenook.models.engine.source import Plan, Room, Source

#: Seconds that a program gets to end by itself.
GRACE = 8.0


class Launch(Struct, frozen=True, kw_only=True):
    """How a model is started.

    Attributes:
        template: The command; empty for the engine's usual one.
        environment: Variables it gets besides ours.
        memory: Bytes of main memory to keep for it.
        start_timeout: Seconds it may take until it is ready.
    """

    model: str
    template: str = ""
    environment: dict[str, str] = field(default_factory=dict)
    memory: int = 0
    slots: int = 64
    context_length: int = 0
    start_timeout: float = 900


class CommandSource(Source, frozen=True, kw_only=True):
    """A model that another engine serves."""

    engine: CommandEngine
    launch: Launch

    def context(self, num_ctx: int | None, settings: Settings) -> int:
        """As the command says, whatever a call wants."""
        return self.launch.context_length

    def estimate(
        self, settings: Settings, num_ctx: int | None = None, slots: int | None = None, *, prompts: bool = True
    ) -> Estimate:
        """What the administrator said it takes."""
        return Estimate(
            context=self.launch.context_length,
            slots=self.launch.slots,
            weights=self.launch.memory,
            cache=0,
            work=0,
            prompts=0,
            process=0,
        )

    def largest_context(self, settings: Settings, slots: int, most: int) -> int:
        """As the command says."""
        return self.launch.context_length

    def plan(self, num_ctx: int | None, settings: Settings, room: Room) -> Plan:
        """How to start it.

        Raises:
            Unavailable: the memory it is to have is not there, even alone.
        """
        launch = self.launch
        if launch.memory > room.most:
            raise Unavailable(
                f"model {self.name} is to have {launch.memory // MIB} MiB of memory, but there are "
                f"{room.most // MIB} MiB for it; change that in its provider's settings, or raise memory_budget",
                details={"needed": launch.memory, "budget": room.budget},
            )
        config = {
            "words": self.engine.words(launch.template),
            "model": launch.model,
            "environment": launch.environment,
            "key_variable": self.engine.key_variable,
            "key_text": self.engine.key_text,
            "ready": self.engine.ready,
        }
        spec = ChildSpec(
            module="inglenook.models.engine.commands.child",
            config=config,
            name=self.name,
            grace=GRACE,
            reserved=launch.memory,
            timeout=launch.start_timeout,
        )
        return Plan(context=launch.context_length, slots=launch.slots, memory=launch.memory, spec=spec)
