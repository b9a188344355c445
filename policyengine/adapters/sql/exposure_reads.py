"""What exposure reads: which shared facts are in use, by which devices, and which ones were."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from datetime import datetime

from sqlalchemy import ColumnElement, Engine, desc, func, select

from policyengine.adapters.sql import tables
from policyengine.adapters.sql.checkin_reads import view_of, view_select
from policyengine.adapters.sql.codec import named, raw
from policyengine.adapters.sql.paging import cursor_of, page_of, parts_of
from policyengine.model.ids import DeviceId, Digest
from policyengine.services.fleet_scope import FleetScope
from policyengine.services.moments import moment
from policyengine.services.ports import PageRequest
from policyengine.services.records import Device, DeviceState, Lifecycle, Page

_device = tables.device.c
_state = tables.device_state.c
_decision = tables.decision.c


class SqlExposureReads:
    """Implements the ExposureReads port."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def facts_in_use(self, scope: FleetScope) -> tuple[Digest, ...]:
        """Return the shared facts of the devices in service."""
        clause = (
            select(_state.facts_shared)
            .join(tables.device, _device.id == _state.device_id)
            .where(*_in_service(scope))
            .distinct()
        )
        with self._engine.connect() as connection:
            return tuple(named(digest) for (digest,) in connection.execute(clause))

    def running(
        self, scope: FleetScope, facts: Sequence[Digest], page: PageRequest
    ) -> Page[tuple[Device, DeviceState]]:
        """Return the devices in service whose shared facts are among `facts`, by id."""
        clause = view_select().where(*_in_service(scope), _state.facts_shared.in_([raw(each) for each in facts]))
        if page.cursor is not None:
            clause = clause.where(_device.id > parts_of(page.cursor, 1)[0])
        with self._engine.connect() as connection:
            rows = connection.execute(clause.order_by(_device.id).limit(page.limit + 1)).all()
        views = [view_of(row) for row in rows]
        found = [(view.device, view.state) for view in views if view.state is not None]
        return page_of(found, page.limit, lambda item: cursor_of(item[0].id))

    def facts_history(self, ids: Sequence[DeviceId]) -> Mapping[DeviceId, Sequence[tuple[datetime, Digest]]]:
        """Return when each device's kept decisions were made on which shared facts, newest first."""
        clause = (
            select(_decision.device_id, _decision.decided_at, _decision.facts_shared)
            .where(_decision.device_id.in_(ids))
            .order_by(_decision.device_id, desc(_decision.decided_at))
        )
        found: dict[DeviceId, list[tuple[datetime, Digest]]] = defaultdict(list)
        with self._engine.connect() as connection:
            for device_id, at, digest in connection.execute(clause):
                found[DeviceId(device_id)].append((moment(at), named(digest)))
        return found


def _in_service(scope: FleetScope) -> list[ColumnElement[bool]]:
    wanted = {_device.model: scope.models, _device.site: scope.sites, _device.zone: scope.zones}
    named_ones = [func.coalesce(column, "").in_(sorted(names)) for column, names in wanted.items() if names is not None]
    return [_device.lifecycle == Lifecycle.OPERATIONAL.value, *named_ones]
