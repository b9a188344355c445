"""Documents of suppliers and feeds: what is on file, and filing more."""

from __future__ import annotations

from typing import Any

from sqlalchemy import Engine, Row, bindparam, delete, func, or_, select, tuple_, update
from sqlalchemy import insert as insert_into

from policyengine.adapters.sql import tables
from policyengine.adapters.sql.batch import Batch
from policyengine.adapters.sql.codec import named, raw
from policyengine.adapters.sql.paging import cursor_of, page_of, parts_of
from policyengine.model.ids import DeviceId
from policyengine.services.changes import FileDocuments
from policyengine.services.errors import ConflictError
from policyengine.services.filed import Filed, Filing
from policyengine.services.moments import micros, moment
from policyengine.services.records import Page

_filed = tables.filed.c
_state = tables.device_state.c
_KEY = ("kind", "model", "release", "name")


class SqlFiledReads:
    """Implements the FiledReads port."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def filing_mark(self) -> int:
        """Return one more than the log index of what was filed last, reports left aside; 0: nothing was."""
        with self._engine.connect() as connection:
            return int(connection.execute(_MARK).scalar_one())

    def has_reports(self) -> bool:
        """Return whether anybody ever reported on a device."""
        with self._engine.connect() as connection:
            return connection.execute(_REPORTS.limit(1)).first() is not None

    def reports(self, device_id: DeviceId) -> tuple[Filed, ...]:
        """Return the reports on one device: a range of the primary key."""
        with self._engine.connect() as connection:
            return tuple(map(_of, connection.execute(_ONE_DEVICE, {"device_id": device_id})))

    def report_page(self, cursor: str | None, limit: int, *, models: frozenset[str] | None) -> Page[Filed]:
        """Return reports on devices of `models`, or on all, by device and group: a range of the primary key."""
        wanted = _REPORTS.order_by(_filed.release, _filed.name).limit(limit + 1)
        if models is not None:
            of_them = tables.device.c.model.in_(sorted(models))
            wanted = wanted.join(tables.device, tables.device.c.id == _filed.release).where(of_them)
        if cursor is not None:
            wanted = wanted.where(tuple_(_filed.release, _filed.name) > tuple_(*parts_of(cursor, 2)))
        with self._engine.connect() as connection:
            rows = tuple(map(_of, connection.execute(wanted)))
        return page_of(rows, limit, lambda last: cursor_of(last.release, last.name))

    def filed(self, *kinds: Filing, model: str | None = None, release: str | None = None) -> tuple[Filed, ...]:
        """Return the documents of some kinds, of one model or release where they are given, by their places."""
        clause = select(tables.filed).where(_filed.kind.in_([kind.value for kind in kinds]))
        if model is not None:
            clause = clause.where(_filed.model == model)
        if release is not None:
            clause = clause.where(_filed.release == release)
        with self._engine.connect() as connection:
            rows = connection.execute(clause.order_by(*(_filed[name] for name in _KEY))).all()
        return tuple(map(_of, rows))


_MARK = select(func.coalesce(func.max(_filed.log_index) + 1, 0)).where(_filed.kind != Filing.REPORT.value)
_REPORTS = select(tables.filed).where(_filed.kind == Filing.REPORT.value, _filed.model == "")
_ONE_DEVICE = _REPORTS.where(_filed.release == bindparam("device_id"))


def file_documents(batch: Batch, change: FileDocuments) -> None:
    """Put documents in their places; raises ConflictError, having written nothing, if others were filed meanwhile."""
    connection = batch.connection
    if change.seen is not None and connection.execute(_MARK).scalar_one() != change.seen:
        raise ConflictError("other documents were filed in the meantime", code="state.moved")
    index = batch.act(change.act)
    for document in change.documents:
        batch.document(document)
    for each in change.filed:
        row = _row(each)
        place = [_filed[name] == row[name] for name in _KEY]
        connection.execute(delete(tables.filed).where(*place))
        connection.execute(insert_into(tables.filed), row | {"log_index": index})
    models = select(tables.device.c.id).where(tables.device.c.model.in_(sorted(change.models)))
    connection.execute(
        update(tables.device_state)
        .where(or_(_state.device_id.in_(models), _state.device_id.in_(sorted(change.devices))))
        .values(recheck_at=micros(change.act.at), version=_state.version + 1)
    )


def _row(filed: Filed) -> dict[str, object]:
    return {
        "kind": filed.kind.value,
        "model": filed.model,
        "release": filed.release,
        "name": filed.name,
        "original": raw(filed.original),
        "content": raw(filed.content),
        "filed_by": filed.by,
        "party": filed.party,
        "filed_at": micros(filed.filed_at),
    }


def _of(row: Row[Any]) -> Filed:
    return Filed(
        kind=Filing(row.kind),
        model=row.model,
        release=row.release,
        name=row.name,
        original=named(row.original),
        content=named(row.content),
        by=row.filed_by,
        party=row.party,
        filed_at=moment(row.filed_at),
    )
