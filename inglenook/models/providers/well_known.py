"""What OpenTelemetry's conventions for generative AI call the vendors they have a name for."""

_NAMES = {
    "azure-openai": "azure.ai.openai",
    "bedrock": "aws.bedrock",
    "gemini": "gcp.gemini",
    "mistral": "mistral_ai",
    "moonshot": "moonshot_ai",
    "vertex": "gcp.vertex_ai",
    "xai": "x_ai",
}


def well_known(kind: str) -> str:
    """The name of a kind of provider there; its own where they have none, or the same."""
    return _NAMES.get(kind, kind)
