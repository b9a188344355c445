"""The software components of a PSA token (RFC 9783 section 4.4.1), read once for all devices that run the same."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from policyengine.attestation.checks import described
from policyengine.attestation.plain_text import MAX_TEXT
from policyengine.attestation.psa import claims as psa_claims
from policyengine.model.endorsements import Measured, Release
from policyengine.model.schema import MAX_SOFTWARE

MAX_KEPT = 512  # inventories; a fleet runs dozens, and one can have 64 KiB, which is what a whole token may have
SHA256_HEX = 64  # characters

# IANA "Named Information Hash Algorithm Registry" names, with the spellings that implementations send.
_HASHES = {
    "sha-256": ("sha-256", 32),
    "sha256": ("sha-256", 32),
    "sha-384": ("sha-384", 48),
    "sha384": ("sha-384", 48),
    "sha-512": ("sha-512", 64),
    "sha512": ("sha-512", 64),
}
_ARRAYS = (list, tuple)
_KEPT_TYPES = frozenset({bytes, str})
_TEXTS = (
    (psa_claims.TYPE, "measurement type"),
    (psa_claims.VERSION, "version"),
    (psa_claims.DESCRIPTION, "measurement description"),
)

Component = Mapping[Any, Any]


class Compared(NamedTuple):
    """An inventory beside reference values, as facts. `release`: the only one that it is as a whole, or None.

    INVARIANT: shared by all devices of that release, so nobody changes what is in it.
    """

    release: Release | None
    svn: int | None
    endorsement: Mapping[str, object]
    rows: Sequence[Mapping[str, object]]


@dataclass(slots=True)
class Inventory:
    """What is wrong with a list of components, or None; then what each says as facts, and its name and SHA-256.

    `measured` has None where a component has no name or was measured with another hash. `last` is how this compared
    with the last release that it was as a whole.
    """

    problem: str | None
    rows: tuple[Mapping[str, object], ...] = ()
    measured: tuple[Measured | None, ...] = ()
    whole: frozenset[Measured | None] = field(init=False)
    last: Compared | None = field(default=None, init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        """Make the key under which reference values know the whole."""
        self.whole = frozenset(self.measured)


def inventory(components: Any, *, maximum: int = MAX_SOFTWARE) -> Inventory:
    """Return what `components`, the value of the claim or None, come to; more than `maximum` are a problem."""
    if not isinstance(components, _ARRAYS) or not 1 <= len(components) <= maximum:
        return Inventory(described(components))
    try:
        digests = tuple([component[psa_claims.VALUE] for component in components])
        kept = _kept.get(digests)
    except (LookupError, TypeError):  # not a map, or one without a digest, or with a list for one
        return read_anew(components)
    if kept and kept[0] == components:
        return kept[1]
    found = read_anew(components)
    # Of other types some are equal and not the same, as 1 and true are: those are read each time.
    if all(type(each) is dict and _KEPT_TYPES.issuperset(map(type, each.values())) for each in components):
        _keep(digests, [dict(each) for each in components], found)
    return found


# By the digests of all components: what was said of them last, and what it came to.
_kept: dict[tuple[object, ...], tuple[list[Component], Inventory]] = {}


def _keep(digests: tuple[object, ...], said: list[Component], found: Inventory) -> None:
    if len(_kept) >= MAX_KEPT:
        _kept.clear()
    _kept[digests] = said, found


def read_anew(components: Sequence[Any]) -> Inventory:
    """Return what at least one component comes to, whatever is kept; a problem is that of the first that has one."""
    for index, component in enumerate(components):
        problem = _problem(component)
        if problem:
            return Inventory(f"component {index}: {problem}")
    rows = tuple(map(_row, components))
    return Inventory(None, rows, tuple(map(_measured, components, rows)))


def _problem(component: object) -> str | None:
    if not isinstance(component, dict):
        return described(component)
    for key, name in ((psa_claims.VALUE, "measurement value"), (psa_claims.SIGNER, "signer id")):
        value = component.get(key)
        if type(value) is not bytes or len(value) not in psa_claims.HASH_SIZES:
            return f"{name} is {described(value)}"
    for key, name in _TEXTS:
        text = component.get(key, "")
        if type(text) is not str or len(text) > MAX_TEXT or psa_claims.NUL in text:
            return f"{name} is {described(text)}"
    return None


def _row(component: Component) -> Mapping[str, object]:
    digest, kind = component[psa_claims.VALUE], component.get(psa_claims.TYPE)
    row: dict[str, object] = {"digest": digest.hex(), "signer": component[psa_claims.SIGNER].hex()}
    if kind is not None:
        row["name"] = row["type"] = kind
    if psa_claims.VERSION in component:
        row["version"] = component[psa_claims.VERSION]
    if psa_claims.DESCRIPTION in component:
        algorithm, size = _HASHES.get(component[psa_claims.DESCRIPTION].lower(), ("", 0))
        if size == len(digest):
            row["digest_alg"] = algorithm
    return row


def _measured(component: Component, row: Mapping[str, Any]) -> Measured | None:
    unnamed = "name" not in row or len(row["digest"]) != SHA256_HEX
    if unnamed or (psa_claims.DESCRIPTION in component and row.get("digest_alg") != "sha-256"):
        return None
    return row["name"], row["digest"]
