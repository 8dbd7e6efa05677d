"""Requests and answers of the accounts' routes. Times are milliseconds since the Unix epoch."""

import unicodedata
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, StringConstraints, model_validator
from pydantic_core import PydanticCustomError

from inglenook.accounts.principal import Role, Verb

Language = Annotated[str, StringConstraints(pattern=r"^[A-Za-z]{2,3}(-[A-Za-z0-9]{2,8})*$", max_length=16)]
Theme = Literal["light", "dark", "system"]


def _printable(text: str) -> str:
    """Refuse what cannot be seen: control characters, and those that turn the direction of the text around them."""
    if any(unicodedata.category(char) in ("Cc", "Cs") or char in _TURNS for char in text):
        raise ValueError("it contains characters that cannot be shown")
    return text


_TURNS = frozenset("\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")
_Printable = AfterValidator(_printable)
DisplayName = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=120), _Printable]
GroupTitle = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=64), _Printable]
#: Longer than any name or password can be, so that the service says what is wrong with it.
UserName = Annotated[str, StringConstraints(max_length=1024), _Printable]
Typed = Annotated[str, StringConstraints(max_length=1024)]
#: Longer than any address can be, so that the service says what is wrong with it.
Email = Annotated[str, StringConstraints(max_length=1024), _Printable]
UserId = Annotated[str, StringConstraints(max_length=40), _Printable]


class _Input(BaseModel):
    model_config = ConfigDict(extra="forbid")


class _Output(BaseModel):
    model_config = ConfigDict(from_attributes=True)


class _Patch(_Input):
    """Only the fields that are given change."""

    def changes(self) -> dict[str, Any]:
        """The fields that were given."""
        return {name: getattr(self, name) for name in self.model_fields_set}

    @model_validator(mode="after")
    def _no_null(self) -> "_Patch":
        for name in self.model_fields_set - self._nullable():
            if getattr(self, name) is None:
                raise PydanticCustomError("null", "cannot be null; leave it out to keep it", {"field": name})
        return self

    @classmethod
    def _nullable(cls) -> set[str]:
        return set()


class GroupName(_Output):
    """A group, to those who are in it or manage it; `manages`: whether one manages its keys."""

    id: str
    name: str
    manages: bool


class Me(_Output):
    """The user who is signed in. Without `language` or `theme` the browser's own hold."""

    id: str
    name: str
    display_name: str
    email: str | None
    role: Role
    language: str | None
    theme: str | None
    groups: list[GroupName]


class SessionState(BaseModel):
    """What the page must know first. `resets_by_mail`: who forgot their password can ask for a link."""

    user: Me | None
    needs_setup: bool
    resets_by_mail: bool
    version: str


class SetupRequest(_Input):
    """The first administrator, with the token that the terminal printed."""

    token: Typed
    name: UserName
    password: Typed


class SignInRequest(_Input):
    """Name and password."""

    name: UserName
    password: Typed


class MePatch(_Patch):
    """Changes of one's own profile; null for `language` and `theme` means the browser's."""

    display_name: DisplayName | None = None
    language: Language | None = None
    theme: Theme | None = None

    @classmethod
    def _nullable(cls) -> set[str]:
        return {"language", "theme"}


class EmailChange(_Input):
    """One's own e-mail address, which can get one a new password; null takes it away."""

    email: Email | None
    password: Typed


class PasswordChange(_Input):
    """One's own password; it ends one's other sessions."""

    current: Typed
    new: Typed


#: What fits the database's whole numbers.
Count = Annotated[int, Field(ge=0, le=1 << 53)]


class LimitsIn(BaseModel):
    """What a subject may use; null is without limit. `amount_per_…` are budgets, in billionths of the billing
    currency."""

    model_config = ConfigDict(extra="forbid")

    requests_per_minute: Count | None = None
    tokens_per_minute: Count | None = None
    concurrent_requests: Count | None = None
    amount_per_day: Count | None = None
    amount_per_month: Count | None = None


class KeyInfo(_Output):
    """An API key, without the key; `prefix` is how it begins.

    It belongs to a user or to a group; `owner` is the name people know them by. `models` are the public names of models
    and routes it may call; null: all that its owner may. `tags` are on every call made with it, for the conditions of
    routes. `former_until` says until when the secret it had before it was rotated holds.
    """

    id: str
    user_id: str | None
    group_id: str | None
    owner: str
    name: str
    prefix: str
    models: list[str] | None
    tags: list[str]
    created_at: int
    expires_at: int | None
    last_used_at: int | None
    former_until: int | None


#: Public names of models and routes.
ModelNames = Annotated[
    list[Annotated[str, StringConstraints(min_length=1, max_length=200), _Printable]], Field(max_length=1000)
]

#: Words that routes ask for.
Tags = Annotated[
    list[Annotated[str, StringConstraints(strip_whitespace=True, pattern=r"^[^,]{1,80}$"), _Printable]],
    Field(max_length=50),
]


class NewKeyRequest(_Input):
    """A key to make; without `expires_at` it holds until it is revoked, without `models` for all its owner may use, and
    without `limits` as far as those of its owner reach."""

    name: DisplayName
    expires_at: int | None = None
    models: ModelNames | None = None
    tags: Tags = []
    limits: LimitsIn | None = None


class KeyPage(BaseModel):
    """Keys, newest first. `next` is the `before` of the page that follows, null on the last; `total` counts all."""

    keys: list[KeyInfo]
    next: str | None
    total: int


class KeyPatch(_Patch):
    """Changes of a key; null for `expires_at` and `models` takes the restriction away."""

    name: DisplayName | None = None
    expires_at: int | None = None
    models: ModelNames | None = None
    tags: Tags | None = None

    @classmethod
    def _nullable(cls) -> set[str]:
        return {"expires_at", "models"}


class KeyRotation(_Input):
    """How a key gets a new secret: `overlap` is for how many seconds the former one goes on to hold."""

    overlap: int = Field(0, ge=0, le=7 * 24 * 3600)


class NewKey(KeyInfo):
    """A key that was just made: the only time it is shown."""

    key: str


class UserInfo(_Output):
    """A user, to administrators; `groups` are ids. `team_id` is the group that pays for what they use, if one does."""

    id: str
    name: str
    display_name: str
    role: Role
    disabled: bool
    email: str | None
    groups: list[str]
    team_id: str | None
    created_at: int
    last_seen_at: int | None


class NewUserRequest(_Input):
    """A user to make; without `password` one is generated."""

    name: UserName
    role: Role = Role.MEMBER
    display_name: DisplayName | None = None
    email: Email | None = None
    password: Typed | None = None


class NewUser(UserInfo):
    """A user who was just made; `password` is the generated one, shown this once."""

    password: str | None


class UserPatch(_Patch):
    """Changes of a user; a new `password` signs them out everywhere.

    `team_id` chooses which of the user's groups pays; null leaves it to the rule: the oldest that has limits, else the
    oldest.
    """

    role: Role | None = None
    disabled: bool | None = None
    display_name: DisplayName | None = None
    email: Email | None = None
    team_id: UserId | None = None
    password: Typed | None = None

    @classmethod
    def _nullable(cls) -> set[str]:
        return {"email", "team_id"}


class GroupInfo(BaseModel):
    """A group. `members` and `managers` are ids of users; managers make and revoke the group's keys. `keys` counts
    those, `tags` are on every call of theirs and of the members, for the conditions of routes."""

    id: str
    name: str
    members: list[str]
    managers: list[str]
    keys: int
    tags: list[str]
    created_at: int


class GroupPerson(BaseModel):
    """Somebody who is in a group, or manages it."""

    id: str
    name: str
    display_name: str
    member: bool
    manages: bool


class NewGroupRequest(_Input):
    """A group to make."""

    name: GroupTitle
    members: list[UserId] = []
    managers: list[UserId] = []
    tags: Tags = []


class GroupPatch(_Patch):
    """Changes of a group; `members`, `managers` and `tags` are the whole new lists."""

    name: GroupTitle | None = None
    members: list[UserId] | None = None
    managers: list[UserId] | None = None
    tags: Tags | None = None


class ModelRightsIn(_Input):
    """The models somebody may use by a right of their own: null is all that there are and will be."""

    models: ModelNames | None


class ModelRights(BaseModel):
    """Who may use which models by a right of their own, beside what everyone may. `subject_kind` is `user`, `group` or
    `everyone` (without an id)."""

    subject_kind: str
    subject_id: str
    models: list[str] | None


class NewGrantRequest(_Input):
    """A right to give: to a user, a group, or everyone; without `thing_id` on all things of the kind."""

    subject_kind: Literal["user", "group", "everyone"]
    subject_id: UserId = ""
    verb: Verb
    thing_kind: str
    thing_id: Annotated[str, StringConstraints(min_length=1, max_length=300), _Printable] | None = None


class GrantInfo(_Output):
    """A right that was given."""

    id: str
    subject_kind: str
    subject_id: str
    verb: Verb
    thing_kind: str
    thing_id: str | None
    created_at: int


class InvitationRequest(_Input):
    """Whom to invite, as what, and how many days the link holds. A letter goes to `email` if letters can be sent."""

    email: Email | None = None
    role: Role = Role.MEMBER
    groups: list[UserId] = []
    days: int = Field(7, ge=1, le=90)
    language: Language | None = None


class InvitationInfo(_Output):
    """An invitation nobody has taken yet; `groups` are ids."""

    id: str
    email: str | None
    role: Role
    groups: list[str]
    language: str | None
    invited_by: str
    created_at: int
    expires_at: int


class NewInvitation(InvitationInfo):
    """An invitation with its link, which is shown this once: `path` (`/invite#token=…`) under this server's address;
    `link` is the whole if the settings name the public address. `sent`: a letter is on its way."""

    path: str
    link: str | None
    sent: bool


class TokenIn(_Input):
    """The token of a link."""

    token: Typed


class InvitationLook(_Output):
    """An invitation, to who has its link."""

    email: str | None
    invited_by: str
    expires_at: int


class InvitationAcceptance(TokenIn):
    """The account that somebody who was invited makes."""

    name: UserName
    password: Typed
    display_name: DisplayName | None = None


class ResetRequest(_Input):
    """The name or e-mail address of who forgot their password."""

    name: UserName


class ResetLook(BaseModel):
    """Whose password a link changes."""

    name: str


class NewPassword(TokenIn):
    """A new password, with the token of the link."""

    password: Typed


class NewResetLink(_Output):
    """A link for a new password: `path` (`/reset#token=…`) under this server's address; `link` is the whole if the
    settings name the public address."""

    path: str
    link: str | None
    expires_at: int


class MailTest(_Input):
    """Where to send an e-mail to try the settings out; without an address, to one's own."""

    address: Email | None = None


class MailWaiting(_Output):
    """An e-mail that is not sent yet: why not, and whether it will be tried again."""

    id: str
    kind: str
    address: str
    created_at: int
    attempts: int
    error: str | None
    failed: bool


class SettingsIn(_Input):
    """A section's new settings."""

    settings: dict[str, Any]


class SettingsInfo(_Output):
    """A section of the settings, with the JSON schema of its form. `settings` holds defaults where nothing was set;
    `secrets` names the secrets that are set. `updated_at` is null while all is at its default."""

    section: str
    title: str
    settings_schema: dict[str, Any]
    settings: dict[str, Any]
    secrets: list[str]
    updated_at: int | None


class AuditRecord(_Output):
    """Something that was done."""

    id: str
    at: int
    actor_id: str
    actor_name: str
    act: str
    thing_kind: str
    thing_id: str | None
    details: dict[str, Any]
