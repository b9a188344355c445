"""One transaction of many changes: rows are gathered, leaves get their places, and everything is written at the end."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence

from sqlalchemy import (
    BigInteger,
    ColumnElement,
    Connection,
    Dialect,
    Insert,
    LargeBinary,
    Update,
    bindparam,
    cast,
    insert,
    select,
    update,
)

from pki.crl_encoding import encode_entry
from pki.revocation import Reason
from policyengine.adapters.sql import tables
from policyengine.adapters.sql.certified_keys import KeyStatements, demand_own_key
from policyengine.adapters.sql.codec import frontier_from, packed, raw
from policyengine.adapters.sql.migration import demand_revision, stored_revision
from policyengine.adapters.sql.rows import CERTIFICATE_COLUMNS, STATE_COLUMNS, certificate_row
from policyengine.adapters.sql.statements import (
    Params,
    Statement,
    among,
    delete_row,
    insert_new,
    insert_or_add,
    insert_or_set,
    insert_row,
    update_row,
)
from policyengine.adapters.sql.tallies import Tallies
from policyengine.model.canonical import canonical
from policyengine.model.ids import DeviceId
from policyengine.services.certification.revocation import entry_reason
from policyengine.services.changes import Act, Document, StatusChange
from policyengine.services.errors import UnavailableError
from policyengine.services.moments import micros
from policyengine.services.records import CertificateRecord, CertificateStatus
from policyengine.transparency.leaf import make_leaf
from policyengine.transparency.merkle import TILE_HEIGHT, grown, tree_hash

MAX_KNOWN_DOCUMENTS = 4096  # digests remembered as stored; shared facts and priors of a large fleet are some hundreds


class Statements:
    """All statements of the write path, compiled once per process."""

    def __init__(self, dialect: Dialect) -> None:
        head = tables.log_head.c
        locked = select(head.size, head.frontier, stored_revision()).where(head.id == 1)
        self.lock_head = Statement(locked.with_for_update(), dialect)
        self.set_head = update_row(tables.log_head, dialect, keys=["id"], columns=["size", "frontier"])
        state = tables.device_state.c
        guarded = select(state.device_id, state.version, state.floor)
        self.guards = Statement(guarded.where(among(state.device_id, dialect, name="ids")), dialect)
        self.documents = insert_new(tables.document, dialect)
        self.states = update_row(tables.device_state, dialect, keys=["device_id"], columns=STATE_COLUMNS)
        self.current_certificate = update_row(
            tables.device_state, dialect, keys=["device_id"], columns=["certificate_issuer", "certificate_serial"]
        )
        self.reservations = insert_row(tables.certificate, dialect)
        self.certificates = update_row(
            tables.certificate, dialect, keys=["issuer", "serial"], columns=CERTIFICATE_COLUMNS
        )
        self.statuses = update_row(
            tables.certificate, dialect, keys=["issuer", "serial"], columns=["status", "status_reason", "status_at"]
        )
        self.past_statuses = insert_row(tables.certificate_status, dialect)
        self.ended_revocations = delete_row(tables.revocation, dialect, keys=["issuer", "serial"])
        self.revocations = Statement(_new_revocation(), dialect)
        self.decisions = insert_new(tables.decision, dialect)
        self.closed_verdicts = update_row(
            tables.verdict, dialect, keys=["device_id", "rule", "binding", "valid_from"], columns=["valid_to"]
        )
        self.verdicts = insert_row(tables.verdict, dialect)
        self.ended_stances = update_row(tables.stance, dialect, keys=["device_id", "valid_from"], columns=["valid_to"])
        self.stances = insert_row(tables.stance, dialect)
        self.stance_cells = insert_new(tables.stance_cell, dialect)
        self.tallies = insert_or_add(tables.stance_tally, dialect, columns=["delta", "weight"])
        self.spent = insert_row(tables.spent_nonce, dialect)
        self.leaves = insert_row(tables.log_leaf, dialect)
        self.subtrees = insert_row(tables.log_subtree, dialect)
        self.audit = insert_row(tables.audit_event, dialect)
        self.keys = KeyStatements(dialect)
        self.unmatched = insert_or_set(tables.unmatched_measurement, dialect, column="last_seen")
        self.doubted = Statement(_doubted(bindparam("gateway")), dialect)
        holder = select(tables.certificate.c.device_id).where(
            tables.certificate.c.issuer == bindparam("by_issuer"), tables.certificate.c.serial == bindparam("by_serial")
        )
        self.doubted_holders = Statement(_doubted(holder.scalar_subquery()), dialect)


def _doubted(gateway: ColumnElement[str]) -> Update:
    """Return the UPDATE that ends the decisions on all that `gateway` reported of; those in flight are sent back."""
    state, at = tables.device_state.c, bindparam("at", type_=BigInteger)
    return (
        update(tables.device_state)
        .where(state.reporter == gateway)
        .values(version=state.version + 1, recheck_at=at, valid_until=at)
    )


def _new_revocation() -> Insert:
    """Return the INSERT of an entry; how long it is listed is the certificate's own to say."""
    certificate = tables.certificate.c
    values = select(
        certificate.issuer,
        certificate.serial,
        cast(bindparam("entry"), LargeBinary),
        cast(bindparam("changed_at"), BigInteger),
        certificate.not_after,
    ).where(certificate.issuer == bindparam("issuer"), certificate.serial == bindparam("serial"))
    return insert(tables.revocation).from_select(["issuer", "serial", "entry", "changed_at", "not_after"], values)


def _entry(change: StatusChange) -> bytes | None:
    if change.status is CertificateStatus.GOOD:
        return None
    reason = entry_reason(change.status, change.reason)
    return encode_entry(int(change.serial, 16), since=change.at.replace(microsecond=0), reason=reason)


_ORDER = (
    "documents",
    "states",
    "reservations",
    "certificates",
    "current_certificate",
    "statuses",
    "past_statuses",
    "ended_revocations",
    "revocations",
    "doubted",
    "doubted_holders",
    "decisions",
    "closed_verdicts",
    "verdicts",
    "ended_stances",
    "stances",
    "stance_cells",
    "tallies",
    "spent",
    "unmatched",
    "audit",
    "leaves",
    "subtrees",
)


class Batch:
    """The transaction in progress.

    INVARIANT: it starts by locking the log head, so that transactions of all processes happen one after the other and
    leaf indexes have no gap. Into a schema of another version it writes nothing.
    """

    def __init__(self, connection: Connection, statements: Statements, known: set[bytes]) -> None:
        self.connection = connection
        self.statements = statements
        self._known = known
        self._rows: dict[str, list[Params]] = defaultdict(list)
        self._added: set[bytes] = set()
        self._quiet: list[bytes] = []
        self._quiet_at = 0
        self._quiet_salt = b""
        head = statements.lock_head.rows(connection, {})
        if not head:
            raise UnavailableError("the log has lost its head", code="log.head-missing")
        self.tallies = Tallies()
        size, frontier, revision = head[0]
        demand_revision(revision)
        self._log = frontier_from(size, frontier)
        self._leaves: list[bytes] = []

    def add(self, name: str, row: Params) -> None:
        """Queue a row of the statement called `name`."""
        self._rows[name].append(row)

    def document(self, document: Document) -> None:
        """Queue content, unless it is known to be stored."""
        digest = raw(document.digest)
        if digest in self._known or digest in self._added:
            return
        self._added.add(digest)
        self.add("documents", {"digest": digest, "kind": document.kind, "body": packed(document.body)})

    def cells(self, stance: bytes, rows: Sequence[Params]) -> None:
        """Queue what a stance says of each control, unless it is known to be stored."""
        if stance in self._known or stance in self._added:
            return
        self._added.add(stance)
        self._rows["stance_cells"].extend({"stance": stance, **row} for row in rows)

    def leaf(self, kind: str, *, at_us: int, record: Mapping[str, object], seed: bytes) -> int:
        """Queue a log leaf and return its index."""
        index = self._log.size + len(self._leaves)
        leaf = make_leaf(index=index, at_us=at_us, kind=kind, record=record, seed=seed)
        self._leaves.append(leaf.leaf_hash)
        row = {
            "log_index": leaf.index,
            "at": at_us,
            "kind": kind,
            "leaf_hash": leaf.leaf_hash,
            "salt": leaf.salt,
            "record": leaf.record,
        }
        self.add("leaves", row)
        return leaf.index

    def unchanged(self, decision: bytes, *, at_us: int, seed: bytes) -> None:
        """Count a check-in that changed nothing; all of the batch share one leaf."""
        self._quiet.append(decision)
        self._quiet_at = at_us
        self._quiet_salt = seed

    def act(self, act: Act) -> int:
        """Queue the audit event and the leaf of an administrative act, and return the leaf's index."""
        record = {"actor": act.actor, "action": act.action, "subject": act.subject, "detail": dict(act.detail)}
        at_us = micros(act.at)
        index = self.leaf("act", at_us=at_us, record=record, seed=act.salt)
        row = {"log_index": index, "at": at_us, "actor": act.actor, "action": act.action, "subject": act.subject}
        self.add("audit", row | {"detail": _json(act.detail)})
        return index

    def certificate(self, record: CertificateRecord, *, seed: bytes) -> None:
        """Queue the completion of a reservation; the certificate becomes the device's current one."""
        keys = {"issuer": record.issuer, "serial": record.serial}
        fact = {**keys, "device": record.device_id, "decision": record.decision_id, "lineage": record.lineage}
        index = self.leaf("certificate", at_us=micros(record.status_at), record=fact, seed=seed)
        self.add("certificates", certificate_row(record) | {"log_index": index} | keys)
        current = {"certificate_issuer": record.issuer, "certificate_serial": record.serial}
        self.add("current_certificate", current | {"device_id": record.device_id})

    def status(self, change: StatusChange, *, seed: bytes) -> None:
        """Queue a certificate's new status."""
        keys = {"issuer": change.issuer, "serial": change.serial}
        at_us = micros(change.at)
        row: Params = {"status": change.status.value, "status_reason": change.reason, "status_at": at_us}
        self.add("statuses", {**row, **keys})
        self.add("ended_revocations", keys)
        self.add("revocations", {"entry": _entry(change), "changed_at": at_us, **keys})
        fact = {**keys, "status": change.status.value, "reason": change.reason}
        index = self.leaf("certificate-status", at_us=at_us, record=fact, seed=seed)
        self.add("past_statuses", {"log_index": index, **row, **keys})
        if change.status is not CertificateStatus.GOOD:
            theirs = {"by_issuer": change.issuer, "by_serial": change.serial, "at": at_us}
            self.add("doubted_holders", theirs)
        if change.status is CertificateStatus.REVOKED and change.reason == Reason.KEY_COMPROMISE.value:
            theirs = {"by_issuer": change.issuer, "by_serial": change.serial, "at": at_us}
            self.statements.keys.compromised.many(self.connection, [theirs])

    def doubt(self, gateway: DeviceId, *, at_us: int) -> None:
        """Queue a new decision on everything that `gateway` reported of."""
        self.add("doubted", {"gateway": gateway, "at": at_us})

    def claim_key(self, thumbprint: str, *, device_id: str) -> None:
        """Keep that a certificate of this key is for this device; raises ConflictError (`key.*`), nothing kept."""
        keys = self.statements.keys
        holders = keys.holder.rows(self.connection, {"thumbprint": thumbprint})
        elsewhere = keys.pinned_elsewhere.rows(self.connection, {"thumbprint": thumbprint, "beside": device_id})
        demand_own_key(holders, device_id=device_id, pinned_elsewhere=bool(elsewhere))
        if not holders:
            row = {"key_thumbprint": thumbprint, "device_id": device_id, "compromised_at": None}
            keys.claim.many(self.connection, [row])

    def holds(self, name: str) -> bool:
        """Tell whether rows of the statement called `name` wait to be written."""
        return bool(self._rows.get(name))

    def flush(self) -> None:
        """Write all queued rows, so that later reads of this transaction see them."""
        self._rows["tallies"].extend(self.tallies.drained())
        for name in _ORDER:
            statement: Statement = getattr(self.statements, name)
            statement.many(self.connection, self._rows.pop(name, ()))

    def finish(self) -> frozenset[bytes]:
        """Write everything and the new log head; return the documents that are stored once this commits."""
        if self._quiet:
            record = {"count": len(self._quiet), "root": tree_hash(self._quiet).hex()}
            self.leaf("check-ins", at_us=self._quiet_at, record=record, seed=self._quiet_salt)
        if self._leaves:
            self._grow_log()
        self.flush()
        return frozenset(self._added)

    def _grow_log(self) -> None:
        after, completed = grown(self._log, self._leaves)
        for subtree in completed:
            level = subtree.level // TILE_HEIGHT
            self.add("subtrees", {"level": level, "tree_index": subtree.index, "root": subtree.root})
        head = {"size": after.size, "frontier": b"".join(after.roots)}
        self.statements.set_head.many(self.connection, [head | {"id": 1}])


def _json(value: Mapping[str, object]) -> str:
    return canonical(dict(value)).decode()
