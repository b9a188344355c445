"""What a replayed log proves: secure boot and debug mode from PCR 7, the firmware's version from PCR 0.

Only records whose digest is that of their data say anything, only in PCRs that were quoted, and for PCR 7 only before
its separator: what follows could have been extended by whatever was started (PFP section 3.3.4.8).
"""

from __future__ import annotations

import struct
from collections.abc import Iterator, Set
from dataclasses import dataclass

from policyengine.attestation.eventlog import (
    EFI_ACTION,
    EFI_VARIABLE_DRIVER_CONFIG,
    NO_ACTION,
    S_CRTM_VERSION,
    SEPARATOR,
    Event,
    EventLog,
)
from policyengine.attestation.eventlog_replay import says_what_was_measured
from policyengine.attestation.tpm_algorithms import Hash

MAX_VERSION = 64  # characters; versions of firmware have under twenty

_GLOBAL_VARIABLE = bytes.fromhex("61dfe48bca93d211aa0d00e098032b8c")  # EFI_GLOBAL_VARIABLE (UEFI section 3.3)
_VARIABLE = struct.Struct("<16sQQ")  # UEFI_VARIABLE_DATA of the PFP: vendor, name length, data length
_DEBUG_MODE = b"UEFI Debug Mode"  # PFP section 3.3.4.8: measured before a debugger may be used
_NO_ERROR = frozenset({bytes(4), b"\xff" * 4})  # PFP section 10.4.1: what a separator without an error holds


@dataclass(frozen=True, slots=True, kw_only=True)
class FirmwareVersion:
    """The version that the root of trust measured of itself, and the digest in the PCR."""

    version: str
    digest: bytes


def boot_facts(log: EventLog, bank: Hash, quoted: Set[int]) -> dict[str, object]:
    """Return `secure`, `mode` and `debug` of group `boot`; empty unless PCR 7 was quoted and tells."""
    before = _before_separator(log, bank) if 7 in quoted else None
    if before is None:
        return {}
    debug = any(event.type == EFI_ACTION and event.data.rstrip(b"\x00") == _DEBUG_MODE for event in before)
    facts: dict[str, object] = {"debug": "enabled" if debug else "disabled"}
    states = [value for event in before for value in _secure_boot(event)]
    if states:
        facts["secure"] = all(value == b"\x01" for value in states)
    facts["mode"] = "debug" if debug else "production" if facts.get("secure") else "unknown"
    return facts


def _before_separator(log: EventLog, bank: Hash) -> list[Event] | None:
    """Return the true records of PCR 7 before its separator, or None if firmware did not end it without an error."""
    found: list[Event] = []
    for event in log.events:
        if event.pcr != 7 or event.type == NO_ACTION or not says_what_was_measured(event, bank):
            continue
        if event.type == SEPARATOR:
            return found if event.data in _NO_ERROR else None
        found.append(event)
    return None


def _secure_boot(event: Event) -> Iterator[bytes]:
    """Yield the value of variable `SecureBoot`, if that is what `event` measured."""
    if event.type != EFI_VARIABLE_DRIVER_CONFIG or len(event.data) < _VARIABLE.size:
        return
    vendor, units, _ = _VARIABLE.unpack_from(event.data)
    end = _VARIABLE.size + 2 * units
    if vendor == _GLOBAL_VARIABLE and event.data[_VARIABLE.size : end] == "SecureBoot".encode("utf-16-le"):
        yield event.data[end:]


def firmware_version(log: EventLog, bank: Hash, quoted: Set[int]) -> FirmwareVersion | None:
    """Return the version measured by the first S-CRTM record, if PCR 0 was quoted and the record says it truly."""
    if 0 not in quoted:
        return None
    for event in log.events:
        if event.type == S_CRTM_VERSION and event.pcr == 0 and says_what_was_measured(event, bank):
            version = _text(event.data)
            return FirmwareVersion(version=version, digest=event.digests[bank.bank]) if version else None
    return None


def _text(data: bytes) -> str | None:
    """Return UCS-2 or ASCII as firmware writes it, or None if it is no short printable text."""
    encoding = "utf-16-le" if data[1:2] == b"\x00" else "ascii"
    try:
        text = data.decode(encoding).rstrip("\x00")
    except UnicodeDecodeError:
        return None
    return text if 0 < len(text) <= MAX_VERSION and text.isprintable() else None
