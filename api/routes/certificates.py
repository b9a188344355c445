"""Certificates our CA issued and what became of them."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Path, Query
from starlette.responses import JSONResponse, Response

from api.auth import Catalogue, Certifier, Concurrer, Reader, Revoker
from api.idempotency import Once
from api.paging import AsOf, Paging, WholePaging
from api.requests import ConfirmationIn, ReasonIn, RevocationIn, WithdrawalIn
from api.shapes import CertificateOut, ProposalOut, ServiceCertificateOut, certificate_out
from api.strict import StrictRoute
from policyengine.model.ids import device_id
from policyengine.services.records import CertificateStatus

router = APIRouter(prefix="/v1/certificates", tags=["certificates"], route_class=StrictRoute)

# RFC 5280 section 4.1.2.2: at most 20 octets; written as lowercase hex without leading zeros
Serial = Annotated[str, Path(max_length=40, pattern=r"^[0-9a-f]{1,40}$")]


@router.get("")
def list_certificates(
    viewer: Reader,
    services: Catalogue,
    page: Paging,
    as_of: AsOf,
    device: Annotated[str | None, Query(max_length=128)] = None,
    status: CertificateStatus | None = None,
) -> list[CertificateOut]:
    """Return certificates, newest first."""
    wanted = None if device is None else device_id(device)
    found = services.certificates.list(viewer, page.wanted, device_id=wanted, status=status, as_of=as_of)
    moment = as_of or services.clock.now()
    return page.answer(found, lambda record: certificate_out(record, at=moment))


@router.get("/revocations")
def list_proposals(viewer: Reader, services: Catalogue, page: WholePaging) -> list[ProposalOut]:
    """Return what one party proposes to revoke and another has not confirmed yet, latest first."""
    return page.part(services.revocations.list(viewer), lambda each: each.id, ProposalOut.model_validate)


@router.get("/services")
def list_service_certificates(viewer: Reader, services: Catalogue, page: WholePaging) -> list[ServiceCertificateOut]:
    """Return the certificates of our own servers and responders, newest first; they are revoked like a device's."""
    found = services.service_certificates.list(viewer)
    return page.part(found, lambda each: f"{each.issuer} {each.serial}", ServiceCertificateOut.model_validate)


@router.get("/{serial}")
def show_certificate(viewer: Reader, services: Catalogue, serial: Serial, as_of: AsOf) -> CertificateOut:
    """Return one certificate."""
    record = services.certificates.show(viewer, serial, as_of=as_of)
    return certificate_out(record, at=as_of or services.clock.now())


@router.post("/{serial}/revoke", status_code=204, responses={202: {"model": ProposalOut}})
def revoke_certificate(actor: Revoker, services: Catalogue, serial: Serial, body: RevocationIn, once: Once) -> Response:
    """Revoke for good; `reason` is a CRLReason name. 202: proposed, for the profile asks for a second party."""

    def revoke() -> Response:
        proposal = services.revocations.revoke(actor, serial, reason=body.reason)
        if proposal is None:
            return Response(status_code=204)
        return JSONResponse(ProposalOut.model_validate(proposal).model_dump(), status_code=202)

    return once.answer(revoke)


@router.post("/{serial}/revoke/confirm", status_code=204)
def confirm_revocation(
    actor: Concurrer, services: Catalogue, serial: Serial, body: ConfirmationIn, once: Once
) -> Response:
    """Revoke what another party proposed."""
    return once.done(lambda: services.revocations.confirm(actor, serial, proposal=body.proposal))


@router.post("/{serial}/revoke/withdraw", status_code=204)
def withdraw_revocation(
    actor: Concurrer, services: Catalogue, serial: Serial, body: WithdrawalIn, once: Once
) -> Response:
    """End a proposal, and the hold that came with it."""
    return once.done(lambda: services.revocations.withdraw(actor, serial, proposal=body.proposal, reason=body.reason))


@router.post("/{serial}/hold", status_code=204)
def hold_certificate(actor: Certifier, services: Catalogue, serial: Serial, body: ReasonIn, once: Once) -> Response:
    """Put on hold, which can be undone."""
    return once.done(lambda: services.certificates.hold(actor, serial, reason=body.reason))


@router.post("/{serial}/release", status_code=204)
def release_certificate(actor: Certifier, services: Catalogue, serial: Serial, body: ReasonIn, once: Once) -> Response:
    """Take from hold."""
    return once.done(lambda: services.certificates.release(actor, serial, reason=body.reason))
