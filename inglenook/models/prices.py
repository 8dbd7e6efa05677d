"""What models cost: prices by class of token, and what a call's usage comes to."""

import math

from msgspec import Struct, field

from inglenook.models.calls import Usage

#: Amounts are whole billionths of a currency unit: fine enough for one cached token, and 9 thousand million units fit.
NANO = 1_000_000_000


class Tier(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Prices that hold instead once a prompt is longer than `above` tokens."""

    above: int
    input: int
    output: int
    cached: int | None = None
    cache_write: int | None = None
    cache_write_1h: int | None = None


class Prices(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What a million tokens of each class cost, in millionths of `currency` (2.50 a million tokens: 2_500_000).

    Attributes:
        cached: Input read from the provider's cache; None: as `input`.
        cache_write, cache_write_1h: Input written to its cache; None: as `input`, and as `cache_write`.
        reasoning, audio_output: None: as `output`. `audio_input`: None: as `input`.
        image: One made picture. `search`: one unit of reranking. `request`: each call. `second`: of sound that is
            heard. In millionths.
        characters: A million of them, spoken.
        tiers: Dearer prices of long prompts, by rising `above`.
        as_of, source: The day the table was read (`2026-11-24`) and where.
    """

    input: int = 0
    output: int = 0
    cached: int | None = None
    cache_write: int | None = None
    cache_write_1h: int | None = None
    reasoning: int | None = None
    audio_input: int | None = None
    audio_output: int | None = None
    image: int = 0
    search: int = 0
    request: int = 0
    second: int = 0
    characters: int = 0
    currency: str = "USD"
    tiers: list[Tier] = field(default_factory=list)
    as_of: str = ""
    source: str = ""


def cost(prices: Prices, usage: Usage) -> int:
    """What `usage` comes to, in billionths of `prices.currency`, rounded up."""
    tier = None
    for candidate in prices.tiers:
        if usage.input > candidate.above:
            tier = candidate
    of_input, of_output = (tier.input, tier.output) if tier else (prices.input, prices.output)
    heard_or_spoken = usage.audio_input or usage.audio_output
    if not (usage.cached or usage.reasoning or usage.cache_write or usage.cache_write_1h or heard_or_spoken):
        total = usage.input * of_input + usage.output * of_output  # nearly every call
    else:
        total = _by_class(prices, tier, usage, of_input, of_output)
    extra = usage.images * prices.image + usage.searches * prices.search + prices.request
    if usage.seconds or usage.characters:
        total += usage.characters * prices.characters
        extra += math.ceil(usage.seconds * prices.second)
    return -(-total // 1000) + extra * 1000


def _by_class(prices: Prices, tier: Tier | None, usage: Usage, of_input: int, of_output: int) -> int:
    source: Prices | Tier = tier or prices
    cached = of_input if source.cached is None else source.cached
    write = of_input if source.cache_write is None else source.cache_write
    write_1h = write if source.cache_write_1h is None else source.cache_write_1h
    reasoning = of_output if prices.reasoning is None else prices.reasoning
    heard = of_input if prices.audio_input is None else prices.audio_input
    spoken = of_output if prices.audio_output is None else prices.audio_output
    special_in = usage.cached + usage.cache_write + usage.cache_write_1h + usage.audio_input
    special_out = usage.reasoning + usage.audio_output
    return (
        max(0, usage.input - special_in) * of_input
        + usage.cached * cached
        + usage.cache_write * write
        + usage.cache_write_1h * write_1h
        + usage.audio_input * heard
        + max(0, usage.output - special_out) * of_output
        + usage.reasoning * reasoning
        + usage.audio_output * spoken
    )
