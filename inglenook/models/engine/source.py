"""What can be loaded: a GGUF file of the model store, or the built-in embedder; and how each is started."""

from pathlib import Path
from typing import Any

from msgspec import Struct, field

from inglenook.kit.config import Settings
from inglenook.kit.errors import Unavailable
from inglenook.models.engine import machine
from inglenook.models.engine.model_file import MIB, ModelFile, inspect
from inglenook.models.engine.process import ChildSpec
from inglenook.models.hub.stored import StoredModel

CONTEXT_STEP = 256  # llama.cpp rounds a slot's context up to this
MIN_CONTEXT = 2_048  # below this an automatic context is not worth having
PROMPT_CACHE_MIB = 256

#: The embedder in the wheel.
E5_NAME = "multilingual-e5-small"
E5_CONTEXT = 512
E5_DIMENSIONS = 384
E5_MEMORY = 220 * MIB
E5_SIZE = 71_622_400


class Plan(Struct, frozen=True, kw_only=True):
    """How a model is to be loaded: context of one slot in tokens, slots, and the memory expected in bytes."""

    context: int
    slots: int
    memory: int
    spec: ChildSpec


class Source(Struct, frozen=True, kw_only=True):
    """A model that can be loaded.

    Attributes:
        key: What makes two sources the same for the engine: the weights.
        digest: What listings show.
        size: Of its files in bytes.
        file: Facts of the GGUF file; None for the built-in embedder.
        params: Default options of the model (Modelfile `PARAMETER`).
        system: Its system prompt, put before chats that bring none.
        messages: Messages put before every chat.
        counts: Whether it counts towards `max_loaded`.
    """

    key: str
    name: str
    digest: str
    size: int
    file: ModelFile | None = None
    params: dict[str, Any] = field(default_factory=dict)
    system: str = ""
    messages: tuple[dict[str, Any], ...] = ()
    counts: bool = True

    def context(self, num_ctx: int | None, settings: Settings) -> int:
        """Context of one slot for an explicit `num_ctx`, else the model's or the server's default; never more than
        the model was trained for."""
        if self.file is None:
            return E5_CONTEXT
        own = self.params.get("num_ctx")  # whatever a manifest holds
        wanted = num_ctx or (own if isinstance(own, int) and own > 0 else settings.context_length)
        if self.file.embeds:
            return max(1, min(wanted, self.file.context_length))
        rounded = -(-max(wanted, 1) // CONTEXT_STEP) * CONTEXT_STEP
        return min(rounded, max(self.file.context_length, CONTEXT_STEP))

    def plan(self, num_ctx: int | None, settings: Settings, budget: int) -> Plan:
        """How to load it within `budget` bytes. What was not asked for is made smaller before we give up.

        Raises:
            Unavailable: it does not fit, even alone; names both numbers.
        """
        if self.file is None:
            return self._plan_e5(settings)
        context = self.context(num_ctx, settings)
        # An embedding model works through its queue in one slot, which is as quick and takes less memory.
        slots = 1 if self.file.embeds else settings.parallel
        while (need := self.file.memory(context * slots)) > budget:
            if slots > 1:
                slots //= 2
            elif num_ctx is None and context // 2 >= MIN_CONTEXT:
                context //= 2
            else:
                raise Unavailable(
                    f"model {self.name} needs about {need // MIB} MiB with a context of {context} tokens, but models "
                    f"may use {budget // MIB} MiB here; take a smaller model or num_ctx, or raise memory_budget",
                    details={"needed": need, "budget": budget},
                )
        config = {
            "path": str(self.file.path.absolute()),
            "alias": self.name,
            "context": context,
            "slots": slots,
            "embeds": self.file.embeds,
            "threads": machine.threads(),
            # Prompts, and the tokens of several chats at once, are long pieces of work: all cores bring more there
            # (1.2 times one chat's tokens with four, on two cores), and waiting is passive.
            "threads_batch": machine.cores(),
            "cache_mib": PROMPT_CACHE_MIB,
        }
        spec = ChildSpec(
            module="inglenook.models.engine.child", config=config, name=self.name, memory_limit=2 * need + 1024 * MIB
        )
        return Plan(context=context, slots=slots, memory=need, spec=spec)

    def _plan_e5(self, settings: Settings) -> Plan:
        # Half the machine: it often works in the background of a chat.
        config = {"threads": max(1, machine.cores() // 2)}
        spec = ChildSpec(module="inglenook.models.engine.e5_child", config=config, name=self.name)
        return Plan(context=E5_CONTEXT, slots=settings.parallel, memory=E5_MEMORY, spec=spec)


def stored(model: StoredModel) -> Source:
    """The source of a model in the store. Blocks on the disk.

    Raises:
        BadModelFile: its weights cannot be used.
    """
    return Source(
        key=model.blob,
        name=model.name,
        digest=model.digest,
        size=model.size,
        file=inspect(model.gguf),
        params=model.params,
        system=model.system,
        messages=model.messages,
    )


def from_path(path: Path, name: str | None = None) -> Source:
    """The source of a GGUF file outside the store. Blocks on the disk; raises as `stored`."""
    file = inspect(path)
    return Source(key=str(path), name=name or path.stem, digest="", size=file.size, file=file)


def built_in_embedder() -> Source:
    """The embedder that comes with Inglenook."""
    return Source(key=E5_NAME, name=E5_NAME, digest="", size=E5_SIZE, counts=False)
