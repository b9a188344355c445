"""Simulated devices on the wire: each over its own TLS connection, some at a time, in rounds."""

from __future__ import annotations

import base64
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import TypeVar

from policyengine.adapters.device_client import Answer, Connection
from policyengine.model.times import parse_timestamp
from policyengine.simulation.device import SimulatedDevice, check_in, enrolment, renewal
from policyengine.simulation.plan import Scenario

Item = TypeVar("Item")
Outcome = TypeVar("Outcome")

AT_ONCE = 8  # devices that talk at the same time; more would only queue on a two-core machine

Observer = Callable[["Visit"], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Visit:
    """What one device got from one check-in: HTTP status, tier (None when refused), and the refusal's code or check."""

    device_id: str
    scenario: Scenario
    status: int
    tier: str | None
    refusal: str | None


@dataclass(slots=True)
class _Wire:
    """A device, its connection, and whether the server has taken it in."""

    device: SimulatedDevice
    connection: Connection
    enrolled: bool = False
    renew_at: datetime | None = None
    server_time: datetime | None = None  # as the last answer said, when `heard` was
    heard: float = 0.0

    def is_due(self) -> bool:
        """Return whether the time to renew has come, by the server's clock: a device needs none of its own."""
        if self.renew_at is None or self.server_time is None:
            return False
        return self.server_time + timedelta(seconds=time.monotonic() - self.heard) >= self.renew_at

    def note(self, answer: Answer) -> None:
        """Remember what an accepted check-in said about time."""
        hint = answer.document.get("renew_at")
        self.renew_at = None if hint is None else parse_timestamp(str(hint))
        self.server_time, self.heard = parse_timestamp(str(answer.document["server_time"])), time.monotonic()


@dataclass(slots=True)
class SimulatedFleet:
    """Devices against one server. `server` is an https address, `ca_pem` what devices trust it by."""

    devices: Sequence[SimulatedDevice]
    server: str
    ca_pem: str
    _wires: dict[str, _Wire] = field(default_factory=dict)

    def enrol(self, observe: Observer) -> None:
        """Enrol every device once; the replaying ones come last, with nonces that are spent by then."""
        honest = [device for device in self.devices if device.planned.scenario is not Scenario.REPLAY]
        replaying = [device for device in self.devices if device.planned.scenario is Scenario.REPLAY]
        spent = list(_at_once(self._enrol_one, honest, observe))
        for device, nonce in zip(replaying, spent, strict=False):
            observe(self._visit(self._wire(device), enrolment(device, nonce)))

    def check_in(self, observe: Observer) -> None:
        """Let every enrolled device except the silent ones check in once more."""
        awake = [
            wire
            for wire in self._wires.values()
            if wire.enrolled and wire.device.planned.scenario is not Scenario.SILENT
        ]
        list(_at_once(self._check_in_one, awake, observe))

    def close(self) -> None:
        """Close every connection."""
        for wire in self._wires.values():
            wire.connection.close()

    def _enrol_one(self, device: SimulatedDevice, observe: Observer) -> bytes:
        wire = self._wire(device)
        nonce = _challenge(wire.connection)
        observe(self._visit(wire, enrolment(device, nonce)))
        return nonce

    def _check_in_one(self, wire: _Wire, observe: Observer) -> None:
        # Facts are as old as their nonce, so a device that was quiet for a while asks for a new one.
        nonce = _challenge(wire.connection, wire.device.planned.device_id)
        observe(self._visit(wire, (renewal if wire.is_due() else check_in)(wire.device, nonce)))

    def _wire(self, device: SimulatedDevice) -> _Wire:
        name = device.planned.device_id
        if name not in self._wires:
            self._wires[name] = _Wire(device, Connection(self.server, ca_pem=self.ca_pem))
        return self._wires[name]

    def _visit(self, wire: _Wire, body: Mapping[str, object]) -> Visit:
        answer = wire.connection.post("/v1/checkins", body)
        accepted = answer.status == 200
        wire.enrolled = wire.enrolled or accepted
        if accepted:
            wire.note(answer)
        return Visit(
            device_id=wire.device.planned.device_id,
            scenario=wire.device.planned.scenario,
            status=answer.status,
            tier=str(answer.document["tier"]) if accepted else None,
            refusal=None if accepted else _refusal(answer),
        )


def _at_once(work: Callable[[Item, Observer], Outcome], items: Iterable[Item], observe: Observer) -> Iterable[Outcome]:
    with ThreadPoolExecutor(AT_ONCE) as pool:
        yield from pool.map(lambda item: work(item, observe), items)


def _challenge(connection: Connection, device_id: str | None = None) -> bytes:
    wanted = {} if device_id is None else {"device_id": device_id}
    return _bytes(connection.post("/v1/challenges", wanted).document["nonce"])


def _refusal(answer: Answer) -> str:
    return str(answer.document.get("check") or answer.document.get("code") or answer.document.get("detail"))


def _bytes(text: object) -> bytes:
    encoded = str(text)
    return base64.urlsafe_b64decode(encoded + "=" * (-len(encoded) % 4))
