"""Kind CertificateProfile: what a device certificate looks like, refused here where no CA of ours could issue it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import timedelta

from pki.errors import NameRefusedError, ProfileError
from pki.names import subject_template, uri_template
from pki.profile import MAX_DEVICE_LIFETIME, MAX_LATE_RENEWAL, MIN_LIFETIME, constrained_dns
from policyengine.language.kinds.trust import check_models
from policyengine.language.nodes import Scalar, YamlNode, at, fields, scalars, text, texts
from policyengine.language.page import Page
from policyengine.language.surroundings import Surroundings, owner_of, party_at, party_names
from policyengine.language.templates import check_device_template
from policyengine.language.values import NO_LENGTH, length_at
from policyengine.model.policy import CertificateProfile, RevocationTerms, Role, TierTerms

PROPOSAL_WAITS = timedelta(hours=72)  # over a weekend
MAX_PROPOSAL_WAITS = timedelta(days=30)  # what nobody confirmed in a month, nobody agrees to


def read_profile(page: Page, around: Surroundings) -> CertificateProfile:
    """Return the certificate profile."""
    spec = page.spec
    owner_of(page, around)
    check_models(page, scalars(spec, "for"), around)
    for node, template in _templates(spec):
        check_device_template(page, node, around.schema)
        _check_template(page, node, template)
    renew_at, late_renewal, tiers = at(spec, "renew_at"), at(spec, "late_renewal"), fields(spec, "tiers")
    return CertificateProfile(
        name=page.name,
        models=tuple(sorted(texts(spec, "for"))),
        key=texts(spec, "key"),
        lifetime=_lifetime(page, at(spec, "lifetime") or spec),
        renew_at=float(renew_at.value or 0) if isinstance(renew_at, Scalar) else 0.5,
        subject=text(spec, "subject") or "",
        san_dns=texts(spec, "san", "dns"),
        san_uri=texts(spec, "san", "uri"),
        eku=texts(spec, "eku"),
        tiers={name: _tier(page, tiers.entries[name]) for name in sorted(tiers.entries)},
        place=page.place(page.root),
        late_renewal=None if late_renewal is None else _window(page, late_renewal),
        revocation=_revocation(page, at(spec, "revocation"), around),
    )


def _templates(spec: YamlNode) -> Iterator[tuple[Scalar, Callable[[str], object]]]:
    """Yield the templates of names, and what refuses each that could make no name or any name."""
    subject = at(spec, "subject")
    if isinstance(subject, Scalar):
        yield subject, subject_template
    yield from ((node, constrained_dns) for node in scalars(spec, "san", "dns"))
    yield from ((node, uri_template) for node in scalars(spec, "san", "uri"))


def _check_template(page: Page, node: Scalar, template: Callable[[str], object]) -> None:
    try:
        template(str(node.value))
    except (NameRefusedError, ProfileError) as cause:
        advice = "see docs/pki.md, Profiles, for what names may be made of"
        page.error(node, "profile.name", f"no certificate can have this name: {cause.message}", advice)


def _lifetime(page: Page, node: YamlNode) -> timedelta:
    found = length_at(page, node)
    if found != NO_LENGTH and not MIN_LIFETIME <= found <= MAX_DEVICE_LIFETIME:
        advice = f"say between 1m and {MAX_DEVICE_LIFETIME.days}d; a longer life is a problem of revocation"
        page.error(node, "profile.bounds", "no device certificate lives that long", advice)
    return found


def _window(page: Page, node: YamlNode) -> timedelta:
    found = length_at(page, node)
    if found > MAX_LATE_RENEWAL:
        advice = f"say at most {MAX_LATE_RENEWAL.days}d; a device that was away longer enrols anew"
        page.error(node, "profile.bounds", "no certificate renews that long after its end", advice)
    return found


def _revocation(page: Page, node: YamlNode | None, around: Surroundings) -> RevocationTerms | None:
    if node is None:
        return None
    for one in scalars(node, "approvals"):
        party = party_at(page, one, str(one.value), around)
        if party is not None and party.role is Role.VENDOR:
            advice = "name two of IT, engineering and operations: vendors are told, never needed"
            page.error(one, "profile.approvals", f"party `{party.name}` is a vendor", advice)
    expires, hold = at(node, "expires"), at(node, "hold")
    waits = PROPOSAL_WAITS if expires is None else length_at(page, expires)
    if expires is not None and waits > MAX_PROPOSAL_WAITS:
        advice = f"say at most {MAX_PROPOSAL_WAITS.days}d"
        page.error(expires, "profile.bounds", "a proposal cannot wait that long to be confirmed", advice)
    return RevocationTerms(
        approvals=party_names(texts(node, "approvals")),
        expires=waits,
        hold=isinstance(hold, Scalar) and bool(hold.value),
    )


def _tier(page: Page, node: YamlNode) -> TierTerms:
    lifetime = at(node, "lifetime")
    return TierTerms(
        lifetime=None if lifetime is None else _lifetime(page, lifetime),
        eku=texts(node, "eku") or None,
    )
