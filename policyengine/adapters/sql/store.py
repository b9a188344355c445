"""The whole store: reads on pooled connections, writes through the process's one writer."""

from __future__ import annotations

from collections.abc import Sequence

from policyengine.adapters.sql.audit_reads import SqlAuditReads
from policyengine.adapters.sql.checkin_reads import SqlCheckInReads
from policyengine.adapters.sql.compliance_reads import SqlComplianceReads
from policyengine.adapters.sql.engine import Engines, open_engines
from policyengine.adapters.sql.event_reads import SqlEventReads
from policyengine.adapters.sql.export_reads import SqlExportReads
from policyengine.adapters.sql.exposure_reads import SqlExposureReads
from policyengine.adapters.sql.filing import SqlFiledReads
from policyengine.adapters.sql.gate_reads import SqlGateReads
from policyengine.adapters.sql.log_reads import SqlLogReads
from policyengine.adapters.sql.migration import demand_current
from policyengine.adapters.sql.past_reads import SqlPastReads
from policyengine.adapters.sql.record_reads import SqlRecordReads
from policyengine.adapters.sql.reminder_reads import SqlReminderReads
from policyengine.adapters.sql.revocation_reads import SqlRevocationReads
from policyengine.adapters.sql.service_certificates import SqlServiceCertificateReads
from policyengine.adapters.sql.writer import GroupWriter
from policyengine.errors import PolicyEngineError
from policyengine.services.changes import Change
from policyengine.services.errors import UnavailableError


class SqlStore(
    SqlCheckInReads,
    SqlAuditReads,
    SqlPastReads,
    SqlComplianceReads,
    SqlExposureReads,
    SqlRecordReads,
    SqlLogReads,
    SqlRevocationReads,
    SqlExportReads,
    SqlGateReads,
    SqlEventReads,
    SqlFiledReads,
    SqlServiceCertificateReads,
    SqlReminderReads,
):
    """Implements the Store port of services."""

    def __init__(self, engines: Engines) -> None:
        super().__init__(engines.read)
        SqlRevocationReads.__init__(self, engines.read)
        SqlExportReads.__init__(self, engines.read)
        SqlGateReads.__init__(self, engines.read)
        SqlEventReads.__init__(self, engines.read)
        SqlReminderReads.__init__(self, engines.read)
        self._engines = engines
        self._writer = GroupWriter(engines.write)

    async def submit(self, change: Change) -> None:
        """Return once `change` is committed; raises ConflictError or UnavailableError, nothing stored."""
        await self._writer.submit(change)

    def apply(self, change: Change) -> None:
        """Do as `submit` does, blocking the calling thread."""
        self._writer.apply(change)

    def apply_all(self, changes: Sequence[Change]) -> tuple[PolicyEngineError | None, ...]:
        """Return, once all are settled, each change's failure (None: committed); they share commits."""
        return self._writer.apply_all(changes)

    def close(self) -> None:
        """Commit what is queued and close every connection."""
        self._writer.close()
        self.close_reads()
        self.close_list_reads()
        self.close_gate_reads()
        self._engines.dispose()


def open_store(url: str) -> SqlStore:
    """Return the store at `url`; raises UnavailableError unless its schema is the one this version serves."""
    engines = open_engines(url)
    try:
        demand_current(engines.read)
    except UnavailableError:
        engines.dispose()
        raise
    return SqlStore(engines)
