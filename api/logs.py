"""Logs as one JSON object a line: no bodies, no tokens, no client text that could forge or colour a line."""

from __future__ import annotations

import json
import logging
from datetime import UTC, datetime
from traceback import extract_tb
from types import TracebackType
from typing import TextIO

# What a record may carry beside its message; anything else stays out, so that nobody logs a secret by accident.
FIELDS = (
    "request_id",
    "method",
    "route",
    "status",
    "milliseconds",
    "fault",
    "url",
    "generation",
    "count",
    "code",
    "ignored",
    "worker",
)

MAX_FRAMES = 12


class JsonLines(logging.Formatter):
    """One JSON object a line, ASCII only: control characters and bidi marks come out escaped."""

    def format(self, record: logging.LogRecord) -> str:
        """Return the line."""
        line: dict[str, object] = {
            "at": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage(),
        }
        line |= {name: getattr(record, name) for name in FIELDS if hasattr(record, name)}
        if record.exc_info and record.exc_info[2] is not None:
            line["where"] = _frames(record.exc_info[2])
        return json.dumps(line, ensure_ascii=True, default=str)


def _frames(trace: TracebackType) -> list[str]:
    """Return where a fault came from, without its text: a message may quote what a client sent."""
    return [f"{frame.filename}:{frame.lineno} {frame.name}" for frame in extract_tb(trace)[-MAX_FRAMES:]]


def configure(stream: TextIO, *, level: str) -> None:
    """Send every logger's records to `stream` as JSON lines; replaces what was configured before."""
    handler = logging.StreamHandler(stream)
    handler.setFormatter(JsonLines())
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level.upper())
    for name in ("uvicorn", "uvicorn.error", "uvicorn.access"):
        logging.getLogger(name).handlers.clear()
        logging.getLogger(name).propagate = True
    logging.getLogger("uvicorn.access").disabled = True  # our own line per request has its id and no query
    logging.getLogger("uvicorn.error").setLevel("WARNING")
