"""What a GGUF file says of its model, and whether it is worth starting a process for.

`inspect` is the one door: it reads the head, checks it against what llama.cpp would trip over (a crafted file can
abort or hang the process that loads it), and gives the facts that listings, scheduling and capabilities need.
"""

import re
from functools import lru_cache
from pathlib import Path

from msgspec import Struct

from inglenook.models.engine.gguf import Array, GGUFFile, Tensor, read_gguf
from inglenook.models.engine.memory import Shape, shape_of
from inglenook.models.engine.metadata import MAX_BLOCKS, MAX_CONTEXT, Metadata
from inglenook.models.errors import BadModelFile

MAX_TEMPLATE = 256 * 1024

#: `general.file_type`: how most of the weights are stored (llama.cpp's `llama_ftype`).
FILE_TYPES = {
    0: "F32", 1: "F16", 2: "Q4_0", 3: "Q4_1", 7: "Q8_0", 8: "Q5_0", 9: "Q5_1", 10: "Q2_K", 11: "Q3_K_S",
    12: "Q3_K_M", 13: "Q3_K_L", 14: "Q4_K_S", 15: "Q4_K_M", 16: "Q5_K_S", 17: "Q5_K_M", 18: "Q6_K", 19: "IQ2_XXS",
    20: "IQ2_XS", 21: "Q2_K_S", 22: "IQ3_XS", 23: "IQ3_XXS", 24: "IQ1_S", 25: "IQ4_NL", 26: "IQ3_S", 27: "IQ3_M",
    28: "IQ2_S", 29: "IQ2_M", 30: "IQ4_XS", 31: "IQ1_M", 32: "BF16", 36: "TQ1_0", 37: "TQ2_0", 38: "MXFP4",
}  # fmt: skip

#: `<architecture>.pooling_type`.
POOLING = {0: "none", 1: "mean", 2: "cls", 3: "last", 4: "rank"}

#: Types of which the engine keeps tensors in another order on processors that are common.
_REPACKED = frozenset({"Q4_0", "Q4_K", "IQ4_NL"})
_BLOCK = re.compile(r"^(?:enc\.|dec\.)?blk\.(\d+)\.")
_FILL_IN_TOKENS = (b"<|fim_prefix|>", b"<fim_prefix>", b"<fim-prefix>", b"<PRE>", "<｜fim▁begin｜>".encode())


class ModelFile(Struct, frozen=True, kw_only=True):
    """Facts of a checked GGUF file.

    Attributes:
        size: Of the file in bytes.
        parameters: How many weights the model has.
        context_length: What it was trained for, in tokens.
        shape: What decides how much memory it takes.
        repacked: Bytes of the tensors that the engine keeps in another order beside the file, to compute faster.
        pooling: `mean`, `cls`, `last` or `rank` of an embedding model; empty for one that completes.
        capabilities: As in `ModelFacts.capabilities`.
        vocabulary: Number of tokens.
    """

    path: Path
    size: int
    architecture: str
    name: str
    parameters: int
    quantization: str
    context_length: int
    embedding_length: int
    block_count: int
    shape: Shape
    repacked: int
    vocabulary: int
    chat_template: str
    pooling: str
    capabilities: frozenset[str]
    languages: tuple[str, ...]

    @property
    def embeds(self) -> bool:
        """Whether it makes vectors rather than text."""
        return "embedding" in self.capabilities

    @property
    def whole(self) -> bool:
        """Whether it works on a text in one piece, to make a vector or a score of it."""
        return bool(self.pooling) or self.embeds

    @property
    def mapped(self) -> bool:
        """Whether its file is mapped into memory rather than read. What is mostly kept in another order would be there
        twice."""
        return self.repacked * 2 < self.size

    @property
    def parameter_size(self) -> str:
        """`134.52M`, `7.62B`: as Ollama writes it."""
        for unit, name in ((10**9, "B"), (10**6, "M"), (10**3, "K")):
            if self.parameters >= unit:
                return f"{self.parameters / unit:.2f}{name}"
        return str(self.parameters)


def inspect(path: Path) -> ModelFile:
    """The facts of a model file; remembered until the file changes. Blocks as `read_gguf` does.

    Raises:
        BadModelFile: it is missing, truncated, no GGUF, or its metadata cannot be right; names file, key and value.
    """
    try:
        stat = path.stat()
    except OSError:
        raise BadModelFile(f"model file {path.name} is missing; pull the model again") from None
    return _inspect(path, stat.st_size, stat.st_mtime_ns)


@lru_cache(maxsize=256)
def _inspect(path: Path, size: int, changed: int) -> ModelFile:
    return facts_of(read_gguf(path))


def facts_of(file: GGUFFile) -> ModelFile:
    """Check a file's metadata and draw the facts from it. See `inspect`."""
    return _Reading(file).facts()


def _is_repacked(tensor: Tensor) -> bool:
    """Whether some processor's code for it takes rows in groups of eight. A table of tokens is looked up as it is."""
    rows = tensor.shape[1] if len(tensor.shape) > 1 else 0
    return tensor.type in _REPACKED and rows > 0 and rows % 8 == 0 and not tensor.name.endswith("token_embd.weight")


class _Reading(Metadata):
    """The facts of one file."""

    def facts(self) -> ModelFile:
        self.check_kind()
        arch = self.arch
        blocks = self.number(f"{arch}.block_count", 1, MAX_BLOCKS)
        self.check_blocks(blocks)
        context = self.number(f"{arch}.context_length", 1, MAX_CONTEXT)
        width = self.number(f"{arch}.embedding_length", 1, 1 << 20)
        vocabulary = self.vocabulary()
        template = self.text("tokenizer.chat_template")
        if len(template) > MAX_TEMPLATE:
            raise self.bad(
                "tokenizer.chat_template", f"{len(template)} characters", f"at most {MAX_TEMPLATE} are taken"
            )
        pooling = POOLING.get(self.number(f"{arch}.pooling_type", 0, 4, 0), "none")
        return ModelFile(
            path=self.file.path,
            size=self.file.size,
            architecture=arch,
            name=self.text("general.name"),
            parameters=sum(tensor.parameters for tensor in self.file.tensors),
            quantization=self.quantization(),
            context_length=context,
            embedding_length=width,
            block_count=blocks,
            shape=shape_of(self, blocks=blocks, width=width, vocabulary=vocabulary),
            repacked=sum(tensor.size for tensor in self.file.tensors if _is_repacked(tensor)),
            vocabulary=vocabulary,
            chat_template=template,
            pooling="" if pooling == "none" else pooling,
            capabilities=self.capabilities(template, pooling),
            languages=self.languages(),
        )

    def check_kind(self) -> None:
        kind = self.text("general.type")
        if self.arch == "clip" or kind in ("mmproj", "adapter", "imatrix", "vocab"):
            raise self.bad("general.type", kind or self.arch, "it is a part for another model, not a model itself")
        parts = self.values.get("split.count", 1)
        if parts not in (0, 1):
            raise self.bad("split.count", parts, "it is one part of a split model; merge the parts first")
        if not self.file.tensors:
            raise BadModelFile(f"model file {self.file.path.name} cannot be used: it holds no tensors")

    def check_blocks(self, claimed: int) -> None:
        key = f"{self.arch}.block_count"
        found = {int(match[1]) for tensor in self.file.tensors if (match := _BLOCK.match(tensor.name))}
        # Layers that only guess further tokens are counted but may be left out of the file.
        optional = self.number(f"{self.arch}.nextn_predict_layers", 0, 64, 0)
        missing = set(range(claimed - optional)) - found
        if found and (missing or max(found) >= claimed):
            raise self.bad(key, claimed, f"but its tensors are of {len(found)} blocks, the last being {max(found)}")
        if not found:
            raise self.bad(key, claimed, "but it has no block tensors")

    def vocabulary(self) -> int:
        tokens = self.values.get("tokenizer.ggml.tokens")
        if not isinstance(tokens, Array) or tokens.length == 0:
            raise self.bad("tokenizer.ggml.tokens", None, "it has no tokenizer")
        for tensor in self.file.tensors:
            if tensor.name == "token_embd.weight" and tensor.shape[-1] < tokens.length:
                raise self.bad(
                    "tokenizer.ggml.tokens", f"{tokens.length} tokens", f"token_embd.weight has only {tensor.shape[-1]}"
                )
        return tokens.length

    def quantization(self) -> str:
        kind = self.values.get("general.file_type")
        if isinstance(kind, int) and kind in FILE_TYPES:
            return FILE_TYPES[kind]
        sizes: dict[str, int] = {}
        for tensor in self.file.tensors:
            sizes[tensor.type] = sizes.get(tensor.type, 0) + tensor.size
        return max(sizes, key=lambda name: sizes[name])

    def capabilities(self, template: str, pooling: str) -> frozenset[str]:
        if pooling != "none" or f"{self.arch}.pooling_type" in self.values:
            return frozenset({"rerank"} if pooling == "rank" else {"embedding"})
        found = {"completion"}
        if "tools" in template or "tool_call" in template:
            found.add("tools")
        if any(mark in template for mark in ("<think>", "enable_thinking", "reasoning_content", "<|channel|>analysis")):
            found.add("thinking")
        if any(key.startswith("tokenizer.ggml.fim_pre") for key in self.values) or any(
            self.file.mentions("tokenizer.ggml.tokens", token) for token in _FILL_IN_TOKENS
        ):
            found.add("insert")
        return frozenset(found)

    def languages(self) -> tuple[str, ...]:
        found = self.values.get("general.languages")
        if isinstance(found, Array) and found.type == 8:
            return tuple(self.file.array("general.languages", 64))
        return ()
