"""What usage comes to."""

import pytest

from inglenook.models.calls import Usage
from inglenook.models.prices import NANO, Prices, Tier, cost

PLAIN = Prices(input=2_500_000, output=10_000_000, cached=1_250_000)


@pytest.mark.parametrize(
    ("prices", "usage", "expected"),
    [
        (PLAIN, Usage(input=1_000_000, output=1_000_000), 12.5),
        (PLAIN, Usage(input=1_000_000, cached=400_000), 0.6 * 2.5 + 0.4 * 1.25),
        (PLAIN, Usage(output=1_000_000, reasoning=300_000), 10.0),
        (Prices(output=10_000_000, reasoning=4_000_000), Usage(output=1_000_000, reasoning=500_000), 7.0),
        (Prices(input=1_000_000), Usage(input=1_000_000, cached=1_000_000), 1.0),
        (
            Prices(input=3_000_000, cache_write=3_750_000, cache_write_1h=6_000_000),
            Usage(input=3_000_000, cache_write=1_000_000, cache_write_1h=1_000_000),
            3.0 + 3.75 + 6.0,
        ),
        (
            Prices(input=1_000_000, output=2_000_000, audio_input=40_000_000, audio_output=80_000_000),
            Usage(input=1_000_000, audio_input=500_000, output=1_000_000, audio_output=1_000_000),
            0.5 + 20.0 + 80.0,
        ),
        (Prices(image=40_000, request=1_000), Usage(images=3), 0.121),
        (Prices(search=2_000), Usage(searches=2), 0.004),
        (Prices(second=100), Usage(seconds=90), 0.009),
        (Prices(characters=15_000_000), Usage(characters=2_000_000), 30.0),
    ],
)
def test_each_class_has_its_price(prices: Prices, usage: Usage, expected: float) -> None:
    assert cost(prices, usage) == round(expected * NANO)


def test_long_prompts_are_dearer_from_the_first_token() -> None:
    prices = Prices(
        input=1_250_000,
        output=10_000_000,
        tiers=[Tier(above=200_000, input=2_500_000, output=15_000_000, cached=250_000)],
    )
    assert cost(prices, Usage(input=200_000)) == round(0.25 * NANO)
    assert cost(prices, Usage(input=400_000, output=100_000)) == round((1.0 + 1.5) * NANO)
    assert cost(prices, Usage(input=400_000, cached=400_000)) == round(0.1 * NANO)


def test_a_single_token_is_never_free_and_never_rounded_down() -> None:
    assert cost(Prices(input=1), Usage(input=1)) == 1
    assert cost(Prices(input=2_800), Usage(input=1)) == 3
    assert cost(PLAIN, Usage()) == 0


def test_long_prompts_are_dearer_in_every_class() -> None:
    prices = Prices(
        input=100_000,
        output=500_000,
        cache_write_1h=200_000,
        tiers=[
            Tier(
                above=100,
                input=500_000,
                output=2_500_000,
                cached=50_000,
                cache_write=625_000,
                cache_write_1h=1_000_000,
            )
        ],
    )
    usage = Usage(input=101, output=10, cached=20, cache_write=30, cache_write_1h=40)
    assert cost(prices, usage) == 11 * 500 + 20 * 50 + 30 * 625 + 40 * 1000 + 10 * 2500
