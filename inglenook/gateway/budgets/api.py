"""`/api/v1/limits`: how much who may use, and uses."""

from typing import Annotated

from fastapi import APIRouter, Depends, Query, Request

from inglenook.accounts.admin_api import TheAccounts, no_key_makes_keys
from inglenook.accounts.permissions import needs
from inglenook.accounts.principal import Principal, Thing, Verb
from inglenook.accounts.schemas import LimitsIn
from inglenook.accounts.service import Accounts
from inglenook.accounts.snapshot import ALL_TOGETHER, EACH_USER, LimitFacts, Subject
from inglenook.gateway.budgets.schemas import LimitsInfo, LimitsPage, Released, Standing, SubjectKind
from inglenook.gateway.budgets.service import Overview, in_order
from inglenook.kit.errors import BadInput, NotFound

router = APIRouter(prefix="/api/v1", tags=["limits"])

#: Subjects of one page.
PAGE = 200
#: What stands for the id where there is none.
_NO_ID = "-"


def _overview(request: Request) -> Overview:
    return Overview(request.app.state.accounts, request.app.state.gateway)


TheOverview = Annotated[Overview, Depends(_overview)]
ReadsLimits = Annotated[Principal, needs(Verb.READ, "limit")]
ManagesLimits = Annotated[Principal, needs(Verb.MANAGE, "limit")]
OwnsKeys = Annotated[Principal, needs(Verb.EDIT, "key")]


@router.get("/limits")
async def list_limits(
    _: ReadsLimits,
    accounts: TheAccounts,
    overview: TheOverview,
    kind: SubjectKind | None = None,
    after: str = "",
    limit: Annotated[int, Query(ge=1, le=PAGE)] = PAGE,
) -> list[LimitsInfo]:
    """What is limited, with its use: all together, what each user has, teams, users and keys, each oldest first.

    `kind` chooses one kind of subject; `after` is the `subject_id` of the last one of the page before, with `kind`.
    """
    if after and kind is None:
        raise BadInput("'after' goes with 'kind'", field="after")
    found = [
        item
        for item in in_order(accounts.limits.all())
        if kind is None or (item[0][0] == kind and (not after or item[0][1] > after))
    ]
    return await overview.of(found[:limit])


@router.get("/limits/closest")
async def list_closest(
    _: ReadsLimits,
    overview: TheOverview,
    kind: SubjectKind | None = None,
    search: Annotated[str, Query(max_length=120)] = "",
    offset: Annotated[int, Query(ge=0)] = 0,
    limit: Annotated[int, Query(ge=1, le=PAGE)] = 50,
) -> LimitsPage:
    """Everybody who is limited, the nearest to a limit first, users with the default limits too."""
    found, total = await overview.closest(kind=kind, search=search, offset=offset, limit=limit)
    return LimitsPage(limits=found, total=total)


@router.get("/limits/me")
async def my_limits(
    principal: Annotated[Principal, needs(Verb.READ, "usage")], accounts: TheAccounts, overview: TheOverview
) -> Standing:
    """What one's own calls must fit under, narrowest first."""
    return Standing(
        limits=await overview.of(accounts.limits.stack(principal)),
        currency=overview.currency,
        time_zone=overview.time_zone,
    )


@router.get("/limits/{kind}/{subject_id}")
async def read_limits(
    kind: SubjectKind, subject_id: str, _: ReadsLimits, accounts: TheAccounts, overview: TheOverview
) -> LimitsInfo:
    """One subject's limits with their use. `everyone` and `default` have `-` for an id."""
    return await _one(accounts, overview, _subject(kind, subject_id))


@router.put("/limits/{kind}/{subject_id}")
async def put_limits(
    kind: SubjectKind,
    subject_id: str,
    body: LimitsIn,
    principal: ManagesLimits,
    accounts: TheAccounts,
    overview: TheOverview,
) -> LimitsInfo:
    """Set a subject's limits, all of them; they hold at once."""
    subject = _subject(kind, subject_id)
    await accounts.limits.put(principal, subject, LimitFacts(**body.model_dump()))
    return await _one(accounts, overview, subject)


@router.delete("/limits/{kind}/{subject_id}", status_code=204)
async def remove_limits(kind: SubjectKind, subject_id: str, principal: ManagesLimits, accounts: TheAccounts) -> None:
    """Take a subject's limits away; a user then has the default ones."""
    await accounts.limits.remove(principal, _subject(kind, subject_id))


@router.post("/limits/{kind}/{subject_id}/release")
async def release_held(kind: SubjectKind, subject_id: str, principal: ManagesLimits, overview: TheOverview) -> Released:
    """Count what servers that died had set aside (`held`) as not spent, after a look at the usage."""
    return Released(amount=await overview.release(principal, _subject(kind, subject_id)))


@router.get("/keys/limits")
async def read_limits_of_keys(
    principal: OwnsKeys,
    accounts: TheAccounts,
    overview: TheOverview,
    key: Annotated[list[str], Query(max_length=PAGE)],
) -> list[LimitsInfo]:
    """The limits of some keys one manages, of those that have any, with their use."""
    limits = accounts.limits.all()
    managed = await accounts.keys.managed(principal, [one for one in key if ("key", one) in limits])
    return await overview.of([(("key", one), limits["key", one]) for one in managed])


@router.get("/keys/{key_id}/standing")
async def read_standing_of_key(
    key_id: str, principal: OwnsKeys, accounts: TheAccounts, overview: TheOverview
) -> list[LimitsInfo]:
    """What calls with a key one manages must fit under, narrowest first: its own limits and those above it."""
    key = await accounts.keys.require(principal, key_id)
    return await overview.of(accounts.limits.stack_of_key(key))


@router.get("/groups/{group_id}/limits")
async def read_limits_of_group(
    group_id: str,
    principal: Annotated[Principal, needs(Verb.READ, "group", some=True)],
    accounts: TheAccounts,
    overview: TheOverview,
) -> list[LimitsInfo]:
    """What calls of a team must fit under: its own limits, if it has any, and those of all together."""
    accounts.grants.require(principal, Verb.READ, Thing("group", group_id))
    subjects: list[Subject] = [("group", group_id), ALL_TOGETHER]
    return await overview.of([(one, facts) for one in subjects if (facts := accounts.limits.of(one)) is not None])


@router.get("/keys/{key_id}/limits")
async def read_limits_of_key(
    key_id: str, principal: OwnsKeys, accounts: TheAccounts, overview: TheOverview
) -> LimitsInfo:
    """The limits of a key one manages, with their use."""
    await accounts.keys.require(principal, key_id)
    return await _one(accounts, overview, ("key", key_id))


@router.put("/keys/{key_id}/limits")
async def put_limits_of_key(
    key_id: str, body: LimitsIn, principal: OwnsKeys, accounts: TheAccounts, overview: TheOverview
) -> LimitsInfo:
    """Limit a key one manages; what its owner may use stays the most."""
    no_key_makes_keys(principal)  # nor does it widen itself
    await accounts.keys.require(principal, key_id)
    await accounts.limits.put(principal, ("key", key_id), LimitFacts(**body.model_dump()))
    return await _one(accounts, overview, ("key", key_id))


@router.delete("/keys/{key_id}/limits", status_code=204)
async def remove_limits_of_key(key_id: str, principal: OwnsKeys, accounts: TheAccounts) -> None:
    """Take the limits of a key one manages away."""
    no_key_makes_keys(principal)
    await accounts.keys.require(principal, key_id)
    await accounts.limits.remove(principal, ("key", key_id))


async def _one(accounts: Accounts, overview: Overview, subject: Subject) -> LimitsInfo:
    facts = accounts.limits.of(subject)
    if facts is None:
        raise NotFound(f"{' '.join(part for part in subject if part)} has no limits of its own")
    return (await overview.of([(subject, facts)]))[0]


def _subject(kind: SubjectKind, subject_id: str) -> Subject:
    if kind in (ALL_TOGETHER[0], EACH_USER[0]):
        if subject_id != _NO_ID:
            raise BadInput(f"write /limits/{kind}/{_NO_ID}", field="subject_id")
        return (kind, "")
    return (kind, subject_id)
