"""Kinds Fleet and Party: what the fleet consists of, and who may write what."""

from __future__ import annotations

import base64
from collections.abc import Mapping

from policyengine.language.diagnostics import did_you_mean
from policyengine.language.nodes import Fields, Scalar, YamlNode, at, fields, items, text, texts
from policyengine.language.page import Page
from policyengine.language.selectors import selector_of
from policyengine.model.ids import PartyName
from policyengine.model.policy import (
    Enforcement,
    Fleet,
    Model,
    Party,
    PartyKey,
    Passing,
    Right,
    Role,
    Selector,
    UnknownDevices,
)

_NEVER_A_VENDORS = frozenset({Right.LOOSEN, Right.WAIVE})


def read_fleet(page: Page) -> Fleet:
    """Return the fleet that the document describes."""
    spec = page.spec
    models = fields(spec, "models")
    return Fleet(
        name=page.name,
        enforcement=Enforcement(text(spec, "enforcement")),
        unknown_devices=UnknownDevices(text(spec, "enrollment", "unknown") or "refuse"),
        sites=tuple(sorted(texts(spec, "sites"))),
        zones=tuple(sorted(texts(spec, "zones"))),
        models={name: _model(page, name, models.entries[name]) for name in sorted(models.entries)},
        gate=_gate(fields(spec, "gate")),
    )


def _gate(written: Fields) -> Mapping[str, Passing] | None:
    opened = {purpose: Passing[(text(written, purpose) or "full").upper()] for purpose in sorted(written.entries)}
    return opened or None


def _model(page: Page, name: str, node: YamlNode) -> Model:
    scheme = text(node, "versionScheme") or ""
    versions = texts(node, "versions")
    if scheme == "ordered" and not versions:
        advice = "add `versions: [oldest, ..., newest]`"
        page.error(node, "fleet.versions", f"model `{name}` orders its versions by a list, but has none", advice)
    if scheme != "ordered" and versions:
        listed = at(node, "versions") or node
        message = f"model `{name}` compares versions as `{scheme}`, its list would not be used"
        page.error(listed, "fleet.versions", message, "remove `versions`, or write `versionScheme: ordered`")
    return Model(
        name=name,
        vendor=text(node, "vendor") or "",
        device_class=text(node, "class") or "",
        version_scheme=scheme,
        versions=versions,
        keyless=text(node, "key") == "none" or None,
    )


def check_vendors(page: Page, fleet: Fleet, parties: Mapping[str, Party | None]) -> None:
    """Report models whose vendor is not a party with the role `vendor`."""
    for name, model in fleet.models.items():
        node = page.node("spec", "models", name, "vendor")
        party = parties.get(model.vendor)
        if model.vendor not in parties:
            vendors = [one.name for one in parties.values() if one is not None and one.role is Role.VENDOR]
            advice = did_you_mean(model.vendor, vendors)
            page.error(node, "party.unknown", f"there is no party `{model.vendor}`", advice)
        elif party is not None and party.role is not Role.VENDOR:
            page.error(node, "fleet.not-a-vendor", f"party `{model.vendor}` is not a vendor", "give it `role: vendor`")


def read_party(page: Page, fleet: Fleet | None) -> Party:
    """Return the party that the document describes."""
    spec = page.spec
    keys = _keys(page)
    threshold = at(spec, "threshold")
    count = int(threshold.value or 1) if isinstance(threshold, Scalar) else 1
    if keys and count > len(keys):
        message = f"{count} of {len(keys)} keys can never sign"
        page.error(threshold or spec, "party.threshold", message, "add keys or lower `threshold`")
    role = Role(text(spec, "role"))
    party = Party(
        name=PartyName(page.name),
        role=role,
        keys=keys,
        threshold=count,
        scope=selector_of(page, ("scope",), fleet),
        may=_rights(page, role),
        endorses=tuple(sorted(texts(spec, "endorses"))),
    )
    _check_scope(page, party)
    return party


def _check_scope(page: Page, party: Party) -> None:
    if party.role is Role.VENDOR and party.scope == Selector():
        message = f"vendor `{party.name}` has no scope"
        advice = "say which devices its documents may select: `scope: {model: {in: [...]}}`"
        page.error(page.node("spec", "scope"), "party.no-scope", message, advice)


def _rights(page: Page, role: Role) -> frozenset[Right]:
    rights = frozenset(Right(right) for right in texts(page.spec, "may"))
    if role is Role.VENDOR and rights & _NEVER_A_VENDORS:
        for index, right in enumerate(texts(page.spec, "may")):
            if Right(right) in _NEVER_A_VENDORS:
                node = page.node("spec", "may", index)
                advice = "a vendor may tighten only; remove it"
                page.error(node, "party.vendor-right", f"a vendor may never `{right}`", advice)
    return rights


def _keys(page: Page) -> tuple[PartyKey, ...]:
    found: dict[str, PartyKey] = {}
    for node in items(page.spec, "keys"):
        name = text(node, "id") or ""
        if name in found:
            page.error(
                at(node, "id") or node, "party.duplicate-key", f"the key id `{name}` is used twice", "rename one"
            )
        found[name] = PartyKey(id=name, ed25519=_raw_key(page, node))
    return tuple(found[name] for name in sorted(found))


def _raw_key(page: Page, node: YamlNode) -> bytes:
    raw = base64.b64decode(text(node, "ed25519") or "")
    if not any(raw):
        place = node.entries["ed25519"] if isinstance(node, Fields) else node
        page.error(place, "party.weak-key", "the key is all zero bytes, anyone could sign with it", "put the real key")
    return raw
