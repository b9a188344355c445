"""What a certification path must satisfy beyond its signatures: one rule, one clause, one function.

A path is leaf first and anchor last. The anchor is held to the same rules as any CA: an anchor that expired, or that
never was a CA, is a configuration error that nobody should find out from a break-in.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import Enum

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, mldsa, rsa
from cryptography.x509.oid import ExtendedKeyUsageOID, ExtensionOID, ObjectIdentifier

from pki.certificates import name_text
from pki.constraints import Budget, constrained_names, refusal
from pki.errors import KeyRefusedError
from pki.keys import require_sound_rsa
from pki.paths import Node
from pki.policies import POLICY_EXTENSIONS, policies_seen
from pki.signatures import BELIEVED_CURVES

MAX_DEPTH = 8  # intermediates; pyca/cryptography's default. A deeper chain is refused, not followed

_UNDERSTOOD = frozenset(
    {
        ExtensionOID.BASIC_CONSTRAINTS,
        ExtensionOID.KEY_USAGE,
        ExtensionOID.EXTENDED_KEY_USAGE,
        ExtensionOID.SUBJECT_ALTERNATIVE_NAME,
        ExtensionOID.NAME_CONSTRAINTS,
        *POLICY_EXTENSIONS,
    }
)


class Leaf(Enum):
    """What the certificate at the end of a path may be."""

    END_ENTITY = "end entity"
    ANY = "any"


@dataclass(frozen=True, slots=True, kw_only=True)
class PathRules:
    """What a caller asks of a path: the leaf's kind, an extended key usage (dotted OID), and the depth.

    `policies` (dotted OIDs) None accepts any certificate policy; else the path must be valid under one of them.
    """

    leaf: Leaf = Leaf.END_ENTITY
    purpose: str | None = None
    policies: frozenset[str] | None = None
    max_depth: int = MAX_DEPTH


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """One path under the rules, at a moment."""

    path: tuple[Node, ...]
    rules: PathRules
    at: datetime

    @property
    def leaf(self) -> Node:
        """The certificate in question."""
        return self.path[0]

    @property
    def issuers(self) -> tuple[Node, ...]:
        """Everything above the leaf, anchor last."""
        return self.path[1:]


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """One check of a path: its stable id, its clause, what is expected, and the function that says what it saw."""

    id: str
    citation: str
    expected: str
    check: Callable[[Question], str | None]


_FOUND: list[Rule] = []


def _rule(name: str, citation: str, expected: str) -> Callable[[Callable[[Question], str | None]], Rule]:
    def register(check: Callable[[Question], str | None]) -> Rule:
        rule = Rule(id=f"path.{name}", citation=citation, expected=expected, check=check)
        _FOUND.append(rule)
        return rule

    return register


def _shown(of: Node) -> str:
    return f"`{name_text(of.certificate.subject) or 'empty subject'}`"


def _is_ca(of: Node) -> bool:
    basic = of.extension(x509.BasicConstraints)
    return basic is not None and basic.value.ca


_NO_USAGE = x509.KeyUsage(False, False, False, False, False, False, False, False, False)  # noqa: FBT003


@_rule("validity", "RFC 5280 section 6.1.3 (a)(2)", "every certificate valid at the moment, both ends included")
def _validity(question: Question) -> str | None:
    moment = question.at.astimezone(UTC).replace(microsecond=0)  # certificates know whole seconds
    for each in question.path:
        if moment < each.certificate.not_valid_before_utc:
            return f"{_shown(each)} is valid from {each.certificate.not_valid_before_utc:%Y-%m-%dT%H:%M:%SZ}"
        if moment > each.certificate.not_valid_after_utc:
            return f"{_shown(each)} expired at {each.certificate.not_valid_after_utc:%Y-%m-%dT%H:%M:%SZ}"
    return None


@_rule("basic-constraints", "RFC 5280 section 4.2.1.9", "the CA flag on every issuer, critical on the anchor")
def _basic_constraints(question: Question) -> str | None:
    for each in question.issuers:
        basic = each.extension(x509.BasicConstraints)
        if basic is None or not basic.value.ca:
            return f"{_shown(each)} is no CA"
    # section 6.1.4 (k) asks intermediates for the flag only; an anchor is configuration, so it can be had right
    anchor = question.path[-1].extension(x509.BasicConstraints)
    if anchor is not None and not anchor.critical:
        return f"anchor {_shown(question.path[-1])} has basic constraints that are not critical"
    return None


@_rule("path-length", "RFC 5280 section 6.1.4 (l)", "no more CAs below one than its path length allows")
def _path_length(question: Question) -> str | None:
    left: int | None = None
    for position, each in enumerate(reversed(question.issuers)):
        if position and not each.self_issued and left is not None:
            if left == 0:
                return f"{_shown(each)} is one CA too many"
            left -= 1
        basic = each.extension(x509.BasicConstraints)
        limit = basic.value.path_length if basic else None
        if limit is not None:
            left = limit if left is None else min(left, limit)
    return None


@_rule("key-usage", "RFC 5280 section 6.1.4 (n)", "keyCertSign on every issuer that has key usage, and on CAs only")
def _key_usage(question: Question) -> str | None:
    for each in question.issuers:
        usage = each.extension(x509.KeyUsage)
        if usage and not usage.value.key_cert_sign:
            return f"{_shown(each)} may not sign certificates"
    return _leaf_key_usage(question)


def _leaf_key_usage(question: Question) -> str | None:
    usage = question.leaf.extension(x509.KeyUsage)
    basic = question.leaf.extension(x509.BasicConstraints)
    if usage and usage.value == _NO_USAGE:
        return f"{_shown(question.leaf)} has a key usage that allows nothing"  # section 4.2.1.3
    if basic and basic.value.path_length is not None and usage and not usage.value.key_cert_sign:
        return f"{_shown(question.leaf)} has a path length and may not sign certificates"  # section 4.2.1.9
    if usage and usage.value.key_cert_sign and not _is_ca(question.leaf):
        return f"{_shown(question.leaf)} has keyCertSign and is no CA"
    return None


@_rule("leaf", "RFC 5280 section 4.2.1.9", "the certificate itself is of the kind asked for")
def _leaf(question: Question) -> str | None:
    if question.rules.leaf is Leaf.END_ENTITY and _is_ca(question.leaf):
        return f"{_shown(question.leaf)} is a CA, not an end entity"
    return None


@_rule("key", "RFC 5280 section 4.1.2.7", "a public key of a kind and size that is believed")
def _key(question: Question) -> str | None:
    try:
        key = question.leaf.certificate.public_key()
        if isinstance(key, rsa.RSAPublicKey):
            require_sound_rsa(key)
            return None
    except (ValueError, UnsupportedAlgorithm):
        return "public key cannot be read"
    except KeyRefusedError as refused:
        return refused.message
    if isinstance(key, ec.EllipticCurvePublicKey):
        return None if key.curve.name in BELIEVED_CURVES else f"curve `{key.curve.name}`"
    known = ed25519.Ed25519PublicKey | mldsa.MLDSA44PublicKey | mldsa.MLDSA65PublicKey | mldsa.MLDSA87PublicKey
    return None if isinstance(key, known) else f"a {type(key).__name__.removesuffix('PublicKey')} key"


@_rule(
    "key-identifiers", "RFC 5280 sections 4.2.1.1, 4.2.1.2", "key identifiers, not critical, naming the issuer's key"
)
def _key_identifiers(question: Question) -> str | None:
    for each in question.path:
        critical = (each.extension(x509.AuthorityKeyIdentifier), each.extension(x509.SubjectKeyIdentifier))
        if any(found is not None and found.critical for found in critical):
            return f"{_shown(each)} has a critical key identifier"
    if _is_ca(question.leaf) and question.leaf.subject_key_id is None:
        return f"CA {_shown(question.leaf)} has no subject key identifier"
    for each, above in zip(question.path, question.issuers, strict=False):
        if above.subject_key_id is None:
            return f"CA {_shown(above)} has no subject key identifier"
        if each.authority_key_id is None:
            return f"{_shown(each)} has no authority key identifier"
        if each.authority_key_id != above.subject_key_id:
            return f"{_shown(each)} names another key of its issuer"
    return None


@_rule("anchor-key-identifier", "RFC 5280 section 4.2.1.1", "an anchor that names itself names its own key")
def _anchor_key_identifier(question: Question) -> str | None:
    anchor = question.path[-1]
    named = anchor.authority_key_id
    if anchor.self_issued and named is not None and named != anchor.subject_key_id:
        return f"{_shown(anchor)} names another key as its own"
    return None


@_rule("critical-extensions", "RFC 5280 section 4.2", "no critical extension that is not processed")
def _critical_extensions(question: Question) -> str | None:
    for each in question.path:
        for found in each.certificate.extensions:
            if found.critical and not _understood(found.oid):
                return f"{_shown(each)} has extension {found.oid.dotted_string}"
    return None


def _understood(oid: ObjectIdentifier) -> bool:
    # the key identifiers have their own rule, which says more than `not processed`
    return oid in _UNDERSTOOD or oid in {ExtensionOID.AUTHORITY_KEY_IDENTIFIER, ExtensionOID.SUBJECT_KEY_IDENTIFIER}


@_rule("policies", "RFC 5280 section 6.1.5 (g), RFC 9618", "a policy that holds along the path, where one is demanded")
def _policies(question: Question) -> str | None:
    return policies_seen(question.path, wanted=question.rules.policies)


@_rule("names", "RFC 5280 sections 4.1.2.6, 4.2.1.6", "a subject on every CA; without one, critical alternative names")
def _names(question: Question) -> str | None:
    for each in question.path:
        if each.certificate.subject.rdns:
            continue
        if each is not question.leaf or _is_ca(each):
            return "a CA has an empty subject"
        san = each.extension(x509.SubjectAlternativeName)
        if san is None or not san.critical:
            return "subject is empty and there are no critical alternative names"
    return None


@_rule("name-constraints-form", "RFC 5280 section 4.2.1.10", "name constraints that are critical and on CAs only")
def _name_constraints_form(question: Question) -> str | None:
    for each in question.path:
        found = each.extension(x509.NameConstraints)
        if found is not None and not (found.critical and _is_ca(each)):
            return f"{_shown(each)} has name constraints that are not critical, or is no CA"
    return None


@_rule("name-constraints", "RFC 5280 section 6.1.3 (b), (c)", "every name inside the constraints of every CA above it")
def _name_constraints(question: Question) -> str | None:
    budget = Budget()
    for position, above in enumerate(question.path):
        found = above.extension(x509.NameConstraints)
        if found is None:
            continue
        for below in question.path[:position]:
            if below.self_issued and below is not question.leaf:
                continue
            refused = refusal(constrained_names(below.certificate), found.value, budget)
            if refused is not None:
                return f"{refused} of {_shown(above)}"
    return None


@_rule("purpose", "RFC 5280 section 4.2.1.12", "the extended key usage asked for, wherever one is stated")
def _purpose(question: Question) -> str | None:
    if question.rules.purpose is None:
        return None
    wanted = ObjectIdentifier(question.rules.purpose)
    for each in question.path:
        stated = each.extension(x509.ExtendedKeyUsage)
        if stated is None or wanted in stated.value:
            continue
        if each is question.leaf or ExtendedKeyUsageOID.ANY_EXTENDED_KEY_USAGE not in stated.value:
            return f"{_shown(each)} is for other purposes"
    return None


RULES = tuple(_FOUND)
