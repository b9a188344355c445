"""Random facts with absences, as our engine takes them and as cel-cpp does."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from random import Random
from typing import Any

from google.protobuf.duration_pb2 import Duration
from google.protobuf.timestamp_pb2 import Timestamp

NOW = datetime(2026, 6, 1, tzinfo=UTC)
TEXTS = ("", "a", "ab", "b,a", "production", "locked", "é\U0001f600", "10.1.2.3", "1.2.3")
MOMENTS = (NOW, NOW + timedelta(hours=1), NOW - timedelta(days=30), datetime(2000, 2, 29, 23, 59, 59, tzinfo=UTC))
LENGTHS = (timedelta(), timedelta(hours=1), timedelta(days=40), timedelta(seconds=90))
INTEGERS = (-7, -1, 0, 1, 2, 3, 22, 443, 2**53 - 1, -(2**53) + 1)
VERSIONS = ("1.0.0", "1.2.3", "2.0.0", "10.0.1", "not a version")
GROUPS = ("boot", "cert", "csr", "device", "evidence", "identity", "model", "net", "org", "params", "pcrs")
SCALARS: Mapping[str, tuple[object, ...]] = {
    "boot.secure": (True, False),
    "boot.svn": INTEGERS,
    "boot.count": INTEGERS,
    "boot.mode": TEXTS,
    "boot.debug": TEXTS,
    "evidence.fresh": (True, False),
    "evidence.age": LENGTHS,
    "identity.verified": (True, False),
    "csr.key_bits": INTEGERS,
    "org.score": (-1.5, 0.0, 0.5, 2.0, 1e300),
    "device.site": TEXTS,
    "cert.subject": TEXTS,
    "cert.not_after": MOMENTS,
    "cert.not_before": MOMENTS,
    "model.latest_version": VERSIONS,
    "model.min_version": VERSIONS,
}
ROWS: Mapping[str, Mapping[str, tuple[object, ...]]] = {
    "software": {"name": TEXTS, "match": TEXTS, "svn": INTEGERS, "version": VERSIONS},
    "vuln": {"id": TEXTS, "cvss": (0.5, 2.0), "kev": (True, False)},
}


def device(random: Random, missing: float) -> dict[str, Any]:
    """Return typed facts, each absent with probability `missing`; every group is there."""
    made: dict[str, Any] = {group: {} for group in GROUPS if group not in ("params",)}
    for path, choices in SCALARS.items():
        group, _, name = path.partition(".")
        if random.random() >= missing:
            made[group][name] = random.choice(choices)
    lists = {"net.open_ports": INTEGERS, "net.protocols": TEXTS, "cert.san": TEXTS}
    for path, choices in lists.items():
        group, _, name = path.partition(".")
        if random.random() >= missing:
            made[group][name] = tuple(random.choice(choices) for _ in range(random.randrange(4)))
    if random.random() >= missing:
        made["device"]["labels"] = {key: random.choice(TEXTS) for key in ("a", "b") if random.random() < 0.6}
    made["pcrs"] = {"sha256:0": random.choice(TEXTS)} if random.random() >= missing else {}
    for name, fields in ROWS.items():
        if random.random() >= missing:
            made[name] = tuple(_row(random, fields, missing) for _ in range(random.randrange(4)))
    return made


def _row(random: Random, fields: Mapping[str, tuple[object, ...]], missing: float) -> dict[str, object]:
    return {name: random.choice(choices) for name, choices in fields.items() if random.random() >= missing}


def for_cel_cpp(held: Any) -> Any:
    """Return a fact as cel-cpp takes it: its binding has no times inside maps but protobuf's."""
    match held:
        case datetime():
            made = Timestamp()
            made.FromDatetime(held)
            return made
        case timedelta():
            length = Duration()
            length.FromTimedelta(held)
            return length
        case dict():
            return {key: for_cel_cpp(value) for key, value in held.items()}
        case tuple():
            return [for_cel_cpp(value) for value in held]
        case _:
            return held
