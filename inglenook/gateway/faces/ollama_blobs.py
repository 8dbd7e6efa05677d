"""Ollama's `/api/blobs/{digest}`: is a blob here, and uploading one. Bodies are written as they come, never held."""

import hashlib
import re
from pathlib import Path
from typing import Annotated

from fastapi import APIRouter, Request, Response

from inglenook.accounts.permissions import needs
from inglenook.accounts.principal import Principal, Verb
from inglenook.kit.errors import BadInput
from inglenook.kit.ids import new_id
from inglenook.models.hub.download import demand_room
from inglenook.models.hub.files import full_disk, put_in_place, sync, to_the_end
from inglenook.models.hub.layout import ModelStore

router = APIRouter(tags=["ollama"])

#: Where bodies may be as large as a model.
PREFIX = "/api/blobs/"
_DIGEST = re.compile(r"sha256[:-]([0-9a-f]{64})")
_AT_ONCE = 4 * 1024 * 1024

Manager = Annotated[Principal, needs(Verb.MANAGE, "hub")]


@router.head("/api/blobs/{digest}", include_in_schema=False)
async def has_blob(_: Manager, request: Request, digest: str) -> Response:
    """200 if it is here, else 404."""
    return Response(status_code=200 if _path(request, digest).is_file() else 404)


@router.post("/api/blobs/{digest}", include_in_schema=False)
async def put_blob(_: Manager, request: Request, digest: str) -> Response:
    """Keep the body if its SHA-256 is the one named: 201, or 200 where it was here already."""
    path = _path(request, digest)
    if path.is_file():
        return Response(status_code=200)
    path.parent.mkdir(parents=True, exist_ok=True)
    length = request.headers.get("content-length", "")
    if length.isdecimal():
        demand_room(path.parent, int(length))
    partial = path.with_name(f"import-{new_id('tmp')}-partial")
    try:
        with full_disk(path.parent):
            got = await _receive(request, partial)
            if got != path.name.removeprefix("sha256-"):
                wanted = path.name.replace("-", ":", 1)
                raise BadInput(f'digest mismatch, expected "{wanted}", got "sha256:{got}"', field="digest")
            put_in_place(partial, path)
    finally:
        partial.unlink(missing_ok=True)
    return Response(status_code=201)


def _path(request: Request, digest: str) -> Path:
    match = _DIGEST.fullmatch(digest)
    if match is None:
        raise BadInput("invalid digest format", field="digest")
    models: ModelStore = request.app.state.model_store
    return models.blob_path(f"sha256:{match[1]}")


async def _receive(request: Request, partial: Path) -> str:
    """Write the body; gives its SHA-256 in hex. Hashing and writing do not hold the event loop."""
    sha = hashlib.sha256()
    with partial.open("xb") as file:

        def take(data: bytes) -> None:
            sha.update(data)
            file.write(data)

        waiting = bytearray()
        async for chunk in request.stream():
            waiting += chunk
            if len(waiting) >= _AT_ONCE:
                await to_the_end(take, bytes(waiting))
                waiting.clear()

        def finish() -> None:
            take(bytes(waiting))
            file.flush()
            sync(file.fileno())

        await to_the_end(finish)
    return sha.hexdigest()
