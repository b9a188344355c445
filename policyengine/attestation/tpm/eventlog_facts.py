"""What a replayed log proves: secure boot and debug mode from PCR 7, the firmware's version from PCR 0.

Only records whose digest is that of their data say anything, only in PCRs that were quoted, and only before the PCR's
separator: what follows could have been extended by whatever was started (PFP section 3.3.4.8).

No PCR covers the type that a log gives a record, nor data that does not hash to the digest. So the separator, the debug
mode and the states of secure boot are known by their digests, whatever the log calls them: else a log could hide the
true ones under another type and show those that a running system extended afterwards.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator, Set
from dataclasses import dataclass
from functools import lru_cache

from policyengine.attestation.tpm.algorithms import Hash
from policyengine.attestation.tpm.eventlog import NO_ACTION, S_CRTM_VERSION, Event, EventLog
from policyengine.attestation.tpm.eventlog_replay import says_what_was_measured

MAX_VERSION = 64  # characters; versions of firmware have under twenty

_GLOBAL_VARIABLE = bytes.fromhex("61dfe48bca93d211aa0d00e098032b8c")  # EFI_GLOBAL_VARIABLE (UEFI section 3.3)
_VARIABLE = struct.Struct("<16sQQ")  # UEFI_VARIABLE_DATA of the PFP: vendor, name length, data length
_NAME = "SecureBoot"
_STATES = {
    value: _VARIABLE.pack(_GLOBAL_VARIABLE, len(_NAME), 1) + _NAME.encode("utf-16-le") + value
    for value in (b"\x00", b"\x01")
}
_DEBUG_MODE = b"UEFI Debug Mode"  # PFP section 3.3.4.8: measured before a debugger may be used
_DEBUG_MODES = (_DEBUG_MODE, _DEBUG_MODE + b"\x00")  # firmware counts the NUL or does not
_NO_ERROR = (bytes(4), b"\xff" * 4)  # PFP section 10.4.1: what a separator without an error holds
_ERROR = b"\x01\x00\x00\x00"


@dataclass(frozen=True, slots=True, kw_only=True)
class FirmwareVersion:
    """The version that the root of trust measured of itself, and the digest in the PCR."""

    version: str
    digest: bytes


def boot_facts(log: EventLog, bank: Hash, quoted: Set[int]) -> dict[str, object]:
    """Return `secure`, `mode` and `debug` of group `boot`; empty unless PCR 7 was quoted and tells."""
    before = _before_separator(log, bank, pcr=7) if 7 in quoted else None
    if before is None:
        return {}
    debugging = {bank.digest(each) for each in _DEBUG_MODES}
    debug = any(event.digests[bank.bank] in debugging for event in before)
    facts: dict[str, object] = {"debug": "enabled" if debug else "disabled"}
    states = [value for event in before for value in _secure_boot(event, bank)]
    if states:
        facts["secure"] = all(value == b"\x01" for value in states)
    facts["mode"] = "debug" if debug else "production" if facts.get("secure") else "unknown"
    return facts


def _before_separator(log: EventLog, bank: Hash, *, pcr: int) -> list[Event] | None:
    """Return the records of a PCR before its separator, or None if firmware did not end it without an error."""
    ends, errors = {bank.digest(each) for each in _NO_ERROR}, bank.digest(_ERROR)
    found: list[Event] = []
    for event in log.events:
        if event.pcr != pcr or event.type == NO_ACTION:
            continue
        digest = event.digests[bank.bank]
        if digest in ends or digest == errors:
            return found if digest in ends else None
        found.append(event)
    return None


@lru_cache(maxsize=8)  # one a bank
def _known_states(bank: Hash) -> dict[bytes, bytes]:
    return {bank.digest(measured): value for value, measured in _STATES.items()}


def _secure_boot(event: Event, bank: Hash) -> Iterator[bytes]:
    """Yield the value of variable `SecureBoot`, if that is what `event` measured."""
    known = _known_states(bank).get(event.digests[bank.bank])
    if known is not None:
        yield known
        return
    if len(event.data) < _VARIABLE.size or not says_what_was_measured(event, bank):
        return
    vendor, units, _ = _VARIABLE.unpack_from(event.data)
    end = _VARIABLE.size + 2 * units
    if vendor == _GLOBAL_VARIABLE and event.data[_VARIABLE.size : end] == _NAME.encode("utf-16-le"):
        yield event.data[end:]


def firmware_version(log: EventLog, bank: Hash, quoted: Set[int]) -> FirmwareVersion | None:
    """Return the version measured by the first S-CRTM record, if PCR 0 was quoted and the record says it truly."""
    before = _before_separator(log, bank, pcr=0) if 0 in quoted else None
    for event in before or ():
        if event.type == S_CRTM_VERSION and says_what_was_measured(event, bank):
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
