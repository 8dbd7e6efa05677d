"""Assembly: builds the rooms, joins them, and serves them. Nothing of its own happens here.

run_server    the process behind `inglenook serve`
open_control  the same API on the data directory's Unix socket only, for one command of the CLI
open_house    the rooms alone, without any listener
build_app     the framework's side of the HTTP interface
"""

import asyncio
import logging
import os
import signal
import socket
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import uvicorn
from fastapi import FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from sqlalchemy import text
from sqlalchemy.engine import make_url
from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Receive, Scope, Send

from inglenook import __version__
from inglenook.accounts.api import router as accounts_router
from inglenook.accounts.permissions import public
from inglenook.accounts.service import Accounts
from inglenook.chat.api import router as chat_router
from inglenook.chat.service import Chat
from inglenook.gateway.answers.service import Answers
from inglenook.gateway.budgets.api import router as limits_router
from inglenook.gateway.faces import ollama_blobs, registry
from inglenook.gateway.faces.ollama import OllamaFace
from inglenook.gateway.faces.ollama import render_error as render_ollama
from inglenook.gateway.faces.ollama_models import OllamaModels
from inglenook.gateway.gateway import Gateway
from inglenook.gateway.kept.service import Responses
from inglenook.gateway.ledger import Ledger
from inglenook.gateway.routing.api import router as routes_router
from inglenook.gateway.routing.live import LiveRoutes
from inglenook.gateway.routing.service import Routes
from inglenook.gateway.usage.api import router as usage_router
from inglenook.gateway.usage.keeping import Pruner
from inglenook.gateway.wire.protocol import wire_protocol
from inglenook.gateway.wire.routes import WireTable
from inglenook.kit import garbage
from inglenook.kit.asgi import LOCAL_ADMIN, Entrance, from_validation, render_error
from inglenook.kit.config import Settings
from inglenook.kit.errors import BadInput, InglenookError, NotFound
from inglenook.kit.hosts import HostPolicy
from inglenook.kit.http.outbound import Outbound
from inglenook.kit.http.pool import HttpPool
from inglenook.kit.loop import LagMonitor
from inglenook.kit.static import WebInterface
from inglenook.kit.telemetry import open_telemetry
from inglenook.kit.tls import check_certificate
from inglenook.metrics import router as metrics_router
from inglenook.models.api import router as models_router
from inglenook.models.catalogue import Catalogue
from inglenook.models.defaults import ModelDefaults
from inglenook.models.engine.service import Engine
from inglenook.models.hub.access import Access
from inglenook.models.hub.layout import ModelStore
from inglenook.models.hub.service import Hub
from inglenook.models.hub.settings import HUB
from inglenook.models.providers.base import ProviderParts
from inglenook.runs.api import router as runs_router
from inglenook.runs.service import Runs
from inglenook.status import router as status_router
from inglenook.store.blobs import Blobs
from inglenook.store.database import Store, after_commit
from inglenook.store.lock import DataLock
from inglenook.store.secrets import Secrets
from inglenook.store.socket import control_path
from inglenook.store.upgrade import upgrade

log = logging.getLogger(__name__)

ROUTERS = (
    accounts_router,
    models_router,
    routes_router,
    runs_router,
    chat_router,
    limits_router,
    usage_router,
    ollama_blobs.router,
    metrics_router,
    status_router,
)
STATIC = Path(__file__).parent / "static"
#: Seconds that a stop leaves to requests in flight (whoever asked has nothing but the connection), and to chat
#: answers (which are in the journal, and can be continued).
GRACE = 10
ANSWER_GRACE = 2
#: Seconds after which a stop says what it waits for.
PATIENCE = 0.5
#: Seconds an idle connection is kept: longer than proxies keep theirs, so that no request meets a closing one.
KEEP_ALIVE = 75


@dataclass(slots=True, kw_only=True)
class House:
    """The rooms of a running server."""

    settings: Settings
    hosts: HostPolicy
    store: Store
    secrets: Secrets
    accounts: Accounts
    runs: Runs
    model_store: ModelStore
    model_defaults: ModelDefaults
    engine: Engine
    hub: Hub
    catalogue: Catalogue
    ledger: Ledger
    routes: Routes
    answers: Answers
    gateway: Gateway
    kept: Responses
    chat: Chat
    lag: LagMonitor


@asynccontextmanager
async def open_house(settings: Settings, *, take_over: bool = True) -> AsyncIterator[House]:
    """Build the rooms on a data directory whose lock the caller holds, and close them in reverse order.

    Args:
        take_over: Whether to go on with the runs that a former server left unfinished.
    """
    settings.data.mkdir(parents=True, exist_ok=True, mode=0o700)
    url = settings.database_url or Store.sqlite_url(settings.data / "main.db")
    await asyncio.to_thread(upgrade, make_url(url), settings.data / "backups")
    async with AsyncExitStack() as stack:
        lag = LagMonitor()
        lag.start()
        stack.callback(lag.stop)
        store = Store.open(url, durability=settings.durability)
        stack.push_async_callback(store.close)
        secrets = Secrets(settings.data)
        accounts = Accounts(store, secrets)
        await accounts.start()
        stack.push_async_callback(accounts.stop)
        runs = Runs(store, Blobs(settings.data / "blobs"))
        outbound = Outbound(allow_private=settings.allow_private)
        stack.push_async_callback(outbound.close)
        http = HttpPool(allow_private=settings.allow_private)
        stack.push_async_callback(http.close)
        model_store = ModelStore(settings.models_dir)
        model_defaults = ModelDefaults(store)
        await model_defaults.start()
        engine = Engine(settings, model_store, defaults=model_defaults.of)
        model_defaults.on_change(engine.evict_changed)
        stack.push_async_callback(engine.stop)
        sources = accounts.settings.register(HUB)
        hub = Hub(settings, model_store, outbound, Access(lambda: sources.now))
        hub.in_use = engine.files
        await hub.lend(sources.now)
        sources.on_change(hub.on_settings)
        hub.keep_tidy()
        stack.push_async_callback(hub.stop)
        catalogue = Catalogue(store, secrets, model_store, ProviderParts(http=http, engine=engine))
        await catalogue.start()
        stack.push_async_callback(catalogue.stop)
        ledger = Ledger(settings.database_url or settings.data / "usage.db")
        await ledger.start()
        stack.push_async_callback(ledger.stop)
        routes = Routes(store, catalogue, LiveRoutes(catalogue))
        await routes.start()
        stack.push_async_callback(routes.stop)
        answers = Answers(settings.data / "answers.db")
        await answers.start()
        stack.push_async_callback(answers.stop)
        routes.live.on_change(lambda: answers.keep_only(routes.keeping()))
        accounts.on_user_deleted(lambda session, user_id: after_commit(session, lambda: answers.forget_owner(user_id)))
        gateway = Gateway(accounts, catalogue, ledger, routes.live, answers)
        telemetry = open_telemetry(os.environ, settings.otlp_endpoint)
        if telemetry is not None:
            stack.push_async_callback(telemetry.stop)
            gateway.tell(telemetry)
        await gateway.start()
        stack.push_async_callback(gateway.stop)
        pruner = Pruner(ledger, gateway.keeping)
        pruner.start()
        stack.push_async_callback(pruner.stop)
        kept = Responses(store, accounts.settings)
        accounts.on_user_deleted(kept.forget_user)
        chat = Chat(store, runs, gateway)
        accounts.on_user_deleted(chat.forget_user)
        if take_over:
            await runs.start()
        stack.push_async_callback(runs.stop)
        yield House(
            settings=settings,
            hosts=HostPolicy(settings.host, settings.allowed_hosts, settings.allowed_origins),
            store=store,
            secrets=secrets,
            accounts=accounts,
            runs=runs,
            model_store=model_store,
            model_defaults=model_defaults,
            engine=engine,
            hub=hub,
            catalogue=catalogue,
            ledger=ledger,
            routes=routes,
            answers=answers,
            gateway=gateway,
            kept=kept,
            chat=chat,
            lag=lag,
        )


def build_app(house: House) -> FastAPI:
    """The framework's side of the HTTP interface: everything but the inference routes."""
    app = FastAPI(title="Inglenook", version=__version__, docs_url=None, redoc_url=None, openapi_url=None)
    for name in House.__slots__:
        setattr(app.state, name, getattr(house, name))
    for router in ROUTERS:
        app.include_router(router)
    app.add_api_route("/healthz", _healthz, include_in_schema=False, dependencies=[public("liveness, says nothing")])
    app.add_api_route("/readyz", _readyz, include_in_schema=False, dependencies=[public("readiness, says only so")])
    app.add_exception_handler(InglenookError, _on_error)
    app.add_exception_handler(RequestValidationError, _on_validation)
    app.add_exception_handler(HTTPException, _on_http)
    app.add_exception_handler(Exception, _on_bug)
    app.mount("/", WebInterface(STATIC, house.settings.base_path))
    return app


def warm(app: FastAPI) -> None:
    """Let the framework make of each route what it makes when a request first looks at it: some 60 ms of work, by which
    the event loop would be late. Fit for another thread."""
    for route in app.router.routes:
        route.matches(
            {"type": "http", "method": "GET", "path": "/", "headers": [], "query_string": b"", "root_path": ""}
        )


async def _healthz() -> Response:
    return Response(b"ok", media_type="text/plain")


async def _readyz(request: Request) -> Response:
    """Whether calls can be answered: the database is read and the ledger written."""
    store: Store = request.app.state.store
    await store.read(lambda session: session.execute(text("SELECT 1")))
    await request.app.state.ledger.flush()
    return Response(b"ok", media_type="text/plain")


async def _on_error(request: Request, error: Exception) -> Response:
    assert isinstance(error, InglenookError)
    status, headers, body = render_error(error)
    if request.url.path.startswith(ollama_blobs.PREFIX):
        body = render_ollama(error)
    return Response(body, status, headers)


async def _on_validation(request: Request, error: Exception) -> Response:
    assert isinstance(error, RequestValidationError)
    return await _on_error(request, from_validation(list(error.errors())))


async def _on_http(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    if error.status_code == 404:
        return await _on_error(request, NotFound(f"there is no {request.url.path} here"))
    response = await _on_error(request, BadInput(str(error.detail)))
    response.status_code = error.status_code
    response.headers.update(error.headers or {})
    return response


async def _on_bug(request: Request, error: Exception) -> Response:
    log.error("bug in %s %s", request.method, request.url.path, exc_info=error)
    return await _on_error(request, InglenookError("something went wrong in Inglenook; the server's log says more"))


class _LocalAdmin:
    """Marks the requests of the control socket, and no others."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        scope[LOCAL_ADMIN] = True
        await self._app(scope, receive, send)


class _Server(uvicorn.Server):
    """A uvicorn server that leaves signals to `run_server`, which may run several, and says when it listens."""

    def __init__(self, config: uvicorn.Config) -> None:
        super().__init__(config)
        self.listening = asyncio.Event()

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        self.listening.set()

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


class Listeners:
    """The servers of one house: the main port, the control socket, and the Ollama port if there is one."""

    def __init__(self, house: House) -> None:
        self._house = house
        self.app = build_app(house)
        self._app = Entrance(
            self.app,
            house.hosts,
            base_path=house.settings.base_path,
            body_limit=house.settings.body_limit,
            unbounded=(ollama_blobs.PREFIX,),
        )
        self._servers: list[tuple[_Server, asyncio.Task[None]]] = []

    async def open_control(self) -> None:
        """Listen on the data directory's Unix socket."""
        listener = control_path(self._house.settings.data).listen()
        await self._open(_LocalAdmin(self._app), listener, self.table(local=True), tls=False)

    async def open_main(self) -> str:
        """Listen on the configured address and return the URL."""
        settings = self._house.settings
        listener = _bind(settings.host, settings.port, "--port")
        await self._open(self._app, listener, self.table(), tls=True)
        host, port = listener.getsockname()[:2]
        host = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host)  # every address: name one that can be opened
        scheme = "https" if settings.tls_cert else "http"
        shown = f"[{host}]" if ":" in host else host
        return f"{scheme}://{shown}:{port}{settings.base_path}"

    async def open_ollama(self, port: int) -> None:
        """Serve the Ollama routes, and nothing else, on a port of their own."""
        listener = _bind(self._house.settings.host, port, "--ollama-port")
        await self._open(_OnlyBlobs(self._app), listener, self.table(ollama_only=True), tls=True)

    async def close(self) -> None:
        """Stop listening, give requests in flight `GRACE` seconds, and end."""
        for server, _ in self._servers:
            server.should_exit = True
        await asyncio.gather(*(task for _, task in self._servers))
        control_path(self._house.settings.data).remove()

    def hurry(self) -> None:
        """Break off the requests that `close` waits for."""
        for server, _ in self._servers:
            for task in server.server_state.tasks:
                task.cancel()

    def table(self, *, local: bool = False, ollama_only: bool = False) -> WireTable:
        """The inference routes of one listener."""
        house = self._house
        ollama = OllamaFace(house.gateway, house.catalogue, house.engine, house.model_store, house.settings)
        routes = ollama.routes(with_root=ollama_only)
        routes += OllamaModels(
            ollama.who, house.accounts, house.hub, house.model_store, house.store, house.model_defaults
        ).routes()
        if not ollama_only:
            routes += registry.routes(house.gateway, house.kept)
        return WireTable(
            routes,
            hosts=house.hosts,
            base_path=house.settings.base_path,
            body_limit=house.settings.body_limit,
            local=local,
        )

    async def _open(self, app: ASGIApp, listener: socket.socket, table: WireTable, *, tls: bool) -> None:
        settings = self._house.settings
        config = uvicorn.Config(
            app,
            http=wire_protocol(table),
            loop="none",
            lifespan="off",
            log_config=None,
            access_log=False,
            server_header=False,
            proxy_headers=bool(settings.trusted_proxies),
            forwarded_allow_ips=settings.trusted_proxies,
            timeout_graceful_shutdown=GRACE,
            timeout_keep_alive=KEEP_ALIVE,
            ssl_certfile=settings.tls_cert if tls else None,
            ssl_keyfile=settings.tls_key if tls else None,
        )
        server = _Server(config)
        task = asyncio.create_task(server.serve(sockets=[listener]))
        await server.listening.wait()
        self._servers.append((server, task))


class _OnlyBlobs:
    """What the Ollama port takes of the framework's side: uploads of blobs, which are too large for the wire."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        blobs = scope["type"] == "lifespan" or scope["path"].startswith(ollama_blobs.PREFIX)
        await (self._app if blobs else _nothing_here)(scope, receive, send)


async def _nothing_here(scope: Scope, receive: Receive, send: Send) -> None:
    await Response(b"404 page not found", 404, media_type="text/plain")(scope, receive, send)


def _bind(host: str, port: int, option: str) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listener = socket.socket(family, socket.SOCK_STREAM)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((host, port))
    except OSError as error:
        listener.close()
        raise BadInput(
            f"cannot listen on {host}:{port}: {error.strerror}; stop what listens there, or choose another {option}"
        ) from None
    listener.setblocking(False)
    return listener


async def run_server(settings: Settings, *, say: Callable[[str], None], note: Callable[[str], None]) -> None:
    """Serve until SIGINT or SIGTERM. `say` gets the one line that names the address, `note` what else happens.

    Raises:
        DataLocked: another process holds the data directory.
        BadInput: the address cannot be bound, or the certificate cannot be used.
    """
    check_certificate(settings.tls_cert, settings.tls_key)
    stop = _StopSignals()
    with DataLock(settings.data):
        async with open_house(settings) as house:
            listeners = Listeners(house)
            try:
                await listeners.open_control()
                url = await listeners.open_main()
                if settings.ollama_port is not None:
                    await listeners.open_ollama(settings.ollama_port)
                token = house.accounts.setup_token
                say(f"Inglenook is ready: {url}/setup#token={token}" if token else f"Inglenook is ready: {url}/")
                warming = asyncio.create_task(asyncio.to_thread(warm, listeners.app))
                starter = asyncio.create_task(_fetch_starter(house, note))
                await warming
                garbage.settle()
                await stop.asked.wait()
                starter.cancel()
            finally:
                await _close(house, listeners, stop, note)


class _StopSignals:
    """SIGINT and SIGTERM: the first asks to stop, another one to stop at once."""

    def __init__(self) -> None:
        self.asked = asyncio.Event()
        self.asked_again = asyncio.Event()
        for number in (signal.SIGINT, signal.SIGTERM):
            asyncio.get_running_loop().add_signal_handler(number, self._come)

    def _come(self) -> None:
        (self.asked_again if self.asked.is_set() else self.asked).set()


async def _close(house: House, listeners: Listeners, stop: _StopSignals, note: Callable[[str], None]) -> None:
    """End what is under way, or cut it off when asked again."""
    stop.asked.set()
    closing = asyncio.gather(house.runs.stop(ANSWER_GRACE), house.hub.stop(), listeners.close())
    done, _ = await asyncio.wait({closing}, timeout=PATIENCE)
    if not done:
        note(f"Stopping; answers under way get up to {GRACE} s. Press Ctrl-C again to stop at once.")
        again = asyncio.ensure_future(stop.asked_again.wait())
        either: set[asyncio.Future[Any]] = {closing, again}
        await asyncio.wait(either, return_when=asyncio.FIRST_COMPLETED)
        again.cancel()
        if not closing.done():
            house.runs.hurry()
            listeners.hurry()
    await closing


async def _fetch_starter(house: House, note: Callable[[str], None]) -> None:
    """On the first start, fetch the starter model while its person makes an account; the page shows how far it is."""
    if house.accounts.setup_token is None or not house.settings.starter or house.model_store.list():
        return
    try:
        pull = house.hub.start(house.settings.starter)
    except InglenookError as error:
        note(f"The starter model could not be fetched: {error.message}")
        return
    note(f"Fetching the starter model from {pull.source}.")
    pull = await house.hub.wait(pull.id)
    if pull.status == "done":
        note(f"The starter model is here: {pull.model}.")
    elif pull.error:
        note(f"The starter model could not be fetched: {pull.error}")


@asynccontextmanager
async def open_control(settings: Settings) -> AsyncIterator[None]:
    """The API on the data directory's Unix socket only. The caller holds the directory's lock."""
    async with open_house(settings, take_over=False) as house:
        listeners = Listeners(house)
        try:
            await listeners.open_control()
            yield
        finally:
            await listeners.close()


def openapi() -> dict[str, object]:
    """The OpenAPI description of the REST API, from which the web client's types are generated."""
    app = FastAPI(title="Inglenook", version=__version__)
    for router in ROUTERS:
        app.include_router(router)
    return app.openapi()
