"""The only list of faces. Ollama's is apart: it has a port of its own too, and more parts of the house behind it."""

from inglenook.gateway.faces.anthropic import AnthropicFace
from inglenook.gateway.faces.models import ModelsFace
from inglenook.gateway.faces.openai import OpenAIFace
from inglenook.gateway.gateway import Gateway
from inglenook.gateway.wire.routes import WireRoute


def routes(gateway: Gateway) -> list[WireRoute]:
    """The routes of every face that needs nothing but the gateway."""
    return [
        *OpenAIFace(gateway).routes(),
        *ModelsFace(gateway).routes(),
        *AnthropicFace(gateway).routes(),
    ]
