"""The bytes that get signed: one certificate's plan, and its TBSCertificate (RFC 5280 section 4.1).

Our own encoder, because lint must see exactly the bytes that are signed, and because it is several times faster than
building objects. Lint reads them back with another implementation and compares the result with the plan.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache
from ipaddress import IPv4Network, IPv6Network, ip_address

from cryptography import x509

from pki import der, names
from pki.keys import KEY_IDENTIFIER_SIZE, SubjectKey
from pki.profile import CaTerms, KeyUsageBit, Terms, Use
from pki.publication import SHARDS, Publication, distribution_points, shard_of
from pki.signatures import SignatureAlgorithm

SERIAL_ENTROPY = 16  # octets; four times the 64 bits that the CA/Browser Forum asks against chosen prefixes

AUTHORITY_KEY_IDENTIFIER = "2.5.29.35"
SUBJECT_KEY_IDENTIFIER = "2.5.29.14"
KEY_USAGE = "2.5.29.15"
SUBJECT_ALT_NAME = "2.5.29.17"
BASIC_CONSTRAINTS = "2.5.29.19"
NAME_CONSTRAINTS = "2.5.29.30"
EXTENDED_KEY_USAGE = "2.5.29.37"
CRL_DISTRIBUTION_POINTS = "2.5.29.31"
AUTHORITY_INFORMATION_ACCESS = "1.3.6.1.5.5.7.1.1"
OCSP_NO_CHECK = "1.3.6.1.5.5.7.48.1.5"
_ACCESS_OCSP = "1.3.6.1.5.5.7.48.1"

_NO_ADDRESS = (IPv4Network("0.0.0.0/0"), IPv6Network("::/0"))


@dataclass(frozen=True, slots=True, kw_only=True)
class Issuer:
    """What a certificate takes from the CA above it; `subject` is that CA's exact DER name.

    `path_length` and `constraints` are None where the CA's certificate sets no limit; `publication` is None where its
    certificates name no place to ask about them.
    """

    subject: bytes
    key_identifier: bytes
    thumbprint: str
    algorithm: SignatureAlgorithm
    not_before: datetime
    not_after: datetime
    path_length: int | None
    constraints: x509.NameConstraints | None
    publication: Publication | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """One certificate, fully decided: every name filled in, serial drawn, moment fixed."""

    issuer: Issuer
    serial: int
    not_before: datetime
    not_after: datetime
    subject: tuple[tuple[str, str], ...]
    key: SubjectKey
    terms: Terms
    dns: tuple[str, ...]
    uri: tuple[str, ...]
    addresses: tuple[str, ...]
    authorization: str

    @property
    def crl_url(self) -> str | None:
        """Where its shard of the revocation list is; None for an OCSP signer, whose status is not asked for."""
        where = self.issuer.publication
        if where is None or self.never_checked:
            return None
        return where.shard_url(shard_of(self.serial))

    @property
    def ocsp_url(self) -> str | None:
        """Where its status is answered."""
        where = self.issuer.publication
        return None if where is None or self.never_checked else where.ocsp_url

    @property
    def never_checked(self) -> bool:
        """Whether relying parties are told not to ask for its status (RFC 6960 section 4.2.2.2.1)."""
        return Use.OCSP_SIGNING in self.terms.uses


def serial_number(entropy: bytes) -> int:
    """Return a positive serial of 17 octets that holds all of `entropy` (RFC 5280 section 4.1.2.2).

    A leading 0x01 keeps it positive, and of one length. Raises ValueError unless `entropy` has SERIAL_ENTROPY octets.
    """
    if len(entropy) != SERIAL_ENTROPY:
        raise ValueError(f"a serial number takes {SERIAL_ENTROPY} octets of entropy")
    return int.from_bytes(b"\x01" + entropy, "big")


def encode(plan: Plan) -> bytes:
    """Return the DER TBSCertificate of `plan`."""
    return der.sequence(
        _VERSION_3,
        der.integer(plan.serial),
        plan.issuer.algorithm.identifier,
        plan.issuer.subject,
        der.validity(plan.not_before, plan.not_after),
        names.encode_name(plan.subject),
        plan.key.spki,
        der.context(3, der.sequence(*_extensions(plan))),
    )


_VERSION_3 = der.context(0, der.integer(2))


def _extensions(plan: Plan) -> tuple[bytes, ...]:
    terms, crl_url, ocsp_url = plan.terms, plan.crl_url, plan.ocsp_url
    found = [
        _authority_key(plan.issuer.key_identifier),
        _SUBJECT_KEY + plan.key.identifier,
        _constant(terms.key_usage, terms.uses, terms.ca),
    ]
    if plan.dns or plan.uri or plan.addresses:
        found.append(_extension(SUBJECT_ALT_NAME, _alternative_names(plan)))
    if crl_url is not None and ocsp_url is not None:
        found.append(_places(crl_url, ocsp_url))
    return tuple(found)


@lru_cache(maxsize=4 * SHARDS)
def _places(crl_url: str, ocsp_url: str) -> bytes:
    """The extensions that say where to ask, the same for every certificate of a shard."""
    place = der.sequence(der.oid(_ACCESS_OCSP), der.context_primitive(6, ocsp_url.encode("ascii")))
    lists = _extension(CRL_DISTRIBUTION_POINTS, distribution_points(crl_url))
    return lists + _extension(AUTHORITY_INFORMATION_ACCESS, der.sequence(place))


def _extension(dotted: str, value: bytes) -> bytes:
    return der.sequence(der.oid(dotted), der.octet_string(value))


# All of the extension but the identifier, which always has 20 octets.
_SUBJECT_KEY = _extension(SUBJECT_KEY_IDENTIFIER, der.octet_string(bytes(KEY_IDENTIFIER_SIZE)))[:-KEY_IDENTIFIER_SIZE]


def _critical(dotted: str, value: bytes) -> bytes:
    return der.sequence(der.oid(dotted), der.boolean_true(), der.octet_string(value))


@lru_cache(maxsize=16)
def _authority_key(identifier: bytes) -> bytes:
    return _extension(AUTHORITY_KEY_IDENTIFIER, der.sequence(der.context_primitive(0, identifier)))


@lru_cache(maxsize=64)
def _constant(usage: frozenset[KeyUsageBit], uses: tuple[Use, ...], ca: CaTerms | None) -> bytes:
    """The extensions that are the same for every certificate under the same terms."""
    parts = [
        _critical(KEY_USAGE, der.named_bits(frozenset(bit.value for bit in usage))),
        _critical(BASIC_CONSTRAINTS, _basic_constraints(ca)),
    ]
    if uses:
        parts.append(_extension(EXTENDED_KEY_USAGE, der.sequence(*(der.oid(use.oid) for use in uses))))
    if Use.OCSP_SIGNING in uses:
        parts.append(_extension(OCSP_NO_CHECK, der.tlv(der.NULL, b"")))
    if ca is not None and ca.dns is not None:
        parts.append(_critical(NAME_CONSTRAINTS, _name_constraints(ca.dns, ca.addresses)))
    return b"".join(parts)


def requested_extensions(terms: Terms) -> bytes:
    """Return the Extensions that a request for a certificate under `terms` asks for (RFC 2985 section 5.4.2)."""
    return der.sequence(_constant(terms.key_usage, terms.uses, terms.ca))


def _basic_constraints(ca: CaTerms | None) -> bytes:
    return der.sequence() if ca is None else der.sequence(der.boolean_true(), der.integer(ca.path_length))


def _name_constraints(dns: tuple[str, ...], addresses: tuple[IPv4Network | IPv6Network, ...]) -> bytes:
    """dNSNames under `dns`; the given addresses, or none at all."""
    permitted = [der.sequence(der.context_primitive(2, name.encode())) for name in dns]
    permitted += [_subtree(network) for network in addresses]
    barred = [network for network in _NO_ADDRESS if network.version not in {known.version for known in addresses}]
    trees = [der.context(0, b"".join(permitted))]
    if barred:
        trees.append(der.context(1, b"".join(_subtree(network) for network in barred)))
    return der.sequence(*trees)


def _subtree(network: IPv4Network | IPv6Network) -> bytes:
    return der.sequence(der.context_primitive(7, network.network_address.packed + network.netmask.packed))


def _alternative_names(plan: Plan) -> bytes:
    return der.sequence(
        *(der.context_primitive(2, name.encode()) for name in plan.dns),
        *(der.context_primitive(6, name.encode()) for name in plan.uri),
        *(der.context_primitive(7, ip_address(address).packed) for address in plan.addresses),
    )
