"""A bounded, strict reader of TPM 2.0 structures: big-endian, every size checked, every byte consumed."""

from __future__ import annotations

import struct
from typing import Final

from policyengine.attestation.errors import MalformedEvidenceError

MAX_STRUCTURE = 4096  # a TPMT_PUBLIC with an RSA-4096 key has 600 bytes; TPM buffers end at 4 KiB

_U16, _U32 = struct.Struct(">H"), struct.Struct(">I")


class TpmReader:
    """A cursor over one structure, `name` in every error. All methods raise MalformedEvidenceError `tpm.*`."""

    __slots__ = ("_at", "_begins", "_data", "_name")

    def __init__(self, data: bytes, *, name: str, begins: int = 0) -> None:
        if len(data) > MAX_STRUCTURE:
            raise MalformedEvidenceError(
                "tpm.size", f"{name} has {len(data)} bytes, the limit is {MAX_STRUCTURE}", offset=MAX_STRUCTURE
            )
        self._data: Final = data
        self._name: Final = name
        self._begins: Final = begins  # where `data` stands in the structure, for errors
        self._at = 0

    def numbers(self, form: struct.Struct) -> tuple[int, ...]:
        """Return the next fields, all numbers, as `form` describes them; several at once are read much faster."""
        start = self._at
        try:
            found = form.unpack_from(self._data, start)
        except struct.error as cause:
            raise self._cut_short() from cause
        self._at = start + form.size
        return found

    def u16(self) -> int:
        """Return the next UINT16."""
        return self.numbers(_U16)[0]

    def u32(self) -> int:
        """Return the next UINT32."""
        return self.numbers(_U32)[0]

    def take(self, size: int) -> bytes:
        """Return the next `size` bytes."""
        start = self._at
        found = self._data[start : start + size]
        if len(found) != size:
            raise self._cut_short()
        self._at = start + size
        return found

    def sized(self, maximum: int) -> bytes:
        """Return the buffer of a TPM2B: a UINT16 size and that many bytes, at most `maximum`."""
        begin = self._at + 2
        size = int.from_bytes(self._data[self._at : begin], "big")
        found = self._data[begin : begin + size]
        if begin <= len(self._data) and size <= maximum and len(found) == size:
            self._at = begin + size
            return found
        size = self.u16()  # again, for the error of the first thing that is wrong
        if size > maximum:
            raise self.refused("tpm.size", f"a buffer has {size} bytes, the limit is {maximum}")
        return self.take(size)

    def rest(self) -> tuple[bytes, int]:
        """Return the bytes that are left, and where they begin."""
        start, self._at = self._at, len(self._data)
        return self._data[start:], self._begins + start

    def end(self) -> None:
        """Return if every byte was read; what follows a structure is no part of what was signed or named."""
        left = len(self._data) - self._at
        if left:
            raise self.refused("tpm.trailing", f"{left} bytes follow the structure")

    def refused(self, code: str, reason: str) -> MalformedEvidenceError:
        """Return the error for what was just read."""
        at = self._begins + self._at
        return MalformedEvidenceError(code, f"in {self._name}, {reason} (byte {at})", offset=at)

    def _cut_short(self) -> MalformedEvidenceError:
        return self.refused("tpm.truncated", "the bytes end inside a field")
