"""The garbage collector of a running server.

Reference counts free what a request leaves behind; the collector only looks for cycles, of which there are few, and by
default it looks after every 700 new objects, which is every few requests. Looking ten times less often takes 5-10 %
off the CPU of a call through the gateway. What was built until then stays: left alone, it cannot make the
collector's full passes hold the loop, 25 ms each.
"""

import gc

_EVERY = 7000  # new objects
_OLDER = 20  # looks at the new before one at what survived the last, and of those before one at everything


def settle() -> None:
    """The server is assembled: leave alone what is there now, and look seldom at what comes."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(_EVERY, _OLDER, _OLDER)
