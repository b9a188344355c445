"""What happens to devices in their life: transfer, replacement, another key."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Path, Response

from api.auth import Catalogue, Operator, Revoker
from api.idempotency import Once
from api.requests import GatewaysIn, RekeyIn, ReplacementIn, TransferIn
from api.strict import StrictRoute
from policyengine.model.ids import device_id

router = APIRouter(prefix="/v1/devices", tags=["devices"], route_class=StrictRoute)

Id = Annotated[str, Path(max_length=128)]


@router.post("/{name}/transfer", status_code=204)
def transfer_device(actor: Operator, services: Catalogue, name: Id, body: TransferIn, once: Once) -> Response:
    """Say that a device stands at another site or in another zone; it is decided again."""
    return once.done(
        lambda: services.succession.transfer(actor, device_id(name), site=body.site, zone=body.zone, reason=body.reason)
    )


@router.post("/{name}/gateways", status_code=204)
def entrust_device(actor: Operator, services: Catalogue, name: Id, body: GatewaysIn, once: Once) -> Response:
    """Say which gateways may speak for a device; it is decided again."""
    gateways = [device_id(each) for each in body.gateways]
    return once.done(lambda: services.entrusting.entrust(actor, device_id(name), gateways, reason=body.reason))


@router.post("/{name}/replace", status_code=204)
def replace_device(actor: Operator, services: Catalogue, name: Id, body: ReplacementIn, once: Once) -> Response:
    """Retire a device for another one, which takes its place."""
    return once.done(
        lambda: services.succession.replace(actor, device_id(name), device_id(body.by), reason=body.reason)
    )


@router.post("/{name}/rekey", status_code=204)
def rekey_device(actor: Revoker, services: Catalogue, name: Id, body: RekeyIn, once: Once) -> Response:
    """Let a device whose board was swapped enrol again with another key; the old one never comes back."""
    return once.done(lambda: services.succession.rekey(actor, device_id(name), serial=body.serial, reason=body.reason))
