"""What may not change from one state of a repository to the next: versions rise, waivers keep their first day."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime

from policyengine.language.diagnostics import Report
from policyengine.language.documents import full_name, gather, read_file
from policyengine.language.layout import is_about_a_policy, is_document
from policyengine.language.nodes import at, plain, text
from policyengine.language.page import Page
from policyengine.language.regions import with_ends
from policyengine.model.diagnostic import Diagnostic
from policyengine.model.times import InvalidTimeError, parse_moment
from policyengine.model.version import VersionError, key_function


def compare(before: Mapping[str, bytes], after: Mapping[str, bytes]) -> tuple[Diagnostic, ...]:
    """Return what in `after` may not follow on `before`; only files that differ are read.

    Order of keys, layout and comments are no content (DESIGN section 4: a version must rise when the content changes).
    """
    report = Report()
    old = _pages({path: data for path, data in before.items() if after.get(path) != data}, Report())
    for key, page in _pages({path: data for path, data in after.items() if before.get(path) != data}, report).items():
        if key in old:
            _CHECKS[page.kind](old[key], page)
    found = (one for one in report.found if one.code in CODES)
    return with_ends(found, after)


def _pages(files: Mapping[str, bytes], report: Report) -> dict[tuple[str, str], Page]:
    paths = sorted(path for path in files if is_document(path) and is_about_a_policy(path))
    documents = gather((read_file(path, files[path]) for path in paths), report)
    return {(page.kind, full_name(page)): page for kind in _CHECKS for page in documents.of(kind)}


def _check_version(old: Page, new: Page) -> None:
    before, after = (text(page.root, "metadata", "version") or "" for page in (old, new))
    node = new.node("metadata", "version")
    order = _compared(before, after)
    if order is None:
        return
    if order > 0:
        message = f"version `{after}` is below `{before}`, which Git has"
        new.error(node, "version.lowered", message, f"write a version above it, such as `{_raised(before)}`")
    elif order == 0 and _content(old) != _content(new):
        message = f"the policy changed, and its version is still `{before}`"
        new.error(node, "version.not-raised", message, f"raise it, for example to `{_raised(before)}`")


def _compared(before: str, after: str) -> int | None:
    """Return 1 when `before` is the higher version, 0 for equal ones, -1 otherwise; None when they do not parse."""
    key = key_function("semver", ())
    try:
        first, second = key(before), key(after)
    except VersionError:
        return None
    return int(bool(first > second)) - int(bool(first < second))


def _raised(version: str) -> str:
    """Return the next version after `version`."""
    major, minor, patch = version.partition("+")[0].partition("-")[0].split(".")
    return f"{major}.{minor}.{int(patch) + 1}"


def _content(page: Page) -> object:
    document = plain(page.root)
    return _without_version(document) if isinstance(document, dict) else document


def _without_version(document: dict[str, object]) -> dict[str, object]:
    metadata = document.get("metadata")
    kept = {key: value for key, value in metadata.items() if key != "version"} if isinstance(metadata, dict) else {}
    return {**document, "metadata": kept}


def _check_extension(old: Page, new: Page) -> None:
    """Report a waiver that ends later than it did and does not say since when, so that its life cannot be counted."""
    before, after = _end(old), _end(new)
    if before is None or after is None or after <= before:
        return
    first, kept = text(old.spec, "granted"), text(new.spec, "granted")
    if kept is None or (first is not None and kept != first):
        message = "the waiver ends later than in Git, and does not say when it was first granted"
        advice = f"write `granted: {first or 'YYYY-MM-DD'}`; extensions count towards one maximum"
        new.error(at(new.spec, "granted") or new.node("spec", "expires"), "waiver.extended", message, advice)


def _end(page: Page) -> datetime | None:
    try:
        return parse_moment(text(page.spec, "expires") or "")
    except InvalidTimeError:
        return None


CODES = frozenset({"version.lowered", "version.not-raised", "waiver.extended"})
_CHECKS = {"Policy": _check_version, "Waiver": _check_extension}
