"""A GGUF file of this machine: copied into the store, the original stays."""

import threading
from pathlib import Path

from msgspec import Struct

from inglenook.kit.errors import BadInput
from inglenook.models.errors import BadModelFile
from inglenook.models.hub.base import Scheme, Source, Step, Tools
from inglenook.models.hub.download import demand_room
from inglenook.models.hub.files import to_the_end
from inglenook.models.hub.stored import StoredModel
from inglenook.models.hub.url import name_of_file


class FileSource(Struct, frozen=True):
    """A path on this machine, and the name its model gets."""

    path: Path
    name: str

    @property
    def key(self) -> str:
        """The path and the name."""
        return f"file:{self.path}>{self.name.lower()}"

    async def pull(self, tools: Tools) -> StoredModel:
        """Copy it in."""
        stopped = threading.Event()

        def progress(completed: int, total: int) -> None:
            if stopped.is_set():
                raise InterruptedError("the pull was cancelled")
            tools.report(Step(status=f"copying {self.path.name}", completed=completed, total=total))

        def copy() -> StoredModel:
            if not self.path.is_file():
                raise BadModelFile(f"there is no file {self.path} on the server's machine", field="source")
            demand_room(tools.models.root, self.path.stat().st_size)
            return tools.models.import_gguf(self.path, self.name, progress=progress)

        try:
            return await to_the_end(copy)
        finally:
            stopped.set()


def _parse(rest: str, name: str | None) -> Source:
    path = Path(rest.removeprefix("//")).expanduser()
    if not path.name:
        raise BadInput(f"file:{rest} names no file; write file:/path/to/model.gguf", field="source")
    return FileSource(path.absolute(), name or name_of_file(path.name))


SCHEME = Scheme("file", "file:/path/to/model.gguf", _parse)
