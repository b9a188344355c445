"""A whole database examined: the log from its first leaf, the last signed checkpoint, and a sample of decisions."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from policyengine.adapters.clock import SystemClock
from policyengine.adapters.log_files import MAX_CHECKPOINT
from policyengine.adapters.sql.store import SqlStore, open_store
from policyengine.errors import PolicyEngineError
from policyengine.services.checkins.judging import Memory
from policyengine.services.history.examining import Damage, examine_log
from policyengine.services.history.log import demand_extension
from policyengine.services.history.replaying import replay
from policyengine.services.policies import PolicyShelf
from policyengine.transparency.checkpoint import open_checkpoint
from policyengine.transparency.notes import parse_vkey
from policyengine.transparency.tiles import nodes_from

SAMPLE = 2000  # decisions made again: some two seconds, whatever the history's length


@contextmanager
def reading(address: str) -> Iterator[SqlStore]:
    """Yield the store at `address`, to read from; raises UnavailableError."""
    store = open_store(address)
    try:
        yield store
    finally:
        store.close()


def examine_database(store: SqlStore, *, decisions: int) -> Iterator[Damage]:
    """Yield what is damaged in the log and in a sample of the `decisions` that are stored."""
    yield from examine_log(store)
    try:
        report = replay(store, PolicyShelf(store, SystemClock()), Memory(store), every=max(1, decisions // SAMPLE))
    except PolicyEngineError as cause:
        yield Damage(place="decisions", message=f"history cannot be read to its end: {cause.message}")
        return
    for difference in report.differences:
        message = f"the decision does not come out the same again (`{difference.reason}`)"
        yield Damage(place=f"decision {difference.decision_id} of device {difference.device_id}", message=message)


def examine_checkpoint(store: SqlStore, checkpoint: Path, vkey: Path) -> Iterator[Damage]:
    """Yield why no server can sign this log any more: it does not contain the checkpoint that was signed last."""
    if not checkpoint.exists():
        return
    try:
        with checkpoint.open("rb") as file:
            note = file.read(MAX_CHECKPOINT)
        before = open_checkpoint(note, key=parse_vkey(vkey.read_text(encoding="utf-8")))
        demand_extension(before, store.log_head(), nodes_from(store.log_hashes))
    except (PolicyEngineError, OSError) as cause:
        yield Damage(place=f"`{checkpoint}`", message=str(cause))
