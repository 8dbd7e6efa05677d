"""Which `Host` and `Origin` headers a request may carry: the guard against DNS rebinding and foreign pages.

A page of another site can make a browser send requests here under a name of its own that resolves to this machine.
So a request must name an address, this machine, or a host the administrator listed.
"""

import ipaddress
import socket
from urllib.parse import urlsplit

_LOCAL_NAMES = frozenset({"localhost", "ip6-localhost"})
_LOOPBACK_HOSTS = frozenset({"localhost", "127.0.0.1", "::1", "0.0.0.0"})
#: Schemes that only programs on the user's machine serve pages by.
_APP_SCHEMES = frozenset({"app", "tauri", "vscode-webview", "vscode-file", "file"})


class HostPolicy:
    """Decides by the address the server is bound to and the names the administrator allowed."""

    def __init__(self, bound_host: str, allowed: list[str], origins: list[str] | None = None) -> None:
        """
        Args:
            bound_host: Address or name the server listens on.
            allowed: Further host names, without ports.
            origins: Further origins whose pages may call where only keys count.
        """
        self._origins = {origin.lower().rstrip("/") for origin in origins or ()}
        self.is_loopback = _is_loopback(bound_host)
        self._names = {name.lower().rstrip(".") for name in allowed} | _LOCAL_NAMES
        if not _is_address(bound_host):
            self._names.add(bound_host.lower())
        if not self.is_loopback:
            own = socket.gethostname().lower()
            self._names |= {own, f"{own.removesuffix('.local')}.local"}  # the latter on home networks (mDNS)

    def host_allowed(self, host: str) -> bool:
        """Whether a request may name `host` (the `Host` header, port included)."""
        name = _name(host)
        if name in self._names:
            return True
        if not _is_address(name):
            return False
        return _is_loopback(name) if self.is_loopback else True

    def origin_allowed(self, origin: str, host: str) -> bool:
        """Whether a browser's request with this `Origin` may act: only pages of this server itself."""
        parts = urlsplit(origin)
        return bool(parts.netloc) and parts.netloc.lower() == host.lower() and self.host_allowed(parts.netloc)

    def is_local_page(self, origin: str) -> bool:
        """Whether `origin` is a page served by some program on this machine (`http://localhost:3000`)."""
        parts = urlsplit(origin)
        return parts.scheme in ("http", "https") and (parts.hostname or "") in _LOOPBACK_HOSTS

    def may_call(self, origin: str, host: str) -> bool:
        """Whether a page of `origin` may call where only keys count, and nothing a browser adds by itself: our own
        pages, those of programs on the user's machine, and those the administrator named. Never `null`: any page can
        make itself that."""
        try:
            if self.origin_allowed(origin, host) or self.is_local_page(origin):
                return True
            return urlsplit(origin).scheme in _APP_SCHEMES or origin.lower() in self._origins
        except ValueError:
            return False


def _name(host: str) -> str:
    host = host.strip().lower()
    if host.startswith("["):
        return host[1:].partition("]")[0]
    if host.count(":") > 1:
        return host
    return host.partition(":")[0].rstrip(".")


def _is_address(name: str) -> bool:
    try:
        ipaddress.ip_address(name)
    except ValueError:
        return False
    return True


def _is_loopback(name: str) -> bool:
    try:
        return ipaddress.ip_address(name).is_loopback
    except ValueError:
        return name.lower() in _LOCAL_NAMES
