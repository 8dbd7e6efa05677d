"""Every vendor's file is valid, and read as its format says."""

import re
import tomllib
from decimal import Decimal
from typing import Any

import msgspec
import pytest

from inglenook.models.prices import Prices, Tier
from inglenook.models.providers import catalogue_data
from inglenook.models.providers.catalogue_data import VendorData

FILE = """
title = "Acme"
docs = "https://acme.example/docs"
auth = "bearer"
currency = "CNY"
as_of = 2026-11-01
source = "https://acme.example/prices"

[[endpoints]]
region = "cn"
url = "https://api.acme.example.cn/v1"

[[endpoints]]
region = "world"
url = "https://api.acme.example/v1"
currency = "USD"

[[models]]
name = "Chatty-2"
also = ["chatty-2-preview"]
context_length = 128_000
output_length = 8_000
capabilities = ["completion", "tools"]
languages = ["zh"]
prices = [
  { region = "cn", input = 2, cached = 0.2, output = 8, tiers = [{ above = 32_000, input = 4.5, output = 16 }] },
  { region = "world", input = 0.3, output = 1.2, as_of = 2026-11-02, source = "https://acme.example/world" },
]

[[models]]
name = "chatty-2-20260101"
capabilities = ["completion"]

[[models]]
name = "painter"
capabilities = ["image"]
prices = { image = 0.04 }
as_of = 2026-10-02
source = "https://acme.example/painter"
"""


def read(text: str) -> VendorData:
    return catalogue_data._read(tomllib.loads(text, parse_float=Decimal))


def test_a_file_is_read_as_its_format_says() -> None:
    acme = read(FILE)
    assert [endpoint.currency for endpoint in acme.endpoints] == ["CNY", "USD"]
    (chatty, _, painter) = acme.models()
    assert (chatty.name, chatty.context_length, chatty.output_length, chatty.languages) == (
        *("Chatty-2", 128_000, 8_000),
        ("zh",),
    )
    assert chatty.prices == Prices(
        input=2_000_000,
        cached=200_000,
        output=8_000_000,
        tiers=[Tier(above=32_000, input=4_500_000, output=16_000_000)],
        currency="CNY",
        as_of="2026-11-01",
        source="https://acme.example/prices",
    )
    assert painter.prices is not None
    assert (painter.prices.image, painter.prices.as_of) == (40_000, "2026-10-02")


def test_prices_are_those_of_a_region() -> None:
    acme = read(FILE)
    assert acme.region("https://api.acme.example/v1/") == "world"
    assert acme.region("https://api.acme.example.cn/other") == "cn"
    assert acme.region("https://proxy.example") == "cn"
    facts = acme.facts("chatty-2", "world")
    assert facts is not None
    assert facts.prices is not None
    assert (facts.prices.currency, facts.prices.input) == ("USD", 300_000)
    assert (facts.prices.as_of, facts.prices.source) == ("2026-11-02", "https://acme.example/world")


@pytest.mark.parametrize(
    ("asked", "tools"),
    [
        ("Chatty-2", True),
        ("CHATTY-2-preview", True),
        ("chatty-2-latest", True),
        ("chatty-2-2026-05-01", True),
        ("chatty-2-20260101", False),
        ("chatty-3", None),
        ("chatty", None),
    ],
)
def test_a_model_is_found_by_every_name_it_has(asked: str, tools: bool | None) -> None:
    facts = read(FILE).facts(asked)
    assert (None if facts is None else "tools" in facts.capabilities) is tools
    assert facts is None or facts.name == asked


@pytest.mark.parametrize(
    ("wrong", "says"),
    [
        (("input = 0.3", "input = 0.0000003"), "is no price"),
        (("input = 0.3", "input = -1"), "is no price"),
        (("input = 0.3", "inptu = 1"), "unknown inptu"),
        (('languages = ["zh"]', 'tongues = ["zh"]'), "unknown tongues"),
        (('name = "painter"', 'name = "chatty-2-preview"'), "two models"),
        (('region = "world"\nurl', 'region = "cn"\nurl'), "same region"),
        (('"image"', '"imagination"'), "no capability is called imagination"),
        (('auth = "bearer"', 'auth = "secret handshake"'), "auth"),
    ],
)
def test_mistakes_are_named(wrong: tuple[str, str], says: str) -> None:
    with pytest.raises(ValueError, match=says):
        read(FILE.replace(*wrong))


@pytest.mark.parametrize("name", catalogue_data.names())
def test_every_file_is_valid(name: str) -> None:
    data = catalogue_data.vendor(name)
    assert data.title
    assert data.docs.startswith("https://")
    assert not data.keys or data.keys.startswith("https://")
    for endpoint in data.endpoints:
        assert endpoint.url.startswith(("https://", "http://")), endpoint
        assert not endpoint.url.endswith("/"), endpoint
        for facts in data.models(endpoint.region):
            _check(msgspec.to_builtins(facts))


def _check(facts: dict[str, Any]) -> None:
    name = facts["name"]
    assert facts["capabilities"], name
    if (prices := facts.get("prices")) is not None:
        assert re.fullmatch(r"\d{4}-\d{2}-\d{2}", prices["as_of"]), name
        assert prices["source"].startswith("https://"), name
        assert prices.get("currency", "USD") in ("USD", "CNY", "EUR"), name


def test_a_vendor_without_a_file() -> None:
    with pytest.raises(FileNotFoundError):
        catalogue_data.vendor("nobody")
