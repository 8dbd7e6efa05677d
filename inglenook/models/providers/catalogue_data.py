"""What is known of vendors and their models before anybody asks them: one TOML file a vendor in `data/`.

    title = "DeepSeek"                                  for people
    docs = "https://api-docs.deepseek.com"
    keys = "https://platform.deepseek.com/api_keys"     where one gets an API key
    auth = "bearer"                                     one of `AUTH`
    currency = "USD"                                    of the prices below
    as_of = 2026-07-01                                  the day the facts below were read
    source = "https://api-docs.deepseek.com/pricing"    and where; of the whole file, or of one model

    [[endpoints]]                                       the first is the one meant when nothing is chosen
    region = "cn"
    title = "China"
    url = "https://api.deepseek.com/v1"
    currency = "CNY"                                    of prices at this endpoint, where it differs

    [[models]]
    name = "deepseek-chat"
    also = ["deepseek-v3"]                              other names of the same model
    context_length = 128_000                            tokens; likewise output_length, embedding_length
    capabilities = ["completion", "tools"]              as `ModelFacts`
    languages = ["zh", "en"]                            only where it matters
    prices = { input = 0.28, cached = 0.028, output = 0.42 }

Prices are written as vendors print them, in whole currency units: per million tokens or `characters`, or each (`image`,
`search`, `request`, `second`); the names are those of `models.prices.Prices`. Dearer prices of long prompts are
`tiers = [{ above = 200_000, … }]`. Where regions have their own, `prices` is a list of tables with `region = "cn"`,
which may have their own `as_of` and `source`. A price that cannot be sourced is left out.

A name that ends in a date (`-2025-04-14`, `-20250514`, `-0613`) or in `-latest` is the model without it, unless the
file has the whole name.
"""

import re
import tomllib
from decimal import Decimal
from functools import cache
from importlib import resources
from typing import Any
from urllib.parse import urlsplit

from msgspec import Struct, field, structs

from inglenook.models.prices import Prices, Tier
from inglenook.models.providers.base import CAPABILITIES, ModelFacts

#: How a vendor is shown who asks: a bearer token, a header of its own, signed requests, or not at all.
AUTH = frozenset({"bearer", "header", "query", "signature", "oauth", "none"})

_SUFFIX = re.compile(r"-(?:latest|\d{4}-\d{2}-\d{2}|\d{8}|\d{6}|\d{4})$")
_AMOUNTS = (
    *("input", "output", "cached", "cache_write", "cache_write_1h", "reasoning", "audio_input", "audio_output"),
    *("image", "search", "request", "second", "characters"),
)


class Endpoint(Struct, frozen=True, kw_only=True):
    """Where a vendor can be asked. `currency` is that of the prices there."""

    url: str
    region: str
    title: str
    currency: str


class VendorData(Struct, frozen=True, kw_only=True):
    """One file of `data/`, read."""

    title: str
    docs: str
    keys: str
    auth: str
    endpoints: tuple[Endpoint, ...]
    _models: dict[str, dict[str, ModelFacts]]  # by region, then by the model's own name
    _names: dict[str, str] = field(default_factory=dict)  # from any name in lower case to the model's own

    def region(self, url: str) -> str:
        """The region whose endpoint is at the host of `url`; the first one's if none is."""
        host = urlsplit(url).hostname
        for endpoint in self.endpoints:
            if urlsplit(endpoint.url).hostname == host:
                return endpoint.region
        return self.endpoints[0].region if self.endpoints else ""

    def models(self, region: str | None = None) -> tuple[ModelFacts, ...]:
        """Every model, in the order of the file, with its prices in a region (by default the first)."""
        return tuple(self._of(region).values())

    def facts(self, name: str, region: str | None = None) -> ModelFacts | None:
        """What is known of the model of that name; the facts bear the name that was asked for."""
        key = name.lower()
        own = self._names.get(key) or self._names.get(_SUFFIX.sub("", key))
        if own is None:
            return None
        facts = self._of(region)[own]
        return facts if own == name else structs.replace(facts, name=name)

    def _of(self, region: str | None) -> dict[str, ModelFacts]:
        if region is None:
            region = self.endpoints[0].region if self.endpoints else ""
        return self._models[region]


@cache
def vendor(name: str) -> VendorData:
    """The file `data/<name>.toml`. Reading one takes some milliseconds; it is kept.

    Raises:
        FileNotFoundError: there is none.
        ValueError: it does not follow the format; the message says where.
    """
    text = resources.files(__package__).joinpath("data", f"{name}.toml").read_text("utf-8")
    try:
        return _read(tomllib.loads(text, parse_float=Decimal))
    except (ValueError, KeyError, TypeError) as error:
        raise ValueError(f"data/{name}.toml: {error!r}") from error


def find(name: str) -> VendorData | None:
    """The same, or None if there is no such file."""
    try:
        return vendor(name)
    except FileNotFoundError:
        return None


def names() -> list[str]:
    """Every vendor there is a file of."""
    files = resources.files(__package__).joinpath("data").iterdir()
    return sorted(file.name.removesuffix(".toml") for file in files if file.name.endswith(".toml"))


def amount(value: Decimal | int) -> int:
    """A price in whole currency units as the millionths of `Prices`.

    Raises:
        ValueError: it is negative, or finer than a millionth.
    """
    millionths = value * 1_000_000
    if millionths < 0 or millionths != int(millionths):
        raise ValueError(f"{value} is no price")
    return int(millionths)


# ------------------------------------------------------------------------------------------------ internals


def _read(file: dict[str, Any]) -> VendorData:
    currency = file.get("currency", "USD")
    endpoints = tuple(
        Endpoint(
            url=given["url"],
            region=given.get("region", ""),
            title=given.get("title", ""),
            currency=given.get("currency", currency),
        )
        for given in file.get("endpoints", ())
    )
    if file["auth"] not in AUTH:
        raise ValueError(f"auth must be one of {', '.join(sorted(AUTH))}")
    places = {endpoint.region: endpoint.currency for endpoint in endpoints} or {"": currency}
    if len(places) < len(endpoints):
        raise ValueError("two endpoints have the same region")
    given = file.get("models", [])
    return VendorData(
        title=file["title"],
        docs=file["docs"],
        keys=file.get("keys", ""),
        auth=file["auth"],
        endpoints=endpoints,
        _models={
            place: {model["name"]: _facts(model, file, place, money) for model in given}
            for place, money in places.items()
        },
        _names=_index(given),
    )


def _index(models: list[dict[str, Any]]) -> dict[str, str]:
    found: dict[str, str] = {}
    for given in models:
        for name in (given["name"], *given.get("also", ())):
            if found.setdefault(name.lower(), given["name"]) != given["name"]:
                raise ValueError(f"two models are called {name}")
    return found


def _facts(given: dict[str, Any], file: dict[str, Any], region: str, currency: str) -> ModelFacts:
    known = {"name", "also", "capabilities", "languages", "prices", "as_of", "source"}
    known |= {"context_length", "output_length", "embedding_length"}
    if strange := given.keys() - known:
        raise ValueError(f"model {given['name']}: unknown {', '.join(sorted(strange))}")
    if strange := set(given["capabilities"]) - set(CAPABILITIES):
        raise ValueError(f"model {given['name']}: no capability is called {', '.join(sorted(strange))}")
    return ModelFacts(
        name=given["name"],
        capabilities=frozenset(given["capabilities"]),
        context_length=given.get("context_length", 0),
        output_length=given.get("output_length", 0),
        embedding_length=given.get("embedding_length", 0),
        languages=tuple(given.get("languages", ())),
        prices=_prices(given, file, region, currency),
    )


def _prices(given: dict[str, Any], file: dict[str, Any], region: str, currency: str) -> Prices | None:
    tables = given.get("prices", [])
    for table in tables if isinstance(tables, list) else [tables]:
        amounts = dict(table)
        if amounts.pop("region", region) != region:
            continue
        read, where = amounts.pop("as_of", None), amounts.pop("source", None)
        tiers = [
            Tier(above=tier.pop("above"), **_amounts(tier, given))
            for tier in (dict(tier) for tier in amounts.pop("tiers", ()))
        ]
        return Prices(
            **_amounts(amounts, given),
            tiers=sorted(tiers, key=lambda tier: tier.above),
            currency=currency,
            as_of=(read or given.get("as_of") or file["as_of"]).isoformat(),
            source=where or given.get("source") or file["source"],
        )
    return None


def _amounts(table: dict[str, Any], given: dict[str, Any]) -> dict[str, int]:
    if strange := table.keys() - set(_AMOUNTS):
        raise ValueError(f"prices of {given['name']}: unknown {', '.join(sorted(strange))}")
    return {name: amount(value) for name, value in table.items()}
