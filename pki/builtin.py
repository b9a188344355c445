"""The profiles that come with the product: the hierarchy itself, its TLS servers, and the signer of results.

Devices' profiles come from the policy repository; these do not, because the hierarchy must stand before any policy.
"""

from __future__ import annotations

from datetime import timedelta
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_network

from pki import names
from pki.errors import ProfileError
from pki.keys import KeyType
from pki.profile import CaTerms, KeyUsageBit, Terms, Use, digest_of

ROOT_LIFETIME = timedelta(days=7305)
ISSUING_LIFETIME = timedelta(days=1826)
TLS_LIFETIME = timedelta(days=30)
SIGNER_LIFETIME = timedelta(days=90)
_CA_BITS = frozenset({KeyUsageBit.KEY_CERT_SIGN, KeyUsageBit.CRL_SIGN})
_CA_KEYS = frozenset({KeyType.P256, KeyType.P384, KeyType.ED25519, KeyType.RSA})

Address = IPv4Address | IPv6Address
Network = IPv4Network | IPv6Network


def root_terms() -> Terms:
    """Return the terms of an offline root: room for exactly one CA below it."""
    return _terms(
        "builtin/root",
        lifetime=ROOT_LIFETIME,
        subject="CN={fleet.name} root CA",
        key_usage=_CA_BITS,
        ca=CaTerms(path_length=1, dns=None),
    )


def issuing_terms(*, domains: tuple[str, ...], addresses: tuple[Address | Network, ...]) -> Terms:
    """Return the terms of a fleet's issuing CA: no CA below it, dNSNames under `domains` only, these addresses only.

    Raises NameRefusedError if a domain is no dNSName, ProfileError if there is none.
    """
    if not domains:
        raise ProfileError("an issuing CA is bound to at least one domain", code="profile.domains")
    return _terms(
        "builtin/issuing",
        lifetime=ISSUING_LIFETIME,
        subject="CN={fleet.name} issuing CA",
        key_usage=_CA_BITS,
        ca=CaTerms(
            path_length=0,
            dns=tuple(names.dns_template(domain) for domain in domains),
            addresses=tuple(ip_network(address) for address in addresses),
        ),
    )


def tls_server_terms(*, hosts: tuple[str, ...], addresses: tuple[Address, ...]) -> Terms:
    """Return the terms of our own TLS servers: short, server-auth only.

    Raises NameRefusedError if a host is no dNSName.
    """
    return _terms(
        "builtin/tls-server",
        lifetime=TLS_LIFETIME,
        subject="CN={fleet.name} server",
        dns=tuple(names.dns_template(host) for host in hosts),
        addresses=tuple(str(address) for address in addresses),
        uses=(Use.SERVER_AUTH,),
    )


def result_signer_terms() -> Terms:
    """Return the terms of the key that signs attestation results: a signature and nothing else, never a CA's."""
    return _terms("builtin/result-signer", lifetime=SIGNER_LIFETIME, subject="CN={fleet.name} attestation results")


def ocsp_signer_terms() -> Terms:
    """Return the terms of the delegated OCSP responder: it signs answers, and its own status is not asked for."""
    return _terms(
        "builtin/ocsp-signer", lifetime=SIGNER_LIFETIME, subject="CN={fleet.name} OCSP", uses=(Use.OCSP_SIGNING,)
    )


def _terms(
    profile: str,
    *,
    lifetime: timedelta,
    subject: str,
    dns: tuple[str, ...] = (),
    addresses: tuple[str, ...] = (),
    uses: tuple[Use, ...] = (),
    key_usage: frozenset[KeyUsageBit] = frozenset({KeyUsageBit.DIGITAL_SIGNATURE}),
    ca: CaTerms | None = None,
) -> Terms:
    plain: dict[str, object] = {
        "name": profile,
        "lifetime": int(lifetime.total_seconds()),
        "subject": subject,
        "dns": list(dns),
        "addresses": list(addresses),
        "uses": [use.value for use in uses],
        "ca": repr(ca),
    }
    return Terms(
        profile=profile,
        digest=digest_of(plain),
        keys=_CA_KEYS,
        lifetime=lifetime,
        renew_at=0.5,
        subject=names.subject_template(subject),
        dns=dns,
        addresses=addresses,
        uses=uses,
        key_usage=key_usage,
        ca=ca,
    )
