"""The only list of faces. Ollama's is apart: it has a port of its own too, and more parts of the house behind it."""

from inglenook.gateway.faces.anthropic import AnthropicFace
from inglenook.gateway.faces.audio import AudioFace
from inglenook.gateway.faces.images import ImagesFace
from inglenook.gateway.faces.models import ModelsFace
from inglenook.gateway.faces.moderations import ModerationsFace
from inglenook.gateway.faces.openai import OpenAIFace
from inglenook.gateway.faces.rerank import RerankFace
from inglenook.gateway.faces.responses import ResponsesFace
from inglenook.gateway.gateway import Gateway
from inglenook.gateway.kept.service import Responses
from inglenook.gateway.wire.routes import WireRoute


def routes(gateway: Gateway, kept: Responses) -> list[WireRoute]:
    """The routes of every face but Ollama's."""
    return [
        *OpenAIFace(gateway).routes(),
        *ModelsFace(gateway).routes(),
        *ResponsesFace(gateway, kept).routes(),
        *AnthropicFace(gateway).routes(),
        *RerankFace(gateway).routes(),
        *ImagesFace(gateway).routes(),
        *AudioFace(gateway).routes(),
        *ModerationsFace(gateway).routes(),
    ]
