"""Name constraints (RFC 5280 section 4.2.1.10): which names a CA's certificates may carry.

Used twice: on paths that others made, and by lint on what we are about to sign. A constraint on a form of name that
we cannot compare refuses every name of that form (section 6.1.4: process it, or reject the certificate).

A host that ends in a dot is in no permitted subtree: dNSNames are written without it (section 4.2.1.6), and OpenSSL
does not match it either. Excluded subtrees are compared as if the dot were not there, so that it is no way out.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address
from urllib.parse import urlsplit

from cryptography import x509
from cryptography.x509.oid import NameOID

from pki.certificates import general_name_text
from pki.errors import PathError
from pki.reading import extension

MAX_COMPARISONS = 100_000  # about a tenth of a second; a thousand names against a hundred constraints still fit
MAX_DEPTH_OF_NAME = 64  # attributes compared in one distinguished name

ComparableName = tuple[frozenset[tuple[str, str | bytes]], ...]

_CN_DNS = re.compile(r"(?:[A-Za-z0-9_](?:[A-Za-z0-9_-]*[A-Za-z0-9_])?\.)+[A-Za-z0-9-]+")


@dataclass(slots=True)
class Budget:
    """Comparisons left for one validation; running out is a refusal, never a pass."""

    left: int = MAX_COMPARISONS

    def spend(self, amount: int) -> None:
        """Take `amount`; raises PathError `path.budget` when nothing is left."""
        self.left -= amount
        if self.left < 0:
            raise PathError("name constraints need more work than the limit", code="path.budget")


def constrained_names(certificate: x509.Certificate) -> tuple[x509.GeneralName, ...]:
    """Return every name of `certificate` that constraints speak about.

    These are the subject, the alternative names, the subject's e-mail addresses when there are no alternative names,
    and, when no dNSName is given, a common name that looks like one (as OpenSSL does, because clients may match it).
    """
    found = extension(certificate.extensions, x509.SubjectAlternativeName)
    return names_to_constrain(certificate.subject, tuple(found.value) if found else ())


def names_to_constrain(subject: x509.Name, san: tuple[x509.GeneralName, ...]) -> tuple[x509.GeneralName, ...]:
    """Return the names that constraints speak about, of a certificate with this subject and alternative names."""
    names = list(san)
    if subject.rdns:
        names.append(x509.DirectoryName(subject))
    if not san:
        names.extend(_emails(subject))
    if not any(type(name) is x509.DNSName for name in san):
        names.extend(_host_like(subject))
    return tuple(names)


def _emails(subject: x509.Name) -> Iterator[x509.GeneralName]:
    for attribute in subject.get_attributes_for_oid(NameOID.EMAIL_ADDRESS):
        text = str(attribute.value)
        yield x509.RFC822Name(text) if text.isascii() else x509.RFC822Name("@")  # not comparable: matches nothing


def _host_like(subject: x509.Name) -> Iterator[x509.GeneralName]:
    for attribute in subject.get_attributes_for_oid(NameOID.COMMON_NAME):
        if isinstance(attribute.value, str) and _CN_DNS.fullmatch(attribute.value):
            yield x509.DNSName(attribute.value)


def refusal(names: Iterable[x509.GeneralName], constraints: x509.NameConstraints, budget: Budget) -> str | None:
    """Return why `constraints` refuse one of `names`, or None if they allow all of them; raises PathError."""
    permitted, excluded = constraints.permitted_subtrees or (), constraints.excluded_subtrees or ()
    for name in names:
        budget.spend(len(permitted) + len(excluded))
        form = type(name)
        for base in excluded:
            if type(base) is form and _excludes(base, name):
                return f"`{_shown(name)}` is in an excluded subtree"
        same_form = [base for base in permitted if type(base) is form]
        if same_form and not any(_permits(base, name) for base in same_form):
            return f"`{_shown(name)}` is in no permitted subtree"
    return None


def _shown(name: x509.GeneralName) -> str:
    return ascii(general_name_text(name))[1:-1][:120]


def _permits(base: x509.GeneralName, name: x509.GeneralName) -> bool:
    if isinstance(base, x509.DNSName) and isinstance(name, x509.DNSName):
        return not name.value.endswith(".") and _dns_within(name.value, base.value)
    if isinstance(base, x509.UniformResourceIdentifier) and isinstance(name, x509.UniformResourceIdentifier):
        host = _uri_host(name.value)
        return host is not None and _host_within(host, base.value)
    return _matches(base, name)


def _excludes(base: x509.GeneralName, name: x509.GeneralName) -> bool:
    if isinstance(base, x509.DNSName) and isinstance(name, x509.DNSName):
        host, below = name.value.rstrip("."), base.value.rstrip(".")
        return _dns_within(host, below) or _wildcard_covers(host, below)
    if isinstance(base, x509.UniformResourceIdentifier) and isinstance(name, x509.UniformResourceIdentifier):
        found = _uri_host(name.value)
        return found is None or _host_within(found.rstrip("."), base.value.rstrip("."))
    if isinstance(base, x509.OtherName | x509.RegisteredID):
        return True
    return _matches(base, name)


def _matches(base: x509.GeneralName, name: x509.GeneralName) -> bool:
    if isinstance(base, x509.IPAddress) and isinstance(name, x509.IPAddress):
        return _address_within(name.value, base.value)
    if isinstance(base, x509.RFC822Name) and isinstance(name, x509.RFC822Name):
        return _email_within(name.value, base.value)
    if isinstance(base, x509.DirectoryName) and isinstance(name, x509.DirectoryName):
        return directory_within(name.value, base.value)
    return False


def _dns_within(name: str, base: str) -> bool:
    """Zero or more labels in front of `base`; with a leading dot, at least one (as other validators read it)."""
    name, base = name.lower(), base.lower()
    if base.startswith("."):
        return name.endswith(base)
    return base in {"", name} or name.endswith("." + base)


def _wildcard_covers(name: str, base: str) -> bool:
    """Whether `*.rest` could stand for a name under the excluded `label.rest`."""
    if not name.startswith("*."):
        return False
    _, _, parent = base.lower().lstrip(".").partition(".")
    return name[2:].lower() == parent


def _address_within(
    address: IPv4Address | IPv6Address | IPv4Network | IPv6Network,
    base: IPv4Address | IPv6Address | IPv4Network | IPv6Network,
) -> bool:
    if isinstance(address, IPv4Network | IPv6Network) or isinstance(base, IPv4Address | IPv6Address):
        return False
    return address.version == base.version and address in base


def _email_within(name: str, base: str) -> bool:
    local, at, host = name.rpartition("@")
    if not at or not local or not host:
        return False
    base_local, base_at, base_host = base.rpartition("@")
    if base_at:  # one mailbox: the local part is case-sensitive (RFC 5280 section 7.5)
        return local == base_local and host.lower() == base_host.lower()
    return _host_within(host.lower(), base)


def _host_within(host: str, base: str) -> bool:
    """A base with a leading dot is any host below it, without one it is that host alone (section 4.2.1.10)."""
    base = base.lower()
    if base.startswith("."):
        return host.endswith(base) and len(host) > len(base)
    return host == base


def _uri_host(uri: str) -> str | None:
    """Return the host; None if there is none or it is an address, which no URI constraint can allow."""
    try:
        host = urlsplit(uri).hostname
    except ValueError:
        return None
    if not host or _is_address(host):
        return None
    return host.lower()


def _is_address(host: str) -> bool:
    try:
        ip_address(host)
    except ValueError:
        return False
    return True


def directory_within(name: x509.Name, base: x509.Name) -> bool:
    """Return whether `base` is an initial sequence of the RDNs of `name`, compared as section 7.1 says."""
    if len(name.rdns) > MAX_DEPTH_OF_NAME:
        return False
    return comparable_name(name)[: len(base.rdns)] == comparable_name(base)


def comparable_name(name: x509.Name) -> ComparableName:
    """Return a value equal for names that are equal under RFC 5280 section 7.1.

    Case and runs of white space do not count; different string types of the same text are equal.
    """
    return tuple(frozenset((part.oid.dotted_string, _comparable(part.value)) for part in rdn) for rdn in name.rdns)


def _comparable(value: str | bytes) -> str | bytes:
    return value if isinstance(value, bytes) else " ".join(value.casefold().split())
