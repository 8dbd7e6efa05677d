"""What a route refuses."""

from inglenook.kit.errors import BadInput


class NoTarget(BadInput):
    """No target of the route may take this call.

    `details["route"]` names it, `details["passed"]` says of each target why not, as `exchange.reasons` do.
    """

    code = "no_target"
