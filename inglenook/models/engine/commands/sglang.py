"""SGLang: many callers at once on one or several GPUs. It takes its key from a file of settings."""

from inglenook.models.engine.commands.base import CommandEngine

ENGINE = CommandEngine(
    name="sglang",
    title="SGLang",
    command="sglang serve --model-path {model} --host {host} --port {port} --config {key_file}",
    key="file",
    key_text="api-key: {key}\n",
    install="in an environment of its own: uv tool install sglang",
    needs="Linux and a GPU (NVIDIA, or AMD with a build of its own)",
)
