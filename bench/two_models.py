"""What two models that work at the same time make together, with and without sharing the cores between them.

`python bench/two_models.py [--json] [--model FILE]`: starts two of the engine's child processes with the starter model,
as the server does, and has both answer at the same time: free to use every core, and each with its half of them
(`engine/cores.py`). Three runs of each, in turn; rates are tokens of all chats over the time to the last of them.
"""

import argparse
import asyncio
import json
import os
import statistics
import sys
import tempfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

from bench.engine import WORDS, Target, chat, find_model
from inglenook.kit.config import Settings
from inglenook.models.engine.cores import CoreShares
from inglenook.models.engine.process import Child
from inglenook.models.engine.source import BOUNDLESS, from_path

TOKENS = 48
RUNS = 3


async def together(targets: list[Target], chats: int, run: int) -> float:
    """Tokens per second of so many chats with each target, all at once."""
    system = {"role": "system", "content": "Be brief."}
    asked = [
        chat(target, [system, {"role": "user", "content": f"Story {run}, {place}: {WORDS[n]}"}], TOKENS)
        for place, target in enumerate(targets)
        for n in range(chats)
    ]
    began = time.perf_counter()
    answers = await asyncio.gather(*asked)
    return sum(answer.tokens for answer in answers) / (time.perf_counter() - began)


async def measure(gguf: Path) -> dict[int, dict[str, float]]:
    """Median rates by chats with each model: of one model alone, of two, and of two that share."""
    settings = Settings(data=Path(tempfile.gettempdir()))
    children = [
        await Child.start(from_path(gguf, "bench").plan(None, settings, BOUNDLESS).spec, settings.load_timeout)
        for _ in range(2)
    ]
    targets = [Target(child.port, child.api_key) for child in children]
    both = frozenset(child.pid for child in children)
    every = os.sched_getaffinity(0)
    found: dict[int, dict[str, list[float]]] = {}
    try:
        for target in targets:
            await chat(target, [{"role": "user", "content": "warm up"}], 4)
        for chats in (1, 3):
            rates = found[chats] = {"alone": [], "free": [], "shared": []}
            for run in range(RUNS):
                for how in rates:
                    for child in children:
                        for thread in os.listdir(f"/proc/{child.pid}/task"):
                            os.sched_setaffinity(int(thread), every)
                    if how == "shared":
                        CoreShares().working(both)
                    asked = targets[:1] if how == "alone" else targets
                    rates[how].append(await together(asked, chats, 10 * run + len(found)))
    finally:
        for child in children:
            await child.stop()
    return {chats: {how: statistics.median(each) for how, each in rates.items()} for chats, rates in found.items()}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--model", help="GGUF file; the starter model by default")
    given = parser.parse_args()
    found = asyncio.run(measure(find_model(given.model)))
    if given.json:
        rows = [
            (f"two_models_shared_vs_free_c{chats}", rates["shared"] / rates["free"]) for chats, rates in found.items()
        ]
        print(json.dumps([{"metric": name, "value": round(value, 3), "unit": "ratio"} for name, value in rows]))
        return
    for chats, rates in found.items():
        print(
            f"{chats} chats with each: {rates['alone']:6.1f} tokens/s of one model alone, {rates['free']:6.1f} of two, "
            f"{rates['shared']:6.1f} of two that share the cores: {rates['shared'] / rates['free']:.2f} times"
        )


if __name__ == "__main__":
    main()
