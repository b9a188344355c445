"""Evidence formats of other packages: a tiny installed one, run as a user runs it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric import ed25519
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

ROOT = Path(__file__).parents[3]
PAGE = (ROOT / "docs" / "evidence.md").read_text()
MEDIA_TYPE = "application/vnd.acme.sensor"
KEY = ed25519.Ed25519PrivateKey.from_private_bytes(bytes([7] * 32))
CHALLENGE, FIRMWARE = bytes(range(32)), bytes(32)
# What the page shows, and formats that must never be loaded.
PLUGIN = (
    PAGE.partition("<!-- plug-in -->\n```python\n")[2].partition("```")[0]
    + """
SECOND_PSA = Format(name="psa", media_types=(MediaType(essence="application/vnd.acme.psa"),), appraise=appraise)
STOLEN = Format(name="acme", media_types=(MediaType(essence="application/eat+jwt"),), appraise=appraise)
NOTHING = 1
"""
)


def evidence(challenge: bytes = CHALLENGE, key: ed25519.Ed25519PrivateKey = KEY) -> bytes:
    """Return what Acme's sensors send."""
    return key.sign(challenge + FIRMWARE) + challenge + FIRMWARE


def install(folder: Path, attribute: str = "FORMAT") -> None:
    """Make `folder` one where a package is installed whose entry point names `attribute`."""
    (folder / "acme_evidence.py").write_text(PLUGIN)
    info = folder / "acme_evidence-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: acme-evidence\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text(f"[policyengine.attestation_formats]\nacme = acme_evidence:{attribute}\n")


def verify(
    folder: Path,
    attribute: str = "FORMAT",
    media_type: str = MEDIA_TYPE,
    token: bytes = evidence(),
    output: str = "json",
) -> subprocess.CompletedProcess[str]:
    """Run `evidence verify` where a package is installed whose entry point names `attribute`."""
    install(folder, attribute)
    (folder / "token").write_bytes(token)
    pem = KEY.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    (folder / "key.pem").write_bytes(pem)
    command = [sys.executable, "-m", "policyengine", "evidence", "verify", "--media-type", media_type]
    environment = {**os.environ, "PYTHONPATH": str(folder)}
    command += ["--output", output]
    arguments = ["--nonce", CHALLENGE.hex(), "--anchors", str(folder / "key.pem"), str(folder / "token")]
    return subprocess.run(command + arguments, capture_output=True, text=True, cwd=ROOT, env=environment, check=False)


def checks(done: subprocess.CompletedProcess[str]) -> list[tuple[str, str]]:
    return [(check["id"], check["result"]) for check in json.loads(done.stdout)["checks"]]


def test_evidence_of_the_format_that_the_page_shows_is_believed(tmp_path: Path) -> None:
    """RFC 9999 section 3: the media type finds the format, whoever brought it."""
    done = verify(tmp_path)
    facts = json.loads(done.stdout)["facts"]
    assert (done.returncode, checks(done)) == (0, [("acme.signature", "pass"), ("acme.nonce", "pass")])
    assert facts["software"][0]["digest"] == FIRMWARE.hex()


@pytest.mark.parametrize(
    ("token", "failed"),
    [
        (evidence(challenge=bytes(32)), "acme.nonce"),
        (evidence(key=ed25519.Ed25519PrivateKey.from_private_bytes(bytes([8] * 32))), "acme.signature"),
    ],
    ids=["replayed", "by-a-stranger"],
)
def test_the_format_that_the_page_shows_refuses(tmp_path: Path, token: bytes, failed: str) -> None:
    done = verify(tmp_path, token=token)
    assert (done.returncode, [name for name, result in checks(done) if result == "fail"]) == (1, [failed])


def test_a_check_of_another_package_sends_nobody_to_explain(tmp_path: Path) -> None:
    """`policyengine explain` knows the checks of this package alone."""
    said = verify(tmp_path, token=evidence(challenge=bytes(32)), output="table").stdout
    assert (said.splitlines()[-2].partition(":")[0], "explain" in said) == ("acme.nonce", False)


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


def test_the_checks_of_an_installed_format_explain_themselves(tmp_path: Path) -> None:
    install(tmp_path)
    command = [sys.executable, "-m", "policyengine", "explain", "acme.nonce"]
    environment = {**os.environ, "PYTHONPATH": str(tmp_path)}
    done = subprocess.run(command, capture_output=True, text=True, cwd=ROOT, env=environment, check=True)
    assert done.stdout.startswith("acme.nonce  (Acme AN-7 section 3)\n\n  asks for    the challenge\n")
