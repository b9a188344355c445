"""Carrying out a batch of changes in one transaction; each is accepted or refused for itself."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

from sqlalchemy import Connection, Dialect

from policyengine.adapters.sql import administration as admin
from policyengine.adapters.sql import jobs, proposals, retention, succession, upkeep
from policyengine.adapters.sql.batch import MAX_KNOWN_DOCUMENTS, Batch, Statements
from policyengine.adapters.sql.filing import file_documents
from policyengine.adapters.sql.recording import enrol, read_guards, record_decision, reserve
from policyengine.adapters.sql.registry import import_devices
from policyengine.adapters.sql.service_certificates import keep_service_certificates, revoke_service_certificate
from policyengine.services import changes
from policyengine.services.changes import Change, RecordDecision
from policyengine.services.errors import ConflictError

Answer = ConflictError | None

# Any, because mypy cannot tie a dictionary's key class to its function's argument.
_CARRIED_OUT: dict[type[Change], Callable[[Batch, Any], None]] = {
    changes.ReserveCertificate: reserve,
    changes.AbortReservation: admin.abort_reservation,
    changes.AbortOrphans: admin.abort_orphans,
    changes.RecordSecurityEvent: admin.record_security_event,
    changes.ImportDevices: import_devices,
    changes.AnnouncePending: admin.announce_pending,
    changes.ChangeLifecycle: admin.change_lifecycle,
    changes.TransferDevice: succession.transfer_device,
    changes.ReplaceDevice: succession.replace_device,
    changes.RekeyDevice: succession.rekey_device,
    changes.CreateEnrolmentToken: admin.create_enrolment_token,
    changes.CreateBatchTokens: admin.create_batch_tokens,
    changes.StoreBundle: admin.store_bundle,
    changes.ActivateBundle: admin.activate_bundle,
    changes.SetCertificateStatus: admin.set_certificate_status,
    changes.ProposeRevocation: proposals.propose_revocation,
    changes.CloseProposal: proposals.close_proposal,
    changes.CreateApiToken: admin.create_api_token,
    changes.RevokeApiToken: admin.revoke_api_token,
    changes.TouchApiToken: admin.touch_api_token,
    changes.PruneNonces: upkeep.prune_nonces,
    changes.LowerFloors: upkeep.lower_floors,
    changes.RecordAct: upkeep.record_act,
    changes.PruneDecisions: retention.prune_decisions,
    changes.MoveJobs: jobs.move_jobs,
    changes.FileDocuments: file_documents,
    changes.KeepServiceCertificates: keep_service_certificates,
    changes.RevokeServiceCertificate: revoke_service_certificate,
}


class Transactions:
    """The write path's compiled statements and what is known to be stored."""

    def __init__(self, dialect: Dialect) -> None:
        self._statements = Statements(dialect)
        self._known: set[bytes] = set()

    def carry_out(self, connection: Connection, batch_of: Sequence[Change]) -> tuple[list[Answer], frozenset[bytes]]:
        """Return each change's answer, and the documents that are stored once `connection` commits.

        Enrolments and administrative changes come first and see each other; decisions on known devices follow in bulk.
        """
        batch = Batch(connection, self._statements, self._known)
        answers: list[Answer] = [None] * len(batch_of)
        bulk: list[int] = []
        for at, change in enumerate(batch_of):
            if isinstance(change, RecordDecision) and change.enrolment is None:
                bulk.append(at)
            else:
                answers[at] = _answer(partial(_single, batch, change))
        known = [change for at in bulk if isinstance(change := batch_of[at], RecordDecision)]
        guards = read_guards(batch, known)
        for at, decided in zip(bulk, known, strict=True):
            answers[at] = _answer(partial(record_decision, batch, decided, guards))
        return answers, batch.finish()

    def committed(self, documents: frozenset[bytes]) -> None:
        """Remember that `documents` are stored, so that they need not be sent again."""
        if len(self._known) > MAX_KNOWN_DOCUMENTS:
            self._known.clear()
        self._known.update(documents)


def _single(batch: Batch, change: Change) -> None:
    if isinstance(change, RecordDecision) and change.enrolment is not None:
        enrol(batch, change, change.enrolment)
    else:
        _CARRIED_OUT[type(change)](batch, change)


def _answer(act: Callable[[], None]) -> Answer:
    try:
        act()
    except ConflictError as refusal:
        return refusal
    return None
