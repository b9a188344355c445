"""The list of a million devices, with every filter, on the first page and deep in, now and as of a past moment.

python -m benchmarks.devices [--devices 1000000] [--url postgresql+psycopg://...]
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta

from sqlalchemy import (
    ColumnElement,
    Connection,
    Integer,
    LargeBinary,
    Table,
    Text,
    case,
    cast,
    func,
    insert,
    literal,
    null,
    select,
)

from benchmarks.filled import filled, options_of, told
from policyengine.adapters.sql import tables
from policyengine.adapters.sql.audit_reads import SqlAuditReads
from policyengine.adapters.sql.codec import packed
from policyengine.adapters.sql.paging import cursor_of
from policyengine.adapters.sql.past_reads import SqlPastReads
from policyengine.model.decision import Tier
from policyengine.services.moments import micros
from policyengine.services.ports import DeviceFilter, PageRequest
from policyengine.services.records import Lifecycle

SECONDS = 0.3  # what issue 6 asks for
END = datetime(2026, 11, 27, tzinfo=UTC)
BEGAN, MOVED = END - timedelta(days=365), END - timedelta(days=30)
MODELS, SITES, ZONES = 4, 40, 200
RARE = 20_000  # one device in so many is in quarantine, and one waits for a person

Column = ColumnElement[object] | object


def fill(connection: Connection, devices: int) -> None:
    """Write `devices` enrolled devices, each with a year of history: a decision, and a transfer a month ago."""
    first = select(literal(0, Integer).label("i")).cte("numbers", recursive=True)
    numbers = first.union_all(select(first.c.i + 1).where(first.c.i < devices - 1))
    at = numbers.c.i
    name = literal("dev-") + func.substr(literal("0000000") + cast(at, Text), func.length(cast(at, Text)) + 1, 7)
    began, moved = micros(BEGAN), micros(MOVED)
    digest = cast(name, LargeBinary)
    tier = case((at % RARE == 7, int(Tier.QUARANTINE)), else_=int(Tier.FULL))
    registered: dict[str, Column] = {
        "serial": literal("S") + cast(at, Text),
        "site": literal("site-") + cast(at % SITES, Text),
        "zone": literal("zone-") + cast(at % ZONES, Text),
        "labels": "{}",
        "lifecycle": case((at % RARE == 9, Lifecycle.PENDING.value), else_=Lifecycle.OPERATIONAL.value),
        "created_at": began,
        "updated_at": began,
        "enrolled_at": began,
    }
    decided: dict[str, Column] = {
        "decision_id": digest,
        "tier": tier,
        "decided_tier": tier,
        "decided_at": began,
        "phase": "operate",
        "bundle": b"b" * 32,
        "facts_digest": b"f" * 32,
        "facts_shared": b"s" * 32,
        "facts_own": b"{}",
    }
    model = {"vendor": "vendor-acme", "model": literal("model-") + cast(at % MODELS, Text)}
    _write(connection, tables.device, {"id": name, "tag": digest, **model, **registered})
    key = {"identity_kind": "idevid", "key_thumbprint": literal("sha256:") + name}
    state = {
        "version": 1,
        "floor": 0,
        "key_spki": b"k",
        "outcome": digest,
        "generation": 1,
        "prior": b"p",
        "verdicts": b"v",
    }
    _write(connection, tables.device_state, {"device_id": name, **key, **decided, **state, "last_seen": micros(END)})
    document = {"document": packed(b'{"valid_until":null}')}
    _write(connection, tables.decision, {"device_id": name, **decided, **document, "log_index": at})
    once = {"device_id": name, **key, **registered}
    _write(connection, tables.device_history, {**once, "site": "site-0", "valid_from": began, "valid_to": moved})
    _write(connection, tables.device_history, {**once, "valid_from": moved, "valid_to": null()})


def _write(connection: Connection, table: Table, columns: dict[str, Column]) -> None:
    values = [value if isinstance(value, ColumnElement) else literal(value) for value in columns.values()]
    connection.execute(insert(table).from_select(list(columns), select(*values)))


def ask(now: SqlAuditReads, past: SqlPastReads, devices: int) -> list[str]:
    """Print how long each question takes; return those that took too long."""
    page = PageRequest(limit=100)
    deep = PageRequest(limit=100, cursor=cursor_of(f"dev-{devices * 9 // 10:07}"))
    everything, then = DeviceFilter(), END - timedelta(days=100)
    filters = {
        "of two models": DeviceFilter(models=frozenset({"model-1", "model-3"})),
        "of one site": DeviceFilter(site="site-7"),
        "of one zone of one site": DeviceFilter(site="site-7", zone="zone-7"),
        "of no site": DeviceFilter(site="nowhere"),
        "in quarantine, which few are": DeviceFilter(tier=Tier.QUARANTINE),
        "denied, which nobody is": DeviceFilter(tier=Tier.DENY),
        "full, which most are": DeviceFilter(tier=Tier.FULL),
        "waiting for a person, which few do": DeviceFilter(lifecycle=Lifecycle.PENDING),
        "whose id begins so": DeviceFilter(text=f"dev-{devices * 9 // 10:07}"[:8]),
        "whose id begins as no id does": DeviceFilter(text="zzz"),
    }
    questions: dict[str, Callable[[], object]] = {
        "first page": lambda: now.devices(everything, page),
        "a page deep in": lambda: now.devices(everything, deep),
        **{text: (lambda where=where: now.devices(where, page)) for text, where in filters.items()},
        "first page, a hundred days ago": lambda: past.devices_at(everything, page, then),
        "a page deep in, a hundred days ago": lambda: past.devices_at(everything, deep, then),
        "of two models, a hundred days ago": lambda: past.devices_at(filters["of two models"], page, then),
    }
    return [text for text, seconds in told(questions).items() if seconds > SECONDS]


def main() -> int:
    """Fill a database, ask, and return 1 when an answer took longer than SECONDS."""
    options = options_of(__doc__)
    with filled(options, fill) as engines:
        slow = ask(SqlAuditReads(engines.read), SqlPastReads(engines.read), options.devices)
    return 1 if slow else 0


if __name__ == "__main__":
    raise SystemExit(main())
