"""Which addresses are refused, and what is connected to."""

import socket

import pytest

from inglenook.kit.errors import BadInput, UpstreamFailed
from inglenook.kit.http.guard import AddressGuard, AddressRefused, Resolver, system_resolver

PUBLIC = [
    "93.184.216.34",
    "8.8.8.8",
    "2606:4700:4700::1111",
    "2001:4860:4860::8888",
    "64:ff9b::8.8.8.8",
    "::ffff:8.8.8.8",
]

REFUSED = {
    "loopback": ["127.0.0.1", "127.9.9.9", "::1"],
    "unspecified": ["0.0.0.0", "0.1.2.3", "::"],
    "private": ["10.0.0.1", "172.16.0.1", "172.31.255.255", "192.168.1.1", "fc00::1", "fd12::1", "fec0::1"],
    "link-local": ["169.254.1.1", "fe80::1", "fe80::1%eth0"],
    "metadata": ["169.254.169.254", "100.100.100.200", "fd00:ec2::254", "168.63.129.16", "192.0.0.192"],
    "cgnat": ["100.64.0.1", "100.127.255.255"],
    "multicast": ["224.0.0.1", "239.255.255.250", "ff02::1"],
    "reserved": [
        "240.0.0.1",
        "255.255.255.255",
        "192.0.2.1",
        "198.18.0.1",
        "198.51.100.1",
        "203.0.113.1",
        "2001:db8::1",
    ],
    "mapped": ["::ffff:127.0.0.1", "::ffff:10.0.0.1", "::ffff:a9fe:a9fe"],
    "compatible": ["::127.0.0.1", "::10.0.0.1"],
    "nat64": ["64:ff9b::127.0.0.1", "64:ff9b::a9fe:a9fe", "64:ff9b:1::1"],
    "6to4": ["2002:7f00:1::", "2002:a00:1::", "2002:808:808::1"],
    "teredo": ["2001:0:4136:e378:8000:63bf:3fff:fdd2", "2001::1"],
    "isatap": ["2606:4700::5efe:10.0.0.1", "2606:4700::200:5efe:127.0.0.1"],
    "discard": ["100::1"],
}


def fixed(*addresses: str) -> Resolver:
    async def resolver(host: str, port: int) -> list[str]:
        if not addresses:
            raise socket.gaierror(-2, "Name or service not known")
        return list(addresses)

    return resolver


@pytest.mark.parametrize("address", PUBLIC)
def test_public_addresses_are_allowed(address: str) -> None:
    assert AddressGuard().allows(address)


@pytest.mark.parametrize("address", [address for addresses in REFUSED.values() for address in addresses])
async def test_others_are_refused_as_literal_and_by_name(address: str) -> None:
    guard = AddressGuard(resolver=fixed(address))
    assert not guard.allows(address)
    with pytest.raises(AddressRefused):
        await guard.addresses("name.example", 80)
    with pytest.raises(AddressRefused, match="allow_private"):
        await guard.addresses(f"[{address}]" if ":" in address else address, 80)


@pytest.mark.parametrize("spelling", ["2130706433", "0x7f000001", "127.1", "0177.0.0.1", "localhost", "LOCALHOST."])
async def test_other_spellings_of_loopback_are_seen_through(spelling: str) -> None:
    with pytest.raises((AddressRefused, UpstreamFailed)):
        await AddressGuard().addresses(spelling, 80)


async def test_only_allowed_addresses_of_a_name_are_given() -> None:
    guard = AddressGuard(resolver=fixed("10.0.0.1", "8.8.8.8", "::1"))
    assert await guard.addresses("rebind.example", 80) == ["8.8.8.8"]


async def test_trusted_hosts_may_be_anywhere() -> None:
    assert await AddressGuard().addresses("127.0.0.1", 80, trusted=True) == ["127.0.0.1"]
    assert await AddressGuard(resolver=fixed("10.0.0.1")).addresses("gpu.example", 80, trusted=True) == ["10.0.0.1"]


async def test_the_administrator_allows_by_name_address_or_network() -> None:
    resolver = fixed("10.1.2.3")
    assert await AddressGuard(["GPU.lan"], resolver=resolver).addresses("gpu.lan.", 80) == ["10.1.2.3"]
    assert await AddressGuard(["10.1.2.3"], resolver=resolver).addresses("gpu.lan", 80) == ["10.1.2.3"]
    assert await AddressGuard(["10.1.0.0/16"], resolver=resolver).addresses("gpu.lan", 80) == ["10.1.2.3"]
    assert AddressGuard(["10.1.0.0/16"]).allows("::ffff:10.1.2.3")
    assert AddressGuard(["fd00::/8"]).allows("fd12::1")
    assert AddressGuard(["[::1]"]).allows("::1")
    for other in (["10.2.0.0/16"], ["other.lan"], ["lan"]):
        with pytest.raises(AddressRefused):
            await AddressGuard(other, resolver=resolver).addresses("gpu.lan", 80)


@pytest.mark.parametrize("entry", ["", " ", "http://gpu.lan"])
def test_a_malformed_permission_is_an_error(entry: str) -> None:
    with pytest.raises(BadInput, match="allow_private"):
        AddressGuard([entry])


async def test_a_name_that_does_not_resolve() -> None:
    with pytest.raises(UpstreamFailed, match=r"cannot resolve nowhere\.example: Name or service not known"):
        await AddressGuard(resolver=fixed()).addresses("nowhere.example", 80)


async def test_the_system_resolver_gives_addresses() -> None:
    assert "127.0.0.1" in await system_resolver("127.0.0.1", 80)
