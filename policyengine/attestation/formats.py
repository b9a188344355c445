"""What every evidence format offers and gives back; a format is found by media type, never by looking at the bytes."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import Enum
from typing import Any, NamedTuple, Protocol

from cryptography import x509

from policyengine.attestation.anchors import EvidenceKey, TrustAnchors
from policyengine.attestation.checks import Check, Requirement, failures
from policyengine.attestation.media_type import MediaType
from policyengine.model.endorsements import ReferenceValues
from policyengine.model.ids import Digest


class Freshness(Enum):
    """How a format proves that its evidence is new (RFC 9334 section 10); NONE never earns belief by itself."""

    NONCE = "nonce"
    PROOF_OF_POSSESSION = "pop"
    NONE = "none"


class KeyBinding(NamedTuple):
    """The key that signed believed evidence, how that was proven, and the path that vouches for it, leaf first.

    `key` is None for a shared secret, which no certificate can be bound to. `certified` is the thumbprint of another
    key that this one proved to be in the same hardware, for `binding.csr-key`; `device` the key that names the device
    where `key` is one that changes with its firmware (DICE), else None. `own_chain` is the path of a certificate that
    a TPM's AK brought of its own (an IAK's), beside the EK's in `chain`.
    """

    key: EvidenceKey | None
    thumbprint: str
    proof: str
    chain: tuple[x509.Certificate, ...] = ()
    certified: str | None = None
    device: EvidenceKey | None = None
    own_chain: tuple[x509.Certificate, ...] = ()


class Verified(NamedTuple):
    """What can be believed of one piece of evidence (RFC 9334 section 8.4).

    Believed evidence has a `key_binding`; if any check failed, that is None and `facts` and `complete` are empty.
    `decoded` is what the evidence says and `signer` the thumbprint of the trusted key whose signature verified, whether
    the rest was believed or not: for people and security events, never for decisions.

    NOTE: a tuple, like the other values made once a message: a frozen dataclass of ten fields costs three times as much
    to make, and a quarter of an appraisal beside its signature check was such values.
    """

    media_type: str
    facts: Mapping[str, object]
    complete: tuple[str, ...]
    decoded: Mapping[Any, Any]
    naming: Callable[[Mapping[Any, Any]], Mapping[str, object]]
    key_binding: KeyBinding | None
    signer: str | None
    checks: tuple[Check, ...]
    digest: Digest
    freshness: Freshness

    @property
    def accepted(self) -> bool:
        """Whether every check passed or did not apply, and a trusted key signed."""
        return self.key_binding is not None

    @property
    def claims(self) -> Mapping[str, object]:
        """What the evidence says, by name; byte strings stay bytes."""
        return self.naming(self.decoded)

    @property
    def failed(self) -> tuple[str, ...]:
        """The ids of the failed checks, in the order they are listed."""
        return tuple(check.id for check in failures(self.checks))


class Appraise(Protocol):
    """The verifier of one format: pure and total, it raises only MalformedEvidenceError. Arguments as in `verify`."""

    def __call__(
        self,
        evidence: bytes,
        *,
        media_type: str,
        nonce: bytes,
        anchors: TrustAnchors,
        endorsements: ReferenceValues | None,
        now: datetime,
    ) -> Verified:
        """Return what can be believed of `evidence`."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Format:
    """A plug-in: its name in `evidence.format`, the media types it answers to, parameters included, its verifier.

    With any `eat_profile` parameter, the types in `any_profile` are its own too, unless another format has that very
    profile; it must then hold the evidence to the profile that its media type announces. `requirements` are those of
    its checks, so that who is refused by one is told what it asks for.
    """

    name: str
    media_types: tuple[MediaType, ...]
    appraise: Appraise
    any_profile: frozenset[str] = frozenset()
    requirements: tuple[Requirement, ...] = ()
