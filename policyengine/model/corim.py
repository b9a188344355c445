"""What a compiler of policies needs of a signed CoRIM, without knowing how one is read (attestation.corim.states)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

from policyengine.model.endorsements import KeyUse, ReferenceComponent, TagVersion


@dataclass(frozen=True, slots=True, kw_only=True)
class CorimSigners:
    """Who may sign: raw Ed25519 public keys, and authorities in PEM whose certificates may."""

    keys: tuple[bytes, ...]
    authorities: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class ReferenceState:
    """One state that an environment may be in: what is measured, and what is endorsed of a device in that state.

    `environment` identifies what is measured; `vendor`, `model` and `class_id` are None where it does not say them.
    """

    environment: str
    vendor: str | None
    model: str | None
    class_id: str | None
    components: tuple[ReferenceComponent, ...]
    svn: int | None = None
    min_svn: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class StatedKey:
    """A key of one device; `vendor`, `model` and `class_id` are None where the triple does not say them."""

    use: KeyUse
    spki: bytes
    thumbprint: str
    instance: str
    vendor: str | None
    model: str | None
    class_id: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class EndorsedCorim:
    """A signed CoRIM of which every check held; what it vouches for is still to be compared with the signer's scope."""

    id: str
    digest: str
    valid_until: datetime | None
    tags: tuple[TagVersion, ...]
    states: tuple[ReferenceState, ...]
    keys: tuple[StatedKey, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class RefusedCorim:
    """Why a CoRIM is not believed: the failed check, and a sentence."""

    check: str
    reason: str


# From a file, its possible signers and the time to what it endorses, or why it endorses nothing.
CorimReader = Callable[[bytes, CorimSigners, datetime], EndorsedCorim | RefusedCorim]


def no_reader(_content: bytes, _signers: CorimSigners, _now: datetime) -> RefusedCorim:
    """Refuse every CoRIM: for programs that were given no reader."""
    return RefusedCorim(check="corim.reader", reason="this program was not given a reader of CoRIMs")
