"""Which addresses a URL may lead to, when a user or a model can influence it.

Covered: names and literals of every spelling are resolved once, each address is judged, and the caller connects to
what was judged; no second resolution can answer differently. IPv4 inside IPv6 (mapped, compatible, NAT64, ISATAP)
is judged as the IPv4 address it leads to. Not covered: what a public server does with the request.
"""

import asyncio
import ipaddress
import socket
from collections.abc import Awaitable, Callable, Iterable

from inglenook.kit.errors import BadInput, Forbidden, UpstreamFailed

Address = ipaddress.IPv4Address | ipaddress.IPv6Address
Network = ipaddress.IPv4Network | ipaddress.IPv6Network
#: From a host and a port to addresses, in order of preference. Raises `OSError` when there are none.
Resolver = Callable[[str, int], Awaitable[list[str]]]

# What `is_global` of some Python versions lets through, and addresses that are public but belong to the machine's
# own hoster (Azure's host agent).
_REFUSED = tuple(
    ipaddress.ip_network(network)
    for network in (
        "0.0.0.0/8",
        "100.64.0.0/10",
        "168.63.129.16/32",
        "192.0.0.0/24",
        "192.88.99.0/24",
        "198.18.0.0/15",
        "224.0.0.0/4",
        "240.0.0.0/4",
        "64:ff9b:1::/48",
        "100::/64",
        "2001::/23",
        "2002::/16",
        "5f00::/16",
        "fec0::/10",
        "ff00::/8",
    )
)
_NAT64 = ipaddress.IPv6Network("64:ff9b::/96")
_COMPATIBLE = ipaddress.IPv6Network("::/96")


class AddressRefused(Forbidden):
    """Requests to private addresses are refused; an administrator can allow the host in `allow_private`."""

    code = "address_refused"


async def system_resolver(host: str, port: int) -> list[str]:
    """Ask the system, in a thread of the event loop's."""
    loop = asyncio.get_running_loop()
    found = await loop.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return list(dict.fromkeys(str(entry[4][0]) for entry in found))


class AddressGuard:
    """Resolves and judges.

    Args:
        allow_private: What the administrator lets through although it is private: host names (exactly as the URL
            names them), addresses, networks.
    """

    def __init__(self, allow_private: Iterable[str] = (), *, resolver: Resolver = system_resolver) -> None:
        self._resolver = resolver
        self._names: set[str] = set()
        self._networks: list[Network] = []
        for entry in allow_private:
            text = entry.strip().strip("[]").lower()
            if not text or "://" in text:
                raise BadInput(
                    f"allow_private: {entry!r} is no host name, address or network (such as 10.0.0.0/8)",
                    field="allow_private",
                )
            try:
                self._networks.append(ipaddress.ip_network(text, strict=False))
            except ValueError:
                self._names.add(text.rstrip("."))

    def allows(self, address: str) -> bool:
        """Whether an address in its usual spelling may be connected to."""
        try:
            parsed = ipaddress.ip_address(address)
        except ValueError:
            return False
        return self._allows(parsed)

    async def addresses(self, host: str, port: int, *, trusted: bool = False) -> list[str]:
        """The addresses of `host` that may be connected to, in order of preference; at least one.

        Args:
            trusted: The administrator named this very host (a provider's base URL), or it is a child of ours: any
                address will do.

        Raises:
            AddressRefused: it leads only to addresses that are refused.
            UpstreamFailed: it cannot be resolved.
        """
        name = host.strip("[]").lower().rstrip(".")
        try:
            found = [str(ipaddress.ip_address(name))]
        except ValueError:
            try:
                found = await self._resolver(name, port)
            except (OSError, UnicodeError) as error:
                reason = getattr(error, "strerror", None) or "not a host name"
                raise UpstreamFailed(
                    f"cannot resolve {host}: {reason}", details={"host": host, "cause": "unreachable"}
                ) from None
        if trusted or name in self._names:
            return found
        allowed = [address for address in found if self.allows(address)]
        if not allowed:
            raise AddressRefused(
                f"{host} is not on the public internet ({', '.join(found[:3]) or 'no address'}); "
                "an administrator can allow it by the setting allow_private",
                details={"host": host},
            )
        return allowed

    def _allows(self, address: Address) -> bool:
        if any(address.version == network.version and address in network for network in self._networks):
            return True
        if isinstance(address, ipaddress.IPv6Address):
            inner = _embedded(address)
            if inner is not None:
                return self._allows(inner)
        if any(address.version == network.version and address in network for network in _REFUSED):
            return False
        return address.is_global and not address.is_multicast and not address.is_reserved


def _embedded(address: ipaddress.IPv6Address) -> ipaddress.IPv4Address | None:
    """The IPv4 address that packets to `address` end at, where it carries one."""
    if address.ipv4_mapped is not None:
        return address.ipv4_mapped
    low = int(address) & 0xFFFFFFFF
    if address in _NAT64 or (address in _COMPATIBLE and int(address) > 1):
        return ipaddress.IPv4Address(low)
    if (int(address) >> 32) & 0xFDFFFFFF == 0x00005EFE:  # ISATAP: the interface id says so
        return ipaddress.IPv4Address(low)
    return None
