"""vLLM: many callers at once on one or several GPUs."""

from inglenook.models.engine.commands.base import CommandEngine

ENGINE = CommandEngine(
    name="vllm",
    title="vLLM",
    command="vllm serve {model} --host {host} --port {port}",
    key="variable",
    key_variable="VLLM_API_KEY",
    install="in an environment of its own: uv tool install vllm",
    needs="Linux and a GPU (NVIDIA, or AMD with a build of its own)",
)
