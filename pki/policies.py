"""Certificate policies along a path (RFC 5280 section 6.1, with the policy graph of RFC 9618).

RFC 9618 replaces the policy tree, whose size an attacker chooses, by a graph of one node per policy and depth. Only
the newest depth is kept here: a node is there only if a chain of nodes leads to it, and what it stems from in the
relying party's own terms (its `origins`) is carried along, so the layers above are never asked again.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace

from cryptography import x509
from cryptography.x509.oid import ExtensionOID, ObjectIdentifier

from pki import der
from pki.errors import DerError, PathError
from pki.paths import Node

ANY_POLICY = "2.5.29.32.0"
POLICY_MAPPINGS = ObjectIdentifier("2.5.29.33")
POLICY_EXTENSIONS = frozenset(
    {
        ExtensionOID.CERTIFICATE_POLICIES,
        POLICY_MAPPINGS,
        ExtensionOID.POLICY_CONSTRAINTS,
        ExtensionOID.INHIBIT_ANY_POLICY,
    }
)
MAX_POLICIES = 256  # in one certificate, and mappings likewise; real CAs state a dozen

Mappings = Mapping[str, frozenset[str]]


@dataclass(frozen=True, slots=True)
class _Valid:
    """One node: which policies may follow it, and which of the relying party's policies it stems from."""

    expected: frozenset[str]
    origins: frozenset[str]


_START = {ANY_POLICY: _Valid(frozenset({ANY_POLICY}), frozenset({ANY_POLICY}))}


@dataclass(slots=True)
class _State:
    """What section 6.1.2 initializes: counters down to zero, and the newest layer of the graph."""

    explicit: int
    mapping: int
    any_policy: int
    layer: dict[str, _Valid] = field(default_factory=lambda: dict(_START))


def policies_seen(path: Sequence[Node], *, wanted: frozenset[str] | None) -> str | None:
    """Return why the path is valid under no policy it must be valid under, or None.

    `path` is leaf first, anchor last. `wanted` None accepts any policy and demands none; else one of them must hold.
    Constraints that the anchor states hold too (RFC 5937 section 3.1). Raises PathError `path.budget`.
    """
    below = list(reversed(path[:-1]))
    limit = len(below) + 1
    state = _State(explicit=limit if wanted is None else 0, mapping=limit, any_policy=limit)
    _constrain(state, path[-1])
    for each in below[:-1]:
        seen = _take(state, each, last=False) or _prepare(state, each)
        if seen is not None:
            return seen
    return _take(state, below[-1], last=True) or _wrap_up(state, below[-1], wanted)


def _take(state: _State, each: Node, *, last: bool) -> str | None:
    """Section 6.1.3 (d) to (f), as RFC 9618 section 5.3 says them."""
    stated = _stated(each)
    may_be_any = state.any_policy > 0 or (not last and each.self_issued)
    state.layer = _next_layer(state.layer, stated, may_be_any=may_be_any)
    if not state.explicit and not state.layer:
        return _no_policy(each)
    return None


def _no_policy(each: Node) -> str:
    return f"no policy is left at serial {each.certificate.serial_number:x}, and one is demanded"


def _next_layer(above: Mapping[str, _Valid], stated: frozenset[str], *, may_be_any: bool) -> dict[str, _Valid]:
    expecting: dict[str, list[tuple[str, _Valid]]] = {}
    for name, valid in above.items():
        for policy in valid.expected:
            expecting.setdefault(policy, []).append((name, valid))
    wildcard = above.get(ANY_POLICY)
    layer: dict[str, _Valid] = {}
    for policy in stated - {ANY_POLICY}:
        if policy in expecting:
            layer[policy] = _child(policy, expecting[policy])
        elif wildcard is not None:
            layer[policy] = _child(policy, [(ANY_POLICY, wildcard)])
    if ANY_POLICY in stated and may_be_any:
        for policy, parents in expecting.items():
            if policy not in layer:
                layer[policy] = _child(policy, parents)
    return layer


def _child(policy: str, parents: Iterable[tuple[str, _Valid]]) -> _Valid:
    origins: set[str] = set()
    for name, parent in parents:
        origins |= {policy} if name == ANY_POLICY else parent.origins
    return _Valid(expected=frozenset({policy}), origins=frozenset(origins))


def _prepare(state: _State, each: Node) -> str | None:
    """Section 6.1.4 (a), (b) and (h) to (j)."""
    seen = _maps_any(each)
    if seen is not None:
        return seen
    for policy, mapped in _mappings(each).items():
        _map(state, policy, mapped)
    if not each.self_issued:
        state.explicit = max(state.explicit - 1, 0)
        state.mapping = max(state.mapping - 1, 0)
        state.any_policy = max(state.any_policy - 1, 0)
    _constrain(state, each)
    return None


def _maps_any(each: Node) -> str | None:
    mappings = _mappings(each)
    if ANY_POLICY in mappings or any(ANY_POLICY in mapped for mapped in mappings.values()):
        return f"serial {each.certificate.serial_number:x} maps to or from any policy"
    return None


def _map(state: _State, policy: str, mapped: frozenset[str]) -> None:
    found = state.layer.get(policy)
    if not state.mapping:
        state.layer.pop(policy, None)
    elif found is not None:
        state.layer[policy] = replace(found, expected=mapped)
    elif ANY_POLICY in state.layer:
        state.layer[policy] = _Valid(expected=mapped, origins=frozenset({policy}))


def _constrain(state: _State, each: Node) -> None:
    constraints = each.extension(x509.PolicyConstraints)
    if constraints is not None:
        explicit, mapping = constraints.value.require_explicit_policy, constraints.value.inhibit_policy_mapping
        state.explicit = state.explicit if explicit is None else min(state.explicit, explicit)
        state.mapping = state.mapping if mapping is None else min(state.mapping, mapping)
    inhibited = each.extension(x509.InhibitAnyPolicy)
    if inhibited is not None:
        state.any_policy = min(state.any_policy, inhibited.value.skip_certs)


def _wrap_up(state: _State, leaf: Node, wanted: frozenset[str] | None) -> str | None:
    """Section 6.1.5 (a), (b) and (g)."""
    state.explicit = max(state.explicit - 1, 0)
    constraints = leaf.extension(x509.PolicyConstraints)
    if constraints is not None and constraints.value.require_explicit_policy == 0:
        state.explicit = 0
    origins = frozenset().union(*(valid.origins for valid in state.layer.values()))
    accepted = origins if wanted is None or ANY_POLICY in origins | wanted else origins & wanted
    if not state.explicit and not accepted:
        return _no_policy(leaf)
    return _maps_any(leaf)  # section 4.2.1.5 forbids it wherever it stands


def _stated(each: Node) -> frozenset[str]:
    found = each.extension(x509.CertificatePolicies)
    stated = frozenset(info.policy_identifier.dotted_string for info in found.value) if found else frozenset()
    if len(stated) > MAX_POLICIES:
        raise PathError(f"a certificate states more than {MAX_POLICIES} policies", code="path.budget")
    return stated


def _mappings(each: Node) -> Mappings:
    found: dict[str, set[str]] = {}
    for pair in mapping_pairs(each.certificate.extensions):
        found.setdefault(pair[0], set()).add(pair[1])
    return {policy: frozenset(mapped) for policy, mapped in found.items()}


def mapping_pairs(extensions: x509.Extensions) -> tuple[tuple[str, str], ...]:
    """Return (issuer's policy, subject's policy) of every mapping (RFC 5280 section 4.2.1.5).

    Raises PathError `path.malformed` for bytes that are none, `path.budget` for more than MAX_POLICIES.
    """
    for found in extensions:
        if found.oid == POLICY_MAPPINGS and isinstance(found.value, x509.UnrecognizedExtension):
            return _pairs(found.value.value)
    return ()


def _pairs(encoded: bytes) -> tuple[tuple[str, str], ...]:
    try:
        members = [der.children(pair.content) for pair in der.children(der.whole(encoded, der.SEQUENCE).content)]
        pairs = tuple((der.dotted(issuer), der.dotted(subject)) for issuer, subject in members)
    except (DerError, ValueError) as cause:
        raise PathError("policy mappings cannot be read", code="path.malformed") from cause
    if not pairs:
        raise PathError("policy mappings are empty", code="path.malformed")
    if len(pairs) > MAX_POLICIES:
        raise PathError(f"a certificate maps more than {MAX_POLICIES} policies", code="path.budget")
    return pairs
