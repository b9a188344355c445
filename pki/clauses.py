"""The clauses of RFC 5280 (and of the plan) that lint checks, one function each, cited.

A function returns what it saw that breaks its clause, or None. They judge the bytes read back, never the encoder's
intentions; the plan is only what the bytes are compared with.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from cryptography import x509
from cryptography.x509.oid import ExtendedKeyUsageOID

from pki import der, names, tbs
from pki.candidate import Candidate
from pki.certificates import MAX_SERIAL_OCTETS, general_name_text
from pki.constraints import Budget, names_to_constrain, refusal
from pki.errors import DerError, PathError
from pki.profile import MAX_BACKDATE, KeyUsageBit

MIN_SERIAL_OCTETS = 9  # at least 64 bits of entropy, and the sign
_CRITICAL = {  # the only extensions we write, and whether each is critical
    tbs.AUTHORITY_KEY_IDENTIFIER: False,
    tbs.SUBJECT_KEY_IDENTIFIER: False,
    tbs.KEY_USAGE: True,
    tbs.SUBJECT_ALT_NAME: False,
    tbs.BASIC_CONSTRAINTS: True,
    tbs.NAME_CONSTRAINTS: True,
    tbs.EXTENDED_KEY_USAGE: False,
    tbs.CRL_DISTRIBUTION_POINTS: False,
    tbs.AUTHORITY_INFORMATION_ACCESS: False,
    tbs.OCSP_NO_CHECK: False,
}

Check = Callable[[Candidate], str | None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Clause:
    """One check: its stable id, the clause it enforces, and the function."""

    id: str
    citation: str
    check: Check


_FOUND: list[Clause] = []


def _clause(name: str, citation: str) -> Callable[[Check], Check]:
    def register(check: Check) -> Check:
        _FOUND.append(Clause(id=f"lint.{name}", citation=citation, check=check))
        return check

    return register


@_clause("serial", "RFC 5280 section 4.1.2.2")
def serial_is_positive_and_bounded(candidate: Candidate) -> str | None:
    """Serial numbers are positive, at most 20 octets, here at least 64 bits of entropy, and the one reserved."""
    octets = candidate.raw.serial
    value = int.from_bytes(octets, "big", signed=True)
    if value <= 0 or not MIN_SERIAL_OCTETS <= len(octets) <= MAX_SERIAL_OCTETS:
        return f"serial of {len(octets)} octets"
    return None if value == candidate.plan.serial else "serial differs from the plan"


@_clause("signature-algorithm", "RFC 5280 section 4.1.2.3")
def signature_algorithm_is_the_issuers(candidate: Candidate) -> str | None:
    """The algorithm inside the signed bytes is the one the issuer signs with."""
    same = candidate.raw.algorithm == candidate.plan.issuer.algorithm.identifier
    return None if same else "another algorithm than the issuer's"


_EMPTY_NAME = der.sequence()


@_clause("issuer", "RFC 5280 section 4.1.2.4")
def issuer_is_the_issuers_subject(candidate: Candidate) -> str | None:
    """The issuer field MUST be a non-empty name; here byte for byte the CA's subject (section 6.1.3 (a)(4))."""
    if candidate.raw.issuer == _EMPTY_NAME:
        return "issuer is empty"
    return None if candidate.raw.issuer == candidate.plan.issuer.subject else "issuer differs from the CA's subject"


@_clause("validity-encoding", "RFC 5280 section 4.1.2.5")
def validity_is_encoded_as_asked(candidate: Candidate) -> str | None:
    """UTCTime through 2049, GeneralizedTime from 2050, both to the second and in UTC."""
    if candidate.raw.validity.encoded == der.validity(candidate.start, candidate.end):
        return None
    try:
        times = der.children(candidate.raw.validity.content)
    except DerError as cause:
        return cause.message
    moments = (candidate.start, candidate.end)
    wrong = [moment for found, moment in zip(times, moments, strict=True) if found.encoded != der.time(moment)]
    return f"time {wrong[0]:%Y-%m-%dT%H:%M:%SZ} in the wrong form" if wrong else "validity is not in DER"


@_clause("validity", "RFC 5280 section 4.1.2.5")
def validity_is_the_plans(candidate: Candidate) -> str | None:
    """Both ends are the plan's, in order, and the span is at most lifetime and a bounded backdating."""
    start, end, plan = candidate.start, candidate.end, candidate.plan
    if (start, end) != (_second(plan.not_before), _second(plan.not_after)):
        return "validity differs from the plan"
    if not start < end:
        return "validity ends before it starts"
    if plan.terms.backdate > MAX_BACKDATE or end - start > plan.terms.lifetime + plan.terms.backdate + _SECOND:
        return f"validity of {end - start} is longer than the profile allows"
    return None


_SECOND = timedelta(seconds=1)


def _second(moment: datetime) -> datetime:
    return moment.astimezone(UTC).replace(microsecond=0)


@_clause("outlives-issuer", "RFC 5280 section 6.1.3 (a)(2)")
def validity_is_within_the_issuers(candidate: Candidate) -> str | None:
    """A certificate that outlives its issuer dies with it, without anyone being told: never sign one."""
    issuer = candidate.plan.issuer
    if candidate.end > issuer.not_after:
        return f"ends after its issuer, at {candidate.end:%Y-%m-%dT%H:%M:%SZ}"
    if candidate.start < _second(issuer.not_before):
        return f"starts before its issuer, at {candidate.start:%Y-%m-%dT%H:%M:%SZ}"
    return None


@_clause("subject", "RFC 5280 section 4.1.2.6")
def subject_is_the_plans(candidate: Candidate) -> str | None:
    """The subject is non-empty and byte for byte what the profile's template gives."""
    if not candidate.certificate.subject.rdns:
        return "subject is empty"
    same = candidate.raw.subject == names.encode_name(candidate.plan.subject)
    return None if same else "subject differs from the plan"


@_clause("subject-bounds", "RFC 5280 appendix A.1")
def subject_attributes_are_within_bounds(candidate: Candidate) -> str | None:
    """No attribute is longer than its upper bound, of a type we do not write, or holds a control character."""
    for attribute in candidate.certificate.subject:
        bound = names.upper_bound(attribute.oid.dotted_string)
        text = attribute.value
        if bound is None or not isinstance(text, str) or len(text) > bound or not text.isprintable():
            return f"attribute {attribute.oid.dotted_string} is outside its bounds"
    return None


@_clause("key", "RFC 5280 section 4.1.2.7")
def key_is_the_proven_one(candidate: Candidate) -> str | None:
    """The key is the one whose possession was proven, of a type the profile allows."""
    if candidate.raw.spki != candidate.plan.key.spki:
        return "public key differs from the plan"
    kind = candidate.plan.key.type
    return None if kind in candidate.plan.terms.keys else f"key type `{kind.value}` is not in the profile"


@_clause("known-extensions", "RFC 5280 section 4.2")
def extensions_are_known_and_marked(candidate: Candidate) -> str | None:
    """Only the extensions we mean to write, each critical exactly when its own section says so."""
    for dotted, extension in candidate.extensions.items():
        if dotted not in _CRITICAL:
            return f"extension {dotted} is not one of ours"
        if extension.critical is not _CRITICAL[dotted]:
            return f"extension {dotted} has the wrong criticality"
    return None


@_clause("authority-key-identifier", "RFC 5280 section 4.2.1.1")
def authority_key_identifier_names_the_issuer(candidate: Candidate) -> str | None:
    """The keyIdentifier MUST be present and is the issuer's subjectKeyIdentifier, alone."""
    found = candidate.value(x509.AuthorityKeyIdentifier)
    if found is None or found.key_identifier is None:
        return "no authority key identifier"
    same = found.key_identifier == candidate.plan.issuer.key_identifier and found.authority_cert_issuer is None
    return None if same else "authority key identifier is not the issuer's"


@_clause("subject-key-identifier", "RFC 5280 section 4.2.1.2")
def subject_key_identifier_is_derived_from_the_key(candidate: Candidate) -> str | None:
    """Present in every certificate and derived from its key (RFC 7093 section 2 method 1)."""
    found = candidate.value(x509.SubjectKeyIdentifier)
    return None if found and found.digest == candidate.plan.key.identifier else "not derived from the key"


@_clause("key-usage", "RFC 5280 section 4.2.1.3")
def key_usage_is_the_profiles(candidate: Candidate) -> str | None:
    """At least one bit, exactly the profile's, and keyCertSign exactly when it is a CA."""
    found = candidate.value(x509.KeyUsage)
    if found is None:
        return "no key usage"
    bits = _bits(found)
    if found.content_commitment or found.key_encipherment or found.data_encipherment or found.key_agreement:
        return "a key usage that no profile has"
    if not bits or bits != candidate.plan.terms.key_usage:
        return "key usage differs from the profile"
    if found.key_cert_sign is not candidate.is_ca:
        return "keyCertSign and the CA flag differ"
    # X.690 section 11.2.2: a named bit list ends with a one; parsers are lenient about it, relying parties may not be
    return None if der.octet_string(found.public_bytes()) in candidate.raw.rest else "key usage is not in DER"


def _bits(found: x509.KeyUsage) -> set[KeyUsageBit]:
    bits = set()
    if found.digital_signature:
        bits.add(KeyUsageBit.DIGITAL_SIGNATURE)
    if found.key_cert_sign:
        bits.add(KeyUsageBit.KEY_CERT_SIGN)
    if found.crl_sign:
        bits.add(KeyUsageBit.CRL_SIGN)
    return bits


@_clause("subject-alt-name", "RFC 5280 section 4.2.1.6")
def alternative_names_are_the_plans(candidate: Candidate) -> str | None:
    """Exactly the names the profile's templates give, in order; absent when there are none."""
    plan = candidate.plan
    found = candidate.value(x509.SubjectAlternativeName)
    expected = [
        *(f"dns:{name}" for name in plan.dns),
        *(f"uri:{name}" for name in plan.uri),
        *(f"ip:{address}" for address in plan.addresses),
    ]
    if found is None:
        return "alternative names are missing" if expected else None
    return None if expected and [general_name_text(name) for name in found] == expected else "names differ"


@_clause("dns-syntax", "RFC 5280 section 4.2.1.6")
def dns_names_are_in_preferred_syntax(candidate: Candidate) -> str | None:
    """A dNSName MUST be in the preferred name syntax: letters, digits, hyphens; no NUL, no wildcard of ours."""
    found = candidate.value(x509.SubjectAlternativeName) or ()
    odd = [name for name in found if isinstance(name, x509.DNSName) and not names.is_plain_dns(name.value)]
    return f"dNSName {ascii(odd[0].value)[:80]}" if odd else None


@_clause("basic-constraints", "RFC 5280 section 4.2.1.9")
def basic_constraints_are_the_profiles(candidate: Candidate) -> str | None:
    """Present; CA only when the profile is a CA's, and then with exactly its path length."""
    found = candidate.value(x509.BasicConstraints)
    if found is None:
        return "no basic constraints"
    ca = candidate.plan.terms.ca
    if found.ca is not (ca is not None):
        return "CA flag differs from the profile"
    return None if found.path_length == (ca.path_length if ca else None) else "path length differs from the profile"


@_clause("path-length", "RFC 5280 section 6.1.4 (m)")
def issuer_may_have_a_ca_below(candidate: Candidate) -> str | None:
    """A CA below another has a path length smaller than that one's; a self-issued certificate does not count."""
    limit = candidate.plan.issuer.path_length
    if not candidate.is_ca or limit is None or candidate.raw.subject == candidate.raw.issuer:
        return None
    found = candidate.value(x509.BasicConstraints)
    length = found.path_length if found else None
    return None if length is not None and length < limit else f"issuer allows {limit} CAs below it"


@_clause("name-constraints", "RFC 5280 section 4.2.1.10")
def name_constraints_are_only_a_cas(candidate: Candidate) -> str | None:
    """MUST be used only in a CA certificate, with at least one subtree, and where the profile says so."""
    found = candidate.value(x509.NameConstraints)
    ca = candidate.plan.terms.ca
    wanted = ca is not None and ca.dns is not None
    if (found is not None) is not wanted or (found is not None and not candidate.is_ca):
        return "name constraints differ from the profile"
    if found is None or ca is None:
        return None
    permitted = [str(name.value) for name in found.permitted_subtrees or ()]
    expected = [*(ca.dns or ()), *(str(network) for network in ca.addresses)]
    return None if permitted == expected else "permitted subtrees differ from the profile"


@_clause("within-issuer-constraints", "RFC 5280 section 4.2.1.10")
def names_are_within_the_issuers_constraints(candidate: Candidate) -> str | None:
    """No path with a name outside its CA's constraints is ever valid: do not sign one."""
    constraints = candidate.plan.issuer.constraints
    if constraints is None:
        return None
    san = tuple(candidate.value(x509.SubjectAlternativeName) or ())
    try:
        return refusal(names_to_constrain(candidate.certificate.subject, san), constraints, Budget())
    except PathError as cause:
        return cause.message


@_clause("extended-key-usage", "RFC 5280 section 4.2.1.12")
def extended_key_usage_is_the_profiles(candidate: Candidate) -> str | None:
    """Exactly the profile's purposes; anyExtendedKeyUsage never."""
    found = candidate.value(x509.ExtendedKeyUsage)
    seen = [usage.dotted_string for usage in found] if found else []
    if ExtendedKeyUsageOID.ANY_EXTENDED_KEY_USAGE.dotted_string in seen:
        return "anyExtendedKeyUsage"
    expected = [use.oid for use in candidate.plan.terms.uses]
    return None if seen == expected and (found is None or seen) else "purposes differ from the profile"


@_clause("publication", "RFC 5280 sections 4.2.1.13, 4.2.2.1; RFC 6960 section 4.2.2.2.1")
def places_to_ask_are_the_plans(candidate: Candidate) -> str | None:
    """The certificate's own shard and the responder, or neither; only an OCSP signer says that nobody need ask."""
    plan = candidate.plan
    points, access = candidate.value(x509.CRLDistributionPoints), candidate.value(x509.AuthorityInformationAccess)
    lists = [name.value for point in points or () for name in point.full_name or ()]
    places = [place.access_location.value for place in access or ()]
    if lists != ([plan.crl_url] if plan.crl_url else []) or places != ([plan.ocsp_url] if plan.ocsp_url else []):
        return "places to ask differ from the plan"
    unchecked = candidate.value(x509.OCSPNoCheck) is not None
    return None if unchecked is plan.never_checked else "the status of the certificate is asked for, or not, in error"


CLAUSES = tuple(_FOUND)
