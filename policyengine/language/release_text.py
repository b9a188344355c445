"""ReferenceValues documents as text: new ones of a release or of keys, and the end of a release in an old one."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from datetime import datetime

from policyengine.language.nodes import Fields, Scalar, at, items, text
from policyengine.language.reader import read
from policyengine.model.times import format_timestamp


def release_document(
    *,
    name: str,
    owner: str,
    models: Sequence[str],
    version: str,
    svn: int | None = None,
    components: Sequence[tuple[str, str]] = (),
    corim: str | None = None,
) -> bytes:
    """Return a document with one release; `components` are names and SHA-256 in hex. Every text is quoted."""
    lines = [
        "apiVersion: policyengine/v1",
        "kind: ReferenceValues",
        f"metadata: {{name: {name}, owner: {owner}}}",
        "spec:",
        f"  models: [{', '.join(models)}]",
        "  releases:",
        f"    - version: {_quoted(version)}",
    ]
    lines += [f"      svn: {svn}"] if svn is not None else []
    lines += ["      components:"] if components else []
    lines += [f"        - {{name: {_quoted(part)}, sha256: {_quoted(digest)}}}" for part, digest in components]
    lines += [f"      corim: {corim}"] if corim is not None else []
    return ("\n".join(lines) + "\n").encode()


def keys_document(*, name: str, owner: str, models: Sequence[str], corim: str, signs: str) -> bytes:
    """Return a document with the keys of devices that the file `corim` beside it lists, and no release.

    `signs` is what they sign, as the schema has it: `evidence`, which need not be said, or `quotes`.
    """
    lines = [
        "apiVersion: policyengine/v1",
        "kind: ReferenceValues",
        f"metadata: {{name: {name}, owner: {owner}}}",
        "spec:",
        f"  models: [{', '.join(models)}]",
        "  attest_keys:",
        f"    - corim: {corim}",
    ]
    lines += [f"      signs: {signs}"] if signs != "evidence" else []
    return ("\n".join(lines) + "\n").encode()


def _quoted(value: str) -> str:
    return json.dumps(value, ensure_ascii=True)  # a JSON string is a YAML string


def with_end(files: Mapping[str, bytes], *, model: str, version: str, until: datetime) -> dict[str, bytes]:
    """Return the documents that have a release of `model` called `version`, its end set to `until`; {} without one."""
    changed: dict[str, bytes] = {}
    for path, content in files.items():
        if not path.startswith("reference-values/") or not path.endswith(".yaml"):
            continue
        source = content.decode("utf-8", "replace")
        for release in _releases(path, content, model, version):
            source = _ended(source, release, format_timestamp(until))
        if source.encode() != content:
            changed[path] = source.encode()
    return changed


def holding(files: Mapping[str, bytes], *, model: str, version: str) -> list[str]:
    """Return the paths of the documents that have a release of `model` called `version`."""
    documents = (path for path in files if path.startswith("reference-values/") and path.endswith(".yaml"))
    return [path for path in documents if _releases(path, files[path], model, version)]


def _releases(path: str, content: bytes, model: str, version: str) -> list[Fields]:
    """Return the releases asked for, the last of the file first, so that places before them stay true."""
    found: list[Fields] = []
    for document in read(path, content).documents:
        models = {one.value for one in items(document.root, "spec", "models") if isinstance(one, Scalar)}
        releases = items(document.root, "spec", "releases") if model in models else ()
        found += [each for each in releases if isinstance(each, Fields) and text(each, "version") == version]
    return found[::-1]


def _ended(source: str, release: Fields, until: str) -> str:
    key, there = release.keys["version"], at(release, "until")
    if isinstance(there, Scalar):
        return source[: there.index] + _quoted(until) + source[_end(source, there) :]
    version = at(release, "version")
    if not isinstance(version, Scalar):
        return source
    end = _end(source, version)
    line = source.rfind("\n", 0, key.index) + 1
    inline = "{" in source[line : key.index]
    added = f", until: {_quoted(until)}" if inline else f"\n{' ' * (key.column - 1)}until: {_quoted(until)}"
    return source[:end] + added + source[end:]


def _end(source: str, scalar: Scalar) -> int:
    """Return where a scalar of one line ends: at its closing quote, or before what cannot belong to a plain one."""
    opener = source[scalar.index]
    if opener in "\"'":
        return source.index(opener, scalar.index + 1) + 1
    end = scalar.index
    while end < len(source) and source[end] not in ",}]\n#":
        end += 1
    return scalar.index + len(source[scalar.index : end].rstrip())
