"""What lint looks at: a certificate that nobody has signed yet, beside the plan it was made from."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import TypeVar

from cryptography import x509

from pki.certificates import RawCertificate
from pki.tbs import Plan

_Value = TypeVar("_Value", bound=x509.ExtensionType)


@dataclass(frozen=True, slots=True, kw_only=True)
class Candidate:
    """The exact fields, the parsed form, extensions by OID and by type, both ends, and what it was meant to be."""

    raw: RawCertificate
    certificate: x509.Certificate
    extensions: Mapping[str, x509.Extension[x509.ExtensionType]]
    values: Mapping[type[x509.ExtensionType], x509.ExtensionType]
    start: datetime
    end: datetime
    plan: Plan

    def value(self, kind: type[_Value]) -> _Value | None:
        """Return the value of the extension of this kind, if it is there."""
        found = self.values.get(kind)
        return found if type(found) is kind else None

    @property
    def is_ca(self) -> bool:
        """Whether the bytes (not the plan) make it a CA."""
        basic = self.value(x509.BasicConstraints)
        return basic is not None and basic.ca
