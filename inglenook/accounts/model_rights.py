"""Who may use which models: the grants on models as whole lists, which is how people think of them."""

from collections.abc import Sequence
from typing import NamedTuple

from sqlalchemy import delete
from sqlalchemy.orm import Session

from inglenook.accounts import audit
from inglenook.accounts.grants import check_subject
from inglenook.accounts.principal import Principal, Thing, Verb
from inglenook.accounts.snapshot import EVERYONE, Live, Subject
from inglenook.accounts.tables import Grant
from inglenook.kit.ids import new_id
from inglenook.kit.time import now_ms

_KIND = "model"


class Rights(NamedTuple):
    """The public names of models and routes that a subject may use by grants of its own; None: all there will be."""

    subject: Subject
    models: list[str] | None


class ModelRights:
    """Reads and replaces the grants to use models."""

    def __init__(self, live: Live) -> None:
        self._live = live

    def all(self) -> list[Rights]:
        """Those of everyone first, then of whoever has some."""
        others = sorted(subject for subject in self._live.now.grants if subject != EVERYONE)
        found = [self.of(subject) for subject in others]
        return [self.of(EVERYONE), *(rights for rights in found if rights.models != [])]

    def of(self, subject: Subject) -> Rights:
        """Those of one subject; without any the list is empty."""
        granted = self._live.now.grants.get(subject, {})
        names = [name for (kind, name), verbs in granted.items() if kind == _KIND and not verbs.isdisjoint(_USING)]
        return Rights(subject, None if None in names else sorted(name for name in names if name is not None))

    async def put(self, actor: Principal, subject: Subject, models: Sequence[str] | None) -> None:
        """Let a subject use these models by grants of its own, and no others; what it was granted besides stays.

        Raises:
            NotFound: there is no such user or group.
        """
        wanted: list[str | None] = [None] if models is None else [*sorted(set(models))]

        def write(session: Session) -> None:
            check_subject(session, subject)
            held = (Grant.subject_kind == subject[0], Grant.subject_id == subject[1], Grant.thing_kind == _KIND)
            session.execute(delete(Grant).where(*held, Grant.verb == Verb.USE.value))
            session.add_all(
                Grant(
                    id=new_id("grt"),
                    subject_kind=subject[0],
                    subject_id=subject[1],
                    verb=Verb.USE.value,
                    thing_kind=_KIND,
                    thing_id=name,
                    created_at=now_ms(),
                )
                for name in wanted
            )
            whom = Thing(subject[0], subject[1] or None)
            audit.record(session, actor, "models.granted", whom, models="all" if models is None else wanted)

        await self._live.write(write)


#: Verbs that let one use a model.
_USING = frozenset({Verb.USE, Verb.EDIT, Verb.MANAGE})
