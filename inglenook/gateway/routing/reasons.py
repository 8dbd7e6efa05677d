"""Why a call went where it went, as headers of its answer.

    x-inglenook-route: named
    x-inglenook-route: smart;strategy=ordered, gpt-4o;passed=context, sonnet;failed=too_many, mistral;taken=fallback
    x-inglenook-cache: hit

The first is a list as RFC 9651 has it: one item for the route and one for every target, in the order of the decisions.
Where there are more than a header should hold, those that were passed over are left out first.
"""

import re
from collections.abc import Sequence
from functools import lru_cache
from typing import Any
from urllib.parse import quote

#: Bytes the decisions may take.
MOST = 1000
Headers = list[tuple[bytes, bytes]]

_NAMED: Headers = [(b"x-inglenook-route", b"named")]
_TOKEN = re.compile(r"[A-Za-z*][\w!#$%&'*+.^`|~:/-]*", re.ASCII)


def headers(reasons: Sequence[dict[str, Any]]) -> Headers:
    """The headers that say what `Routed.reasons` say."""
    if len(reasons) == 1 and reasons[0]["why"] == "named":
        return _NAMED
    found = [(b"x-inglenook-route", line(reasons).encode())]
    for reason in reasons:
        if reason["step"] == "cache":
            found.append((b"x-inglenook-cache", reason["why"].encode()))
    return found


def line(reasons: Sequence[dict[str, Any]]) -> str:
    """The value of `x-inglenook-route`."""
    items = [(reason["why"], item) for reason in reasons if (item := _item(reason))]
    text = ", ".join(item for _, item in items)
    if len(text) > MOST:
        text = ", ".join(item for why, item in items if why != "passed")
    while len(text) > MOST:
        text = text[: text.rindex(", ")]
    return text


def _item(reason: dict[str, Any]) -> str:
    step, why = reason["step"], reason["why"]
    if step == "route":
        if why == "route":
            return f"{_name(reason['route'])};strategy={reason['strategy']}"
        return f"{_name(reason['model'])};{why}={reason['for']}" if "for" in reason else str(why)
    return f"{_name(reason['model'])};failed={reason['code']}" if step == "attempt" else ""


@lru_cache(maxsize=4096)
def _name(name: str) -> str:
    """A name as a token where it is one, else as a string, what is not ASCII percent-encoded."""
    if _TOKEN.fullmatch(name):
        return name
    escaped = name.replace("\\", "\\\\").replace('"', '\\"')
    return '"' + quote(escaped, safe=" !#$&'()*+,-./:;<=>?@[\\]^_`{|}~\"") + '"'
