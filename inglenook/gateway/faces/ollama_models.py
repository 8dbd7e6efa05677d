"""Ollama's routes that change what is here, or send it elsewhere: `/api/pull`, `/api/push`, `/api/create`, `/api/copy`,
`/api/delete`.

For those who may manage the hub: administrators, and whom they granted it. Blobs are uploaded by `ollama_blobs`, since
their bodies are too large to be held.
"""

import asyncio
import threading
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import msgspec
import orjson
from sqlalchemy.orm import Session

from inglenook.accounts import audit
from inglenook.accounts.principal import Principal, Thing, Verb
from inglenook.accounts.service import Accounts
from inglenook.gateway.faces.asking import flag, json_body
from inglenook.gateway.faces.ollama import render_error
from inglenook.gateway.wire.routes import WireRequest, WireResponse, WireRoute
from inglenook.kit.errors import BadInput, InglenookError, NotFound
from inglenook.models.defaults import ModelDefaults
from inglenook.models.errors import CannotCarry, InvalidModelName, ModelNotFound
from inglenook.models.hub.base import Step
from inglenook.models.hub.create import Recipe, SampleMessage, create
from inglenook.models.hub.layout import ModelStore
from inglenook.models.hub.names import ModelName
from inglenook.models.hub.push import destination, push
from inglenook.models.hub.registry import parse_source
from inglenook.models.hub.service import WAITING, Hub, Pull
from inglenook.store.database import Store

_JSON = "application/json; charset=utf-8"
_NDJSON = "application/x-ndjson"
#: Fields of `/api/create` that cannot be carried, and why.
_NOT_HERE = {
    "remote_host": "models of other servers are added under Models, Providers",
    "draft_files": "draft models are not used",
}
Who = Callable[[WireRequest], Principal]
Say = Callable[[dict[str, Any]], None]


class OllamaModels:
    """Decodes those requests, and answers with Ollama's progress objects.

    Args:
        who: Tells who asks, as the inference routes do.
    """

    def __init__(
        self,
        who: Who,
        accounts: Accounts,
        hub: Hub,
        model_store: ModelStore,
        store: Store,
        defaults: ModelDefaults,
    ) -> None:
        self._who = who
        self._accounts = accounts
        self._hub = hub
        self._models = model_store
        self._store = store
        self._defaults = defaults

    def routes(self) -> list[WireRoute]:
        """The routes."""

        def route(method: str, path: str, handler: Any) -> WireRoute:
            return WireRoute(method, path, handler, needs="manage hub", render_error=render_error)

        return [
            route("POST", "/api/pull", self._pull),
            route("POST", "/api/push", self._push),
            route("POST", "/api/create", self._create),
            route("POST", "/api/copy", self._copy),
            route("DELETE", "/api/delete", self._delete),
        ]

    def _manager(self, request: WireRequest) -> Principal:
        principal = self._who(request)
        self._accounts.grants.require(principal, Verb.MANAGE, Thing("hub"))
        return principal

    async def _note(self, principal: Principal, act: str, name: str, **facts: Any) -> None:
        await self._store.write(lambda session: audit.record(session, principal, act, Thing("model", name), **facts))

    async def _pull(self, request: WireRequest, response: WireResponse) -> None:
        principal = self._manager(request)
        body = await json_body(request)
        name = _name(body)
        if body.get("insecure") is True and "://" not in name:
            name = f"http://{name}"
        await self._note(principal, "model.pulled", parse_source(name, None).name, source=name)
        pull = self._hub.start(name)  # nothing is waited for until it is watched, so that its first step is seen
        await _tell(_steps(self._hub.watch(pull.id)), body.get("stream") is not False, response)

    async def _push(self, request: WireRequest, response: WireResponse) -> None:
        principal = self._manager(request)
        body = await json_body(request)
        name, scheme = destination(_name(body), insecure=flag(body, "insecure"))

        async def steps(say: Say) -> None:
            def report(step: Step) -> None:
                say(_progress(step.status, step.digest, step.completed, step.total))

            await push(self._models, self._hub.outbound, name, report, scheme=scheme, access=self._hub.access)
            await self._note(principal, "model.pushed", name.short, to=name.host)
            say({"status": "success"})

        await _tell(_queued(steps), body.get("stream") is not False, response)

    async def _create(self, request: WireRequest, response: WireResponse) -> None:
        principal = self._manager(request)
        body = await json_body(request)
        name = _name(body)
        _valid(name, "model")
        recipe = _recipe(body)

        async def steps(say: Say) -> None:
            if recipe.base and not recipe.files and not await asyncio.to_thread(self._models.has, recipe.base):
                async for step in _steps(self._hub.watch(self._hub.start(recipe.base).id)):
                    if step != {"status": "success"}:
                        say(step)
            loop, stop = asyncio.get_running_loop(), threading.Event()

            def report(step: Step) -> None:
                loop.call_soon_threadsafe(say, _progress(step.status, step.digest, step.completed, step.total))

            making = asyncio.ensure_future(asyncio.to_thread(create, self._models, name, recipe, report, stop=stop))
            try:
                await asyncio.shield(making)
            except asyncio.CancelledError:  # nobody reads on: wait until nothing half-done is left
                stop.set()
                await asyncio.gather(making, return_exceptions=True)
                raise
            await self._note(principal, "model.created", name, base=recipe.base)
            say({"status": "success"})

        await _tell(_queued(steps), body.get("stream") is not False, response)

    async def _copy(self, request: WireRequest, response: WireResponse) -> None:
        principal = self._manager(request)
        body = await json_body(request)
        source, destination = (str(body.get(field) or "") for field in ("source", "destination"))
        for field, name in (("source", source), ("destination", destination)):
            try:
                ModelName.parse(name)
            except InvalidModelName:
                raise BadInput(f'{field} "{name}" is invalid', field=field) from None
        try:
            await asyncio.to_thread(self._models.copy, source, destination)
        except ModelNotFound:
            raise ModelNotFound(f'model "{source}" not found', field="source") from None
        await self._note(principal, "model.copied", destination, source=source)
        response.send(200, b"", "")

    async def _delete(self, request: WireRequest, response: WireResponse) -> None:
        principal = self._manager(request)
        name = _name(await json_body(request))
        try:
            ModelName.parse(name)
        except InvalidModelName:
            raise BadInput(f'name "{name}" is invalid', field="model") from None
        try:
            known = (await asyncio.to_thread(self._models.find, name)).short
            await asyncio.to_thread(self._models.delete, name)
        except NotFound:
            raise ModelNotFound(f"model '{name}' not found", field="model") from None

        def write(session: Session) -> None:
            self._defaults.forget(session, known)
            audit.record(session, principal, "model.deleted", Thing("model", name))

        await self._store.write(write)
        response.send(200, b"", "")


def _name(body: dict[str, Any]) -> str:
    name = body.get("model") or body.get("name")
    if not isinstance(name, str) or not name.strip():
        raise BadInput("model is required", field="model")
    return name.strip()


def _valid(name: str, field: str) -> None:
    try:
        ModelName.parse(name)
    except InvalidModelName as error:
        raise InvalidModelName(error.message, field=field) from None


def _recipe(body: dict[str, Any]) -> Recipe:
    for field, why in _NOT_HERE.items():
        if body.get(field):
            raise CannotCarry(f"field '{field}' cannot be carried: {why}; leave it out", field=field)
    licenses = body.get("license") or []
    given = {
        "base": body.get("from") or "",
        "files": body.get("files") or {},
        "adapters": body.get("adapters") or {},
        "scales": body.get("adapter_scales") or {},
        "template": body.get("template") or "",
        "quantize": body.get("quantize") or body.get("quantization") or "",
        "system": body.get("system") or "",
        "license": [licenses] if isinstance(licenses, str) else licenses,
        "parameters": body.get("parameters") or {},
    }
    try:
        messages = msgspec.convert(body.get("messages") or [], list[SampleMessage])
        return msgspec.structs.replace(msgspec.convert(given, Recipe), messages=messages)
    except msgspec.ValidationError as error:
        raise BadInput(str(error)) from None


async def _steps(pulls: AsyncIterator[Pull]) -> AsyncIterator[dict[str, Any]]:
    """A pull's steps as progress objects.

    Raises:
        InglenookError: it failed.
    """
    async for pull in pulls:
        if pull.status == "failed":
            raise InglenookError(pull.error or "the pull failed")
        if pull.status == "cancelled":
            raise InglenookError("the pull was stopped")
        if pull.status == "done":
            yield {"status": "success"}
        elif pull.message != WAITING:  # with Ollama, a pull begins with what it does
            yield _progress(pull.message, pull.digest, pull.completed, pull.total)


def _progress(status: str, digest: str, completed: int, total: int) -> dict[str, Any]:
    return {"status": status} | ({"digest": digest, "total": total, "completed": completed} if digest else {})


async def _queued(work: Callable[[Say], Awaitable[None]]) -> AsyncIterator[dict[str, Any]]:
    """What `work` says, as it says it; it is cancelled when nobody reads on."""
    said: asyncio.Queue[dict[str, Any] | None] = asyncio.Queue()

    async def run() -> None:
        try:
            await work(said.put_nowait)
        finally:
            said.put_nowait(None)

    task = asyncio.create_task(run())
    try:
        while (step := await said.get()) is not None:
            yield step
        await task
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def _tell(steps: AsyncIterator[dict[str, Any]], streamed: bool, response: WireResponse) -> None:
    """Answer with progress objects, a line each, or with the last one alone.

    What fails before the first line is an error of its own; after it, as with Ollama, a line that says so.
    """
    if not streamed:
        async for _ in steps:
            pass
        response.send(200, orjson.dumps({"status": "success"}), _JSON)
        return
    first = await anext(aiter(steps))
    response.start(200, _NDJSON)
    await response.write(orjson.dumps(first) + b"\n")
    try:
        async for step in steps:
            await response.write(orjson.dumps(step) + b"\n")
    except InglenookError as error:
        await response.write(render_error(error) + b"\n")
    response.end()
