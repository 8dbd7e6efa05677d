"""Hugging Face: `hf:user/repo/file.gguf` is a URL, `hf:user/repo[:quantization]` a name its registry knows."""

from urllib.parse import quote

from inglenook.kit.errors import BadInput
from inglenook.models.hub import ollama, url
from inglenook.models.hub.base import Scheme, Source


def _parse(rest: str, name: str | None) -> Source:
    parts = rest.strip("/").split("/")
    if len(parts) == 2 and all(parts):
        return ollama.source_of(f"hf.co/{rest.strip('/')}", name)
    if len(parts) < 3 or not all(parts) or not rest.lower().partition("#")[0].endswith(".gguf"):
        raise BadInput(f"hf:{rest} names no model; write hf:user/repo/file.gguf or hf:user/repo:Q4_K_M", field="source")
    user, repo, *path = parts
    file, mark, fragment = "/".join(path).partition("#")
    return url.source_of(
        f"https://huggingface.co/{quote(user)}/{quote(repo)}/resolve/main/{quote(file)}{mark}{fragment}", name
    )


SCHEME = Scheme("hf", "hf:user/repo/file.gguf", _parse)
