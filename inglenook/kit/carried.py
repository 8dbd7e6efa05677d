"""Headers that a call passes on to servers of ours: its id and its trace, so that their records can be joined to ours.

They go to models run here and to servers an administrator runs himself, never to a bought provider, whom they do not
concern.
"""

from contextvars import ContextVar

#: Of the call under way in this context.
carried: ContextVar[tuple[tuple[bytes, bytes], ...]] = ContextVar("carried", default=())
