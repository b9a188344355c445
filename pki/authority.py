"""One way to a signature: prepare and lint, reserve, sign, in that order and with a token from each step.

    linted = authority.prepare(order, now=now, entropy=entropy)     # pure: plan, TBS bytes, every clause
    reserved = ledger.reserve(linted.reservation)                   # durable: serial, digest, authorization
    issued = authority.sign(linted, reserved)                       # the only call that reaches the key
    ledger.complete(issued)

The steps are apart so that many devices' reservations can share one commit. What may be asked of an authority is not
decided here: whoever holds one decides first (policyengine.services) and names the decision in `authorization`.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from pki import der, names, tbs
from pki.certificates import raw_certificate
from pki.errors import IssuanceError, KeyRefusedError
from pki.keys import key_identifier, spki_of, thumbprint
from pki.lint import Linted, lint
from pki.ports import Ledger, Signer
from pki.profile import Terms
from pki.publication import Publication
from pki.reading import extension
from pki.request import ProvenKey
from pki.reservation import IssuedCertificate, Registrar, Reserved
from pki.signatures import algorithm_for
from pki.signing import demand_signer_of, verified_signature
from pki.tbs import Issuer, Plan


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """What is asked of an authority: terms, a key whose possession is proven, and who the subject is.

    `fields` fills the profile's placeholders (`device.id`: `gw-0001`); `authorization` names what permitted it.
    """

    terms: Terms
    key: ProvenKey
    fields: Mapping[str, str]
    authorization: str


class Authority:
    """One CA: its certificate's facts, its signer, and the registrar whose reservations it accepts."""

    __slots__ = ("_registrar", "_signer", "issuer")

    def __init__(self, *, issuer: Issuer, signer: Signer, registrar: Registrar) -> None:
        """Raise IssuanceError `issue.signer` unless the signer's key is the issuer's."""
        demand_signer_of(issuer, signer)
        self.issuer = issuer
        self._signer = signer
        self._registrar = registrar

    def prepare(self, order: Order, *, now: datetime, entropy: bytes) -> Linted:
        """Return the linted certificate; nothing is signed and nothing is stored.

        `now` is aware; `entropy` is SERIAL_ENTROPY octets, never used before. The certificate starts `backdate`
        earlier and ends `lifetime` later, both cut to the issuer's own validity. Raises IssuanceError
        (`issue.issuer-expired`, `issue.issuer-not-yet-valid`), KeyRefusedError `key.profile`, NameRefusedError
        (`name.*`) or LintError.
        """
        plan = self._plan(order, now=now.astimezone(UTC).replace(microsecond=0), entropy=entropy)
        return lint(tbs.encode(plan), plan)

    def _plan(self, order: Order, *, now: datetime, entropy: bytes) -> Plan:
        terms, issuer = order.terms, self.issuer
        if now > issuer.not_after:
            raise IssuanceError(f"issuer expired at {issuer.not_after:%Y-%m-%dT%H:%M:%SZ}", code="issue.issuer-expired")
        if now < issuer.not_before:
            raise IssuanceError("issuer is not valid yet", code="issue.issuer-not-yet-valid")
        if order.key.key.type not in terms.keys:
            raise KeyRefusedError(
                f"profile `{terms.profile}` allows no `{order.key.key.type.value}` key", code="key.profile"
            )
        return Plan(
            issuer=issuer,
            serial=tbs.serial_number(entropy),
            not_before=max(now - terms.backdate, issuer.not_before),
            not_after=min(now + terms.lifetime, issuer.not_after),
            subject=names.fill_subject(terms.subject, order.fields),
            key=order.key.key,
            terms=terms,
            dns=tuple(names.fill_dns(template, order.fields) for template in terms.dns),
            uri=tuple(names.fill_uri(template, order.fields) for template in terms.uri),
            addresses=terms.addresses,
            authorization=order.authorization,
        )

    def sign(self, linted: Linted, reserved: Reserved) -> IssuedCertificate:
        """Return the certificate: exactly the linted bytes, signed once, under a durable reservation of ours.

        Raises IssuanceError: `issue.unlinted`, `issue.unreserved`, `issue.other-issuer`, `issue.mismatch`,
        `issue.redeemed`, or `issue.signature` when the signer's answer does not verify.
        """
        self._check_tokens(linted, reserved)
        data = linted.redeem()
        if "sha256:" + hashlib.sha256(data).hexdigest() != reserved.reservation.tbs_sha256:
            raise IssuanceError("the bytes are not those that were reserved", code="issue.mismatch")
        signature = verified_signature(self._signer, data)
        encoded = der.sequence(data, self.issuer.algorithm.identifier, der.bit_string(signature))
        return IssuedCertificate(der=encoded, reservation=reserved.reservation)

    def _check_tokens(self, linted: Linted, reserved: Reserved) -> None:
        if type(linted) is not Linted:
            raise IssuanceError("an unlinted certificate is never signed", code="issue.unlinted")
        if type(reserved) is not Reserved or not reserved.is_from(self._registrar):
            raise IssuanceError("no durable reservation of this authority", code="issue.unreserved")
        if linted.plan.issuer is not self.issuer:
            raise IssuanceError("linted for another issuer", code="issue.other-issuer")
        if reserved.reservation != linted.reservation:
            raise IssuanceError("the reservation is for another certificate", code="issue.mismatch")


def issue(authority: Authority, ledger: Ledger, order: Order, *, now: datetime, entropy: bytes) -> IssuedCertificate:
    """Return one certificate by the four steps in a row: for ceremonies and tools; check-ins group their commits.

    A refusal by the signer aborts the reservation and is raised. Raises what the steps raise.
    """
    linted = authority.prepare(order, now=now, entropy=entropy)
    reserved = ledger.reserve(linted.reservation)
    try:
        issued = authority.sign(linted, reserved)
    except IssuanceError as refused:
        ledger.abort(linted.reservation, reason=refused.code)
        raise
    ledger.complete(issued)
    return issued


def issuer_of(certificate: x509.Certificate, *, publish_at: str | None = None) -> Issuer:
    """Return what certificates below `certificate` take from it.

    With `publish_at`, they name their revocation list and OCSP responder below that address. Raises ProfileError.
    Raises IssuanceError `issue.not-a-ca` unless it is a CA that may sign certificates and has a key identifier.
    """
    extensions = certificate.extensions
    try:
        basic = extensions.get_extension_for_class(x509.BasicConstraints).value
        usage = extensions.get_extension_for_class(x509.KeyUsage).value
        identifier = extensions.get_extension_for_class(x509.SubjectKeyIdentifier).value.digest
    except x509.ExtensionNotFound as cause:
        raise IssuanceError("certificate lacks an extension every CA has", code="issue.not-a-ca") from cause
    if not basic.ca or not usage.key_cert_sign:
        raise IssuanceError("certificate may not sign certificates", code="issue.not-a-ca")
    raw = raw_certificate(certificate.public_bytes(Encoding.DER))
    key = certificate.public_key()
    return Issuer(
        subject=raw.subject,
        key_identifier=identifier,
        thumbprint=thumbprint(raw.spki),
        algorithm=algorithm_for(key),
        not_before=certificate.not_valid_before_utc,
        not_after=certificate.not_valid_after_utc,
        path_length=basic.path_length,
        constraints=_constraints(extensions),
        publication=None if publish_at is None else Publication(publish_at, identifier.hex()),
    )


def _constraints(extensions: x509.Extensions) -> x509.NameConstraints | None:
    found = extension(extensions, x509.NameConstraints)
    return found.value if found else None


def founding_issuer(signer: Signer, *, terms: Terms, fields: Mapping[str, str], now: datetime) -> Issuer:
    """Return the issuer that a self-signed root is to itself: no certificate exists above it.

    Raises NameRefusedError.
    """
    spki = spki_of(signer.public_key)
    start = now.astimezone(UTC).replace(microsecond=0)
    return Issuer(
        subject=names.encode_name(names.fill_subject(terms.subject, fields)),
        key_identifier=key_identifier(spki),
        thumbprint=thumbprint(spki),
        algorithm=signer.algorithm,
        not_before=start - terms.backdate,
        not_after=start + terms.lifetime,
        path_length=None,
        constraints=None,
    )
