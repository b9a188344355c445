"""A folder of vectors: `index.json`, the files of each case in a folder of its name, and keys."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from policyengine.attestation.anchors import TrustAnchors
from policyengine.attestation.vectors.index import CaseResult, anchors_of, run

Case = dict[str, Any]


def index(folder: Path) -> list[Case]:
    """Return the cases of `folder`."""
    cases: list[Case] = json.loads((folder / "index.json").read_text())
    return cases


def files(folder: Path, case: Case) -> dict[str, bytes]:
    """Return the files of `case` by name."""
    return {name: (folder / case["id"] / name).read_bytes() for name in case["files"]}


def result(folder: Path, case: Case) -> CaseResult:
    """Return what becomes of `case`."""
    key = case.get("key")
    anchors = anchors_of(key, (folder / key).read_bytes()) if key else TrustAnchors()
    return run(case, files(folder, case), anchors)


def stored(folder: Path) -> dict[str, bytes]:
    """Return every file below `folder` by its path there, as the scripts that make vectors return them."""
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}
