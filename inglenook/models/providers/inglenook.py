"""Another Inglenook. It understands in OpenAI's bodies what Ollama passes over, and is told the rest as Ollama is."""

from inglenook.models.calls import Passthrough
from inglenook.models.providers.ollama import Ollama, ollama_kind
from inglenook.models.providers.openai_vendor import Vendor, paths

VENDOR = Vendor(
    name="inglenook",
    icon="inglenook",
    paths={
        name: f"/v1{path}"
        for name, path in paths(
            *("chat", "completions", "embeddings", "responses", "images"),
            *("transcriptions", "translations", "speech", "moderations", "rerank"),
        ).items()
    },
    own=True,
)


class Inglenook(Ollama):
    """One such server."""

    def passes(self, model: str, passthrough: Passthrough) -> bool:
        """See `Provider`."""
        return True


KIND = ollama_kind(VENDOR, Inglenook, {"Another Inglenook": "另一台 Inglenook"})
