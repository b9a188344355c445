"""A file of `policyengine report add` that holds no report is refused with its place, before any server is touched."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from policyengine.cli.report import ReportFileError, app

SEEN = {"device_id": "gw-0001", "net": {"open_ports": [443]}}


@pytest.mark.parametrize(
    ("document", "place"),
    [
        ({"devices": [SEEN]}, "observed_at"),
        ({"observed_at": "2026-01-01T00:00:00Z", "devices": []}, "devices"),
        ({"observed_at": "2026-01-01T00:00:00Z", "devices": [SEEN | {"nett": {}}]}, "devices.0.nett"),
        ([], "the document"),
    ],
)
def test_what_is_no_report_is_refused_with_its_place(tmp_path: Path, document: object, place: str) -> None:
    file = tmp_path / "scan.json"
    file.write_text(json.dumps(document))
    refused = CliRunner().invoke(app, ["add", str(file), "--data", str(tmp_path / "none")]).exception
    assert isinstance(refused, ReportFileError)
    assert refused.fields["path"] == place


def test_what_is_no_object_is_told_what_a_report_has(tmp_path: Path) -> None:
    """The names of our classes mean nothing to who wrote the file."""
    file = tmp_path / "scan.json"
    file.write_text("[]")
    refused = CliRunner().invoke(app, ["add", str(file), "--data", str(tmp_path / "none")]).exception
    assert str(refused) == "the document is no object with `observed_at` and `devices`"
