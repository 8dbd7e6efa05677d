"""The only list of other engines."""

from inglenook.models.engine.commands import mlx, sglang, vllm
from inglenook.models.engine.commands.base import CommandEngine

ENGINES: dict[str, CommandEngine] = {engine.name: engine for engine in (vllm.ENGINE, sglang.ENGINE, mlx.ENGINE)}
