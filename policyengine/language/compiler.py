"""The whole pipeline: the files of a policy repository -> a Bundle, or every diagnostic at once, sorted.

1. read every YAML file and check each document's shape and place (documents.py); 2. compile fleet, parties, facts and
controls: the surroundings; 3. compile policies, then what refers to them; 4. build the bundle if nothing is an error.

A document that is refused in step 1 still lends its name, so that a reference to it is not reported as well.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import TypeVar

from policyengine.language.bundle import encode
from policyengine.language.cel.environment import Environment
from policyengine.language.codes import WAIVER_CODES
from policyengine.language.diagnostics import Report, errors, has_errors, in_order
from policyengine.language.documents import Documents, ReadFile, gather, read_file
from policyengine.language.kinds.attest_keys import check_keys_once
from policyengine.language.kinds.binding import Policies, read_binding
from policyengine.language.kinds.catalog import read_controls, read_facts
from policyengine.language.kinds.corim import check_tag_versions
from policyengine.language.kinds.fleet import check_vendors, read_fleet, read_party
from policyengine.language.kinds.policy import WrittenPolicy, policy_name, read_policy
from policyengine.language.kinds.profile import read_profile
from policyengine.language.kinds.test import read_policy_test
from policyengine.language.kinds.trust import read_anchors, read_reference_values
from policyengine.language.kinds.waiver import read_waiver
from policyengine.language.layout import check_owner, is_document, missing_files
from policyengine.language.nodes import scalars, text
from policyengine.language.page import Page
from policyengine.language.regions import with_ends
from policyengine.language.surroundings import Surroundings
from policyengine.language.test_lints import note_untested
from policyengine.model.corim import CorimReader, no_reader
from policyengine.model.diagnostic import Diagnostic, Level
from policyengine.model.ids import Digest, PartyName, PolicyName, digest_of
from policyengine.model.policy import Bundle, Party
from policyengine.model.policy_test import PolicyTest
from policyengine.model.schema import CORE_SCHEMA
from policyengine.model.types import Type

UNBOUND = "policy.unbound"

_T = TypeVar("_T")


@dataclass(frozen=True, slots=True, kw_only=True)
class Compilation:
    """What came of a tree: a bundle and its digest, or neither and at least one diagnostic of severity error.

    `judging` is what devices are judged by: the bundle, also when all mistakes are in waivers, which cover nothing.
    """

    bundle: Bundle | None
    digest: Digest | None
    judging: Bundle | None
    diagnostics: tuple[Diagnostic, ...]
    tests: tuple[PolicyTest, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Analysis:
    """What the compiler says of read files: everything that compiles (None without a fleet), and what does not.

    `diagnostics` are those of compiling alone; those of reading stand in the files.
    """

    bundle: Bundle | None
    diagnostics: tuple[Diagnostic, ...]
    tests: tuple[PolicyTest, ...]


def compile_tree(files: Mapping[str, bytes], *, now: datetime, corims: CorimReader = no_reader) -> Compilation:
    """Return the bundle of `files` (path from the repository's root -> content), or all that is wrong with them.

    `now` is aware UTC: waivers, trust anchors and CoRIMs are judged by it. `corims` reads signed CoRIMs; without it
    none is believed. Never raises for what the files hold.
    """
    read_files = {path: read_file(path, files[path]) for path in sorted(filter(is_document, files))}
    analysis = analyse(read_files, files, now=now, corims=corims)
    reading = (one for read_one in read_files.values() for one in read_one.diagnostics)
    diagnostics = with_ends(in_order((*reading, *analysis.diagnostics)), files)
    good = None if has_errors(diagnostics) else analysis.bundle
    return Compilation(
        bundle=good,
        digest=None if good is None else digest_of(encode(good)),
        judging=analysis.bundle if all(one.code in WAIVER_CODES for one in errors(diagnostics)) else None,
        diagnostics=diagnostics,
        tests=analysis.tests,
    )


def analyse(
    read_files: Mapping[str, ReadFile],
    files: Mapping[str, bytes],
    *,
    now: datetime,
    corims: CorimReader = no_reader,
    elsewhere: frozenset[PolicyName] = frozenset(),
) -> Analysis:
    """Return what the compiler says of `read_files`; `files` are those that documents name beside them.

    `elsewhere` are policies that exist and are not among the files: what refers to them is not judged.
    """
    report = Report()
    report.extend(missing_files(files))
    documents = gather(read_files.values(), report)
    org_facts = read_facts(documents.of("FactSchema"))
    around = replace(_surroundings(documents, files, org_facts, now), corims=corims)
    _check_owners(documents, around)
    policies = _policies(documents, around)
    refused = (PolicyName(name) for name in documents.refused_of("Policy"))
    known: Policies = {**dict.fromkeys((*elsewhere, *refused)), **policies}
    bundle = _bundle(documents, around, policies, known, org_facts)
    tests = [read_policy_test(page, around, known) for page in documents.of("PolicyTest")]
    note_untested(documents)
    return Analysis(
        bundle=bundle, diagnostics=tuple(report.found), tests=tuple(test for test in tests if test is not None)
    )


def _surroundings(
    documents: Documents, files: Mapping[str, bytes], org_facts: Mapping[str, Type], now: datetime
) -> Surroundings:
    fleet = next((read_fleet(page) for page in documents.of("Fleet")), None)
    parties: dict[str, Party | None] = dict.fromkeys(documents.refused_of("Party"))
    parties |= {page.name: read_party(page, fleet) for page in documents.of("Party")}
    for page in documents.of("Fleet"):
        if fleet is not None and parties:
            check_vendors(page, fleet, parties)
    schema = CORE_SCHEMA.with_org(org_facts)
    return Surroundings(
        fleet=fleet,
        parties=parties,
        schema=schema,
        environment=Environment.for_facts(schema),
        controls=read_controls(documents.of("ControlCatalog")),
        now=now,
        files=files,
    )


def _check_owners(documents: Documents, around: Surroundings) -> None:
    """Report owners that do not exist, or whose directory is another; the other kinds look at theirs themselves."""
    for kind in ("Policy", "Binding", "PolicyTest", "Fleet", "FactSchema", "ControlCatalog"):
        for page in documents.of(kind):
            check_owner(page, around)


def _policies(documents: Documents, around: Surroundings) -> dict[PolicyName, WrittenPolicy]:
    return {policy_name(page): read_policy(page, around) for page in documents.of("Policy")}


def _bundle(
    documents: Documents,
    around: Surroundings,
    policies: Mapping[PolicyName, WrittenPolicy],
    known: Policies,
    org_facts: Mapping[str, Type],
) -> Bundle | None:
    """Return everything that compiles, or None without a fleet; it is a bundle only if nothing was reported."""
    bindings = _present(read_binding(page, around, known) for page in documents.of("Binding"))
    _note_unbound(documents)
    waivers = _present(read_waiver(page, around, known) for page in documents.of("Waiver"))
    profiles = tuple(read_profile(page, around) for page in documents.of("CertificateProfile"))
    _check_one_profile_each(documents)
    anchors = tuple(one for page in documents.of("TrustAnchors") for one in read_anchors(page, around))
    references = tuple(read_reference_values(page, around, anchors) for page in documents.of("ReferenceValues"))
    check_tag_versions(documents.of("ReferenceValues"), references)
    check_keys_once(documents.of("ReferenceValues"), references)
    if around.fleet is None:
        return None
    return Bundle(
        fleet=around.fleet,
        parties={PartyName(name): party for name, party in around.parties.items() if party is not None},
        policies={name: written.policy for name, written in policies.items()},
        bindings=tuple(sorted(bindings, key=lambda one: one.name)),
        waivers=tuple(sorted(waivers, key=lambda one: one.name)),
        profiles=tuple(sorted(profiles, key=lambda one: one.name)),
        anchors=anchors,
        reference_values=references,
        controls=around.controls,
        org_facts=org_facts,
    )


def _present(found: Iterable[_T | None]) -> tuple[_T, ...]:
    return tuple(one for one in found if one is not None)


def _note_unbound(documents: Documents) -> None:
    """Say which policies nothing binds: they are evaluated in `audit`."""
    if documents.refused_of("Binding"):
        return
    bound = {text(page.spec, "policy") for page in documents.of("Binding")}
    for page in documents.of("Policy"):
        if policy_name(page) not in bound:
            node = page.node("metadata", "name")
            documents.report.add(unbound(page.file, (node.line, node.column)))


def unbound(file: str, place: tuple[int, int]) -> Diagnostic:
    """Return the note on a policy, whose name stands at line and column `place`, that nothing binds it."""
    line, column = place
    return Diagnostic(
        file=file,
        line=line,
        column=column,
        code=UNBOUND,
        severity=Level.INFO,
        message="no binding applies this policy",
        help="write a Binding to apply it",
    )


def _check_one_profile_each(documents: Documents) -> None:
    """Report models that two certificate profiles are for: nobody could say which one a device gets."""
    first: dict[object, Page] = {}
    for page in documents.of("CertificateProfile"):
        for one in scalars(page.spec, "for"):
            other = first.setdefault(one.value, page)
            if other is not page:
                message = f"model `{one.value}` already has the profile `{other.name}`"
                page.error(one, "profile.overlap", message, "name each model in one profile only")
