"""Structured logging: one line per event, `key=value` for people, JSON for machines.

What others wrote (names of models, texts of providers) cannot begin a line or forge a fact: in lines, values are quoted
where they must be, control characters are escaped, and the lines of a traceback are indented.

Use `log = logging.getLogger(__name__)` and pass facts by `extra={"facts": {...}}` or the `event` helper below.
Secrets never enter a log: pass ids, never keys, prompts or answers.
"""

import json
import logging
import re
import sys
from typing import Any, Literal

import orjson

from inglenook.kit.time import now_ms, rfc3339


def event(log: logging.Logger, level: int, message: str, /, **facts: Any) -> None:
    """Log `message` with named facts, if `level` is enabled."""
    if log.isEnabledFor(level):
        log.log(level, message, extra={"facts": facts})


#: What may stand in a line as it is, behind `=` and elsewhere. Line breaks are more than \\n: a terminal obeys others.
_PLAIN = re.compile(r"[^\s\"'=\\\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]*")
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]")


class _Lines(logging.Formatter):
    def format(self, record: logging.LogRecord) -> str:
        facts = "".join(f" {k}={_quoted(v)}" for k, v in getattr(record, "facts", {}).items())
        at, level = rfc3339(int(record.created * 1000)), record.levelname.lower()
        line = f"{at} {level} {record.name}: {_escaped(record.getMessage())}{facts}"
        if not record.exc_info:
            return line
        told = self.formatException(record.exc_info).split("\n")
        return "\n  ".join([line, *map(_escaped, told)])


def _escaped(text: str) -> str:
    """A text that stays on its line."""
    return _CONTROL.sub(lambda found: json.dumps(found[0])[1:-1], text)


def _quoted(value: object) -> str:
    """A fact's value, in quotes if it could be taken for something else."""
    text = "" if value is None else str(value)
    return text if _PLAIN.fullmatch(text) else _escaped(json.dumps(text, ensure_ascii=False))


class _Json(logging.Formatter):
    def format(self, record: logging.LogRecord) -> str:
        entry: dict[str, Any] = {
            **getattr(record, "facts", {}),
            "at": int(record.created * 1000) or now_ms(),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage(),
        }
        if record.exc_info:
            entry["exception"] = self.formatException(record.exc_info)
        try:
            return _escaped(orjson.dumps(entry, default=str).decode())
        except TypeError:  # half of a surrogate pair, which is no UTF-8
            return json.dumps(entry, default=str)


#: Libraries that tell of every request or migration, with whole URLs: keys may be in them.
_TALKATIVE = ("alembic", "httpcore", "httpx", "urllib3")


def configure(level: str = "warning", style: Literal["lines", "json"] = "lines") -> None:
    """Send all log records of the process to standard error in the given style."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(_Json() if style == "json" else _Lines())
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level.upper())
    for name in _TALKATIVE:
        logging.getLogger(name).setLevel(logging.WARNING)
