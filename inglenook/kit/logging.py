"""Structured logging: one line per event, `key=value` for people, JSON for machines.

Use `log = logging.getLogger(__name__)` and pass facts by `extra={"facts": {...}}` or the `event` helper below.
Secrets never enter a log: pass ids, never keys, prompts or answers.
"""

import logging
import sys
from typing import Any, Literal

import orjson

from inglenook.kit.time import now_ms, rfc3339


def event(log: logging.Logger, level: int, message: str, **facts: Any) -> None:
    """Log `message` with named facts, if `level` is enabled."""
    if log.isEnabledFor(level):
        log.log(level, message, extra={"facts": facts})


class _Lines(logging.Formatter):
    def format(self, record: logging.LogRecord) -> str:
        facts = "".join(f" {k}={v}" for k, v in getattr(record, "facts", {}).items())
        at, level = rfc3339(int(record.created * 1000)), record.levelname.lower()
        line = f"{at} {level} {record.name}: {record.getMessage()}{facts}"
        return f"{line}\n{self.formatException(record.exc_info)}" if record.exc_info else line


class _Json(logging.Formatter):
    def format(self, record: logging.LogRecord) -> str:
        entry: dict[str, Any] = {
            "at": int(record.created * 1000) or now_ms(),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage(),
            **getattr(record, "facts", {}),
        }
        if record.exc_info:
            entry["exception"] = self.formatException(record.exc_info)
        return orjson.dumps(entry, default=str).decode()


#: Libraries that tell of every request or migration, with whole URLs: keys may be in them.
_TALKATIVE = ("alembic", "httpcore", "httpx")


def configure(level: str = "warning", style: Literal["lines", "json"] = "lines") -> None:
    """Send all log records of the process to standard error in the given style."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(_Json() if style == "json" else _Lines())
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level.upper())
    for name in _TALKATIVE:
        logging.getLogger(name).setLevel(logging.WARNING)
