"""What the wire leans on inside uvicorn. When an upgrade breaks one of these, read `protocol.py` again before
touching this file: it names every assumption."""

import inspect
from collections import deque

import httptools
import uvicorn
from uvicorn.protocols.http import flow_control, httptools_impl
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol, RequestResponseCycle
from uvicorn.server import ServerState

from inglenook.gateway.wire.exchange import Exchange
from inglenook.gateway.wire.protocol import WireProtocol
from tests.support.wire import echo_app


def parameters(function: object) -> list[str]:
    return list(inspect.signature(function).parameters)  # type: ignore[arg-type]


def test_the_version_is_the_one_it_was_written_for() -> None:
    assert uvicorn.__version__ == "0.54.0"


def test_methods_we_override_or_call() -> None:
    expected = {
        "__init__": ["self", "config", "server_state", "app_state", "_loop"],
        "connection_made": ["self", "transport"],
        "connection_lost": ["self", "exc"],
        "data_received": ["self", "data"],
        "on_message_begin": ["self"],
        "on_url": ["self", "url"],
        "on_header": ["self", "name", "value"],
        "on_headers_complete": ["self"],
        "on_body": ["self", "body"],
        "on_message_complete": ["self"],
        "on_response_complete": ["self"],
        "shutdown": ["self"],
        "handle_websocket_upgrade": ["self"],
        "_should_upgrade": ["self"],
        "_start_asgi_task": ["self", "cycle", "app"],
    }
    assert {name: parameters(getattr(HttpToolsProtocol, name)) for name in expected} == expected


def test_no_method_of_theirs_bypasses_ours() -> None:
    """A new callback of the parser, or a new way to set timers, would need a look."""
    known = {
        *("__init__", "connection_made", "connection_lost", "eof_received", "data_received", "shutdown"),
        *("on_message_begin", "on_url", "on_header", "on_headers_complete", "on_body", "on_message_complete"),
        *("_get_upgrade", "_should_upgrade_to_ws", "_unsupported_upgrade_warning", "_should_upgrade"),
        *("handle_websocket_upgrade", "send_400_response", "_start_asgi_task", "on_response_complete"),
        *("pause_writing", "resume_writing", "timeout_keep_alive_handler", "_unset_keepalive_if_required"),
    }
    assert {name for name, value in vars(HttpToolsProtocol).items() if callable(value)} == known


def test_state_of_a_connection() -> None:
    config = uvicorn.Config(echo_app, lifespan="off", log_config=None, timeout_keep_alive=7)
    config.load()
    protocol = HttpToolsProtocol(config, ServerState(), {}, object())  # type: ignore[arg-type]
    assert isinstance(protocol.pipeline, deque)
    assert protocol.cycle is None
    assert protocol.tasks is protocol.server_state.tasks
    assert protocol.timeout_keep_alive == 7
    assert isinstance(protocol.parser, httptools.HttpRequestParser)
    assert protocol.server_state.default_headers == []
    assert protocol.server_state.total_requests == 0


def test_an_exchange_has_what_they_read_of_a_cycle() -> None:
    """`connection_lost`, `shutdown` and `on_headers_complete` treat the newest exchange as a cycle."""
    for name in ("response_complete", "disconnected", "keep_alive", "message_event"):
        assert name in inspect.getsource(RequestResponseCycle.__init__)
        assert hasattr(Exchange, name)
    assert "response_started" in inspect.getsource(RequestResponseCycle.__init__)
    assert parameters(RequestResponseCycle.run_asgi) == ["self", "app"]


def test_the_order_of_answers_is_kept_as_we_think() -> None:
    starts = inspect.getsource(HttpToolsProtocol.on_headers_complete)
    assert "if existing_cycle is None or existing_cycle.response_complete:" in starts
    assert "self.pipeline.appendleft((self.cycle, app))" in starts
    assert "self.pipeline.pop()" in inspect.getsource(HttpToolsProtocol.on_response_complete)
    assert flow_control.HIGH_WATER_LIMIT == 65536
    assert parameters(flow_control.FlowControl) == ["transport"]


def test_ours_is_theirs() -> None:
    assert WireProtocol.__mro__[1] is httptools_impl.HttpToolsProtocol
