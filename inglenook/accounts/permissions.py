"""How a route says who may take it: `needs(verb, kind)` or `public(reason)`, exactly one of them.

    @router.get("/{id}")
    async def read(principal: Annotated[Principal, needs(Verb.READ, "conversation")], …): …

    @router.get("/healthz", dependencies=[public("says only that the server is alive")])

`needs` asks about the kind (`accounts.grants` says what that means); a route about one thing then asks
`accounts.grants.require` with its id and owner. A test walks all routes and fails where neither is declared.
"""

from typing import Any

from fastapi import Depends, Request

from inglenook.accounts.grants import KINDS
from inglenook.accounts.principal import Principal, Thing, Verb


class Needs:
    """Dependency behind `needs`."""

    def __init__(self, verb: Verb, kind: str, *, some: bool) -> None:
        if kind not in KINDS:
            raise ValueError(f"{kind!r} is not in accounts.grants.KINDS; say there who may do what with it")
        self.verb = verb
        self.kind = kind
        self.some = some

    async def __call__(self, request: Request) -> Principal:
        accounts = request.app.state.accounts
        principal: Principal = await accounts.authenticate(request)
        if not (self.some and accounts.grants.may_some(principal, self.verb, self.kind)):
            accounts.grants.require(principal, self.verb, Thing(self.kind))
        return principal


class Public:
    """Dependency behind `public`."""

    def __init__(self, reason: str) -> None:
        self.reason = reason

    async def __call__(self) -> None:
        return None


def needs(verb: Verb, kind: str, *, some: bool = False) -> Any:
    """The route is for those who may do `verb` to things of `kind`; it receives the `Principal`.

    Args:
        some: Let those in, too, who may do it to single things only. The route must then ask
            `accounts.grants.may` or `require` for each thing it shows or touches.

    Raises:
        ValueError: the kind is not in `accounts.grants.KINDS`.
    """
    return Depends(Needs(verb, kind, some=some))


def public(reason: str) -> Any:
    """The route is open to everybody, for this reason."""
    if not reason:
        raise ValueError("say why the route may be open to everybody")
    return Depends(Public(reason))
