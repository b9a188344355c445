"""Firmware event logs as a PC writes them (TCG PC Client Platform Firmware Profile), and the PCRs they lead to."""

from __future__ import annotations

import hashlib
import struct
from collections.abc import Sequence
from dataclasses import dataclass

from policyengine.simulation.tpm import HASH_IDS

NO_ACTION, SEPARATOR, S_CRTM_VERSION = 3, 4, 8
EFI_VARIABLE_DRIVER_CONFIG, EFI_APPLICATION, EFI_ACTION = 0x80000001, 0x80000003, 0x80000007
GLOBAL_VARIABLE = bytes.fromhex("61dfe48bca93d211aa0d00e098032b8c")


@dataclass(frozen=True, slots=True, kw_only=True)
class Record:
    """One measurement: what the log says (`data`) and what was measured, which is the same unless given."""

    pcr: int
    type: int
    data: bytes
    measured: bytes | None = None

    def digest(self, bank: str) -> bytes:
        """Return the digest in the log; informative records have zeros."""
        if self.type == NO_ACTION:
            return bytes(hashlib.new(bank).digest_size)
        return hashlib.new(bank, self.data if self.measured is None else self.measured).digest()


def variable(name: str, value: bytes, *, vendor: bytes = GLOBAL_VARIABLE) -> bytes:
    """Return UEFI_VARIABLE_DATA."""
    return vendor + struct.pack("<QQ", len(name), len(value)) + name.encode("utf-16-le") + value


def startup_locality(locality: int) -> Record:
    """Return the record that says what PCR 0 started from."""
    return Record(pcr=0, type=NO_ACTION, data=b"StartupLocality\x00" + bytes((locality,)))


def boot(*, version: str = "4.2.1", secure: bool = True, debug: bool = False) -> tuple[Record, ...]:
    """Return the records of one boot: firmware version, secure boot, an application, separators."""
    records = [
        Record(pcr=0, type=S_CRTM_VERSION, data=version.encode("utf-16-le") + b"\x00\x00"),
        Record(pcr=7, type=EFI_VARIABLE_DRIVER_CONFIG, data=variable("SecureBoot", bytes((secure,)))),
        Record(pcr=7, type=EFI_VARIABLE_DRIVER_CONFIG, data=variable("PK", b"platform key")),
    ]
    if debug:
        records.append(Record(pcr=7, type=EFI_ACTION, data=b"UEFI Debug Mode"))
    records += [Record(pcr=pcr, type=SEPARATOR, data=bytes(4)) for pcr in range(8)]
    return (*records, Record(pcr=4, type=EFI_APPLICATION, data=b"device path", measured=b"boot loader"))


def eventlog(records: Sequence[Record], *, banks: Sequence[str] = ("sha256",)) -> bytes:
    """Return the crypto agile log with `records`."""
    algorithms = b"".join(struct.pack("<HH", HASH_IDS[bank], hashlib.new(bank).digest_size) for bank in banks)
    spec = b"Spec ID Event03\x00" + struct.pack("<IBBBBI", 0, 0, 2, 0, 2, len(banks)) + algorithms + b"\x00"
    return old_record(NO_ACTION, bytes(20), spec) + b"".join(_agile(record, banks) for record in records)


def old_eventlog(records: Sequence[Record]) -> bytes:
    """Return the log with `records` as firmware before TPM 2.0 writes it: SHA-1 only."""
    return b"".join(old_record(each.type, each.digest("sha1"), each.data, pcr=each.pcr) for each in records)


def old_record(kind: int, digest: bytes, data: bytes, *, pcr: int = 0) -> bytes:
    """Return a TCG_PCClientPCREvent."""
    return struct.pack("<II", pcr, kind) + digest + struct.pack("<I", len(data)) + data


def _agile(record: Record, banks: Sequence[str]) -> bytes:
    digests = b"".join(struct.pack("<H", HASH_IDS[bank]) + record.digest(bank) for bank in banks)
    head = struct.pack("<III", record.pcr, record.type, len(banks))
    return head + digests + struct.pack("<I", len(record.data)) + record.data


def pcrs(records: Sequence[Record], *, bank: str = "sha256", locality: int = 0) -> dict[int, bytes]:
    """Return the values of PCRs 0 to 7 after `records`."""
    size = hashlib.new(bank).digest_size
    values = {pcr: bytes(size) for pcr in range(8)}
    values[0] = bytes(size - 1) + bytes((locality,))
    for record in records:
        if record.type != NO_ACTION:
            extended = values.get(record.pcr, bytes(size)) + record.digest(bank)
            values[record.pcr] = hashlib.new(bank, extended).digest()
    return values
