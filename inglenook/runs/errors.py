"""Errors that somebody catches or that mean something to a client."""

from inglenook.kit.errors import Conflict


class LeaseLost(Conflict):
    """Another holder has taken this run over; what was to be written is refused."""

    code = "lease_lost"


class RunEnded(Conflict):
    """The run has already ended."""

    code = "run_ended"


class Suspended(Exception):
    """The run was put to rest (`waiting`, `parked`). `execute` lets it through; only `runs` catches it."""
