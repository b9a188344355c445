"""Compliance over a million devices with a year of history: from the sums, and beside it from the intervals.

python -m benchmarks.compliance [--devices 1000000] [--url postgresql+psycopg://...]
"""

from __future__ import annotations

import random
from collections import defaultdict
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta

from sqlalchemy import Connection, func, insert, select

from benchmarks.filled import filled, options_of, told
from policyengine.adapters.sql import tables
from policyengine.adapters.sql.compliance_reads import SqlComplianceReads
from policyengine.adapters.sql.tallies import NOW, UNIT, bucket_of, start_of
from policyengine.services.compliance.stance import framework_of
from policyengine.services.fleet_scope import WHOLE_FLEET, FleetScope
from policyengine.services.moments import micros
from policyengine.services.ports import PageRequest

SECONDS = 0.3  # what issue 6 asks for
END = datetime(2026, 11, 27, tzinfo=UTC)
YEAR = timedelta(days=365)
FRAMEWORKS = {"etsi": 36, "iec62443-4-2": 37, "nist800-213a": 25, "cra": 19, "nist8425": 9}
MODELS = ("gw-200", "gw-210", "sn-40", "plc-9")
SITES, ZONES = 40, 5
STANCES = 200  # ways in which devices differ: each control fails on its own on some of them
CHUNK = 20_000

Cells = list[tuple[str, str, str]]


def stances(source: random.Random) -> list[Cells]:
    """Return stances: one control in fifty fails, one in a hundred is unknown, one in two hundred waived."""
    controls = [f"{name}:{n}" for name, count in FRAMEWORKS.items() for n in range(count)]
    found = []
    for _ in range(STANCES):
        results = source.choices(("pass", "fail", "unknown", "waived"), (965, 20, 10, 5), k=len(controls))
        sources = source.choices(("attested", "certified", "reported"), (6, 3, 1), k=len(controls))
        found.append([("", "", ""), *zip(controls, results, sources, strict=True)])
    return found


def fill(connection: Connection, devices: int) -> None:
    """Write `devices` devices that enrolled during a year, a third of which changed once since."""
    source = random.Random(6)
    known, counted = stances(source), Counted()
    rows: list[dict[str, object]] = []
    connection.execute(
        insert(tables.stance_cell),
        [
            {"stance": name(at), "control": control, "result": result, "source": vouched}
            for at, cells in enumerate(known)
            for control, result, vouched in cells
        ],
    )
    for number in range(devices):
        rows += history(number, source, counted)
        if len(rows) >= CHUNK:
            connection.execute(insert(tables.stance), rows)
            rows.clear()
    connection.execute(insert(tables.stance), rows)
    connection.execute(insert(tables.stance_tally), list(counted.rows(known)))


def history(number: int, source: random.Random, counted: Counted) -> Iterator[dict[str, object]]:
    """Yield a device's intervals, and count them."""
    site = number % SITES
    place = {"model": MODELS[number % len(MODELS)], "site": f"site-{site}", "zone": f"zone-{number // SITES % ZONES}"}
    began = micros(END - YEAR * source.random())
    first = source.randrange(STANCES)
    moments = [began, began + source.randrange(micros(END) - began)] if number % 3 == 0 else [began]
    for turn, at in enumerate(moments):
        stance = (first + turn) % STANCES
        counted.changed(place["model"], stance, 1, at_us=at)
        if turn:
            counted.changed(place["model"], stance - 1, -1, at_us=at)
        until = moments[turn + 1] if turn + 1 < len(moments) else None
        interval = {"device_id": f"dev-{number:07}", "valid_from": at, "valid_to": until}
        yield interval | place | {"stance": name(stance)}


class Counted:
    """Changes by model, stance and bucket: each cell of each device, as the product counts, would take hours."""

    def __init__(self) -> None:
        self._sums: dict[tuple[int, str, int], list[int]] = defaultdict(lambda: [0, 0])

    def changed(self, model: str, stance: int, delta: int, *, at_us: int) -> None:
        bucket = bucket_of(at_us)
        self._sums[NOW, model, stance % STANCES][0] += delta
        sums = self._sums[bucket, model, stance % STANCES]
        sums[0] += delta
        sums[1] += delta * ((at_us - start_of(bucket)) >> UNIT)

    def rows(self, known: list[Cells]) -> Iterator[dict[str, object]]:
        sums: dict[tuple[object, ...], list[int]] = defaultdict(lambda: [0, 0])
        for (bucket, model, stance), (delta, weight) in self._sums.items():
            for control, result, vouched in known[stance]:
                found = sums[framework_of(control), bucket, control, model, result, vouched]
                found[0] += delta
                found[1] += weight
        names = ("framework", "bucket", "control", "model", "result", "source")
        for key, (delta, weight) in sums.items():
            yield dict(zip(names, key, strict=True)) | {"delta": delta, "weight": weight}


def name(at: int) -> bytes:
    return at.to_bytes(32)


def by_intervals(connection: Connection) -> int:
    """Return how many cells a count of the intervals gives: the obvious way."""
    cell, stance = tables.stance_cell.c, tables.stance.c
    clause = (
        select(cell.control, cell.result, cell.source, func.count())
        .join(tables.stance, stance.stance == cell.stance)
        .where(stance.valid_to.is_(None), cell.control.like("etsi:%"))
        .group_by(cell.control, cell.result, cell.source)
    )
    return len(connection.execute(clause).all())


def main() -> int:
    """Fill a database, ask, and return 1 when an answer of one framework took longer than SECONDS."""
    with filled(options_of(__doc__), fill) as engines:
        slow = ask(SqlComplianceReads(engines.read))
        with engines.read.connect() as connection:
            told({"counting the intervals, one framework, now": lambda: by_intervals(connection)}, times=1)
    return 1 if slow else 0


def ask(reads: SqlComplianceReads) -> list[str]:
    """Print how long each question takes; return those of one framework that took too long."""
    plant, then = FleetScope(sites=frozenset({"site-7"})), END - timedelta(days=100, hours=3)
    page = PageRequest(limit=100)
    questions: dict[str, Callable[[], object]] = {
        "one framework, now": lambda: reads.control_counts(WHOLE_FLEET, framework="etsi", at=None),
        "one framework, one site, now": lambda: reads.control_counts(plant, framework="etsi", at=None),
        "one framework, a hundred days ago": lambda: reads.control_counts(WHOLE_FLEET, framework="etsi", at=then),
        "one framework, one site, a hundred days ago": lambda: reads.control_counts(plant, framework="etsi", at=then),
        "all frameworks, now": lambda: reads.control_counts(WHOLE_FLEET, framework=None, at=None),
        "first page of the devices that fail a control": lambda: reads.control_devices(
            WHOLE_FLEET, control="etsi:3", result="fail", at=None, page=page
        ),
    }
    return [text for text, seconds in told(questions).items() if text.startswith("one framework") and seconds > SECONDS]


if __name__ == "__main__":
    raise SystemExit(main())
