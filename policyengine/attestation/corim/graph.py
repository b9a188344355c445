"""How the tags of a CoRIM refer to each other: lists that activate tags, tags that others name, graphs of domains."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import Any

import cbor2

from policyengine.attestation.checks import Check, Requirement
from policyengine.attestation.corim import comid
from policyengine.attestation.corim.document import Corim, Tag, named, read_validity

_DEPENDENCY, _MEMBERSHIP, _COSWID = 4, 5, 6


def active_tags(corim: Corim) -> tuple[Tag, ...]:
    """Return the CoMID and CoSWID tags that count: all, or where there are CoTLs those that one of them lists."""
    lists = corim.of_kind(comid.COTL_TAG)
    tags = tuple(tag for tag in corim.tags if tag.kind != comid.COTL_TAG)
    if not lists:
        return tags
    listed = {identity for each in lists for identity in _listed(each)}
    return tuple(tag for tag in tags if (tag.id, tag.version) in listed)


def _listed(tag_list: Tag) -> Iterator[tuple[str, int]]:
    return ((named(each[0]), each.get(1, 0)) for each in tag_list.content[1])


def tag_list_check(corim: Corim, now: datetime, requirement: Requirement) -> Check:
    """Return whether every CoTL is valid and complete: its tags become active together, or none does."""
    lists = corim.of_kind(comid.COTL_TAG)
    there = {(tag.id, tag.version) for tag in corim.tags if tag.kind != comid.COTL_TAG}
    for each in lists:
        validity = read_validity(each.content[2])
        if validity is not None and not validity.covers(now):
            return requirement.failed(f"list `{each.id}` is not valid now")
        absent = [identity for identity in _listed(each) if identity not in there]
        if absent:
            return requirement.failed(f"list `{each.id}` names `{absent[0][0]}`, version {absent[0][1]}")
    return requirement.passed if lists else requirement.absent


def resolved_check(corim: Corim, requirement: Requirement) -> Check:
    """Return whether every CoSWID that a triple names is there."""
    there = {tag.id for tag in corim.of_kind(comid.COSWID_TAG)}
    records = [record for tag in corim.of_kind(comid.COMID_TAG) for record in tag.content[4].get(_COSWID, ())]
    absent = [named(name) for record in records for name in record[1] if named(name) not in there]
    if absent:
        return requirement.failed(f"`{absent[0]}`")
    return requirement.passed if records else requirement.absent


def acyclic_check(corim: Corim, requirement: Requirement) -> Check:
    """Return whether neither membership nor dependency leads back to where it began."""
    graphs = [_graph(corim, kind) for kind in (_DEPENDENCY, _MEMBERSHIP)]
    if any(has_cycle(graph) for graph in graphs):
        return requirement.failed("a domain leads back to itself")
    return requirement.passed if any(graphs) else requirement.absent


def _graph(corim: Corim, kind: int) -> Mapping[bytes, frozenset[bytes]]:
    found: dict[bytes, set[bytes]] = {}
    for tag in corim.of_kind(comid.COMID_TAG):
        for domain, others in tag.content[4].get(kind, ()):
            found.setdefault(_key(domain), set()).update(_key(each) for each in others)
    return {domain: frozenset(others) for domain, others in found.items()}


def _key(environment: Any) -> bytes:
    return cbor2.dumps(environment, canonical=True)


def has_cycle(graph: Mapping[bytes, frozenset[bytes]]) -> bool:
    """Return whether a graph has a cycle: domains that nothing leads to are taken away until none is left, or some are.

    Work: each edge is looked at twice.
    """
    leading = Counter(other for others in graph.values() for other in others)
    free = [domain for domain in graph if not leading[domain]]
    for domain in free:  # grows while it is read
        for other in graph.get(domain, frozenset()):
            leading[other] -= 1
            if not leading[other]:
                free.append(other)
    return any(leading.values())
