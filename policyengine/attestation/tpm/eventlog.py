"""TCG firmware event logs, read strictly (TCG PC Client Platform Firmware Profile section 10.2).

Both forms: the first record is always of the old form with one SHA-1 digest; if it announces algorithms, all others
are crypto agile records with one digest for each of them. Nothing in a log is believed before `eventlog_replay`.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass

from policyengine.attestation.errors import MalformedEvidenceError
from policyengine.attestation.tpm import algorithms

MAX_LOG = 1024 * 1024  # the logs of servers with large revocation lists have about 100 KiB
MAX_EVENTS = 4096  # the longest third-party log we know has 159
MAX_ALGORITHMS = 8
PCRS = 24

# Event types (section 10.4.1), those that decide something here.
NO_ACTION, SEPARATOR, ACTION, S_CRTM_VERSION = 3, 4, 5, 8
EFI_VARIABLE_DRIVER_CONFIG, EFI_ACTION = 0x80000001, 0x80000007

_HEADER, _U32, _U16 = struct.Struct("<II"), struct.Struct("<I"), struct.Struct("<H")
_SPEC_ID = b"Spec ID Event03\x00"
_STARTUP_LOCALITY = b"StartupLocality\x00"
_LOCALITIES = frozenset({0, 3, 4})  # section 10.4.5.3


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """One record: `digests` by bank name, what it says it measured in `data`. Only the digests are in a PCR."""

    pcr: int
    type: int
    digests: dict[str, bytes]
    data: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class EventLog:
    """A log: the names of its banks, all records in order, the header included, and PCR 0's startup locality."""

    banks: tuple[str, ...]
    events: tuple[Event, ...]
    startup_locality: int


def read_log(data: bytes) -> EventLog:
    """Return the log that `data` is; raises MalformedEvidenceError `eventlog.*` with the `offset`."""
    if len(data) > MAX_LOG:
        raise MalformedEvidenceError("eventlog.size", f"event log has {len(data)} bytes, the limit is {MAX_LOG}")
    cursor = _Cursor(data)
    first = _old_record(cursor)
    agile = _algorithms(first) if first.type == NO_ACTION and first.data.startswith(_SPEC_ID) else None
    events = [first]
    while not cursor.ended:
        if len(events) == MAX_EVENTS:
            raise cursor.refused("eventlog.count", f"more than {MAX_EVENTS} records")
        events.append(_old_record(cursor) if agile is None else _agile_record(cursor, agile))
    banks = ("sha1",) if agile is None else tuple(name for name, _ in agile.values())
    return EventLog(banks=banks, events=tuple(events), startup_locality=_startup_locality(events))


class _Cursor:
    __slots__ = ("at", "data")

    def __init__(self, data: bytes) -> None:
        self.data = data
        self.at = 0

    @property
    def ended(self) -> bool:
        return self.at == len(self.data)

    def take(self, size: int) -> bytes:
        found = self.data[self.at : self.at + size]
        if len(found) != size:
            raise self.refused("eventlog.truncated", "the log ends inside a record")
        self.at += size
        return found

    def u32(self) -> int:
        value: int = _U32.unpack(self.take(4))[0]
        return value

    def u16(self) -> int:
        value: int = _U16.unpack(self.take(2))[0]
        return value

    def refused(self, code: str, reason: str) -> MalformedEvidenceError:
        return MalformedEvidenceError(code, f"{reason} (byte {self.at})", offset=self.at)


def _old_record(cursor: _Cursor) -> Event:
    """TCG_PCClientPCREvent (section 10.2.1)."""
    pcr, kind = _HEADER.unpack(cursor.take(8))
    digest = cursor.take(20)
    return _event(cursor, pcr, kind, {"sha1": digest})


def _agile_record(cursor: _Cursor, agile: dict[int, tuple[str, int]]) -> Event:
    """TCG_PCR_EVENT2 (section 10.2.2): every announced algorithm once, in any order."""
    pcr, kind = _HEADER.unpack(cursor.take(8))
    count = cursor.u32()
    if count != len(agile):
        raise cursor.refused("eventlog.digests", f"a record has {count} digests, the header announces {len(agile)}")
    digests: dict[str, bytes] = {}
    for _ in range(count):
        name, size = _announced(cursor, agile)
        digests[name] = cursor.take(size)
    if len(digests) != count:
        raise cursor.refused("eventlog.digests", "a record has two digests of one algorithm")
    return _event(cursor, pcr, kind, digests)


def _announced(cursor: _Cursor, agile: dict[int, tuple[str, int]]) -> tuple[str, int]:
    identifier = cursor.u16()
    if identifier not in agile:
        raise cursor.refused("eventlog.digests", f"a record uses algorithm {identifier:#06x}, which is not announced")
    return agile[identifier]


def _event(cursor: _Cursor, pcr: int, kind: int, digests: dict[str, bytes]) -> Event:
    if pcr >= PCRS and kind != NO_ACTION:  # an informative record may name no PCR at all
        raise cursor.refused("eventlog.pcr", f"a record extends PCR {pcr}")
    return Event(pcr=pcr, type=kind, digests=digests, data=cursor.take(cursor.u32()))


def _algorithms(header: Event) -> dict[int, tuple[str, int]]:
    """Return id -> (bank, size) of a TCG_EfiSpecIdEvent (section 10.4.5.1)."""
    cursor = _Cursor(header.data)
    cursor.take(len(_SPEC_ID) + 8)  # platform class, version, errata, size of UINTN
    count = cursor.u32()
    if not 1 <= count <= MAX_ALGORITHMS:
        raise cursor.refused("eventlog.algorithms", f"the header announces {count} algorithms")
    found: dict[int, tuple[str, int]] = {}
    for _ in range(count):
        identifier, size = cursor.u16(), cursor.u16()
        known = algorithms.BANKS.get(identifier)
        if known is None or known[1] != size or identifier in found:
            raise cursor.refused("eventlog.algorithms", f"the header announces {identifier:#06x} with {size} bytes")
        found[identifier] = known
    cursor.take(cursor.take(1)[0])  # vendor information
    if not cursor.ended:
        raise cursor.refused("eventlog.header", "bytes follow the header's fields")
    return found


def _startup_locality(events: list[Event]) -> int:
    """Return what PCR 0 started from (section 10.4.5.3), 0 if the log does not say."""
    found: list[int] = []
    extended = False
    for event in events:
        if event.type == NO_ACTION and event.data.startswith(_STARTUP_LOCALITY):
            found.append(_locality(event, is_late=extended))
        extended = extended or (event.pcr == 0 and event.type != NO_ACTION)
    if len(found) > 1:
        raise MalformedEvidenceError("eventlog.startup-locality", "the log names its startup locality twice")
    return found[0] if found else 0


def _locality(event: Event, *, is_late: bool) -> int:
    value = event.data[len(_STARTUP_LOCALITY) :]
    if is_late or len(value) != 1 or value[0] not in _LOCALITIES:
        raise MalformedEvidenceError(
            "eventlog.startup-locality", "startup locality is not 0, 3 or 4, or comes after PCR 0 was extended"
        )
    return value[0]
