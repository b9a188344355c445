"""What a log amounts to: the PCR values it leads to, and whether what it says of an event is what was measured."""

from __future__ import annotations

from collections.abc import Mapping

from policyengine.attestation.tpm.algorithms import Hash
from policyengine.attestation.tpm.eventlog import (
    ACTION,
    EFI_ACTION,
    EFI_VARIABLE_DRIVER_CONFIG,
    NO_ACTION,
    SEPARATOR,
    Event,
    EventLog,
)

FIRMWARE_PCRS = range(8)  # PFP section 3.3.4: those that only firmware and boot loader extend, and only with a record

# What these measure is their data itself (PFP section 10.4.1), so data that does not hash to the digest is a lie.
# NOTE: versions and authorities are meant to, too, but firmware in the field hashes other bytes there; they are
# merely not used where they do not fit.
_HASHED = frozenset({SEPARATOR, ACTION, EFI_ACTION, EFI_VARIABLE_DRIVER_CONFIG})


def replay(log: EventLog, bank: Hash) -> Mapping[int, bytes]:
    """Return PCR -> value for every PCR that `log` extends (Part 1 section 17); `bank` must be one of its banks.

    PCR 0 starts from the startup locality (PFP section 10.4.5.3); informative records extend nothing.
    """
    initial, name, digest = bytes(bank.size), bank.bank, bank.digest
    values: dict[int, bytes] = {}
    if log.startup_locality:
        values[0] = initial[:-1] + bytes((log.startup_locality,))
    for event in log.events:
        if event.type != NO_ACTION:
            values[event.pcr] = digest(values.get(event.pcr, initial) + event.digests[name])
    return values


def difference(log: EventLog, bank: Hash, quoted: Mapping[int, bytes]) -> str | None:
    """Return the first PCR in which `log` and the `quoted` values of `bank` differ, or None.

    A firmware PCR that the log never extends must still be as at reset: a log cannot be silent about it.
    """
    if bank.bank not in log.banks:
        return f"the log has no {bank.bank} digests"
    values, reset = replay(log, bank), bytes(bank.size)
    for pcr, seen in quoted.items():
        expected = values.get(pcr, reset if pcr in FIRMWARE_PCRS else seen)
        if expected != seen:
            return f"PCR {pcr} of {bank.bank}: the log leads to {expected.hex()}"
    return None


def says_what_was_measured(event: Event, bank: Hash) -> bool:
    """Return whether the digest of `event` is that of its data."""
    return bank.digest(event.data) == event.digests[bank.bank]


def false_data(log: EventLog, bank: Hash) -> str | None:
    """Return the first record whose data must be what was measured and is not, or None."""
    for index, event in enumerate(log.events):
        if event.type in _HASHED and not says_what_was_measured(event, bank):
            return f"record {index} of type {event.type:#x} in PCR {event.pcr} says what was not measured"
    return None
