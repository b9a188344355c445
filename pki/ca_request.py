"""The request of an issuing CA for a certificate of a company's own root (PKCS#10, RFC 2986), and what may come back.

The request asks for what our own root would give: a CA with no CA below it, bound to the fleet's names. What the
company gives is held to it: the key, the path length and the names are checked before anything is signed with that key.
"""

from __future__ import annotations

import base64
import textwrap
from collections.abc import Sequence

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from pki import der, names, tbs
from pki.builtin import issuing_terms
from pki.certificates import raw_certificate
from pki.csr_attributes import EXTENSION_REQUEST
from pki.errors import IssuanceError
from pki.hierarchy import Founding, bounds_of
from pki.keys import spki_of
from pki.ports import Signer
from pki.reading import extension


def ca_request(founding: Founding, signer: Signer) -> str:
    """Return the PEM request, signed by the issuing key. Raises NameRefusedError, ProfileError."""
    terms = issuing_terms(domains=founding.domains, addresses=founding.addresses)
    subject = names.encode_name(names.fill_subject(terms.subject, founding.fields))
    attribute = der.sequence(der.oid(EXTENSION_REQUEST), der.set_of(tbs.requested_extensions(terms)))
    asked = der.sequence(der.integer(0), subject, spki_of(signer.public_key), der.context(0, attribute))
    request = der.sequence(asked, signer.algorithm.identifier, der.bit_string(signer.sign(asked)))
    lines = "\n".join(textwrap.wrap(base64.b64encode(request).decode(), 64))
    return f"-----BEGIN CERTIFICATE REQUEST-----\n{lines}\n-----END CERTIFICATE REQUEST-----\n"


def demand_fit(certificate: x509.Certificate, founding: Founding, signer: Signer) -> None:
    """Return if an issuing CA of ours can work with `certificate`.

    Raises IssuanceError: `ca.key` for another key's, `ca.path-length` unless it is 0 (RFC 5280 section 4.2.1.9),
    `ca.names` where its name constraints leave out a domain of the devices (4.2.1.10); addresses are left to
    lint, which the server's own certificate has to pass.
    """
    raw = raw_certificate(certificate.public_bytes(Encoding.DER))
    if raw.spki != spki_of(signer.public_key):
        raise IssuanceError("the certificate is for another key than the request", code="ca.key")
    basic = extension(certificate.extensions, x509.BasicConstraints)
    if basic is None or not basic.value.ca or basic.value.path_length != 0:
        raise IssuanceError("the certificate must be a CA's with path length 0", code="ca.path-length")
    if extension(certificate.extensions, x509.NameConstraints) is None:
        return
    domains, _ = bounds_of(certificate)
    missing = [name for name in founding.domains if not _within(name, domains)]
    if missing:
        raise IssuanceError(f"the name constraints leave `{missing[0]}` out", code="ca.names")


def is_bound(certificate: x509.Certificate) -> bool:
    """Return whether the certificate binds the CA to names at all."""
    return extension(certificate.extensions, x509.NameConstraints) is not None


def _within(name: str, domains: Sequence[str]) -> bool:
    wanted = f".{name.lower()}"
    return not domains or any(wanted.endswith("." + each.lower().lstrip(".")) for each in domains)
