"""Which devices' gates may have moved: for enforcement points that must be told, because they hold sessions open.

The transparency log is the order of everything that can move a gate, so a place in it is all that a reader keeps. A
reader that has no place, one from another log, or one before an activation is told that everything may have moved; it
then walks through all devices once.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass

from policyengine.model.ids import DeviceId
from policyengine.services.actors import Principal, Right, demand
from policyengine.services.errors import InvalidRequestError
from policyengine.services.gates.gate import Answer, Gate, Question, purpose_of
from policyengine.services.ports import DeviceFilter, PageRequest, Store
from policyengine.services.records import Page
from policyengine.services.scope import filtered
from policyengine.transparency.leaf import Leaf

MAX_LEAVES = 1000  # read in one answer; a reader that lags asks again at once

_NAMING_DEVICES = frozenset({"decision", "certificate", "enrolment"})
_ACTS_ON_DEVICES = ("device.", "certificate.")


@dataclass(frozen=True, slots=True, kw_only=True)
class Moves:
    """What to ask from next, whether there is more at once, and the answers of devices that may have moved.

    `everything`: answers of single devices would not do.
    """

    next: int
    more: bool
    everything: bool
    answers: tuple[Answer, ...]


class Feed:
    """Reads the log for enforcement points."""

    def __init__(self, store: Store, gate: Gate) -> None:
        self._store = store
        self._gate = gate

    async def moves(self, asker: Principal, purpose: str, *, after: int | None) -> Moves:
        """Return what may have moved since place `after` of the log (None: nothing is known yet).

        Raises ForbiddenError, InvalidRequestError, UnavailableError.
        """
        demand(asker, Right.GATE)
        wanted = purpose_of(purpose)
        size = self._store.log_head().size
        if after is not None and after < 0:
            raise InvalidRequestError("`after` is a place in the log", code="request.place", field="after")
        if after is None or after > size:
            return Moves(next=size, more=False, everything=True, answers=())
        leaves = self._store.log_leaves(after, min(MAX_LEAVES, size - after))
        reached = after + len(leaves)
        if any(_moves_everything(leaf) for leaf in leaves):
            return Moves(next=reached, more=reached < size, everything=True, answers=())
        devices = dict.fromkeys(found for leaf in leaves if (found := _device_of(leaf)) is not None)
        answers = [await self._gate.ask(asker, Question(purpose=wanted, device_id=each)) for each in devices]
        known = tuple(answer for answer in answers if answer.device_id is not None)
        return Moves(next=reached, more=reached < size, everything=False, answers=known)

    async def all(self, asker: Principal, purpose: str, page: PageRequest) -> Page[Answer]:
        """Return the answers of all devices that the asker may ask about, by id. Raises as `moves` does."""
        demand(asker, Right.GATE)
        wanted = purpose_of(purpose)
        found = self._store.devices(filtered(asker, DeviceFilter()), page)
        answers = [
            await self._gate.ask(asker, Question(purpose=wanted, device_id=device.id)) for device, _ in found.items
        ]
        return Page(items=tuple(answers), next=found.next)


def _record(leaf: Leaf) -> Mapping[str, object]:
    found: Mapping[str, object] = json.loads(leaf.record)
    return found


def _moves_everything(leaf: Leaf) -> bool:
    return leaf.kind == "act" and _record(leaf).get("action") == "bundle.activate"


def _device_of(leaf: Leaf) -> DeviceId | None:
    if leaf.kind in _NAMING_DEVICES:
        return _named(_record(leaf).get("device"))
    if leaf.kind == "act":
        record = _record(leaf)
        return _named(record.get("subject")) if str(record.get("action")).startswith(_ACTS_ON_DEVICES) else None
    return None


def _named(name: object) -> DeviceId | None:
    return DeviceId(name) if isinstance(name, str) else None
