"""What is read of the transparency log: its head, the hashes that tiles hold, leaves, and whose leaf is where."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sqlalchemy import Engine, Row, Select, select

from policyengine.adapters.sql import tables
from policyengine.adapters.sql.codec import frontier_from, raw
from policyengine.model.ids import Digest
from policyengine.services.errors import UnavailableError
from policyengine.transparency.leaf import Leaf
from policyengine.transparency.merkle import Frontier

_head = tables.log_head.c
_leaf = tables.log_leaf.c
_subtree = tables.log_subtree.c


class SqlLogReads:
    """Implements the LogReads port."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def log_head(self) -> Frontier:
        """Return the log as of the last commit; raises UnavailableError."""
        rows = self._log_rows(select(_head.size, _head.frontier).where(_head.id == 1))
        if not rows:
            raise UnavailableError("the log has lost its head", code="log.head-missing")
        return frontier_from(rows[0].size, rows[0].frontier)

    def log_hashes(self, level: int, start: int, count: int) -> Sequence[bytes]:
        """Return up to `count` hashes of a tile level from `start`: of leaves (0), or of full tiles below."""
        if level == 0:
            place = _leaf.log_index
            clause = select(_leaf.leaf_hash)
        else:
            place = _subtree.tree_index
            clause = select(_subtree.root).where(_subtree.level == level)
        return [row[0] for row in self._log_rows(clause.where(place >= start, place < start + count).order_by(place))]

    def log_leaves(self, start: int, count: int) -> tuple[Leaf, ...]:
        """Return up to `count` leaves from `start`."""
        clause = select(tables.log_leaf).where(_leaf.log_index >= start, _leaf.log_index < start + count)
        return tuple(leaf_of(row) for row in self._log_rows(clause.order_by(_leaf.log_index)))

    def leaf_of_decision(self, decision_id: Digest) -> int | None:
        """Return where the leaf of a decision stands."""
        clause = select(tables.decision.c.log_index).where(tables.decision.c.decision_id == raw(decision_id))
        rows = self._log_rows(clause)
        return rows[0].log_index if rows else None

    def _log_rows(self, clause: Select[Any]) -> list[Row[Any]]:
        with self._engine.connect() as connection:
            return list(connection.execute(clause).all())


def leaf_of(row: Row[Any]) -> Leaf:
    """Return the leaf in a `log_leaf` row."""
    return Leaf(
        index=row.log_index, at_us=row.at, kind=row.kind, record=row.record, salt=row.salt, leaf_hash=row.leaf_hash
    )
