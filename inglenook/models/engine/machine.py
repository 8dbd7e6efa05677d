"""How much of this machine there is for models: cores and memory, as far as we may use them."""

import math
import os
from contextlib import suppress
from pathlib import Path

import psutil

_CGROUP = Path("/sys/fs/cgroup")


def cores() -> int:
    """Cores we may use."""
    try:
        found = len(os.sched_getaffinity(0))
    except AttributeError:  # not Linux
        found = os.cpu_count() or 1
    with suppress(OSError, ValueError):
        quota, period = (_CGROUP / "cpu.max").read_text().split()
        if quota != "max":
            found = min(found, math.ceil(int(quota) / int(period)))
    return max(1, found)


def threads() -> int:
    """Threads of a model for one token at a time: all cores but one, which the server needs. Such threads meet
    thousands of times a second, so one too many costs more than it brings."""
    return max(1, cores() - 1)


def memory_budget(configured_mib: int) -> int:
    """Bytes that loaded models may take: as configured, else 80 % of the memory this machine or container has."""
    if configured_mib:
        return configured_mib * 1024 * 1024
    total = int(psutil.virtual_memory().total)
    with suppress(OSError, ValueError):
        total = min(total, int((_CGROUP / "memory.max").read_text()))
    return total * 4 // 5


def available() -> int:
    """Bytes that a new process may take now before this machine or container is short of memory. What files hold in
    memory counts as free, as it goes when it must; a twentieth of the machine is left to the rest of it."""
    memory = psutil.virtual_memory()
    free = int(memory.available) - int(memory.total) // 20
    with suppress(OSError, ValueError):
        limit, used = int((_CGROUP / "memory.max").read_text()), int((_CGROUP / "memory.current").read_text())
        fields = dict(line.split() for line in (_CGROUP / "memory.stat").read_text().splitlines())
        free = min(free, limit - used + int(fields.get("inactive_file", 0)) + int(fields.get("active_file", 0)))
    return max(0, free)
