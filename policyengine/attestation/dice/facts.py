"""The facts that a believed DICE chain gives (groups `boot` and `software`); what it does not say stays absent."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache

from policyengine.attestation.dice.layers import DEBUG, NOT_CONFIGURED, WORRYING, Fwid, Layer
from policyengine.attestation.reference import Comparison, Match, compare
from policyengine.model.endorsements import Measured, ReferenceValues

MAX_COMPONENTS = 256  # facts are bounded lists; a chain of eight certificates can state more
_PREFERRED = ("sha-256", "sha-384", "sha-512", "sha3-256", "sha3-384", "sha3-512")

Layers = tuple[tuple[Layer, ...], ...]  # by certificate, root first


@dataclass(frozen=True, slots=True, kw_only=True)
class Component:
    """One measured thing: its name, its digests, at most one in an algorithm, and the facts that follow from it alone.

    `measured` is its name and digest, None where that is in no algorithm that reference values have.
    """

    name: str
    fwids: tuple[Fwid, ...]
    measured: Measured | None
    facts: Mapping[str, object]


@lru_cache(maxsize=4096)  # devices with the same firmware say the same
def components(layers: Layers) -> tuple[Component, ...]:
    """Return what the certificates measure, `layers` by certificate, root first.

    Names are `layer-L`, or `layer-L.I` where an index is stated, L being the layer stated or the certificate's place
    among those that measure; what is not code itself adds what it is; a second digest in one algorithm adds `/2`.
    """
    found = []
    for place, of_certificate in enumerate(each for each in layers if each):
        for layer in of_certificate:
            number = place if layer.layer is None else layer.layer
            name = f"layer-{number}" if layer.index is None else f"layer-{number}.{layer.index}"
            name += f"-{layer.kind}" if layer.kind in {"configuration", "authority"} else ""
            found += [
                _component(name if turn == 1 else f"{name}/{turn}", number, layer, fwids)
                for turn, fwids in enumerate(_turns(layer.fwids), start=1)
            ]
    return tuple(found[:MAX_COMPONENTS])


def _component(name: str, number: int, source: Layer, fwids: tuple[Fwid, ...]) -> Component:
    by_name = {fwid.algorithm: fwid for fwid in fwids}
    shown = next((by_name[known] for known in _PREFERRED if known in by_name), None) or next(iter(fwids), None)
    kind = _printable(source.type) if source.type is not None else source.kind
    facts: dict[str, object | None] = {
        "name": name,
        "type": kind,
        "version": source.version,
        "svn": source.svn,
        "layer": str(number),
        "digest": None if shown is None else shown.digest.hex(),
        "digest_alg": None if shown is None else shown.algorithm,
    }
    comparable = shown is not None and shown.algorithm in {"sha-256", "sha-384", "sha-512"}
    return Component(
        name=name,
        fwids=fwids,
        measured=(name, shown.digest.hex()) if shown is not None and comparable else None,
        facts={key: value for key, value in facts.items() if value is not None},
    )


def _turns(fwids: tuple[Fwid, ...]) -> Iterator[tuple[Fwid, ...]]:
    """Yield groups in which no algorithm repeats: the digests of one thing, then of the next."""
    turns: list[dict[str, Fwid]] = [{}]
    for fwid in fwids:
        turn = next((each for each in turns if fwid.oid not in each), None)
        if turn is None:
            turn = {}
            turns.append(turn)
        turn[fwid.oid] = fwid
    return (tuple(turn.values()) for turn in turns)


def add_facts(facts: dict[str, object], layers: Layers, *, endorsements: ReferenceValues | None, now: datetime) -> None:
    """Add groups `boot` and `software` of a chain that passed every check, compared with `endorsements` at `now`."""
    found = components(layers)
    comparison = compare([each.measured for each in found], endorsements=endorsements, now=now)
    boot, svn = _boot(layers)
    # What the layer below measured beats what a release says.
    number = comparison.svn if svn is None else svn
    if boot or number is not None:
        facts["boot"] = {**boot, **({} if number is None else {"svn": number})}
    if comparison.endorsement:
        facts["endorsement"] = comparison.endorsement
    facts["software"] = [
        _software(each, match, comparison) for each, match in zip(found, comparison.matches, strict=True)
    ]


def _software(component: Component, match: Match, comparison: Comparison) -> dict[str, object]:
    """Return what the layer states of itself and, where it does not, what its release says."""
    release = {"version": comparison.version, "svn": comparison.svn}
    known = {name: value for name, value in release.items() if value is not None}
    return {**known, **component.facts, "match": match.value}


@lru_cache(maxsize=4096)  # as for components
def _boot(layers: Layers) -> tuple[Mapping[str, object], int | None]:
    """Return the boot state that the flags of all layers give, and the SVN of the last one that states any."""
    flat = [layer for each in layers for layer in each]
    stated = [layer.svn for layer in flat if layer.svn is not None]
    return _state(flat), stated[-1] if stated else None


def _state(layers: Sequence[Layer]) -> Mapping[str, object]:
    """Return what the flags of all layers together say: one that is set is enough, a clear one counts if all are."""
    flags = frozenset[str]().union(*(layer.flags for layer in layers))
    if not flags & WORRYING:
        clear = bool(layers) and all(layer.stated >= WORRYING for layer in layers)
        return {"secure": True, "mode": "production", "debug": "disabled", "lifecycle": "secured"} if clear else {}
    state: dict[str, object] = {"secure": False, "mode": "debug" if DEBUG in flags else "unknown"}
    if DEBUG in flags:
        state |= {"debug": "enabled", "lifecycle": "debug"}
    elif layers and all(DEBUG in layer.stated for layer in layers):
        state["debug"] = "disabled"
    if NOT_CONFIGURED in flags:
        state["lifecycle"] = "provisioning"
    return state


def _printable(content: bytes) -> str:
    text = content.decode("utf-8", "replace")
    return text if text.isprintable() and text.isascii() and text else content.hex()
