"""The tables of accounts. Every change of them that a permission depends on goes through `snapshot.Live.write`."""

from typing import Any

from sqlalchemy import BigInteger, ForeignKey, Index, String, Text
from sqlalchemy.orm import Mapped, mapped_column

from inglenook.store.tables import Json, Table


class AccountsState(Table):
    """One row: the number of the snapshot. Whoever changes accounts locks it first."""

    __tablename__ = "accounts_state"

    id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    version: Mapped[int] = mapped_column(BigInteger)


class User(Table):
    """A person with an account.

    `name_key` is `name` folded, so that names are unique whatever their case; `email_key` likewise. `team_id` is the
    group that was chosen to pay, of those the user is in.
    """

    __tablename__ = "users"

    id: Mapped[str] = mapped_column(String(40), primary_key=True)
    name: Mapped[str] = mapped_column(String(64))
    name_key: Mapped[str] = mapped_column(String(200), unique=True)
    display_name: Mapped[str] = mapped_column(String(120))
    role: Mapped[str] = mapped_column(String(16))
    password_hash: Mapped[str] = mapped_column(String(200))
    email: Mapped[str | None] = mapped_column(String(254))
    email_key: Mapped[str | None] = mapped_column(String(254), unique=True)
    team_id: Mapped[str | None] = mapped_column(ForeignKey("groups.id", ondelete="SET NULL"), index=True)
    language: Mapped[str | None] = mapped_column(String(16))
    theme: Mapped[str | None] = mapped_column(String(16))
    disabled: Mapped[bool] = mapped_column(default=False)
    created_at: Mapped[int] = mapped_column(BigInteger)
    last_seen_at: Mapped[int | None] = mapped_column(BigInteger)


class Group(Table):
    """A group of users; a team where it pays for what its members and its own keys use. `tags` are on all calls of
    theirs."""

    __tablename__ = "groups"

    id: Mapped[str] = mapped_column(String(40), primary_key=True)
    name: Mapped[str] = mapped_column(String(64))
    name_key: Mapped[str] = mapped_column(String(200), unique=True)
    tags: Mapped[list[str]] = mapped_column(Json, default=list, server_default="[]")
    created_at: Mapped[int] = mapped_column(BigInteger)


class GroupMember(Table):
    """A user is in a group."""

    __tablename__ = "group_members"

    group_id: Mapped[str] = mapped_column(ForeignKey("groups.id", ondelete="CASCADE"), primary_key=True)
    user_id: Mapped[str] = mapped_column(ForeignKey("users.id", ondelete="CASCADE"), primary_key=True, index=True)


class LoginSession(Table):
    """A browser that is signed in. The token itself is only in the cookie; here is its SHA-256."""

    __tablename__ = "sessions"

    id: Mapped[str] = mapped_column(String(40), primary_key=True)
    token_hash: Mapped[str] = mapped_column(String(64), unique=True)
    user_id: Mapped[str] = mapped_column(ForeignKey("users.id", ondelete="CASCADE"), index=True)
    created_at: Mapped[int] = mapped_column(BigInteger)
    expires_at: Mapped[int] = mapped_column(BigInteger, index=True)
    last_used_at: Mapped[int] = mapped_column(BigInteger)
    user_agent: Mapped[str] = mapped_column(String(300), default="")


class ApiKey(Table):
    """A key for programs. The key itself is shown once; here is its SHA-256 and the beginning people know it by.

    It acts as the user or, without one, as the group. `models` are the names it may call, null: all its owner may;
    `tags` are on its calls. A rotated key's former secret holds until `former_until`.
    """

    __tablename__ = "api_keys"

    id: Mapped[str] = mapped_column(String(40), primary_key=True)
    user_id: Mapped[str | None] = mapped_column(ForeignKey("users.id", ondelete="CASCADE"), index=True)
    group_id: Mapped[str | None] = mapped_column(ForeignKey("groups.id", ondelete="CASCADE"), index=True)
    name: Mapped[str] = mapped_column(String(120))
    sha256: Mapped[str] = mapped_column(String(64), unique=True)
    prefix: Mapped[str] = mapped_column(String(16))
    models: Mapped[list[str] | None] = mapped_column(Json)
    tags: Mapped[list[str]] = mapped_column(Json, default=list, server_default="[]")
    former_sha256: Mapped[str | None] = mapped_column(String(64))
    former_until: Mapped[int | None] = mapped_column(BigInteger)
    created_at: Mapped[int] = mapped_column(BigInteger)
    expires_at: Mapped[int | None] = mapped_column(BigInteger)
    last_used_at: Mapped[int | None] = mapped_column(BigInteger)
    revoked_at: Mapped[int | None] = mapped_column(BigInteger)


class Limit(Table):
    """How much a subject may use: null is without limit. Amounts are in billionths of the billing currency.

    `subject_kind` is `key`, `user`, `group`, `everyone` (all together) or `default` (each user without a row of their
    own); the last two have no `subject_id`.
    """

    __tablename__ = "limits"

    subject_kind: Mapped[str] = mapped_column(String(16), primary_key=True)
    subject_id: Mapped[str] = mapped_column(String(40), primary_key=True, default="")
    requests_per_minute: Mapped[int | None] = mapped_column(BigInteger)
    tokens_per_minute: Mapped[int | None] = mapped_column(BigInteger)
    concurrent_requests: Mapped[int | None] = mapped_column(BigInteger)
    amount_per_day: Mapped[int | None] = mapped_column(BigInteger)
    amount_per_month: Mapped[int | None] = mapped_column(BigInteger)
    updated_at: Mapped[int] = mapped_column(BigInteger)


class Grant(Table):
    """Somebody may do something. `subject_id` is empty for everyone; without `thing_id` it holds for the whole kind."""

    __tablename__ = "grants"
    __table_args__ = (Index("ix_grants_thing", "thing_kind", "thing_id"),)

    id: Mapped[str] = mapped_column(String(40), primary_key=True)
    subject_kind: Mapped[str] = mapped_column(String(16))
    subject_id: Mapped[str] = mapped_column(String(40), default="")
    verb: Mapped[str] = mapped_column(String(16))
    thing_kind: Mapped[str] = mapped_column(String(32))
    thing_id: Mapped[str | None] = mapped_column(String(300))
    created_at: Mapped[int] = mapped_column(BigInteger)


class SettingsRow(Table):
    """A section of the runtime settings, as changed. `secret` is the ciphertext of a JSON object of its secrets."""

    __tablename__ = "settings"

    section: Mapped[str] = mapped_column(String(80), primary_key=True)
    settings: Mapped[dict[str, Any]]
    secret: Mapped[str | None] = mapped_column(Text)
    updated_at: Mapped[int] = mapped_column(BigInteger)


class MailRow(Table):
    """A letter on its way (`mail.outbox`). `ciphertext` is that of its subject and text; `about` is the id of what it
    goes away with."""

    __tablename__ = "mail"

    id: Mapped[str] = mapped_column(String(40), primary_key=True)
    kind: Mapped[str] = mapped_column(String(40))
    address: Mapped[str] = mapped_column(String(254))
    about: Mapped[str | None] = mapped_column(String(40), index=True)
    ciphertext: Mapped[str] = mapped_column(Text)
    created_at: Mapped[int] = mapped_column(BigInteger)
    expires_at: Mapped[int | None] = mapped_column(BigInteger)
    next_at: Mapped[int] = mapped_column(BigInteger, index=True)
    attempts: Mapped[int]
    error: Mapped[str | None] = mapped_column(Text)


class Invitation(Table):
    """Somebody may make an account, once. The token itself is only in the link; here is its SHA-256."""

    __tablename__ = "invitations"

    id: Mapped[str] = mapped_column(String(40), primary_key=True)
    token_hash: Mapped[str] = mapped_column(String(64), unique=True)
    email: Mapped[str | None] = mapped_column(String(254))
    role: Mapped[str] = mapped_column(String(16))
    groups: Mapped[list[str]]
    language: Mapped[str | None] = mapped_column(String(16))
    invited_by: Mapped[str] = mapped_column(String(120))
    days: Mapped[int]
    created_at: Mapped[int] = mapped_column(BigInteger)
    expires_at: Mapped[int] = mapped_column(BigInteger)
    used_at: Mapped[int | None] = mapped_column(BigInteger)


class PasswordReset(Table):
    """A user may choose a new password, once. The token itself is only in the link; here is its SHA-256."""

    __tablename__ = "password_resets"

    id: Mapped[str] = mapped_column(String(40), primary_key=True)
    token_hash: Mapped[str] = mapped_column(String(64), unique=True)
    user_id: Mapped[str] = mapped_column(ForeignKey("users.id", ondelete="CASCADE"), index=True)
    created_at: Mapped[int] = mapped_column(BigInteger)
    expires_at: Mapped[int] = mapped_column(BigInteger)
    used_at: Mapped[int | None] = mapped_column(BigInteger)


class Audit(Table):
    """What was done, by whom. Rows are only ever added, in the transaction of the act (`audit.record`).

    `actor_id` refers to nothing, so that a record outlives the account it names.
    """

    __tablename__ = "audit"

    id: Mapped[str] = mapped_column(String(40), primary_key=True)
    at: Mapped[int] = mapped_column(BigInteger, index=True)
    actor_id: Mapped[str] = mapped_column(String(40), index=True)
    actor_name: Mapped[str] = mapped_column(String(120))
    act: Mapped[str] = mapped_column(String(64))
    thing_kind: Mapped[str] = mapped_column(String(32))
    thing_id: Mapped[str | None] = mapped_column(String(300))
    details: Mapped[dict[str, Any]]
