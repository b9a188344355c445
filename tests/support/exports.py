"""Evidence exports in tests: made from a site, made again with something changed, and read by the second verifier."""

from __future__ import annotations

import importlib.util
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime, timedelta
from functools import cache
from pathlib import Path
from types import ModuleType

from policyengine.adapters.evidence_archive import ArchiveFile, OpenedArchive
from policyengine.services.actors import SYSTEM
from policyengine.services.exports.layout import MANIFEST, SIGNATURE, digests_of
from policyengine.services.exports.manifest import MAX_MANIFEST, manifest_from, seal
from policyengine.services.exports.period import ExportRequest, parse_scope
from policyengine.services.exports.records import Lines
from policyengine.services.exports.verifying import Verification, verify
from tests.support.site import LOG_KEY, ROOT, START, Site

Edit = Callable[[list[bytes]], list[bytes]]


def exported(
    site: Site,
    path: Path,
    *,
    framework: str | None = None,
    scope: Sequence[str] = (),
    start: datetime = START - timedelta(days=1),
    end: datetime | None = None,
) -> Path:
    """Write an export of `site` to `path`; by default of everything until now."""
    request = ExportRequest(framework=framework, start=start, end=end or site.clock.now(), scope=parse_scope(scope))
    archive = ArchiveFile(path)
    try:
        site.services.exports.write(SYSTEM, request, archive)
        archive.finish()
    finally:
        archive.abandon()
    return path


def verified(path: Path) -> Verification:
    archive = OpenedArchive(path)
    try:
        return verify(archive, LOG_KEY.verifier)
    finally:
        archive.close()


def content(path: Path, name: str) -> bytes:
    archive = OpenedArchive(path)
    try:
        return b"".join(archive.content(name))
    finally:
        archive.close()


def remade(path: Path, to: Path, edits: Mapping[str, Edit]) -> Path:
    """Write the export at `path` to `to` with the lines of some members edited, signed as if nothing had happened.

    It is what a server can do that lies about what it recorded: digests and signatures are all right.
    """
    source, archive = OpenedArchive(path), ArchiveFile(to)
    names = [name for name in source.names if name not in {MANIFEST, SIGNATURE} and not name.endswith(".sha256")]
    for name in names:
        whole = b"".join(source.content(name))
        edit = edits.get(name, lambda lines: lines)
        if digests_of(name) in source.names:
            lines = Lines(archive, name)
            for line in edit(whole.splitlines(keepends=True)):
                lines.add(line)
            lines.close()
        else:
            member = archive.member(name) if name == "log/proof" else None
            changed = b"".join(edit([whole]))
            if member is None:
                archive.plain(name, changed)
            else:
                member.write(changed)
                member.close()
    before = manifest_from(source.plain(MANIFEST, limit=MAX_MANIFEST))
    source.close()
    changed_manifest = type(before)(
        request=before.request,
        origin=before.origin,
        log_size=before.log_size,
        decisions=before.decisions,
        devices=before.devices,
        members=tuple(archive.members),
    )
    seal(archive, changed_manifest, LOG_KEY)
    archive.finish()
    return to


@cache
def second_verifier() -> ModuleType:
    """Return tools/verify_export.py as a module."""
    spec = importlib.util.spec_from_file_location("verify_export", ROOT / "tools" / "verify_export.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def second_opinion(path: Path) -> str | None:
    """Return what tools/verify_export.py finds wrong; None: nothing."""
    module = second_verifier()
    try:
        module.verify(str(path), str(LOG_KEY.verifier))
    except module.WrongError as cause:
        return str(cause)
    return None
