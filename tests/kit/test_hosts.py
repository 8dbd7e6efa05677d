"""DNS rebinding: a request names this machine, or it is not for us."""

import socket

import pytest

from inglenook.kit.hosts import HostPolicy


@pytest.mark.parametrize(
    "host", ["localhost", "localhost:8642", "127.0.0.1:8642", "[::1]:8642", "LOCALHOST.", "ai.lan"]
)
def test_this_machine_and_allowed_names_pass(host: str) -> None:
    assert HostPolicy("127.0.0.1", ["ai.lan"]).host_allowed(host)


@pytest.mark.parametrize(
    "host", ["evil.example", "", "127.0.0.1.evil.example", "192.168.1.5", "localhost.evil.example"]
)
def test_other_names_do_not(host: str) -> None:
    assert not HostPolicy("127.0.0.1", []).host_allowed(host)


def test_bound_to_every_address_any_address_passes_but_no_foreign_name() -> None:
    policy = HostPolicy("0.0.0.0", [])
    assert policy.host_allowed("192.168.1.5:8642")
    assert not policy.host_allowed("evil.example")
    own = socket.gethostname()
    for name in (own, f"{own}:8642", f"{own}.local"):
        assert policy.host_allowed(name)
        assert not HostPolicy("127.0.0.1", []).host_allowed(name)


def test_only_our_own_pages_are_same_origin() -> None:
    policy = HostPolicy("127.0.0.1", [])
    assert policy.origin_allowed("http://localhost:8642", "localhost:8642")
    assert not policy.origin_allowed("http://localhost:3000", "localhost:8642")
    assert not policy.origin_allowed("http://evil.example", "evil.example")
    assert not policy.origin_allowed("null", "localhost:8642")
    assert policy.is_local_page("http://localhost:3000")
    assert not policy.is_local_page("http://evil.example")


@pytest.mark.parametrize(
    ("origin", "may"),
    [
        ("http://localhost:3000", True),
        ("https://127.0.0.1", True),
        ("http://[::1]:5173", True),
        ("http://localhost:8642", True),
        ("app://obsidian.md", True),
        ("tauri://localhost", True),
        ("vscode-webview://0abc", True),
        ("https://chat.example", True),
        ("https://CHAT.example", True),
        ("http://chat.example", False),
        ("https://chat.example.evil", False),
        ("https://evil.example", False),
        ("http://localhost.evil.example", False),
        ("http://localhost@evil.example", False),
        ("null", False),
        ("", False),
        ("*", False),
        ("http://[", False),
        ("http://ai.lan:8642", False),
    ],
)
def test_which_pages_may_call_where_only_keys_count(origin: str, may: bool) -> None:
    policy = HostPolicy("127.0.0.1", [], ["https://chat.example/"])
    assert policy.may_call(origin, "localhost:8642") is may
