"""Keep the log's frontier and the roots of its tiles, and where in it each decision and certificate stands."""

from __future__ import annotations

import json

import sqlalchemy as sa
from alembic import op

from policyengine.transparency.merkle import TILE_HEIGHT, Frontier, Subtree, grown

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

STEP = 10_000  # leaves read at a time; a log of years must not fill memory

_leaf = sa.table("log_leaf", *map(sa.column, ("log_index", "kind", "leaf_hash", "record")))
_head = sa.table("log_head", *map(sa.column, ("id", "frontier")))
_subtree = sa.table("log_subtree", *map(sa.column, ("level", "tree_index", "root")))
_decision = sa.table("decision", *map(sa.column, ("decision_id", "log_index")))
_certificate = sa.table("certificate", *map(sa.column, ("issuer", "serial", "log_index")))


def upgrade() -> None:
    """Bring the schema from 0001 to 0002; what the log held before is counted into the tree."""
    op.create_table(
        "log_subtree",
        sa.Column("level", sa.SmallInteger(), autoincrement=False, nullable=False),
        sa.Column("tree_index", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("root", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("level", "tree_index", name=op.f("pk_log_subtree")),
    )
    for table in ("decision", "certificate"):
        with op.batch_alter_table(table, schema=None) as batch_op:
            batch_op.add_column(sa.Column("log_index", sa.BigInteger(), nullable=True))
    with op.batch_alter_table("log_head", schema=None) as batch_op:
        batch_op.add_column(sa.Column("frontier", sa.LargeBinary(), nullable=True))
    connection = op.get_bind()
    tree = _grow_tree(connection)
    connection.execute(sa.update(_head).values(frontier=b"".join(tree.roots)))
    with op.batch_alter_table("log_head", schema=None) as batch_op:
        batch_op.alter_column("frontier", existing_type=sa.LargeBinary(), nullable=False)


def downgrade() -> None:
    """Bring the schema from 0002 back to 0001."""
    with op.batch_alter_table("log_head", schema=None) as batch_op:
        batch_op.drop_column("frontier")
    for table in ("certificate", "decision"):
        with op.batch_alter_table(table, schema=None) as batch_op:
            batch_op.drop_column("log_index")
    op.drop_table("log_subtree")


def _grow_tree(connection: sa.Connection) -> Frontier:
    tree = Frontier()
    clause = sa.select(_leaf).order_by(_leaf.c.log_index).limit(STEP)
    while rows := connection.execute(clause.where(_leaf.c.log_index >= tree.size)).all():
        tree, completed = grown(tree, [row.leaf_hash for row in rows])
        _keep(connection, completed)
        for row in rows:
            _place(connection, row)
    return tree


def _keep(connection: sa.Connection, completed: tuple[Subtree, ...]) -> None:
    for subtree in completed:
        row = {"level": subtree.level // TILE_HEIGHT, "tree_index": subtree.index, "root": subtree.root}
        connection.execute(sa.insert(_subtree), row)


def _place(connection: sa.Connection, row: sa.Row[tuple[object, ...]]) -> None:
    if row.kind == "decision":
        digest = bytes.fromhex(json.loads(row.record)["decision"].removeprefix("sha256:"))
        connection.execute(
            sa.update(_decision).where(_decision.c.decision_id == digest).values(log_index=row.log_index)
        )
    elif row.kind == "certificate":
        record = json.loads(row.record)
        where = (_certificate.c.issuer == record["issuer"]) & (_certificate.c.serial == record["serial"])
        connection.execute(sa.update(_certificate).where(where).values(log_index=row.log_index))
