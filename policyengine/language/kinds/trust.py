"""Kinds TrustAnchors and ReferenceValues: what vendors vouch for."""

from __future__ import annotations

from collections.abc import Iterator

from cryptography import x509

from pki.certificates import is_ca, load_certificate, split_certificates
from pki.errors import PathError
from policyengine.language.diagnostics import did_you_mean
from policyengine.language.kinds.attest_keys import check_key_files
from policyengine.language.kinds.corim import with_corims
from policyengine.language.layout import home_of
from policyengine.language.nodes import Items, Scalar, YamlNode, at, items, scalars, text, texts
from policyengine.language.page import Page
from policyengine.language.patterns import refusal
from policyengine.language.surroundings import Surroundings, needs_right, owner_of, party_at
from policyengine.language.values import moment_at
from policyengine.model.endorsements import Endorser, ReferenceComponent, ReferenceValues, Release
from policyengine.model.policy import DEVICE_USES, LIST_USE, Anchor, Party, Right, Role
from policyengine.model.version import VersionError, key_function


def check_models(page: Page, nodes: Iterator[Scalar], around: Surroundings) -> None:
    """Report models at `nodes` that the fleet does not have."""
    if around.fleet is None:
        return
    for one in nodes:
        if one.value not in around.fleet.models:
            shown = str(one.value)
            advice = did_you_mean(shown, around.fleet.models)
            page.error(one, "fleet.unknown-model", f"there is no model `{shown}` in fleet.yaml", advice)


def _check_vendors_own(page: Page, nodes: Iterator[Scalar], vendor: str, around: Surroundings) -> None:
    """Report models at `nodes` that another vendor makes: nobody speaks for somebody else's devices."""
    for one in nodes:
        model = around.fleet.models.get(str(one.value)) if around.fleet is not None else None
        if model is not None and model.vendor != vendor:
            message = f"model `{model.name}` is made by `{model.vendor}`, not by `{vendor}`"
            page.error(one, "trust.foreign-model", message, "a vendor speaks for its own models only")


def read_anchors(page: Page, around: Surroundings) -> tuple[Anchor, ...]:
    """Return the document's trust anchors; those whose certificate cannot be read are reported and left out."""
    needs_right(page, page.node("metadata", "owner"), owner_of(page, around), Right.TRUST_ANCHORS)
    _check_list_signers(page)
    found = (_anchor(page, node, around) for node in items(page.spec, "anchors"))
    return tuple(anchor for anchor in found if anchor is not None)


def _check_list_signers(page: Page) -> None:
    """Report CAs whose certificates may sign lists of serial numbers and are given to devices as well."""
    nodes = list(items(page.spec, "anchors"))
    of_devices = {text(node, "file") for node in nodes if DEVICE_USES & set(texts(node, "use"))}
    for node in nodes:
        if LIST_USE in texts(node, "use") and text(node, "file") in of_devices:
            message = f"`{text(node, 'file')}` certifies devices: each of them could sign lists of serial numbers"
            advice = "ask the vendor for a CA that certifies keys for lists only"
            page.error(at(node, "use") or node, "trust.serials-ca", message, advice)


def _anchor(page: Page, node: YamlNode, around: Surroundings) -> Anchor | None:
    vendor = text(node, "vendor") or ""
    party = party_at(page, at(node, "vendor") or node, vendor, around)
    if party is not None and party.role is not Role.VENDOR:
        message = f"party `{vendor}` is not a vendor"
        page.error(at(node, "vendor") or node, "fleet.not-a-vendor", message, "name the vendor the CA speaks for")
    check_models(page, scalars(node, "models"), around)
    _check_vendors_own(page, scalars(node, "models"), vendor, around)
    _check_pattern(page, node)
    certificate = _certificate(page, node, around)
    if certificate is None:
        return None
    return Anchor(
        certificate=certificate,
        use=frozenset(texts(node, "use")),
        vendor=vendor,
        models=tuple(sorted(texts(node, "models"))),
        serial=text(node, "serial"),
        place=page.place(node),
    )


def _check_pattern(page: Page, node: YamlNode) -> None:
    pattern = text(node, "serial")
    problem = None if pattern is None else refusal(pattern)
    if problem is not None:
        place = at(node, "serial") or node
        page.error(place, "trust.serial-pattern", f"`{pattern}` is not an RE2 pattern: {problem}", "mend the pattern")


def _certificate(page: Page, node: YamlNode, around: Surroundings) -> str | None:
    """Return the PEM text of the one CA certificate beside the document, with LF line ends."""
    place = at(node, "file") or node
    path = page.file.rpartition("/")[0] + "/" + (text(node, "file") or "")
    content = around.files.get(path)
    if content is None:
        page.error(place, "trust.missing-file", f"there is no file `{path}`", "put the PEM file beside this document")
        return None
    certificate = _only_certificate(content)
    if certificate is None:
        page.error(place, "trust.not-a-certificate", f"`{path}` does not hold exactly one PEM certificate", "")
        return None
    _check_authority(page, place, certificate, around)
    return content.decode("ascii", "replace").replace("\r\n", "\n")


def _only_certificate(content: bytes) -> x509.Certificate | None:
    try:
        found = split_certificates(content) if b"-----BEGIN" in content else ()
        return load_certificate(found[0]) if len(found) == 1 else None
    except PathError:
        return None


def _check_authority(page: Page, place: YamlNode, certificate: x509.Certificate, around: Surroundings) -> None:
    if not is_ca(certificate):
        advice = "name the vendor's CA certificate, not a device's"
        page.error(place, "trust.not-a-ca", "the certificate is not a CA (RFC 5280 section 4.2.1.9)", advice)
    if certificate.not_valid_after_utc <= around.now:
        page.warning(place, "trust.expired", "the certificate has expired", "ask the vendor for its current root")


def read_reference_values(page: Page, around: Surroundings, anchors: tuple[Anchor, ...]) -> ReferenceValues:
    """Return the releases that the party of the document's directory vouches for."""
    home = home_of(page.file)
    party = party_at(page, page.node("metadata"), home.party or "", around) if home is not None else None
    needs_right(page, page.node("metadata"), party, Right.REFERENCE_VALUES)
    check_models(page, scalars(page.spec, "models"), around)
    if party is not None and party.role is Role.VENDOR:
        _check_vendors_own(page, scalars(page.spec, "models"), party.name, around)
    _check_own(page, party)
    models = tuple(sorted(texts(page.spec, "models")))
    written = tuple(_releases(page, models, around, "" if party is None else party.name))
    check_key_files(page, around)
    return with_corims(page, ReferenceValues(models=models, releases=written), party, anchors, around)


def _check_own(page: Page, party: Party | None) -> None:
    if party is not None and page.owner and page.owner != party.name:
        message = f"`{page.file}` does not belong to party `{page.owner}`"
        node = page.node("metadata", "owner")
        page.error(node, "layout.wrong-owner", message, f"move the document below reference-values/{page.owner}/")


def _releases(page: Page, models: tuple[str, ...], around: Surroundings, party: str) -> Iterator[Release]:
    seen: set[str] = set()
    for node in items(page.spec, "releases"):
        version = text(node, "version") or ""
        place = at(node, "version") or node
        if version in seen:
            page.error(place, "reference.duplicate", f"release `{version}` is listed twice", "remove one of the two")
        seen.add(version)
        _check_version(page, place, version, models, around)
        _check_corim(page, node, around)
        yield _release(page, node, version, party)


def _check_version(page: Page, place: YamlNode, version: str, models: tuple[str, ...], around: Surroundings) -> None:
    for name in models:
        model = around.fleet.models.get(name) if around.fleet is not None else None
        if model is None:
            continue
        try:
            key_function(model.version_scheme, model.versions)(version)
        except VersionError as problem:
            message = f"`{version}` is no version of model `{name}`: {problem.message}"
            page.error(place, "reference.version", message, f"its scheme is `{model.version_scheme}`")


def _check_corim(page: Page, node: YamlNode, around: Surroundings) -> None:
    corim = at(node, "corim")
    path = page.file.rpartition("/")[0] + "/" + (text(node, "corim") or "")
    if corim is not None and path not in around.files:
        page.error(corim, "reference.missing-file", f"there is no file `{path}`", "put the CoRIM beside this document")
    if corim is None and not isinstance(at(node, "components"), Items):
        page.error(node, "reference.empty", "the release has neither `components` nor `corim`", "add one of them")


def _release(page: Page, node: YamlNode, version: str, party: str) -> Release:
    svn = at(node, "svn")
    until = at(node, "until")
    components = (
        ReferenceComponent(name=text(one, "name") or "", sha256=text(one, "sha256") or "")
        for one in items(node, "components")
    )
    return Release(
        version=version,
        svn=int(svn.value or 0) if isinstance(svn, Scalar) else None,
        components=tuple(components),
        corim=text(node, "corim"),
        until=None if until is None else moment_at(page, until),
        endorser=Endorser(party=party) if party else None,
    )
