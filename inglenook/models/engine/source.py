"""What can be loaded: a GGUF file of the model store, or the built-in embedder; and how each is started."""

import hashlib
from pathlib import Path
from typing import Any

from msgspec import Struct

from inglenook.kit.config import Settings
from inglenook.kit.errors import Unavailable
from inglenook.models.engine import machine, memory
from inglenook.models.engine.defaults import NOTHING, Defaults, from_modelfile
from inglenook.models.engine.gpu import NONE, Build
from inglenook.models.engine.memory import MIB, Estimate, Load
from inglenook.models.engine.model_file import ModelFile, inspect
from inglenook.models.engine.parts import Adapter, Projector, check_adapter, projector
from inglenook.models.engine.process import ChildSpec
from inglenook.models.hub.stored import StoredModel

#: Where a model's config keeps how strongly its adapters are applied, by digest.
SCALES = "adapter_scales"
CONTEXT_STEP = 256  # llama.cpp rounds a slot's context up to this
MIN_CONTEXT = 2_048  # below this an automatic context is not worth having

#: The embedder in the wheel.
E5_NAME = "multilingual-e5-small"
E5_CONTEXT = 512
E5_DIMENSIONS = 384
E5_MEMORY = 220 * MIB
E5_SIZE = 71_622_400


class Room(Struct, frozen=True, kw_only=True):
    """Bytes of memory for models: what all of them may take, what of that is free, and what the machine has free.

    For a plan, what idle models hold counts as free: they make room. `gpus`: what there is to use of GPUs,
    `gpu_held`: what our models had of them when that was looked at.
    """

    budget: int
    free: int
    available: int
    gpus: Build = NONE
    gpu_held: int = 0

    @property
    def most(self) -> int:
        """What one more model may take."""
        return min(self.free, self.available)


#: Where nothing is limited.
BOUNDLESS = Room(budget=1 << 60, free=1 << 60, available=1 << 60)


class Plan(Struct, frozen=True, kw_only=True):
    """How a model is to be loaded: context of one slot in tokens, slots, and the memory expected in bytes.

    `gpu_layers` of its layers go to GPUs, and take `gpu_memory` bytes there.
    """

    context: int
    slots: int
    memory: int
    spec: ChildSpec
    gpu_layers: int = 0
    gpu_memory: int = 0


class Source(Struct, frozen=True, kw_only=True):
    """A model that can be loaded.

    Attributes:
        key: What makes two sources the same for the engine: the weights.
        digest: What listings show.
        size: Of its files in bytes.
        file: Facts of the GGUF file; None for the built-in embedder.
        defaults: What holds unless a call says otherwise.
        messages: Messages put before every chat.
        adapters: Attached to it when it is loaded.
        projector: Lets it see or hear; None without one.
        counts: Whether it counts towards `max_loaded`.
    """

    key: str
    name: str
    digest: str
    size: int
    file: ModelFile | None = None
    defaults: Defaults = NOTHING
    messages: tuple[dict[str, Any], ...] = ()
    adapters: tuple[Adapter, ...] = ()
    projector: Projector | None = None
    counts: bool = True

    @property
    def capabilities(self) -> frozenset[str]:
        """As in `ModelFacts.capabilities`: those of its file, and what the projector adds."""
        own = self.file.capabilities if self.file is not None else frozenset({"embedding"})
        return own | (self.projector.capabilities if self.projector is not None else frozenset())

    def context(self, num_ctx: int | None, settings: Settings) -> int:
        """Context of one slot for an explicit `num_ctx`, else the model's or the server's default; never more than
        the model was trained for."""
        if self.file is None:
            return E5_CONTEXT
        wanted = num_ctx or self.defaults.context_length or settings.context_length
        if self.file.whole:
            return max(1, min(wanted, self.file.context_length))
        rounded = -(-max(wanted, 1) // CONTEXT_STEP) * CONTEXT_STEP
        return min(rounded, max(self.file.context_length, CONTEXT_STEP))

    def estimate(
        self, settings: Settings, num_ctx: int | None = None, slots: int | None = None, *, prompts: bool = True
    ) -> Estimate:
        """The memory it takes with a context (`context` says which without one) and slots (as the settings say)."""
        if self.file is None:
            return memory.Estimate(
                context=E5_CONTEXT,
                slots=settings.parallel,
                weights=E5_SIZE,
                cache=0,
                work=0,
                prompts=0,
                process=E5_MEMORY - E5_SIZE,
            )
        return memory.estimate(self.file.shape, self._load(settings, self.context(num_ctx, settings), slots, prompts))

    def largest_context(self, settings: Settings, slots: int, most: int) -> int:
        """The longest context of one slot that takes at most `most` bytes; 0: not even the shortest fits."""
        if self.file is None:
            return E5_CONTEXT
        low, high = 0, max(1, self.context(self.file.context_length, settings) // CONTEXT_STEP)
        while low < high:
            middle = (low + high + 1) // 2
            if self.estimate(settings, middle * CONTEXT_STEP, slots, prompts=False).total <= most:
                low = middle
            else:
                high = middle - 1
        return low * CONTEXT_STEP

    def plan(self, num_ctx: int | None, settings: Settings, room: Room) -> Plan:
        """How to load it in the room there is. What was not asked for is made smaller before we give up: the cache of
        prompts, then slots, then the context.

        Raises:
            Unavailable: it does not fit, even alone; says what it needs, what there is, and what would fit.
        """
        if self.file is None:
            return self._plan_e5(settings)
        context, slots, prompts = self.context(num_ctx, settings), self._slots(settings), True
        while True:
            load = self._load(settings, context, slots, prompts)
            need = memory.estimate(self.file.shape, load)
            layers, on_gpu = self._on_gpu(need, room, settings)
            taken = need.total if room.gpus.shared else need.total - on_gpu
            if taken <= room.most:
                break
            if prompts:
                prompts = False
            elif slots > 1:
                slots //= 2
            elif num_ctx is None and context // 2 >= MIN_CONTEXT:
                context //= 2
            else:
                raise self._too_large(need, settings, room)
        config = {
            "path": str(self.file.path.absolute()),
            "alias": self.name,
            "load_mode": "MMAP" if self.file.mapped else "NONE",
            "context": context,
            "slots": slots,
            # A file may leave it open how the vectors of its tokens become one.
            "pooling": self.file.pooling or ("mean" if self.file.whole else ""),
            "adapters": [(str(adapter.path.absolute()), adapter.scale) for adapter in self.adapters],
            "projector": str(self.projector.path.absolute()) if self.projector is not None else "",
            "threads": machine.threads(),
            # Prompts, and the tokens of several chats at once, are long pieces of work: all cores bring more there
            # (1.2 times one chat's tokens with four, on two cores), and waiting is passive.
            "threads_batch": machine.cores(),
            "cache_type": load.cache_type,
            "cache_mib": memory.prompt_cache_mib(need.cache) if prompts else 0,
            "template": self.defaults.template or "",
            "checkpoints": memory.checkpoints(self.file.shape, load),
            "gpu_layers": layers,
        }
        spec = ChildSpec(
            module="inglenook.models.engine.child",
            config=config,
            name=self.name,
            memory_limit=2 * need.total + 1024 * MIB,
        )
        return Plan(context=context, slots=slots, memory=taken, spec=spec, gpu_layers=layers, gpu_memory=on_gpu)

    def _on_gpu(self, need: Estimate, room: Room, settings: Settings) -> tuple[int, int]:
        """How many layers go to the GPUs, counting that of the answer as one, and the bytes they take there."""
        assert self.file is not None
        every = self.file.block_count + 1
        each = max(1, (need.weights + need.cache) // every)
        most = every if settings.gpu_layers < 0 else min(every, settings.gpu_layers)
        layers = min(most, (room.gpus.usable(need.work) + room.gpu_held) // each)
        return layers, layers * each

    def _slots(self, settings: Settings) -> int:
        # An embedding model works through its queue in one slot, which is as quick and takes less memory.
        if self.file is None or self.file.whole:
            return 1
        return self.defaults.slots or settings.parallel

    def _load(self, settings: Settings, context: int, slots: int | None, prompts: bool) -> Load:
        assert self.file is not None
        return Load(
            context=context,
            slots=slots or self._slots(settings),
            weights=self.file.size + (self.file.repacked if self.file.mapped else 0),
            cache_type=self.file.shape.cache_type(self.defaults.cache_type or settings.kv_cache_type),
            prompts=prompts,
            whole=self.file.whole,
            adapters=sum(adapter.size for adapter in self.adapters),
            projector=self.projector.size if self.projector is not None else 0,
        )

    def _too_large(self, need: Estimate, settings: Settings, room: Room) -> Unavailable:
        """Says what is needed, what there is, and what would fit."""
        parts = f"weights {need.weights // MIB}, cache {need.cache // MIB}, work {(need.work + need.process) // MIB}"
        if room.available < room.free:
            there_is = f"this machine has {room.available // MIB} MiB free"
        else:
            there_is = f"models may use {room.budget // MIB} MiB here"
            there_is += f", of which {room.free // MIB} MiB are free" if room.free < room.budget else ""
        fits = self.largest_context(settings, 1, room.most)
        advice = (
            f"a context of {fits} tokens would fit (num_ctx)"
            if fits >= CONTEXT_STEP
            else "no context would fit: take a smaller model"
        )
        return Unavailable(
            f"model {self.name} needs about {need.total // MIB} MiB ({parts}) with a context of {need.context} tokens, "
            f"but {there_is}; {advice}, or raise memory_budget, or free memory",
            details={
                "needed": need.total,
                "budget": room.budget,
                "free": room.free,
                "available": room.available,
                "context_length": need.context,
                "largest_context_length": fits,
            },
        )

    def _plan_e5(self, settings: Settings) -> Plan:
        # Half the machine: it often works in the background of a chat.
        config = {"threads": max(1, machine.cores() // 2)}
        spec = ChildSpec(module="inglenook.models.engine.e5_child", config=config, name=self.name)
        return Plan(context=E5_CONTEXT, slots=settings.parallel, memory=E5_MEMORY, spec=spec)


def stored(model: StoredModel, own: Defaults = NOTHING) -> Source:
    """The source of a model in the store. Blocks on the disk.

    Args:
        own: What an administrator set for it.

    Raises:
        BadModelFile: its weights cannot be used.
    """
    defaults = own.over(of_modelfile(model))
    adapters = _adapters(model)
    eyes = projector(model.projectors[0]) if model.projectors else None
    return Source(
        key=_key(model.blob, defaults, adapters, eyes),
        name=model.name,
        digest=model.digest,
        size=model.size,
        file=inspect(model.gguf),
        defaults=defaults,
        messages=model.messages,
        adapters=adapters,
        projector=eyes,
    )


def _adapters(model: StoredModel) -> tuple[Adapter, ...]:
    scales = model.config.get(SCALES)
    found = []
    for path in model.adapters:
        scale = scales.get(path.name.replace("-", ":", 1), 1.0) if isinstance(scales, dict) else 1.0
        usable = isinstance(scale, int | float) and not isinstance(scale, bool)
        found.append(Adapter(path, check_adapter(path, model.gguf), float(scale) if usable else 1.0))
    return tuple(found)


def of_modelfile(model: StoredModel) -> Defaults:
    """The defaults that came with a model of the store."""
    # Ollama's templates are in Go's template language; such a model is prompted by the template in its own file.
    template = model.template if is_jinja(model.template) else ""
    return from_modelfile(model.params, model.system, template)


def is_jinja(template: str) -> bool:
    """Whether a chat template is in Jinja: one in Go's language has no such tags."""
    return "{%" in template


def _key(blob: str, defaults: Defaults, adapters: tuple[Adapter, ...], eyes: Projector | None) -> str:
    """Models of the same weights share a process, unless they are to be loaded otherwise."""
    settings = (defaults.context_length, defaults.slots, defaults.cache_type, defaults.template)
    files = tuple((str(adapter.path), adapter.scale) for adapter in adapters)
    loaded_so = (*settings, files, str(eyes.path) if eyes is not None else "")
    if not any(loaded_so):
        return blob
    return f"{blob}-{hashlib.sha256(repr(loaded_so).encode()).hexdigest()[:16]}"


def from_path(path: Path, name: str | None = None) -> Source:
    """The source of a GGUF file outside the store. Blocks on the disk; raises as `stored`."""
    file = inspect(path)
    return Source(key=str(path), name=name or path.stem, digest="", size=file.size, file=file)


def built_in_embedder() -> Source:
    """The embedder that comes with Inglenook."""
    return Source(key=E5_NAME, name=E5_NAME, digest="", size=E5_SIZE, counts=False)
