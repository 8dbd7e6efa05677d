"""Settings that an administrator changes while the server runs, in sections.

A room declares its section beside the code that obeys it, and registers it when it is built:

    class Billing(Struct, frozen=True, kw_only=True):
        currency: str = "USD"

    BILLING = Section(name="billing", title="Billing", kind=Billing, settings_schema={…}, translations={"zh-CN": {…}})

    self._billing = accounts.settings.register(BILLING)
    self._billing.now.currency        # on every request, if need be: it is in memory

Sections are kept as JSON in the table `settings`, what is marked `"secret": true` encrypted, and are part of the
accounts' snapshot: a change is seen here once its write returns, by other servers within half a second. The process's
own settings, which a start reads, are `kit.config`'s.
"""

import logging
from collections.abc import Callable
from typing import Any, Generic, TypeVar

import msgspec
import orjson
from msgspec import Struct, field, structs
from sqlalchemy.orm import Session

from inglenook.accounts import audit
from inglenook.accounts.principal import Principal, Thing
from inglenook.accounts.snapshot import Live, Snapshot, StoredSettings
from inglenook.accounts.tables import SettingsRow
from inglenook.kit.errors import BadInput, InglenookError, NotFound
from inglenook.kit.settings_schema import check_settings, in_words, secret_names
from inglenook.kit.time import now_ms
from inglenook.store.secrets import Secrets

log = logging.getLogger(__name__)
S = TypeVar("S", bound=Struct)


class Section(Struct, Generic[S], frozen=True, kw_only=True):
    """Settings that belong together.

    Attributes:
        name: In the API's paths and in the table: `mail`, `billing`, …
        kind: What they are read into. Every field has a default; a `__post_init__` may raise `ValueError` where values
            do not fit together; where one is to blame, its name and a colon come first.
        settings_schema: JSON schema of their form (`kit.settings_schema`); properties marked `"secret": true` are
            encrypted at rest and never shown again.
        translations: By language (`zh-CN`), what the title and the titles and descriptions of the schema are in it.
    """

    name: str
    title: str
    kind: type[S]
    settings_schema: dict[str, Any]
    translations: dict[str, dict[str, str]] = field(default_factory=dict)

    def localized(self, language: str) -> "Section[S]":
        """The section with its words in a language; words without a translation stay as they are."""
        words = self.translations.get(language)
        if not words:
            return self
        return structs.replace(
            self, title=words.get(self.title, self.title), settings_schema=in_words(self.settings_schema, words)
        )


class Registered(Generic[S]):
    """A section as it is now: `now` is replaced as a whole when it changes."""

    def __init__(self, section: Section[S]) -> None:
        self.section = section
        self.now: S = section.kind()
        self.stored: StoredSettings | None = None
        self._on_change: list[Callable[[S], None]] = []

    def on_change(self, callback: Callable[[S], None]) -> None:
        """Have `callback` called with each new value, on the event loop. It must not raise."""
        self._on_change.append(callback)

    def show(self, stored: StoredSettings | None, now: S) -> None:
        """Take a new value; for `RuntimeSettings`."""
        self.stored = stored
        if now != self.now:
            self.now = now
            for callback in self._on_change:
                callback(now)


class RuntimeSettings:
    """Every section that a room registered."""

    def __init__(self, live: Live, secrets: Secrets) -> None:
        self._live = live
        self._secrets = secrets
        self._sections: dict[str, Registered[Any]] = {}
        live.on_change(self._show)

    def register(self, section: Section[S]) -> Registered[S]:
        """Make a section known, before or after the start; who asks again gets the same.

        Raises:
            ValueError: there is another one of that name.
        """
        known = self._sections.get(section.name)
        if known is not None:
            if known.section is section:
                return known
            raise ValueError(f"there is another section {section.name!r} already")
        registered = self._sections[section.name] = Registered(section)
        self._take(registered, self._live.now)
        return registered

    def all(self) -> list[Registered[Any]]:
        """Every section, by name."""
        return [self._sections[name] for name in sorted(self._sections)]

    def get(self, name: str) -> Registered[Any]:
        """The section of that name.

        Raises:
            NotFound: there is none.
        """
        registered = self._sections.get(name)
        if registered is None:
            raise NotFound(f"there are no settings {name!r} (there are: {', '.join(sorted(self._sections))})")
        return registered

    def secrets_set(self, name: str) -> list[str]:
        """Which of a section's secrets are set, by name.

        Raises:
            NotFound: there is no such section.
        """
        return sorted(self._secret(self.get(name).stored))

    async def put(self, actor: Principal, name: str, settings: dict[str, Any]) -> None:
        """Replace a section. What is left out goes back to its default; a secret that is left out stays, null or ""
        removes it.

        Raises:
            NotFound: there is no such section.
            BadInput: a setting is wrong; `field` names it.
        """
        section = self.get(name).section
        hidden = secret_names(section.settings_schema)

        def write(session: Session) -> None:
            row = session.get(SettingsRow, name)
            before = None if row is None else StoredSettings(row.settings, row.secret, row.updated_at)
            given = {**self._secret(before), **settings}
            whole = {k: v for k, v in given.items() if v is not None and not (k in hidden and v == "")}
            _read(section, whole)
            secret = {key: value for key, value in whole.items() if key in hidden}
            ciphertext = self._secrets.encrypt(orjson.dumps(secret).decode()) if secret else None
            shown = {key: value for key, value in whole.items() if key not in hidden}
            if row is None:
                session.add(SettingsRow(section=name, settings=shown, secret=ciphertext, updated_at=now_ms()))
            else:
                row.settings, row.secret, row.updated_at = shown, ciphertext, now_ms()
            was = {} if before is None else before.settings
            changed = {key for key in {*shown, *was} if shown.get(key) != was.get(key)} | (hidden & settings.keys())
            audit.record(session, actor, "settings.changed", Thing("settings", name), fields=sorted(changed))

        await self._live.write(write)

    def _show(self, snapshot: Snapshot) -> None:
        for registered in self._sections.values():
            self._take(registered, snapshot)

    def _take(self, registered: Registered[Any], snapshot: Snapshot) -> None:
        section, stored = registered.section, snapshot.settings.get(registered.section.name)
        if stored == registered.stored:
            return
        now = section.kind()
        if stored is not None:
            try:
                now = msgspec.convert({**stored.settings, **self._secret(stored)}, section.kind)
            except msgspec.ValidationError as error:  # written by another version
                log.warning("the settings %r cannot be read and are at their defaults: %s", section.name, error)
        registered.show(stored, now)

    def _secret(self, stored: StoredSettings | None) -> dict[str, Any]:
        if stored is None or stored.secret is None:
            return {}
        try:
            secret: dict[str, Any] = orjson.loads(self._secrets.decrypt(stored.secret))
        except InglenookError as error:  # another key file: what is entered now replaces it
            log.warning("%s", error.message)
            return {}
        return secret


def _read(section: Section[S], settings: dict[str, Any]) -> S:
    check_settings(section.settings_schema, settings)
    try:
        return msgspec.convert(settings, section.kind)
    except msgspec.ValidationError as error:
        raise BadInput(f"settings: {error}", field=_field(section, str(error))) from None


def _field(section: Section[S], message: str) -> str:
    """Which setting a message is about: `__post_init__` begins with its name, msgspec ends with its path."""
    names = section.settings_schema.get("properties", {})
    begin, _, _ = message.partition(":")
    _, _, end = message.partition(" - at `$.")
    name = begin if begin in names else end.rstrip("`").partition("[")[0]
    return f"settings.{name}" if name in names else "settings"
