"""Candidate paths: from a certificate up to the given anchors, by name and by signature, with bounded work.

Every edge of a candidate is a verified signature, so forged look-alikes cost one check each and lead nowhere. Each
edge is verified once. What a path must satisfy beyond that is in pki.path_rules.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.serialization import Encoding

from pki.certificates import key_info, load_certificate
from pki.constraints import ComparableName, comparable_name
from pki.errors import PathError
from pki.reading import Value
from pki.signatures import SignatureRefusedError, verify_certificate

MAX_SIGNATURE_CHECKS = 128  # pyca/cryptography's limit too; Go and rustls-webpki take 100
MAX_STEPS = 2048  # edges walked, verified or not: a mesh of cross-signed CAs has factorially many paths
MAX_CERTIFICATES = 24  # in one path, self-issued ones included
KEPT_NODES = 256  # CAs that paths lead through: a fleet's vendors have some tens
KEPT_SIGNATURES = 1024  # verified edges kept: links between CAs are verified once, not with every device


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Node:
    """One certificate with what path building asks of it, computed once."""

    certificate: x509.Certificate
    der: bytes
    subject: ComparableName
    issuer: ComparableName
    spki: bytes
    subject_key_id: bytes | None
    authority_key_id: bytes | None
    extensions: Mapping[type[x509.ExtensionType], x509.Extension[Any]]  # Any: a value is of the class it stands under

    def extension(self, kind: type[Value]) -> x509.Extension[Value] | None:
        """Return the extension of this kind, if the certificate has it."""
        return self.extensions.get(kind)

    @property
    def self_issued(self) -> bool:
        """Whether subject and issuer are the same name (RFC 5280 section 6.1)."""
        return self.subject == self.issuer

    @property
    def entity(self) -> tuple[ComparableName, bytes]:
        """Name and key: a path passes an entity once (RFC 4158 section 2.4.2)."""
        return self.subject, self.spki


def node(certificate: bytes | x509.Certificate) -> Node:
    """Return the node of a certificate; raises PathError `path.malformed`."""
    encoded = certificate if isinstance(certificate, bytes) else certificate.public_bytes(Encoding.DER)
    parsed = load_certificate(encoded)
    extensions: dict[type[x509.ExtensionType], x509.Extension[Any]] = {
        type(found.value): found for found in parsed.extensions
    }
    subject_key = extensions.get(x509.SubjectKeyIdentifier)
    authority_key = extensions.get(x509.AuthorityKeyIdentifier)
    return Node(
        certificate=parsed,
        der=encoded,
        subject=comparable_name(parsed.subject),
        issuer=comparable_name(parsed.issuer),
        spki=key_info(encoded),
        subject_key_id=None if subject_key is None else subject_key.value.digest,
        authority_key_id=None if authority_key is None else authority_key.value.key_identifier,
        extensions=extensions,
    )


def readable(certificates: Iterable[bytes | x509.Certificate]) -> tuple[Node, ...]:
    """Return the nodes of those that can be read: what cannot be read cannot be part of a path."""
    found = []
    for certificate in certificates:
        try:
            found.append(_kept_node(certificate))
        except PathError:
            continue
    return tuple(found)


_kept_node = lru_cache(maxsize=KEPT_NODES)(node)


@dataclass(slots=True)
class Search:
    """One search for paths: the pool, the work left, and why the best attempt that failed did."""

    intermediates: Mapping[ComparableName, tuple[Node, ...]]
    anchors: Mapping[ComparableName, tuple[Node, ...]]
    max_depth: int
    refused: SignatureRefusedError | None = None
    too_deep: bool = False
    _verified: dict[tuple[int, int], bool] = field(default_factory=dict)
    _steps: int = 0

    def paths(self, leaf: Node) -> Iterator[tuple[Node, ...]]:
        """Yield every path (leaf first, anchor last) whose signatures verify; raises PathError `path.budget`."""
        yield from self._extend((leaf,), 0)

    def _extend(self, path: tuple[Node, ...], depth: int) -> Iterator[tuple[Node, ...]]:
        last = path[-1]
        passed = {known.entity for known in path}
        for anchor in self._closest(self.anchors, last):
            if anchor.entity not in passed and self._signed(last, anchor):
                yield (*path, anchor)
        for above in self._closest(self.intermediates, last):
            if above.entity in passed or not self._signed(last, above):
                continue
            deeper = depth + (not above.self_issued)
            if deeper > self.max_depth or len(path) + 1 >= MAX_CERTIFICATES:
                self.too_deep = True
                continue
            yield from self._extend((*path, above), deeper)

    def named(self, name: ComparableName) -> tuple[Node, ...]:
        """Return every certificate at hand with this subject."""
        return (*self.intermediates.get(name, ()), *self.anchors.get(name, ()))

    @staticmethod
    def _closest(pool: Mapping[ComparableName, tuple[Node, ...]], child: Node) -> list[Node]:
        """Issuers by name, those with the expected key identifier first (RFC 4158 section 3.5.12)."""
        return sorted(pool.get(child.issuer, ()), key=lambda above: above.subject_key_id != child.authority_key_id)

    def _signed(self, child: Node, above: Node) -> bool:
        self._steps += 1
        if self._steps > MAX_STEPS:
            raise PathError("path building needs more steps than the limit", code="path.budget")
        edge = (id(child), id(above))
        if edge not in self._verified:
            if len(self._verified) >= MAX_SIGNATURE_CHECKS:
                raise PathError("path building needs more signature checks than the limit", code="path.budget")
            self._verified[edge] = self._verify(child, above)
        return self._verified[edge]

    def _verify(self, child: Node, above: Node) -> bool:
        try:
            _verify_once(child.certificate, above.certificate)
        except SignatureRefusedError as refused:
            self.refused = refused
            return False
        except (ValueError, UnsupportedAlgorithm):
            self.refused = SignatureRefusedError("issuer's public key cannot be read", code="signature.key")
            return False
        return True


@lru_cache(maxsize=KEPT_SIGNATURES)
def _verify_once(child: x509.Certificate, above: x509.Certificate) -> None:
    """Return if `above`'s key signed `child`; what raises is not kept, and costs a verification each time."""
    verify_certificate(child, above.public_key())


def by_subject(nodes: Iterable[Node]) -> dict[ComparableName, tuple[Node, ...]]:
    """Return the nodes under their subjects, each certificate once."""
    found: dict[ComparableName, dict[bytes, Node]] = {}
    for known in nodes:
        found.setdefault(known.subject, {}).setdefault(known.der, known)
    return {subject: tuple(same.values()) for subject, same in found.items()}
