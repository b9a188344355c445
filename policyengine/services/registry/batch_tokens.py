"""One-time tokens for a whole batch: the devices of a vendor's signed list, expected, each with a token of its own.

A list may come again: devices that are known, have enrolled or hold an open token are left alone.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from policyengine.model.base64url import base64url
from policyengine.services.actors import Principal, Right, demand
from policyengine.services.changes import SALT_SIZE, Act, CreateBatchTokens
from policyengine.services.errors import ConflictError, ForbiddenError, InvalidRequestError
from policyengine.services.identification.enrolment_tokens import token_digest
from policyengine.services.policies import PolicyShelf
from policyengine.services.ports import Clock, Entropy, Store
from policyengine.services.records import Device, EnrolmentToken, Lifecycle
from policyengine.services.registry.devices import MAX_TOKEN_LIFETIME, NewDevice, expected_device
from policyengine.services.registry.naming import demand_distinct
from policyengine.services.registry.serial_lists import SerialList, read_serial_list

CHUNK = 2_000  # devices in one transaction: a few tenths of a second, in which check-ins wait


@dataclass(frozen=True, slots=True, kw_only=True)
class BatchToken:
    """A one-time token in clear, shown once."""

    device_id: str
    serial: str
    token: str
    expires_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class BatchOutcome:
    """What became of a list."""

    vendor: str
    batch: str
    announced: int
    tokens: int
    left: int  # devices that had enrolled or hold an open token


class BatchTokens:
    """Makes the tokens of a batch; for the command line, which keeps them."""

    def __init__(self, store: Store, clock: Clock, entropy: Entropy, *, shelf: PolicyShelf) -> None:
        self._store = store
        self._clock = clock
        self._entropy = entropy
        self._shelf = shelf

    def make(
        self,
        actor: Principal,
        content: bytes,
        *,
        lifetime: timedelta,
        keep: Callable[[Sequence[BatchToken]], None],
    ) -> BatchOutcome:
        """Return what was made of a signed list; `keep` gets tokens before they are stored, so that none is lost.

        Raises as `read_serial_list`; ConflictError (`registry.conflict`, `device.exists`), nothing made, where the
        registry disagrees.
        """
        demand(actor, Right.OPERATE)
        if not timedelta(0) < lifetime <= MAX_TOKEN_LIFETIME:
            raise InvalidRequestError(f"lifetime is not between 0 and {MAX_TOKEN_LIFETIME.days} days", field="lifetime")
        now = self._clock.now()
        found = read_serial_list(content, self._shelf.active().policies.bundle, now=now)
        devices = self._registered(actor, found, now)
        waiting = [(device, new) for device, new in devices if device.lifecycle is Lifecycle.EXPECTED]
        holders = self._store.open_tokens([device.id for device, _ in waiting], now)
        wanted = [(device, new) for device, new in waiting if device.id not in holders]
        for at in range(0, len(wanted), CHUNK):
            self._make(actor, found, wanted[at : at + CHUNK], now=now, expires_at=now + lifetime, keep=keep)
        return BatchOutcome(
            vendor=found.vendor,
            batch=found.batch,
            announced=sum(new for _, new in wanted),
            tokens=len(wanted),
            left=len(devices) - len(wanted),
        )

    def _registered(self, actor: Principal, found: SerialList, now: datetime) -> list[tuple[Device, bool]]:
        """Return each device of the list as registered, or as it will be, and whether it is new."""
        serials = {device.serial for device in found.devices}
        ids = {device.id for device in found.devices}
        if not len(serials) == len(ids) == len(found.devices):
            raise InvalidRequestError("the list names a serial number or an id twice", code="request.serials")
        foreign = {each.model for each in found.devices} - (actor.models or {each.model for each in found.devices})
        if foreign:
            raise ForbiddenError(f"the token is not for model `{min(foreign)}`", field="model")
        held = self._store.registered([device.id for device in found.devices])
        demand_distinct([device.id for device in found.devices if device.id not in held], held)
        return [self._one(device, held.get(device.id), now) for device in found.devices]

    def _one(self, device: NewDevice, by_id: Device | None, now: datetime) -> tuple[Device, bool]:
        views = self._store.views_by_serial(device.vendor, device.serial)
        known = by_id if by_id is not None else (views[0].device if len(views) == 1 else None)
        if len(views) > 1 or (known is not None and (known.model, known.serial) != (device.model, device.serial)):
            raise ConflictError(
                f"device `{device.id}` is registered with another identity; nothing was made",
                code="registry.conflict",
                device_id=device.id,
            )
        return (expected_device(device, now), True) if known is None else (known, False)

    def _make(
        self,
        actor: Principal,
        found: SerialList,
        part: Sequence[tuple[Device, bool]],
        *,
        now: datetime,
        expires_at: datetime,
        keep: Callable[[Sequence[BatchToken]], None],
    ) -> None:
        made = [
            BatchToken(
                device_id=device.id,
                serial=device.serial,
                token="pet_" + base64url(self._entropy.draw(32)),
                expires_at=expires_at,
            )
            for device, _ in part
        ]
        keep(made)
        records = tuple(
            EnrolmentToken(
                token_hash=token_digest(each.token),
                device_id=device.id,
                key_thumbprint=None,
                created_at=now,
                created_by=actor.name,
                expires_at=expires_at,
                redeemed_at=None,
            )
            for each, (device, _) in zip(made, part, strict=True)
        )
        detail = {"vendor": found.vendor, "batch": found.batch, "tokens": len(records)}
        salt = self._entropy.draw(SALT_SIZE)
        act = Act(actor=actor.name, at=now, action="device.tokens", subject=part[0][0].id, detail=detail, salt=salt)
        new = tuple(device for device, is_new in part if is_new)
        self._store.apply(CreateBatchTokens(devices=new, tokens=records, act=act))
