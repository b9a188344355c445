"""`policyengine evidence` as a user runs it: documents, tables, exit codes."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

import policyengine.model
from tests.unit.attestation.psa_device import KEY, NONCE, NSPE, SPE, token

ROOT = Path(__file__).parents[3]
OWN = ROOT / "tests" / "vectors" / "attestation"
SHAPES = Path(policyengine.model.__file__).parent / "shapes"
TYPE = "application/eat+cwt"


def run(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "policyengine", "evidence", *map(str, arguments)]
    environment = {**os.environ, "NO_COLOR": "1", "COLUMNS": "200"}
    return subprocess.run(command, capture_output=True, text=True, cwd=ROOT, env=environment, check=False)


def shaped(name: str, text: str) -> Any:
    document = json.loads(text)
    jsonschema.validate(document, json.loads((SHAPES / f"{name}.schema.json").read_text()))
    return document


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "token.cbor").write_bytes(token())
    public = KEY.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    (tmp_path / "iak.pem").write_bytes(public)
    return tmp_path


def verify(folder: Path, *more: str | Path, nonce: str = NONCE.hex()) -> subprocess.CompletedProcess[str]:
    anchors = ("--anchors", folder / "iak.pem")
    return run("verify", "--media-type", TYPE, "--nonce", nonce, *anchors, *more, folder / "token.cbor")


def test_accepted_evidence_exits_0_with_facts_and_every_check(folder: Path) -> None:
    done = verify(folder)
    document = shaped("evidence-verify", done.stdout)
    assert (done.returncode, document["accepted"], document["facts"]["boot"]["secure"]) == (0, True, True)
    assert len(document["checks"]) == 16


def test_refused_evidence_exits_1_without_facts(folder: Path) -> None:
    done = verify(folder, nonce="00" * 32)
    document = shaped("evidence-verify", done.stdout)
    failed = [check["id"] for check in document["checks"] if check["result"] == "fail"]
    assert (done.returncode, document["accepted"], document["facts"], failed) == (1, False, {}, ["psa.nonce"])


def test_malformed_evidence_exits_1_with_its_code_as_check(folder: Path) -> None:
    (folder / "token.cbor").write_bytes(token() + b"\x00")
    done = verify(folder)
    document = shaped("evidence-verify", done.stdout)
    assert (done.returncode, [check["id"] for check in document["checks"]]) == (1, ["cbor.trailing"])


def test_reference_values_are_read_from_json_and_yaml(folder: Path) -> None:
    one = {"version": "1", "svn": 3, "components": [{"name": "SPE", "sha256": SPE.digest.hex()}]}
    (folder / "one.json").write_text(json.dumps({"models": [], "releases": [one]}))
    (folder / "two.yaml").write_text(
        "apiVersion: policyengine/v1\nkind: ReferenceValues\nspec:\n  models: [gw-200]\n  releases:\n"
        f"    - {{version: '2', svn: 4, components: [{{name: NSPE, sha256: '{NSPE.digest.hex()}'}}]}}\n"
    )
    done = verify(folder, "--endorsements", folder / "one.json", "--endorsements", folder / "two.yaml")
    found = json.loads(done.stdout)["facts"]["software"]
    assert [component["match"] for component in found] == ["endorsed", "endorsed"]


@pytest.mark.parametrize("nonce", ["xyz", "abc", "", "0x00", "00 11"])
def test_a_nonce_that_is_not_hexadecimal_exits_2(folder: Path, nonce: str) -> None:
    done = verify(folder, nonce=nonce)
    assert (done.returncode, done.stdout) == (2, "")
    assert "is not hexadecimal" in done.stderr


def test_an_unknown_media_type_exits_2(folder: Path) -> None:
    arguments = ("--media-type", "application/x", "--nonce", NONCE.hex(), "--anchors", folder / "iak.pem")
    done = run("verify", *arguments, folder / "token.cbor")
    assert (done.returncode, "evidence.media-type" in done.stderr) == (2, True)


def test_usage_errors_are_problem_documents_where_json_was_asked_for(folder: Path) -> None:
    done = verify(folder, "--output", "json", nonce="xyz")
    assert json.loads(done.stderr)["code"] == "usage.argument"


def test_a_missing_file_exits_2_without_a_traceback(folder: Path) -> None:
    done = run("verify", "--media-type", TYPE, "--nonce", NONCE.hex(), "--anchors", folder / "none.pem", folder / "x")
    assert (done.returncode, "Traceback" in done.stderr) == (2, False)


@pytest.mark.parametrize(
    ("option", "content"),
    [("--anchors", b"no key"), ("--endorsements", b"\xd2\x84"), ("--endorsements", b"kind: Fleet\n")],
)
def test_a_file_that_cannot_be_used_is_named(folder: Path, option: str, content: bytes) -> None:
    """Both options repeat, so without its name the wrong one of several cannot be found."""
    (folder / "wrong.bin").write_bytes(content)
    done = verify(folder, option, str(folder / "wrong.bin"))
    assert (done.returncode, "wrong.bin`" in done.stderr) == (2, True)


def test_a_time_that_cannot_be_read_is_shown(folder: Path) -> None:
    assert "`yesterday` is not an RFC 3339 timestamp" in verify(folder, "--now", "yesterday").stderr


def test_a_table_says_last_what_failed_and_how_to_read_on(folder: Path) -> None:
    last = verify(folder, "--output", "table", nonce="00" * 32).stdout.splitlines()[-3:]
    assert last[0].startswith("psa.nonce: expected one nonce")
    assert "`policyengine explain psa.nonce`, docs/evidence.md#checks" in last[1]


def test_a_table_ends_with_the_verdict(folder: Path) -> None:
    assert verify(folder, "--output", "table").stdout.splitlines()[-1] == "accepted"


def test_inspect_annotates_every_claim_with_its_clause(folder: Path) -> None:
    done = run("inspect", folder / "token.cbor")
    assert done.returncode == 0
    assert any("lifecycle_state" in line and "RFC 9783 section 4.3.1" in line for line in done.stdout.splitlines())


def test_inspect_writes_no_control_characters_of_a_device(folder: Path) -> None:
    hostile = token(SPE.__class__(type="\x1b[2J", digest=SPE.digest, signer=SPE.signer))
    (folder / "token.cbor").write_bytes(hostile)
    assert "\x1b" not in run("inspect", folder / "token.cbor").stdout


def test_inspect_says_how_to_find_where_cut_evidence_ends(folder: Path) -> None:
    (folder / "token.cbor").write_bytes(token()[:-1])
    done = run("inspect", folder / "token.cbor")
    assert (done.returncode, "cut short" in done.stderr, "--media-type" in done.stderr) == (2, True, True)
    typed = run("inspect", "--media-type", TYPE, folder / "token.cbor")
    assert (typed.returncode, "error[cbor.truncated]" in typed.stderr) == (2, True)


def test_vectors_count_at_the_end(folder: Path) -> None:
    done = run("vectors", OWN)
    count = len(json.loads((OWN / "index.json").read_text()))
    assert (done.returncode, done.stdout.splitlines()[-1]) == (0, f"{count} passed, 0 failed")


@pytest.mark.parametrize("named", [["--format", "pas"], ["--format", "psa", "--format", "pas"]])
def test_a_format_that_no_vector_has_does_not_pass(named: list[str]) -> None:
    done = run("vectors", OWN, *named)
    assert (done.returncode, "no case is of format `pas`; there are psa" in done.stderr) == (2, True)


def test_an_index_without_cases_does_not_pass(folder: Path) -> None:
    (folder / "index.json").write_text("[]")
    done = run("vectors", folder)
    assert (done.returncode, "the index has no cases" in done.stderr) == (2, True)


def test_vectors_need_no_expectation(folder: Path) -> None:
    index = json.loads((OWN / "index.json").read_text())
    for case in index:
        case["expected_failed"] = case.pop("failed")
        case["key"], case["id"] = str(case["key"]), case["id"]
        del case["expect"]
    for path in OWN.rglob("*.*"):
        target = folder / path.relative_to(OWN)
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(path.read_bytes())
    (folder / "index.json").write_text(json.dumps(index))
    cases = shaped("evidence-vectors", run("vectors", folder, "--output", "json").stdout)["cases"]
    assert [case["failed"] for case in cases] == [case["expected_failed"] for case in index]


def test_a_wrong_verdict_exits_1(folder: Path) -> None:
    case = {"id": "a", "format": "psa", "files": ["token.cbor"], "key": "iak.pem", "nonce": "00", "expect": "accept"}
    (folder / "a").mkdir()
    (folder / "a" / "token.cbor").write_bytes(token())
    (folder / "index.json").write_text(json.dumps([case, case | {"format": "unheard-of"}]))
    done = run("vectors", folder)
    assert (done.returncode, done.stdout.splitlines()[-1]) == (1, "0 passed, 1 failed")
    assert "skipped  a: format not supported in this release" in done.stdout


def test_a_case_without_the_files_of_its_format_is_a_mistake_of_the_index(folder: Path) -> None:
    case = {"id": "a", "format": "tpm", "files": ["token.cbor"], "expect": "reject"}
    (folder / "a").mkdir()
    (folder / "a" / "token.cbor").write_bytes(token())
    (folder / "index.json").write_text(json.dumps([case]))
    done = run("vectors", folder)
    assert (done.returncode, "case `a` of the index is not well formed" in done.stderr) == (2, True)


def test_an_index_cannot_reach_outside_its_folder(folder: Path) -> None:
    case = {"id": "..", "format": "psa", "files": ["../../etc/passwd"], "key": "iak.pem"}
    (folder / "index.json").write_text(json.dumps([case]))
    done = run("vectors", folder)
    assert (done.returncode, "is outside" in done.stderr) == (2, True)
