"""How much of this machine there is for models: cores and memory, as far as we may use them."""

import math
import os
from contextlib import suppress
from pathlib import Path

import psutil

_CGROUP = Path("/sys/fs/cgroup")


def threads() -> int:
    """Threads of one model: all cores but one, which the server needs (as many threads as cores collapses)."""
    try:
        cores = len(os.sched_getaffinity(0))
    except AttributeError:  # not Linux
        cores = os.cpu_count() or 1
    with suppress(OSError, ValueError):
        quota, period = (_CGROUP / "cpu.max").read_text().split()
        if quota != "max":
            cores = min(cores, math.ceil(int(quota) / int(period)))
    return max(1, cores - 1)


def memory_budget(configured_mib: int) -> int:
    """Bytes that loaded models may take: as configured, else 80 % of the memory this machine or container has."""
    if configured_mib:
        return configured_mib * 1024 * 1024
    total = int(psutil.virtual_memory().total)
    with suppress(OSError, ValueError):
        total = min(total, int((_CGROUP / "memory.max").read_text()))
    return total * 4 // 5
