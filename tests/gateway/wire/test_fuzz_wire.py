"""Some cases of `bench/fuzz_wire.py`: those that once found something, and as many others as take a few seconds."""

import pytest

from bench.fuzz_wire import House, Noise, one

FOUND = [
    ("server", 1, 2225),  # of two transfer codings the last counted
    ("server", 1, 3271),
    ("server", 1, 8514),  # `#` in a target
    ("server", 3, 60405),  # a bad target with an offer to upgrade
    ("client", 1, 419),
]


@pytest.mark.parametrize(("side", "seed", "number"), FOUND)
async def test_what_was_found_is_mended(side: str, seed: int, number: int) -> None:
    await one(side, seed, number, House(), Noise())


@pytest.mark.parametrize("side", ["server", "client"])
async def test_some_cases_find_nothing(side: str) -> None:
    house, noise = House(), Noise()
    for number in range(300):
        await one(side, 5, number, house, noise)
