"""Keep what the registry said of each device and the CA of each certificate, at any moment."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any

import sqlalchemy as sa
from alembic import op

revision = "0012"
down_revision = "0011"
branch_labels = None
depends_on = None

STEP = 5_000  # rows read at a time; a fleet of a million must not fill memory

_KEPT = ("serial", "device_class", "hw_version", "site", "zone", "labels", "criticality", "created_at")
_device = sa.table("device", *map(sa.column, ("id", "lifecycle", "enrolled_at", "updated_at", *_KEPT)))
_state = sa.table("device_state", *map(sa.column, ("device_id", "identity_kind", "key_thumbprint", "restriction")))
_leaf = sa.table("log_leaf", *map(sa.column, ("log_index", "at", "kind", "record")))


def upgrade() -> None:
    """Bring the schema from 0011 to 0012.

    Certificates' past comes from the log, whole. The registry kept no past: before the upgrade a device is shown at the
    place it has now, with the moments that its row and its restriction name.
    """
    history, status = _create_device_history(), _create_certificate_status()
    connection = op.get_bind()
    for rows in _in_steps(connection, _devices(), "id", _device.c.id):
        connection.execute(sa.insert(history), [each for row in rows for each in _intervals(row)])
    changes = sa.select(_leaf).where(_leaf.c.kind == "certificate-status")
    for rows in _in_steps(connection, changes, "log_index", _leaf.c.log_index):
        connection.execute(sa.insert(status), [_status(row) for row in rows])


def downgrade() -> None:
    """Bring the schema from 0012 back to 0011."""
    op.drop_table("certificate_status")
    op.drop_table("device_history")


def _create_device_history() -> sa.Table:
    return op.create_table(
        "device_history",
        sa.Column("device_id", sa.Text(), nullable=False),
        sa.Column("valid_from", sa.BigInteger(), nullable=False),
        sa.Column("valid_to", sa.BigInteger(), nullable=True),
        sa.Column("serial", sa.Text(), nullable=False),
        *(sa.Column(name, sa.Text(), nullable=True) for name in ("device_class", "hw_version", "site", "zone")),
        sa.Column("labels", sa.Text(), nullable=False),
        sa.Column("criticality", sa.Text(), nullable=True),
        sa.Column("lifecycle", sa.Text(), nullable=False),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.Column("updated_at", sa.BigInteger(), nullable=False),
        sa.Column("enrolled_at", sa.BigInteger(), nullable=True),
        *(sa.Column(name, sa.Text(), nullable=True) for name in ("identity_kind", "key_thumbprint", "restriction")),
        sa.PrimaryKeyConstraint("device_id", "valid_from", name=op.f("pk_device_history")),
    )


def _create_certificate_status() -> sa.Table:
    table = op.create_table(
        "certificate_status",
        sa.Column("log_index", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("issuer", sa.Text(), nullable=False),
        sa.Column("serial", sa.Text(), nullable=False),
        sa.Column("status", sa.Text(), nullable=False),
        sa.Column("status_reason", sa.Text(), nullable=True),
        sa.Column("status_at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("log_index", name=op.f("pk_certificate_status")),
    )
    op.create_index(op.f("ix_certificate_status_issuer_serial"), "certificate_status", ["issuer", "serial"])
    return table


def _devices() -> sa.Select[Any]:
    return sa.select(_device, _state).select_from(
        sa.outerjoin(_device, _state, _state.c.device_id == _device.c.id),
    )


def _in_steps(
    connection: sa.Connection, clause: sa.Select[Any], name: str, place: sa.ColumnElement[Any]
) -> Iterator[list[sa.RowMapping]]:
    ordered = clause.order_by(place).limit(STEP)
    rows = connection.execute(ordered).mappings().all()
    while rows:
        yield list(rows)
        rows = connection.execute(ordered.where(place > rows[-1][name])).mappings().all()


def _intervals(row: sa.RowMapping) -> Iterator[Mapping[str, object]]:
    """Yield what a device was, from its first moment on; each interval ends where the next begins."""
    shown: dict[str, object] = {"device_id": row["id"], **{name: row[name] for name in _KEPT}}
    moments = _moments(row)
    starts = sorted(moments)
    for start, end in zip(starts, [*starts[1:], None], strict=True):
        shown |= {"valid_from": start, "valid_to": end, "updated_at": start, **moments[start]}
        yield dict(shown)


def _moments(row: sa.RowMapping) -> Mapping[int, dict[str, object]]:
    """Return what is known to have changed when."""
    nothing = dict.fromkeys(("identity_kind", "key_thumbprint", "restriction", "enrolled_at"))
    first = row["lifecycle"] if row["lifecycle"] == "pending" else "expected"
    moments: dict[int, dict[str, object]] = {row["created_at"]: {"lifecycle": first, **nothing}}

    def change(at: int, **what: object) -> None:
        moments.setdefault(max(at, row["created_at"]), {}).update(what)

    if row["enrolled_at"] is not None:
        known = {name: row[name] for name in ("identity_kind", "key_thumbprint", "enrolled_at")}
        change(row["enrolled_at"], lifecycle="operational", **known)
    if row["restriction"] is not None:
        change(json.loads(row["restriction"])["since"], restriction=row["restriction"])
    if row["lifecycle"] not in {first, "operational"} or (row["enrolled_at"] and row["lifecycle"] != "operational"):
        change(row["updated_at"], lifecycle=row["lifecycle"])
    return moments


def _status(row: sa.RowMapping) -> Mapping[str, object]:
    record = json.loads(row["record"])
    return {
        "log_index": row["log_index"],
        "issuer": record["issuer"],
        "serial": record["serial"],
        "status": record["status"],
        "status_reason": record["reason"],
        "status_at": row["at"],
    }
