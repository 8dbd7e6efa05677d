"""What the gateway refuses, beyond what providers and accounts do."""

from inglenook.kit.errors import BadInput


class NotCapable(BadInput):
    """The model cannot do what was asked of it.

    `details["capability"]` names what it lacks, `details["model"]` the model as the caller named it.
    """

    code = "not_capable"
