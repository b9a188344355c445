"""A fleet's hierarchy: an offline root and one issuing CA below it, from two signers.

The issuing CA has path length 0 and is bound to the fleet's domains, so its worst abuse stays inside them.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from ipaddress import IPv4Network, IPv6Network

from cryptography import x509

from pki import names
from pki.authority import Authority, Order, founding_issuer, issue, issuer_of
from pki.builtin import Address, Network, issuing_terms, root_terms
from pki.chain import ANY_LEAF, validate_path
from pki.ports import Ledger, Signer
from pki.reading import extension
from pki.request import held_key
from pki.reservation import IssuedCertificate, Registrar
from pki.tbs import SERIAL_ENTROPY

Entropy = Callable[[int], bytes]
CEREMONY = "ceremony:init"


@dataclass(frozen=True, slots=True, kw_only=True)
class Hierarchy:
    """The two certificates, and the authority that issues from now on. The root's signer is needed no more."""

    root: IssuedCertificate
    issuing: IssuedCertificate
    authority: Authority


@dataclass(frozen=True, slots=True, kw_only=True)
class Founding:
    """What a ceremony starts from: whose fleet, which names its devices and servers may have, and the moment."""

    fleet_name: str
    domains: tuple[str, ...]
    addresses: tuple[Address | Network, ...]
    now: datetime
    by: str = CEREMONY

    @property
    def fields(self) -> Mapping[str, str]:
        """What the built-in subjects are filled with."""
        return {"fleet.name": self.fleet_name}


def found(
    founding: Founding, *, root: Signer, issuing: Signer, ledger: Ledger, registrar: Registrar, entropy: Entropy
) -> Hierarchy:
    """Return a new hierarchy, each certificate recorded before it is signed, and the result validated as a path.

    Raises NameRefusedError, LintError or IssuanceError; PathError if the two would not form a path.
    """
    root_certificate = certify_root(founding, root, ledger, registrar, entropy)
    above = Authority(issuer=issuer_of(root_certificate.certificate), signer=root, registrar=registrar)
    below = certify_issuing(founding, above, issuing, ledger, entropy)
    cross_check(below.certificate, root_certificate.certificate, at=founding.now)
    authority = Authority(issuer=issuer_of(below.certificate), signer=issuing, registrar=registrar)
    return Hierarchy(root=root_certificate, issuing=below, authority=authority)


def demand_names(fleet_name: str, domains: tuple[str, ...], addresses: tuple[Address | Network, ...] = ()) -> None:
    """Raise NameRefusedError or ProfileError for names that no issuing CA can have, before a key is made for it."""
    terms = issuing_terms(domains=domains, addresses=addresses)
    names.fill_subject(terms.subject, {"fleet.name": fleet_name})


def certify_issuing(
    founding: Founding, above: Authority, signer: Signer, ledger: Ledger, entropy: Entropy
) -> IssuedCertificate:
    """Return the certificate of an issuing CA below `above`, bound to the founding's domains and addresses.

    Raises NameRefusedError, ProfileError, LintError or IssuanceError.
    """
    order = Order(
        terms=issuing_terms(domains=founding.domains, addresses=founding.addresses),
        key=held_key(signer),
        fields=founding.fields,
        authorization=founding.by,
    )
    return issue(above, ledger, order, now=founding.now, entropy=entropy(SERIAL_ENTROPY))


def bounds_of(issuing: x509.Certificate) -> tuple[tuple[str, ...], tuple[Network, ...]]:
    """Return the domains and the networks that a CA's name constraints permit; none for a CA without constraints."""
    found = extension(issuing.extensions, x509.NameConstraints)
    permitted = (found.value.permitted_subtrees or ()) if found else ()
    domains = tuple(name.value for name in permitted if isinstance(name, x509.DNSName))
    networks = tuple(name.value for name in permitted if isinstance(name, x509.IPAddress))
    return domains, tuple(each for each in networks if isinstance(each, IPv4Network | IPv6Network))


def certify_root(
    founding: Founding, signer: Signer, ledger: Ledger, registrar: Registrar, entropy: Entropy
) -> IssuedCertificate:
    """Return the self-signed certificate of an offline root; raises NameRefusedError, LintError, IssuanceError."""
    terms = root_terms()
    itself = founding_issuer(signer, terms=terms, fields=founding.fields, now=founding.now)
    order = Order(terms=terms, key=held_key(signer), fields=founding.fields, authorization=founding.by)
    authority = Authority(issuer=itself, signer=signer, registrar=registrar)
    return issue(authority, ledger, order, now=founding.now, entropy=entropy(SERIAL_ENTROPY))


def cross_check(certificate: x509.Certificate, root: x509.Certificate, *, at: datetime) -> None:
    """Return if our own path validation accepts what we just issued; raises PathError."""
    validate_path(certificate, intermediates=(), anchors=(root,), at=at, rules=ANY_LEAF)
