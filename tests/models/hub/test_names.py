"""Names of models: what they leave out, and what they may not hold."""

import pytest

from inglenook.models.errors import InvalidModelName
from inglenook.models.hub.names import ModelName


@pytest.mark.parametrize(
    ("text", "full", "short"),
    [
        ("qwen3", "registry.ollama.ai/library/qwen3:latest", "qwen3:latest"),
        ("qwen3:0.6b", "registry.ollama.ai/library/qwen3:0.6b", "qwen3:0.6b"),
        ("library/qwen3", "registry.ollama.ai/library/qwen3:latest", "qwen3:latest"),
        ("me/qwen3:x", "registry.ollama.ai/me/qwen3:x", "me/qwen3:x"),
        ("REGISTRY.ollama.ai/Library/Qwen3", "REGISTRY.ollama.ai/Library/Qwen3:latest", "Qwen3:latest"),
        ("https://registry.ollama.ai/library/m:t", "registry.ollama.ai/library/m:t", "m:t"),
        ("hf.co/some-one/Model-1.5B-GGUF:Q4_K_M", "hf.co/some-one/Model-1.5B-GGUF:Q4_K_M", None),
        ("localhost:5000/a/b", "localhost:5000/a/b:latest", None),
        ("localhost:5000/a/b:c", "localhost:5000/a/b:c", None),
        ("_x", "registry.ollama.ai/library/_x:latest", "_x:latest"),
    ],
)
def test_a_name_is_read(text: str, full: str, short: str | None) -> None:
    name = ModelName.parse(text)
    assert name.full == full
    assert name.short == (short or full)
    assert ModelName.parse(name.short).key == name.key


@pytest.mark.parametrize(
    "text",
    [
        "",
        " ",
        ":",
        "m:",
        ":t",
        "-m",
        ".m",
        "..",
        "../../etc/passwd",
        "a/../b",
        "a//b",
        "/m",
        "m/",
        "a/b/c/d",
        "m n",
        "m\x00",
        "m\nx",
        "modèle",
        "m:t/u:",
        "my.space/m",
        "m@sha256:0",
        "x" * 81,
        "m:" + "x" * 81,
        "h" * 351 + "/a/b",
        "m\\n",
        "m٣",
    ],
)
def test_a_name_is_refused(text: str) -> None:
    with pytest.raises(InvalidModelName, match="model name"):
        ModelName.parse(text)


def test_bounds_are_inclusive() -> None:
    name = ModelName.parse(f"{'h' * 350}/{'n' * 80}/{'m' * 80}:{'t' * 80}")
    assert len(name.host) == 350
