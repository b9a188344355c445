"""What one transaction may record: values that a service makes and a store carries out, all of it or nothing.

Each change guards itself: it names the state it was decided on, and is refused with ConflictError when that has moved.
Changes in one commit batch do not see each other's refusals.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from policyengine.model.facts import Source
from policyengine.model.ids import DeviceId, Digest
from policyengine.services.acts import SALT_SIZE, Act, Document
from policyengine.services.filed import FileDocuments
from policyengine.services.records import (
    Activation,
    ApiToken,
    BundleRecord,
    CertificateRecord,
    CertificateStatus,
    DecisionRecord,
    Device,
    DeviceState,
    EnrolmentToken,
    Job,
    Measured,
    RevocationProposal,
    SecurityEvent,
)
from policyengine.services.service_certificates import KeepServiceCertificates, RevokeServiceCertificate

__all__ = [
    "SALT_SIZE",
    "Act",
    "Document",
    "FileDocuments",
    "KeepServiceCertificates",
    "RevokeServiceCertificate",
]  # of changes that stand elsewhere, for those who make them


@dataclass(frozen=True, slots=True, kw_only=True)
class VerdictRow:
    """What one rule under one binding says from this decision on; `source` is the weakest that it read a fact from."""

    rule: str
    binding: str | None
    result: str
    reason: str
    mode: str
    action: str
    failing_since: datetime | None
    controls: tuple[str, ...]
    source: Source | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Enrolment:
    """The device's first state: registry row to operational, and the one-time credential that is used up."""

    device: Device
    token_hash: bytes | None
    key_reuse: int  # devices that had this key when it was decided; another one since then refuses the change


@dataclass(frozen=True, slots=True, kw_only=True)
class SpentNonce:
    """An unbound nonce, kept until it would have expired anyway."""

    nonce_hash: bytes
    expires_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class StatusChange:
    """A certificate goes on hold, comes back, or is revoked."""

    issuer: str
    serial: str
    expected: CertificateStatus
    status: CertificateStatus
    reason: str
    at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordDecision:
    """A check-in's or sweep's outcome. `expected_version` None: the device had no state (enrolment).

    `decision` and `verdicts` are None when nothing changed; `recheck_peers` asks for a new decision on devices pinned
    to the same key, `doubts_reports` on those that this one reported of, because it is worth less than before; `act` is
    what a person did that led to it; `unmatched` what evidence measured and nothing endorses.
    Refused when the state's version moved, the floor is not
    below `state.floor` (check-in), the one-time token or unbound nonce is spent, or the certificate's reservation is no
    longer open.
    """

    state: DeviceState
    expected_version: int | None
    spends_nonce: bool
    decision: DecisionRecord | None
    verdicts: tuple[VerdictRow, ...] | None
    documents: tuple[Document, ...]
    salt: bytes
    enrolment: Enrolment | None = None
    spent: SpentNonce | None = None
    certificate: CertificateRecord | None = None
    status: StatusChange | None = None
    recheck_peers: bool = False
    doubts_reports: bool = False
    act: Act | None = None
    unmatched: tuple[Measured, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class ReserveCertificate:
    """The durable record that precedes a signature: serial, digest of what is to be signed, decision behind it."""

    issuer: str
    serial: str
    device_id: DeviceId
    decision_id: Digest
    tbs_sha256: bytes
    profile: str
    key_thumbprint: str
    at: datetime
    salt: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class AbortReservation:
    """A reservation whose certificate will never leave; a leaf says so."""

    issuer: str
    serial: str
    reason: str
    at: datetime
    salt: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class AbortOrphans:
    """Open reservations become aborted, each with a leaf; carried out at start, before the first check-in.

    `reserved_before` None: all of them, for nobody else can be at work on one.
    """

    reason: str
    reserved_before: datetime | None
    at: datetime
    salt: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordSecurityEvent:
    """Count `event`, or add it when its hour has none of that code on that device."""

    event: SecurityEvent
    salt: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class ImportDevices:
    """Announce devices, and say of registered ones what operators now say.

    Refused as a whole when one id is held by another vendor, model or serial. What is said anew is decided anew.
    """

    devices: tuple[Device, ...]
    act: Act
    updated: tuple[Device, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class AnnouncePending:
    """A device that proved a vendor identity but that nobody announced waits for a person."""

    device: Device
    act: Act


@dataclass(frozen=True, slots=True, kw_only=True)
class ChangeLifecycle:
    """Admit a pending device or retire one; refused unless the registry still says `expected`."""

    device: Device
    expected: str
    act: Act


@dataclass(frozen=True, slots=True, kw_only=True)
class TransferDevice:
    """Say anew where a device stands; refused unless the registry still has it as `before`."""

    before: Device
    after: Device
    act: Act


@dataclass(frozen=True, slots=True, kw_only=True)
class ReplaceDevice:
    """Retire `old` for `new`, which takes its place: one act on the timeline of each.

    Refused unless the registry still has both as they were read (`before`), and their certificates the statuses.
    """

    before: tuple[Device, Device]
    old: Device
    new: Device
    revocations: tuple[StatusChange, ...]
    acts: tuple[Act, Act]


@dataclass(frozen=True, slots=True, kw_only=True)
class RekeyDevice:
    """Let a device enrol again with another key: its state ends, its key never comes back, its lineage goes on.

    Refused unless the state still has `expected_version`.
    """

    device: Device
    expected_version: int
    revocations: tuple[StatusChange, ...]
    act: Act


@dataclass(frozen=True, slots=True, kw_only=True)
class CreateEnrolmentToken:
    """Keep the hash of a one-time token."""

    token: EnrolmentToken
    act: Act


@dataclass(frozen=True, slots=True, kw_only=True)
class CreateBatchTokens:
    """Announce the devices of a batch that are new, and keep the hashes of one-time tokens for it."""

    devices: tuple[Device, ...]
    tokens: tuple[EnrolmentToken, ...]
    act: Act


@dataclass(frozen=True, slots=True, kw_only=True)
class StoreBundle:
    """Publish a bundle: its bytes and where they come from. Publishing it again changes nothing."""

    record: BundleRecord
    document: Document
    act: Act


@dataclass(frozen=True, slots=True, kw_only=True)
class ActivateBundle:
    """Make a bundle the one in force; refused unless `activation.generation` follows the current one."""

    activation: Activation
    act: Act


@dataclass(frozen=True, slots=True, kw_only=True)
class SetCertificateStatus:
    """A person revokes, holds or releases a certificate."""

    change: StatusChange
    act: Act


@dataclass(frozen=True, slots=True, kw_only=True)
class ProposeRevocation:
    """Keep one party's proposal; refused when another one stands that did not end before this one was made.

    `status`: the certificate goes on hold meanwhile.
    """

    proposal: RevocationProposal
    status: StatusChange | None
    act: Act


@dataclass(frozen=True, slots=True, kw_only=True)
class CloseProposal:
    """A proposal is confirmed or withdrawn, with what that does to its certificate; refused when it is gone."""

    proposal: RevocationProposal
    status: StatusChange | None
    act: Act


@dataclass(frozen=True, slots=True, kw_only=True)
class CreateApiToken:
    """Keep an API token's hash, role and scope."""

    token: ApiToken
    act: Act


@dataclass(frozen=True, slots=True, kw_only=True)
class RevokeApiToken:
    """End an API token now."""

    id: str
    at: datetime
    act: Act


@dataclass(frozen=True, slots=True, kw_only=True)
class TouchApiToken:
    """Remember when a token was last used; written at most once a minute."""

    id: str
    at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class PruneNonces:
    """Forget spent nonces by hash; one that did not expire before `expired_before` stays."""

    hashes: tuple[bytes, ...]
    expired_before: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class LowerFloors:
    """Bring the floors of devices that lie ahead of `ahead_of` back to `floor`, after a clock was wrong.

    Only once every nonce issued before has ended by a new epoch: a nonce above the new floor could be spent again.
    """

    ahead_of: datetime
    floor: datetime
    act: Act


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordAct:
    """Keep what a person did outside the store, such as a step of a key ceremony."""

    act: Act


@dataclass(frozen=True, slots=True, kw_only=True)
class PruneDecisions:
    """Delete decisions made before a moment that a verified segment holds and nothing here needs."""

    before: datetime
    act: Act


@dataclass(frozen=True, slots=True, kw_only=True)
class MoveJobs:
    """Bring work from what it was to what it is (None: not there); refused, whole, unless all is as it was."""

    moves: tuple[tuple[Job | None, Job | None], ...]
    act: Act | None = None


Change = (
    RecordDecision
    | ReserveCertificate
    | AbortReservation
    | AbortOrphans
    | RecordSecurityEvent
    | ImportDevices
    | AnnouncePending
    | ChangeLifecycle
    | TransferDevice
    | ReplaceDevice
    | RekeyDevice
    | CreateEnrolmentToken
    | CreateBatchTokens
    | StoreBundle
    | ActivateBundle
    | SetCertificateStatus
    | ProposeRevocation
    | CloseProposal
    | CreateApiToken
    | RevokeApiToken
    | TouchApiToken
    | PruneNonces
    | LowerFloors
    | RecordAct
    | PruneDecisions
    | MoveJobs
    | FileDocuments
    | KeepServiceCertificates
    | RevokeServiceCertificate
)
