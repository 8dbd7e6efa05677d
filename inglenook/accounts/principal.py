"""Who acts, and on what: the two words every permission question is asked with."""

from enum import StrEnum
from typing import NamedTuple

from msgspec import Struct


class Role(StrEnum):
    """What a user is on this server."""

    ADMIN = "admin"
    MEMBER = "member"


class Principal(Struct, frozen=True, kw_only=True):
    """Somebody who acts: a user in a browser, an API key of a user or a team, or a named account of the server itself.

    Attributes:
        user_id: The user behind it; for a team's key the group's id, for a named account (`open-ollama`) its own.
        name: For people and logs.
        groups: Ids of the user's groups.
        key_id: The API key used, if one was.
        team_id: The group that pays, if one does.
        models: The public names of models and routes the key may call; None: all that its owner may.
        tags: Of the key and of the user's groups: what routes may ask of every call.
    """

    user_id: str
    name: str
    role: Role = Role.MEMBER
    groups: frozenset[str] = frozenset()
    key_id: str | None = None
    team_id: str | None = None
    models: frozenset[str] | None = None
    tags: frozenset[str] = frozenset()

    @property
    def is_team(self) -> bool:
        """Whether it is a team's key, behind which there is no user."""
        return self.user_id.startswith("grp_")

    @property
    def is_admin(self) -> bool:
        """Whether the principal administers the server."""
        return self.role is Role.ADMIN


#: Whoever can open the data directory: the command line, and the server itself. Administers, owns no content.
CONSOLE = Principal(user_id="console", name="command line", role=Role.ADMIN)


class Verb(StrEnum):
    """What one may do to a thing. `MANAGE` includes `EDIT`, `EDIT` includes `READ` and `USE`."""

    READ = "read"
    USE = "use"
    CREATE = "create"
    EDIT = "edit"
    MANAGE = "manage"


class Thing(NamedTuple):
    """A thing, or (with `id=None`) all things of its kind.

    Attributes:
        kind: `model`, `conversation`, `run`, `user`, `key`, `group`, `provider`, `server`, …
        owner_id: The user it belongs to, where it belongs to one.
    """

    kind: str
    id: str | None = None
    owner_id: str | None = None
