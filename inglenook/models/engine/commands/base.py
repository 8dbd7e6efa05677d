"""The contract of another engine: how its program is started, how it gets its key, and when it is ready."""

import re
import shlex
import shutil
from typing import Literal

from msgspec import Struct

from inglenook.kit.errors import BadInput

_NAMED = re.compile(r"\{([a-z_]*)\}")
_KNOWN = frozenset({"model", "host", "port", "key_file"})


class CommandEngine(Struct, frozen=True, kw_only=True):
    """A program that serves one model by OpenAI's protocol.

    Attributes:
        command: How it is started, one word after the other: no shell reads it. `{model}`, `{host}`, `{port}` and
            `{key_file}` are put in.
        key: How it learns the key that callers must show: in an environment variable (`key_variable`), in a file whose
            path stands in the command (`key_text` is what is in it), or not at all: then every program on this machine
            can call it while it runs. Never as an argument, which everybody on the machine could read.
        ready: A path that is answered with 200 once the model is loaded.
        asked_as: The model's name in requests; empty: the name it was started with.
        install: What to do when the program is missing.
        needs: What the machine must have, for people.
    """

    name: str
    title: str
    command: str
    key: Literal["variable", "file", "none"]
    key_variable: str = ""
    key_text: str = ""
    ready: str = "/health"
    asked_as: str = ""
    install: str
    needs: str

    def words(self, template: str) -> list[str]:
        """The words of a command line as an administrator wrote it, or of the usual one.

        Raises:
            BadInput: it cannot be read, or has no `{port}`.
        """
        text = template.strip() or self.command
        try:
            words = shlex.split(text)
        except ValueError as error:
            raise BadInput(f"settings.command cannot be read: {error}", field="settings.command") from None
        named = {name for word in words for name in _NAMED.findall(word)}
        if unknown := named - _KNOWN:
            raise BadInput(
                f"settings.command: {{{min(unknown)}}} means nothing; there are {{model}}, {{host}}, {{port}} and "
                "{key_file}",
                field="settings.command",
            )
        if "port" not in named:
            raise BadInput("settings.command must say where {port} goes", field="settings.command")
        if self.key == "file" and "key_file" not in named:
            raise BadInput("settings.command must say where {key_file} goes", field="settings.command")
        return words

    def missing(self, template: str = "") -> str:
        """The program of a command line, if this machine has none of that name; else empty."""
        program = self.words(template)[0]
        return "" if shutil.which(program) else program
