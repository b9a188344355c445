"""The device registry: reading it, announcing, admitting, restricting and retiring devices."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Annotated

from fastapi import APIRouter, Depends, Path, Query, Request, Response
from fastapi.responses import JSONResponse

from api.auth import Catalogue, Operator, Reader
from api.idempotency import Once
from api.paging import DecidedAsOf, Paging, conditional, demand_match
from api.requests import DevicesIn, LifetimeIn, ReasonIn
from api.selection import entity_tag
from api.shapes import (
    DecisionOut,
    DeviceDetailOut,
    DeviceRowOut,
    EnrolmentTokenOut,
    TimelineOut,
    device_detail,
    device_row,
)
from api.strict import StrictRoute
from policyengine.model.decision import Tier
from policyengine.model.ids import DeviceId, device_id
from policyengine.services.errors import InvalidRequestError
from policyengine.services.ports import DeviceFilter
from policyengine.services.records import Lifecycle
from policyengine.services.registry.devices import DeviceDetail, NewDevice

router = APIRouter(prefix="/v1/devices", tags=["devices"], route_class=StrictRoute)

Id = Annotated[str, Path(max_length=128)]
Word = Annotated[str | None, Query(max_length=128)]


def _where(
    model: Annotated[list[str] | None, Query(max_length=64)] = None,
    tier: Word = None,
    lifecycle: Lifecycle | None = None,
    site: Word = None,
    zone: Word = None,
    prefix: Word = None,
) -> DeviceFilter:
    models = frozenset(model) if model else None
    return DeviceFilter(models=models, tier=_tier(tier), lifecycle=lifecycle, site=site, zone=zone, text=prefix)


@router.get("")
def list_devices(
    viewer: Reader,
    services: Catalogue,
    page: Paging,
    as_of: DecidedAsOf,
    where: Annotated[DeviceFilter, Depends(_where)],
) -> list[DeviceRowOut]:
    """Return devices by id; several `model` mean any of them, `prefix` is the start of the id."""
    if as_of is not None:
        return page.answer(services.devices.list_at(viewer, where, page.wanted, as_of), device_row)
    return page.answer(services.devices.list(viewer, where, page.wanted), device_row)


@router.post("", status_code=201)
def announce_devices(actor: Operator, services: Catalogue, body: DevicesIn, once: Once) -> Response:
    """Announce devices as expected, all or none; known identical ones are left as they are."""
    devices = [
        NewDevice(**device.model_dump(exclude={"gateways"}), gateways=tuple(map(device_id, device.gateways)))
        for device in body.devices
    ]
    return once.answer(lambda: JSONResponse({"added": services.devices.announce(actor, devices)}, status_code=201))


@router.get("/{name}", response_model=DeviceDetailOut)
def show_device(viewer: Reader, services: Catalogue, name: Id, as_of: DecidedAsOf, request: Request) -> Response:
    """Return one device; a decision whose validity has ended is made again first."""
    found, devices = device_id(name), services.devices
    detail = devices.show(viewer, found) if as_of is None else devices.show_at(viewer, found, as_of)
    content = _shown(detail, at=as_of or services.clock.now())
    return conditional(request, content, media_type="application/json", tag=entity_tag(content))


@router.get("/{name}/facts")
def show_facts(viewer: Reader, services: Catalogue, name: Id, as_of: DecidedAsOf) -> dict[str, object]:
    """Return the facts file of the last decision."""
    return dict(services.devices.facts(viewer, device_id(name), as_of=as_of))


@router.get("/{name}/decisions")
def list_decisions(
    viewer: Reader, services: Catalogue, name: Id, as_of: DecidedAsOf, page: Paging
) -> list[DecisionOut]:
    """Return the decisions that changed something, newest first."""
    found = services.devices.decisions(viewer, device_id(name), page.wanted, as_of=as_of)
    return page.answer(found, DecisionOut.model_validate)


@router.get("/{name}/timeline")
def show_timeline(viewer: Reader, services: Catalogue, name: Id, as_of: DecidedAsOf, page: Paging) -> list[TimelineOut]:
    """Return decisions, certificates, security events and acts, newest first."""
    found = services.devices.timeline(viewer, device_id(name), page.wanted, as_of=as_of)
    return page.answer(found, TimelineOut.model_validate)


@router.get("/{name}/explanation")
def explain_device(viewer: Reader, services: Catalogue, name: Id, as_of: DecidedAsOf) -> dict[str, object]:
    """Return why the decision in force is as it is: rule, file, line, facts, evidence, and what would change it."""
    explanation = services.audit.explain_device(viewer, device_id(name), as_of=as_of)
    return {**explanation.document, "text": explanation.text}


@router.post("/{name}/tokens", status_code=201, response_model=EnrolmentTokenOut)
def create_enrolment_token(actor: Operator, services: Catalogue, name: Id, body: LifetimeIn, once: Once) -> Response:
    """Make a one-time enrolment token; it is shown this once."""

    def create() -> Response:
        issued = services.devices.create_token(
            actor, device_id(name), lifetime=timedelta(seconds=body.lifetime_seconds)
        )
        content = EnrolmentTokenOut.model_validate(issued).model_dump_json(by_alias=True)
        return Response(content, status_code=201, media_type="application/json")

    return once.answer(create)


@router.post("/{name}/admit", status_code=204)
def admit_device(actor: Operator, services: Catalogue, name: Id, once: Once) -> Response:
    """Let a pending device enrol at its next check-in."""
    return once.done(lambda: services.devices.admit(actor, device_id(name)))


@router.post("/{name}/quarantine", status_code=204)
def quarantine_device(
    actor: Operator, services: Catalogue, name: Id, body: ReasonIn, request: Request, once: Once
) -> Response:
    """Put a device into quarantine until a person releases it."""
    return once.done(
        lambda: services.devices.quarantine(actor, _guarded(actor, services, name, request), reason=body.reason)
    )


@router.post("/{name}/release", status_code=204)
def release_device(
    actor: Operator, services: Catalogue, name: Id, body: ReasonIn, request: Request, once: Once
) -> Response:
    """Lift a person's quarantine; the tier is again what the rules decide."""
    return once.done(
        lambda: services.devices.release(actor, _guarded(actor, services, name, request), reason=body.reason)
    )


@router.post("/{name}/retire", status_code=204)
def retire_device(
    actor: Operator, services: Catalogue, name: Id, body: ReasonIn, request: Request, once: Once
) -> Response:
    """End a device's service for good; its history stays."""
    return once.done(
        lambda: services.devices.retire(actor, _guarded(actor, services, name, request), reason=body.reason)
    )


def _guarded(actor: Operator, services: Catalogue, name: str, request: Request) -> DeviceId:
    """Return the device's id; with If-Match only when the device is still as the actor saw it."""
    found = device_id(name)
    if "if-match" in request.headers:
        demand_match(request, entity_tag(_shown(services.devices.show(actor, found), at=services.clock.now())))
    return found


def _shown(detail: DeviceDetail, *, at: datetime) -> bytes:
    return device_detail(detail, at=at).model_dump_json(by_alias=True).encode()


def _tier(name: str | None) -> Tier | None:
    try:
        return None if name is None else Tier[name.upper()]
    except KeyError as cause:
        known = ", ".join(tier.name.lower() for tier in Tier)
        raise InvalidRequestError(f"`tier` is one of {known}", path="tier") from cause
