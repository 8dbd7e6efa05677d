"""Folders of models that an Ollama on this machine has: where they usually are, and what is in them."""

import os
import sys
from pathlib import Path

from msgspec import Struct

from inglenook.models.hub.layout import ModelStore
from inglenook.models.hub.manifest import parse_manifest


class Folder(Struct, frozen=True, kw_only=True):
    """A folder in Ollama's layout. `readable`: its models can be used by this process. `size` in bytes, what models
    share counted once."""

    path: Path
    models: int
    size: int
    readable: bool


def usual_places() -> list[Path]:
    """Where Ollama keeps models: where its own setting says, in one's home, and where packages put them."""
    told = os.environ.get("OLLAMA_MODELS")
    places = [Path(told).expanduser()] if told else []
    places.append(Path.home() / ".ollama" / "models")
    if sys.platform == "linux":
        places += [
            Path("/usr/share/ollama/.ollama/models"),
            Path("/var/lib/ollama/models"),
            Path("/var/lib/ollama/.ollama/models"),
            Path("/var/snap/ollama/common/models"),
        ]
    return list(dict.fromkeys(places))


def find_folders(places: list[Path] | None = None) -> list[Folder]:
    """The folders there are, those with models first. Blocks on the disk."""
    found = [folder for place in places or usual_places() if (folder := look_at(place)) is not None]
    return sorted(found, key=lambda folder: -folder.models)


def look_at(path: Path) -> Folder | None:
    """What is in a folder; None if it is not one of Ollama's."""
    try:
        if not (path / "manifests").is_dir():
            return None
    except OSError:  # not even the way there is open to us
        return Folder(path=path, models=0, size=0, readable=False)
    sizes: dict[str, int] = {}
    models = 0
    readable = True
    for _, manifest, _ in ModelStore(path).manifest_files():
        try:
            layers = parse_manifest(manifest.read_bytes()).blobs
        except (OSError, ValueError):
            readable = False
            continue
        models += 1
        for layer in layers:
            sizes[layer.digest] = layer.size
    store = ModelStore(path)
    readable = readable and all(os.access(store.place(digest), os.R_OK) for digest in sizes if store.owns(digest))
    return Folder(path=path, models=models, size=sum(sizes.values()), readable=readable)
