"""Evidence formats of other packages: a tiny installed one, run as a user runs it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]
PLUGIN = """
from policyengine.attestation.checks import Requirement
from policyengine.attestation.formats import Format, Freshness, Verified
from policyengine.attestation.media_type import MediaType
from policyengine.model.ids import digest_of

NONCE = Requirement(id="acme.nonce", clause="ACME section 1", expected="the challenge")


def appraise(evidence, *, media_type, nonce, anchors, endorsements, now):
    check = NONCE.passed if evidence == nonce else NONCE.failed("something else")
    return Verified(
        media_type=media_type, facts={}, complete=(), decoded={}, naming=dict, key_binding=None, signer=None,
        checks=(check,), digest=digest_of(evidence), freshness=Freshness.NONCE,
    )


FORMAT = Format(name="acme", media_types=(MediaType(essence="application/vnd.acme"),), appraise=appraise)
SECOND_PSA = Format(name="psa", media_types=(MediaType(essence="application/vnd.acme.psa"),), appraise=appraise)
STOLEN = Format(name="acme", media_types=(MediaType(essence="application/eat+jwt"),), appraise=appraise)
NOTHING = 1
"""


def verify(folder: Path, attribute: str, media_type: str = "application/vnd.acme") -> subprocess.CompletedProcess[str]:
    """Run `evidence verify` where a package is installed whose entry point names `attribute`."""
    (folder / "acme_evidence.py").write_text(PLUGIN)
    info = folder / "acme_evidence-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: acme-evidence\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text(f"[policyengine.attestation_formats]\nacme = acme_evidence:{attribute}\n")
    (folder / "token").write_bytes(b"\x01\x02")
    command = [sys.executable, "-m", "policyengine", "evidence", "verify", "--media-type", media_type]
    environment = {**os.environ, "PYTHONPATH": str(folder)}
    arguments = ["--nonce", "0102", str(folder / "token")]
    return subprocess.run(command + arguments, capture_output=True, text=True, cwd=ROOT, env=environment, check=False)


def test_evidence_of_an_installed_format_is_judged_by_it(tmp_path: Path) -> None:
    """RFC 9999 section 3: the media type finds the format, whoever brought it."""
    checks = json.loads(verify(tmp_path, "FORMAT").stdout)["checks"]
    assert [(check["id"], check["result"]) for check in checks] == [("acme.nonce", "pass")]


def test_without_the_package_its_media_type_is_unknown(tmp_path: Path) -> None:
    done = verify(tmp_path, "FORMAT", media_type="application/vnd.other")
    assert (done.returncode, "evidence.media-type" in done.stderr) == (2, True)


@pytest.mark.parametrize("attribute", ["SECOND_PSA", "STOLEN"])
def test_a_format_that_takes_a_name_or_a_type_of_ours_stops_everything(tmp_path: Path, attribute: str) -> None:
    """Which of two would judge must never depend on what is installed."""
    done = verify(tmp_path, attribute)
    assert (done.returncode != 0, "evidence.format-conflict" in done.stderr) == (True, True)


@pytest.mark.parametrize("attribute", ["MISSING", "NOTHING"])
def test_a_broken_package_is_named_not_skipped(tmp_path: Path, attribute: str) -> None:
    done = verify(tmp_path, attribute)
    assert ("evidence.plugin" in done.stderr, f"acme_evidence:{attribute}" in done.stderr) == (True, True)
