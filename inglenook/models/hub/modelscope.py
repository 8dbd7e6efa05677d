"""ModelScope: `modelscope:user/repo/file.gguf` is a URL, `modelscope:user/repo[:quantization]` a name its registry
knows."""

from urllib.parse import quote

from inglenook.kit.errors import BadInput
from inglenook.models.hub import ollama, url
from inglenook.models.hub.base import Scheme, Source


def _parse(rest: str, name: str | None) -> Source:
    parts = rest.strip("/").split("/")
    if len(parts) == 2 and all(parts):
        return ollama.source_of(f"modelscope.cn/{rest.strip('/')}", name)
    if len(parts) < 3 or not all(parts) or not rest.lower().partition("#")[0].endswith(".gguf"):
        raise BadInput(
            f"modelscope:{rest} names no model; write modelscope:user/repo/file.gguf or modelscope:user/repo:Q4_K_M",
            field="source",
        )
    user, repo, *path = parts
    file, mark, fragment = "/".join(path).partition("#")
    return url.source_of(
        f"https://modelscope.cn/models/{quote(user)}/{quote(repo)}/resolve/master/{quote(file)}{mark}{fragment}", name
    )


SCHEME = Scheme("modelscope", "modelscope:user/repo/file.gguf", _parse)
