"""Whether a device may pass: what networks, brokers and update servers ask, answered from one read of its row.

In order:

1. The asker may ask, and the device is one that it may ask about; a foreign one answers like a missing one.
2. The device is in service: enrolled, not retired.
3. Its decision still holds; one whose time has ended is made again and recorded first.
4. The certificate that the gate was shown, else the device's current one, is ours byte for byte, in its time, and
   nobody revoked it or put it on hold. A hold that only follows from the tier is for step 5 to judge.
5. The device's tier passes for the purpose: fleet.yaml `gate`, and of a purpose that it does not name, `full` alone.

What cannot be read or decided is an error, never an open gate.
"""

from __future__ import annotations

import re
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime, timedelta

from pki.certificates import load_certificate
from pki.errors import PkiError
from policyengine.model.decision import Tier
from policyengine.model.ids import DeviceId
from policyengine.services.actors import Principal, Right, demand
from policyengine.services.checkins.redeciding import Redecider
from policyengine.services.errors import ConflictError, InvalidRequestError, MissingError, RefusedError
from policyengine.services.policies import PolicyShelf
from policyengine.services.ports import Clock, Store
from policyengine.services.records import GateView, Lifecycle

MAX_SESSION = timedelta(hours=1)  # a session that outlives it asks again; also where a broker cannot be told

_PURPOSE = re.compile(r"[a-z][a-z0-9-]{0,63}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """What a gate asks: the device by name, by the certificate it showed (DER), or by both, which must then agree."""

    purpose: str
    device_id: DeviceId | None = None
    certificate: bytes | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What a gate is told. Open while `code` is None, and then until `until` at the latest."""

    purpose: str
    device_id: DeviceId | None
    tier: Tier | None
    asked_at: datetime
    until: datetime
    view: GateView | None = None
    code: str | None = None
    reason: str = ""

    @property
    def is_open(self) -> bool:
        """Tell whether the device may pass."""
        return self.code is None


class Gate:
    """Answers gates; reads nothing but the device's row, and writes only a decision whose time had come."""

    def __init__(self, store: Store, clock: Clock, *, shelf: PolicyShelf, redecider: Redecider) -> None:
        self._store = store
        self._clock = clock
        self._shelf = shelf
        self._redecider = redecider

    async def ask(self, asker: Principal, question: Question) -> Answer:
        """Return whether the device may pass; disbelief is an answer.

        Raises ForbiddenError, InvalidRequestError (no purpose), UnavailableError (the gate stays shut).
        """
        demand(asker, Right.GATE)
        return await self._answer(asker, question)

    async def demand_open(self, asker: Principal, question: Question) -> Answer:
        """Return the answer if it is that the device may pass; else raises RefusedError with its code."""
        demand(asker, Right.GATE)
        return opened(await self._answer(asker, question))

    async def demand_open_for_holder(self, certificate: bytes, purpose: str) -> Answer:
        """Return what `demand_open` would, for the device that has proved possession of `certificate` itself."""
        return opened(await self._answer(None, Question(purpose=purpose, certificate=certificate)))

    async def _answer(self, asker: Principal | None, question: Question) -> Answer:
        now = self._clock.now()
        purpose = purpose_of(question.purpose)
        if question.certificate is None and question.device_id is None:
            return _shut(purpose, None, now, "gate.nobody", "neither a device nor a certificate was named")
        view = self._view(question)
        if view is None or not _may_ask(asker, view) or question.device_id not in (None, view.device_id):
            return _shut(purpose, None, now, "gate.unknown", "no device answers to that name or certificate")
        if _has_ended(view, now):
            view = await self._again(view, question, now)
        refusal = (
            _out_of_service(view)
            or _undecided(view, now)
            or _certificate_refused(view, question.certificate, now)
            or self._tier_refused(view, purpose)
        )
        if refusal is not None:
            return _shut(purpose, view, now, *refusal)
        return Answer(
            purpose=purpose,
            device_id=view.device_id,
            tier=view.tier,
            asked_at=now,
            until=_until(view, now),
            view=view,
        )

    def _view(self, question: Question) -> GateView | None:
        if question.certificate is not None:
            serial = _serial_of(question.certificate)
            return None if serial is None else self._store.gate_view_by_serial(serial)
        return None if question.device_id is None else self._store.gate_view(question.device_id)

    async def _again(self, view: GateView, question: Question, now: datetime) -> GateView:
        """Return the view after the ended decision was made again, by us or by a check-in at the same moment."""
        whole = self._store.view(view.device_id)
        if whole is not None and whole.state is not None:
            with suppress(ConflictError, MissingError):  # decided by somebody else, or its facts are lost: read below
                await self._store.submit(self._redecider.again(whole, whole.state, now=now))
        return self._view(question) or view

    def _tier_refused(self, view: GateView, purpose: str) -> tuple[str, str] | None:
        passing = self._shelf.active().policies.bundle.fleet.passes(purpose)
        if view.tier is not None and view.tier.value <= passing.value:
            return None
        tier = "none" if view.tier is None else view.tier.name.lower()
        return "gate.tier", f"tier `{tier}` does not pass for `{purpose}`, `{passing.name.lower()}` is needed"


def purpose_of(text: str) -> str:
    """Return `text` as a purpose; raises InvalidRequestError unless it is a name as fleet.yaml has them."""
    if not _PURPOSE.fullmatch(text):
        message = "`for` is what is asked for, 1 to 64 lowercase letters, digits and `-`"
        raise InvalidRequestError(message, code="request.purpose", field="for")
    return text


def opened(answer: Answer) -> Answer:
    """Return `answer` if the gate is open; raises RefusedError with its code, tier and purpose."""
    if answer.code is None:
        return answer
    tier = None if answer.tier is None else answer.tier.name.lower()
    raise RefusedError(answer.reason, code=answer.code, check=answer.code, purpose=answer.purpose, tier=tier)


def _may_ask(asker: Principal | None, view: GateView) -> bool:
    return asker is None or asker.models is None or view.model in asker.models


def _serial_of(certificate: bytes) -> str | None:
    try:
        return f"{load_certificate(certificate).serial_number:x}"
    except PkiError:
        return None


def _has_ended(view: GateView, now: datetime) -> bool:
    in_service = view.lifecycle is Lifecycle.OPERATIONAL and view.tier is not None
    return in_service and view.valid_until is not None and now >= view.valid_until


def _undecided(view: GateView, now: datetime) -> tuple[str, str] | None:
    if not _has_ended(view, now):
        return None
    return "gate.undecided", "the device's decision has ended and could not be made again"


def _out_of_service(view: GateView) -> tuple[str, str] | None:
    if view.lifecycle is Lifecycle.OPERATIONAL and view.tier is not None:
        return None
    return "gate.lifecycle", f"the device is {view.lifecycle.value}"


def _certificate_refused(view: GateView, shown: bytes | None, now: datetime) -> tuple[str, str] | None:
    found = view.certificate
    if found is None:
        return None if shown is None else ("gate.foreign", "the certificate is not one of ours")
    if shown is not None and found.content != shown:
        return "gate.foreign", "the certificate is not one of ours"
    if found.is_stopped:
        return "gate.certificate", f"the certificate is {found.status.in_words}"
    if shown is not None and not found.not_before <= now < found.not_after:
        return "gate.expired", "the certificate is not valid now"
    return None


def _until(view: GateView, now: datetime) -> datetime:
    ends = (view.valid_until, None if view.certificate is None else view.certificate.not_after)
    return min([now + MAX_SESSION, *(end for end in ends if end is not None and end > now)])


def _shut(purpose: str, view: GateView | None, now: datetime, code: str, reason: str) -> Answer:
    device, tier = (None, None) if view is None else (view.device_id, view.tier)
    return Answer(
        purpose=purpose,
        device_id=device,
        tier=tier,
        asked_at=now,
        until=now,
        view=view,
        code=code,
        reason=reason,
    )
