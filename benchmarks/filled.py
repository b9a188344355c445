"""A database filled for a benchmark, and how long it takes to answer."""

from __future__ import annotations

import argparse
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from sqlalchemy import Connection

from policyengine.adapters.sql.engine import Engines, open_engines
from policyengine.adapters.sql.migration import upgrade


def options_of(description: str | None) -> argparse.Namespace:
    """Return `devices` and `url` of the command line."""
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument("--devices", type=int, default=1_000_000)
    parser.add_argument("--url", help="an empty database; default: SQLite in a temporary folder")
    return parser.parse_args()


@contextmanager
def filled(options: argparse.Namespace, fill: Callable[[Connection, int], None]) -> Iterator[Engines]:
    """Yield a database that `fill` has written so many devices into; prints how long that took."""
    with tempfile.TemporaryDirectory() as folder:
        url = options.url or f"sqlite:///{Path(folder) / 'fleet.db'}"
        upgrade(url)
        engines = open_engines(url)
        start = time.perf_counter()
        with engines.write.begin() as connection:
            fill(connection, options.devices)
        if url.startswith("postgresql"):
            with engines.write.execution_options(isolation_level="AUTOCOMMIT").connect() as connection:
                connection.exec_driver_sql("ANALYZE")
        print(f"{options.devices:,} devices written in {time.perf_counter() - start:.0f} s")
        yield engines
        engines.dispose()


def told(questions: Mapping[str, Callable[[], object]], *, times: int = 5) -> dict[str, float]:
    """Return the median time of each question's answer, in seconds; prints them."""
    medians = {}
    for text, question in questions.items():
        medians[text] = statistics.median(_seconds(question) for _ in range(times))
        print(f"{text:56}{medians[text] * 1000:9.1f} ms")
    return medians


def _seconds(question: Callable[[], object]) -> float:
    start = time.perf_counter()
    question()
    return time.perf_counter() - start
