"""The stable shapes of DESIGN section 11: what commands print is what the published JSON Schemas say."""

from __future__ import annotations

import json
import subprocess
import sys
from importlib.resources import files
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator

ROOT = Path(__file__).resolve().parents[2]
SHAPES = {path.name.removesuffix(".schema.json"): path for path in (files("policyengine.model") / "shapes").iterdir()}

FACTS = {
    "device_id": "gw-0001",
    "facts": {
        "device": {"id": "gw-0001", "model": "gw-200", "vendor": "vendor-acme", "class": "gateway", "site": "plant-a"},
        "boot": {"secure": False, "mode": "debug", "svn": 9},
    },
    "provenance": {
        "": {"source": "attested", "observed_at": "2026-11-23T00:00:00Z"},
        "device": {"source": "certified", "observed_at": "2026-11-23T00:00:00Z"},
    },
}


def _validate(shape: str, document: Any) -> None:
    schema = json.loads(SHAPES[shape].read_text(encoding="utf-8"))
    Draft202012Validator(schema, format_checker=Draft202012Validator.FORMAT_CHECKER).validate(document)


def _run(*arguments: str, expected: int = 0) -> subprocess.CompletedProcess[str]:
    done = subprocess.run(
        [sys.executable, "-m", "policyengine", *arguments],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    assert done.returncode == expected, done.stdout + done.stderr
    return done


@pytest.mark.parametrize("shape", sorted(SHAPES))
def test_each_shape_is_a_valid_schema(shape: str) -> None:
    Draft202012Validator.check_schema(json.loads(SHAPES[shape].read_text(encoding="utf-8")))


@pytest.fixture
def facts_file(tmp_path: Path) -> Path:
    path = tmp_path / "facts.json"
    path.write_text(json.dumps(FACTS))
    return path


def test_evaluate_reads_the_facts_shape_and_prints_the_decision_shape(facts_file: Path) -> None:
    _validate("facts", FACTS)
    printed = _run("evaluate", "--policies", "policies", "--facts", str(facts_file), "--now", "2026-11-23T01:00:00Z")
    _validate("decision", json.loads(printed.stdout))


def test_a_decision_is_accepted_as_the_prior_of_the_next(facts_file: Path, tmp_path: Path) -> None:
    common = ("evaluate", "--policies", "policies", "--facts", str(facts_file))
    first = _run(*common, "--now", "2026-11-23T01:00:00Z").stdout
    (tmp_path / "prior.json").write_text(first)
    second = json.loads(_run(*common, "--now", "2026-11-23T02:00:00Z", "--prior", str(tmp_path / "prior.json")).stdout)
    _validate("decision", second)
    assert second["previous_tier"] == json.loads(first)["tier"]
    assert second["prior"] is not None


def test_refused_facts_are_a_problem_document_on_stderr(tmp_path: Path) -> None:
    path = tmp_path / "facts.json"
    path.write_text(json.dumps({**FACTS, "facts": {"boot": {"secur": True}}}))
    done = _run("evaluate", "--policies", "policies", "--facts", str(path), expected=2)
    assert done.stdout == ""
    _validate("problem", json.loads(done.stderr))


def test_check_prints_the_check_shape(tmp_path: Path) -> None:
    (tmp_path / "fleet.yaml").write_text("kind: Fleet\nkind: Fleet\n")
    printed = json.loads(_run("check", str(tmp_path), "--output", "json", expected=1).stdout)
    assert printed
    _validate("check", printed)


def test_evidence_vectors_prints_its_shape() -> None:
    done = _run("evidence", "vectors", "tests/vectors/attestation", "--output", "json")
    _validate("evidence-vectors", json.loads(done.stdout))


def test_evidence_verify_prints_its_shape(vectors: Path) -> None:
    case = vectors / "attestation"
    index = {entry["id"]: entry for entry in json.loads((case / "index.json").read_text(encoding="utf-8"))}
    found = index["psa/r9783-full"]
    done = _run(
        *("evidence", "verify", "--media-type", 'application/eat+cwt; eat_profile="tag:psacertified.org,2023:psa#tfm"'),
        *("--nonce", found["nonce"], "--anchors", str(case / found["key"])),
        str(case / found["id"] / found["files"][0]),
    )
    document = json.loads(done.stdout)
    _validate("evidence-verify", document)
    assert document["accepted"] is True


def test_pki_verify_prints_its_shape() -> None:
    anchor = "policies/trust-anchors/acme-idevid-root.pem"
    done = subprocess.run(
        [sys.executable, "-m", "policyengine", "pki", "verify", "--anchors", anchor, anchor],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert done.returncode in (0, 1), done.stderr
    _validate("pki-verify", json.loads(done.stdout))
