"""Walks every route of an app and finds those that do not say who may take them."""

from collections.abc import Iterator
from typing import Any

from fastapi import FastAPI
from fastapi.dependencies.models import Dependant
from fastapi.routing import iter_route_contexts

from inglenook.accounts.permissions import Needs, Public

#: Methods that the framework adds by itself.
IMPLIED = {"HEAD", "OPTIONS"}


def undeclared_routes(app: FastAPI, *, open_mounts: tuple[str, ...] = ("",)) -> list[str]:
    """The routes (`GET /path`) that do not declare exactly one of `needs` and `public`.

    Args:
        open_mounts: Paths of mounted applications that are meant to be open to everybody, such as the page's files
            (`""` is one mounted at `/`). All other mounts and plain Starlette routes are found wanting: they cannot
            declare anything.
    """
    found = []
    for context in iter_route_contexts(app.routes):
        path = str(getattr(context, "path", ""))
        dependant = getattr(context, "dependant", None)
        if dependant is None:
            if getattr(context, "methods", None) is None and path in open_mounts:
                continue
            declared = 0
        else:
            declared = sum(1 for _ in _declarations(dependant))
        if declared != 1:
            methods = ",".join(sorted(set(getattr(context, "methods", None) or {"MOUNT"}) - IMPLIED))
            found.append(f"{methods} {path}")
    return found


def _declarations(dependant: Dependant) -> Iterator[Any]:
    if isinstance(dependant.call, Needs | Public):
        yield dependant.call
    for child in dependant.dependencies:
        yield from _declarations(child)
