"""MLX, by the server of mlx-lm: models on the GPU of an Apple computer. It knows no key."""

from inglenook.models.engine.commands.base import CommandEngine

ENGINE = CommandEngine(
    name="mlx",
    title="MLX",
    command="mlx_lm.server --model {model} --host {host} --port {port}",
    key="none",
    asked_as="default_model",  # any other name makes it load another model
    install="in an environment of its own: uv tool install mlx-lm",
    needs="macOS on Apple silicon",
)
