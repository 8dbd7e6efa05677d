"""How much memory a model takes, before it is loaded: from the metadata of its file.

llama.cpp sets most of it aside at once: the weights (mapped from the file, and read from end to end), the key-value
cache of every slot, room for one batch. What grows later has limits that we set (the cache of prompts), and is counted
in full. The figures are checked in the tests against what the engine says it allocates and what its process takes.
"""

import math

from msgspec import Struct

from inglenook.models.engine.metadata import Metadata

MIB = 1024 * 1024

#: Bytes of one value of the key-value cache, by how it is kept.
CACHE_TYPES = {"f16": 2.0, "q8_0": 34 / 32, "q4_0": 18 / 32}

#: Tokens of one batch: long prompts and running answers take turns by batch.
BATCH = 512
#: Bytes of prompts that were read and may come again.
MOST_PROMPT_CACHE = 256 * MIB
#: Python, llama.cpp and its threads; and what the tables of one token take.
_PROCESS = 34 * MIB
_PER_TOKEN_OF_VOCABULARY = 450
#: llama.cpp rounds the cells of a sliding window up to this.
_CELLS = 256

#: Architectures whose every n-th layer sees the whole context and the others a window, where the file does not say.
_WINDOW_PATTERNS = {
    "gemma2": 2, "gemma3": 6, "gemma3n": 5, "gpt-oss": 2, "cohere2": 4, "exaone4": 4, "olmo2": 4, "smallthinker": 4,
}  # fmt: skip
#: Architectures that read a text in one piece, and keep nothing of it.
_KEEP_NOTHING = {
    "bert", "nomic-bert", "nomic-bert-moe", "jina-bert-v2", "jina-bert-v3", "modern-bert", "neo-bert", "eurobert",
    "gemma-embedding",
}  # fmt: skip
#: Architectures that keep a state of fixed size in every layer, beside attention or without it.
_STATE_EVERYWHERE = {"mamba", "mamba2", "falcon-h1", "rwkv6", "rwkv6qwen2", "rwkv7", "arwkv7"}
#: Architectures whose every n-th layer attends, where the file does not say, and the others keep a state.
_ATTENTION_INTERVALS = {"qwen3next": 4, "qwen35": 4, "qwen35moe": 4}


class Shape(Struct, frozen=True, kw_only=True):
    """What of a model decides how much memory it takes beside its weights.

    Attributes:
        key, value: Numbers kept for each token, over all layers that see the whole context.
        window: Tokens that the other layers see; 0 without such layers.
        window_key, window_value: Numbers kept for each token by them.
        state: Bytes of recurrent state of one slot.
        packs: Whether the cache can be kept in fewer bits: they are packed by 32 numbers of a head.
        width: Numbers that go from layer to layer for one token; `inner` the most within a layer; `query` the numbers
            of all heads.
        vocabulary: Number of tokens.
    """

    key: int
    value: int
    window: int = 0
    window_key: int = 0
    window_value: int = 0
    state: int = 0
    packs: bool = True
    width: int = 0
    inner: int = 0
    query: int = 0
    vocabulary: int = 0

    def cache_type(self, wanted: str) -> str:
        """How the cache is kept: as wanted, where that can be."""
        return wanted if self.packs else "f16"

    def cache(self, context: int, cache_type: str = "f16", batch: int = BATCH) -> int:
        """Bytes of the key-value cache of one slot with `context` tokens."""
        size = CACHE_TYPES[self.cache_type(cache_type)]
        cells = min(context, -(-(self.window + batch) // _CELLS) * _CELLS)
        return math.ceil(size * (context * (self.key + self.value) + cells * (self.window_key + self.window_value)))

    def work(self, context: int, slots: int, batch: int) -> int:
        """Bytes of room for the numbers of one batch, its mask, and what the threads need."""
        numbers = 3 * self.width + 2 * max(self.query, self.width) + 3 * self.inner
        masks = 2 if self.window_key else 1
        answers = 4 * slots * self.vocabulary
        return 4 * batch * numbers + 2 * batch * context * masks + 2 * answers

    def checkpoint(self, context: int) -> int:
        """Bytes of what must be kept of a prompt to go on from within it, where the cache alone does not do."""
        if not self.window and not self.state:
            return 0
        return self.state + math.ceil(2 * min(context, self.window) * (self.window_key + self.window_value))


class Estimate(Struct, frozen=True, kw_only=True):
    """Bytes that a loaded model takes, by what for.

    Attributes:
        context, slots: What it is loaded with; `context` is of one slot in tokens.
        weights: Of its file: mapped, and in memory once it answers.
        cache: Keys and values of all slots, and recurrent states.
        work: Room for one batch.
        prompts: The most that prompts kept for later may take.
        adapters, projector: Further files attached to it.
        process: The process itself, with the vocabulary.
    """

    context: int
    slots: int
    weights: int
    cache: int
    work: int
    prompts: int
    adapters: int = 0
    projector: int = 0
    process: int

    @property
    def total(self) -> int:
        """Bytes in all."""
        parts = (self.weights, self.cache, self.work, self.prompts, self.adapters, self.projector, self.process)
        return sum(parts)


class Load(Struct, frozen=True, kw_only=True):
    """What is to be loaded.

    Attributes:
        context: Of one slot, in tokens.
        cache_type: One of `CACHE_TYPES`.
        prompts: Whether read prompts are kept for later.
        whole: Whether an input is worked on in one piece, as embedding needs it.
        weights: Bytes of the file; `adapters`, `projector` of the files attached to it.
    """

    context: int
    slots: int
    weights: int
    cache_type: str = "f16"
    prompts: bool = True
    whole: bool = False
    adapters: int = 0
    projector: int = 0


def estimate(shape: Shape, load: Load) -> Estimate:
    """What a load will take."""
    batch = load.context if load.whole else min(BATCH, load.context)
    cache = load.slots * (shape.cache(load.context, load.cache_type, batch) + shape.state)
    kept = 0
    if load.prompts and not load.whole:
        kept = MIB * prompt_cache_mib(cache) + load.slots * checkpoints(shape, load) * shape.checkpoint(load.context)
    return Estimate(
        context=load.context,
        slots=load.slots,
        weights=load.weights,
        cache=cache,
        work=shape.work(load.context, load.slots, batch),
        prompts=kept,
        adapters=load.adapters,
        # A picture is worked on in pieces, beside the weights that see it.
        projector=load.projector + (load.projector // 2 + 64 * MIB if load.projector else 0),
        process=_PROCESS + _PER_TOKEN_OF_VOCABULARY * shape.vocabulary,
    )


def prompt_cache_mib(cache: int) -> int:
    """MiB that prompts kept for later may take beside `cache` bytes of running ones."""
    return max(1, min(MOST_PROMPT_CACHE, cache) // MIB)


def checkpoints(shape: Shape, load: Load) -> int:
    """How many places a slot's prompt may be gone on from, in models whose cache forgets; 0 for the others."""
    size = load.slots * shape.checkpoint(load.context)
    return max(1, min(32, MOST_PROMPT_CACHE // size)) if size and load.prompts else 0


def shape_of(data: Metadata, *, blocks: int, width: int, vocabulary: int) -> Shape:
    """Read the shape of a model from its metadata.

    Raises:
        BadModelFile: a value cannot be right.
    """
    heads = data.own("attention.head_count", 0, 1 << 14, 0)
    each = width // heads if heads else 0
    key_length = data.own("attention.key_length", 0, 1 << 16, each)
    value_length = data.own("attention.value_length", 0, 1 << 16, each)
    kv_heads = data.by_layer("attention.head_count_kv", blocks, 0, 1 << 14, heads)
    attends = [False] * blocks if not heads or data.arch in _KEEP_NOTHING else _attends(data, blocks, kv_heads)
    windowed = _windowed(data, blocks)
    # A compressed cache (multi-head latent attention) keeps one vector of both for all heads.
    latent = data.own("attention.key_length_mla", 0, 1 << 16, 0) > 0
    key = value = window_key = window_value = 0
    for layer in range(blocks):
        if not attends[layer]:
            continue
        keys = kv_heads[layer] * key_length
        values = 0 if latent else kv_heads[layer] * value_length
        if windowed[layer]:
            window_key += kv_heads[layer] * data.own("attention.key_length_swa", 0, 1 << 16, key_length)
            window_value += kv_heads[layer] * data.own("attention.value_length_swa", 0, 1 << 16, value_length)
        else:
            key, value = key + keys, value + values
    inner = data.own("feed_forward_length", 0, 1 << 22, 4 * width)
    experts = data.own("expert_used_count", 0, 1 << 12, 0)
    inner = max(inner, experts * data.own("expert_feed_forward_length", 0, 1 << 22, inner if experts else 0))
    return Shape(
        key=key,
        value=value,
        window=data.own("attention.sliding_window", 0, 1 << 28, 0) if window_key else 0,
        window_key=window_key,
        window_value=window_value,
        state=_state(data, width) * sum(_keeps_state(data, attends)),
        packs=key_length % 32 == 0 and value_length % 32 == 0,
        width=width,
        inner=inner,
        query=heads * key_length,
        vocabulary=vocabulary,
    )


def _attends(data: Metadata, blocks: int, kv_heads: list[int]) -> list[bool]:
    """Which layers keep keys and values of their own."""
    # Layers that only guess further tokens keep theirs apart; the last layers may share those of earlier ones.
    own = blocks - data.own("attention.shared_kv_layers", 0, blocks, 0)
    interval = data.own("full_attention_interval", 0, 1 << 10, _ATTENTION_INTERVALS.get(data.arch, 0))
    return [
        kv_heads[layer] > 0 and layer < own and (not interval or layer % interval == interval - 1)
        for layer in range(blocks)
    ]


def _windowed(data: Metadata, blocks: int) -> list[bool]:
    """Which layers see a window only. In doubt none: that takes more, not less."""
    if not data.own("attention.sliding_window", 0, 1 << 28, 0):
        return [False] * blocks
    if data.has("attention.sliding_window_pattern"):
        pattern = data.by_layer("attention.sliding_window_pattern", blocks, 0, blocks, 0)
        if len(set(pattern)) == 1 and pattern[0] > 1:  # one number: every n-th sees all
            return [layer % pattern[0] < pattern[0] - 1 for layer in range(blocks)]
        return [bool(each) for each in pattern]
    every = _WINDOW_PATTERNS.get(data.arch, 1)
    return [layer % every < every - 1 for layer in range(blocks)]


def _keeps_state(data: Metadata, attends: list[bool]) -> list[bool]:
    if data.arch in _STATE_EVERYWHERE:
        return [True] * len(attends)
    return [not each for each in attends]


def _state(data: Metadata, width: int) -> int:
    """Bytes of the recurrent state of one layer and slot; 0 without one."""
    if inner := data.own("ssm.inner_size", 0, 1 << 22, 0):
        state = data.own("ssm.state_size", 0, 1 << 16, 0)
        groups = data.own("ssm.group_count", 0, 1 << 16, 0)
        kernel = data.own("ssm.conv_kernel", 0, 1 << 10, 0)
        return 4 * (max(0, kernel - 1) * (inner + 2 * groups * state) + state * inner)
    if head := data.own("wkv.head_size", 0, 1 << 16, 0):
        return 4 * (2 * width + width * head)
    if kernel := data.own("shortconv.l_cache", 0, 1 << 10, 0):
        return 4 * (kernel - 1) * width
    return 0
