"""What an error of a target means for whoever planned to ask it."""

from typing import Literal, get_args

from inglenook.gateway.errors import NotCapable
from inglenook.kit.errors import (
    BadInput,
    InglenookError,
    NotFound,
    TooMany,
    Unavailable,
    UpstreamFailed,
    UpstreamTimeout,
)
from inglenook.models.errors import CannotCarry, ContentRefused, ContextTooLong, KeyRefused, OutOfCredit

#: The classes of failure a definition can name. `bad_input` is none of them: a request that one target calls wrong is
#: not tried on others.
Failure = Literal[
    "timeout",
    "failed",
    "overloaded",
    "limited",
    "key_refused",
    "out_of_credit",
    "not_found",
    "context_too_long",
    "cannot_carry",
    "content_refused",
]
FAILURES: tuple[Failure, ...] = get_args(Failure)
#: After these the next target is asked, unless a definition says otherwise.
MOVE_ON: frozenset[str] = frozenset(FAILURES) - {"content_refused"}
#: After these the same target may be asked again, a little later.
AGAIN = frozenset({"failed", "overloaded", "limited"})
#: After these another key of the same provider may do.
OTHER_KEY = frozenset({"limited", "key_refused", "out_of_credit"})
#: These say that the target is not well. After all others it is: it heard us and said no.
UNWELL = frozenset({"timeout", "failed", "overloaded", "not_found"})

#: The first that fits: classes before those they derive from.
_KINDS: tuple[tuple[type[InglenookError], str], ...] = (
    (KeyRefused, "key_refused"),
    (OutOfCredit, "out_of_credit"),
    (UpstreamTimeout, "timeout"),
    (UpstreamFailed, "failed"),
    (TooMany, "limited"),
    (Unavailable, "overloaded"),
    (ContextTooLong, "context_too_long"),
    (ContentRefused, "content_refused"),
    (CannotCarry, "cannot_carry"),
    (NotCapable, "cannot_carry"),
    (NotFound, "not_found"),
    (BadInput, "bad_input"),
)


def kind_of(error: BaseException) -> str:
    """The class of an error: one of `Failure`, or `bad_input`.

    What is no class of ours is a mistake in a provider: the target `failed`. So did a model here whose files are
    broken or whose memory is gone.
    """
    for cls, kind in _KINDS:
        if isinstance(error, cls):
            return kind
    if isinstance(error, InglenookError) and error.status < 500 and error.status != 409:
        return "bad_input"
    return "failed"
