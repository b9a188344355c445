"""`policyengine pki`: exit codes, the JSON shape, and what people read."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.serialization import Encoding
from typer.testing import CliRunner, Result

from policyengine.adapters.authority import AuthorityMissingError
from policyengine.cli.exits import Exit, exit_code
from policyengine.cli.pki import app
from policyengine.model.times import InvalidTimeError
from tests.unit.pki.making import KEYS, NOW, Chain, csr

SOUND = Chain()
AT = NOW.isoformat()


def run(*arguments: object) -> Result:
    return CliRunner().invoke(app, [str(argument) for argument in arguments])


@pytest.fixture
def files(tmp_path: Path) -> Path:
    for name, certificate in (("leaf", SOUND.leaf()), ("issuing", SOUND.issuing()), ("root", SOUND.root())):
        (tmp_path / f"{name}.pem").write_bytes(certificate.public_bytes(Encoding.PEM))
        (tmp_path / f"{name}.der").write_bytes(certificate.public_bytes(Encoding.DER))
    return tmp_path


@pytest.mark.parametrize("form", ["pem", "der"])
def test_an_accepted_path_exits_0_with_its_chain(files: Path, form: str) -> None:
    result = run(
        "verify",
        *("--anchors", files / f"root.{form}"),
        *("--intermediates", files / f"issuing.{form}"),
        *("--at", AT),
        files / f"leaf.{form}",
    )
    document = json.loads(result.stdout)
    assert result.exit_code == 0
    assert document["accepted"] is True
    assert [each["subject"] for each in document["chain"]] == ["CN=gw-0001", "CN=issuing", "CN=root"]
    assert set(document["checks"][0]) == {"id", "result", "clause", "expected", "seen"}


def test_issuers_may_stand_behind_the_certificate(files: Path) -> None:
    both = files / "chain.pem"
    both.write_bytes((files / "leaf.pem").read_bytes() + (files / "issuing.pem").read_bytes())
    assert run("verify", "--anchors", files / "root.pem", "--at", AT, both).exit_code == 0


@pytest.mark.parametrize("content", [b"hello", b"-----BEGIN PUBLIC KEY-----\nMAA=\n-----END PUBLIC KEY-----\n"])
def test_a_file_of_anchors_without_a_certificate_is_a_mistake_and_no_verdict(files: Path, content: bytes) -> None:
    """RFC 5280 section 6.1.1 (d): the anchors are what the person trusts, so a wrong file is never passed over."""
    (files / "wrong.pem").write_bytes(content)
    result = run("verify", "--anchors", files / "wrong.pem", "--at", AT, files / "leaf.pem")
    said = "".join(result.output.replace("│", "").split())  # a long path is broken at the width of the terminal
    assert (result.exit_code, "wrong.pem" in said) == (2, True)


def test_a_refused_path_exits_1_and_says_which_check(files: Path) -> None:
    late = (NOW + timedelta(days=2)).isoformat()
    result = run(
        "verify",
        "--anchors",
        files / "root.pem",
        "--intermediates",
        files / "issuing.pem",
        "--at",
        late,
        files / "leaf.pem",
    )
    document = json.loads(result.stdout)
    assert result.exit_code == 1
    assert [check["id"] for check in document["checks"] if check["result"] == "fail"] == ["path.validity"]


def test_a_purpose_is_asked_for(files: Path) -> None:
    chain = files / "issuing.pem"
    arguments = ("--anchors", files / "root.pem", "--at", AT, "--purpose", "client-auth", chain)
    assert run("verify", *arguments).exit_code == 0


def test_a_policy_is_demanded(files: Path) -> None:
    arguments = ("verify", "--anchors", files / "root.pem", "--at", AT, files / "issuing.pem")
    refused = json.loads(run(*arguments, "--policy", "1.2.3").stdout)
    assert [check["id"] for check in refused["checks"] if check["result"] == "fail"] == ["path.policies"]
    assert run(*arguments, "--policy", "gold").exit_code == 2


def test_bytes_that_are_no_certificate_are_refused_not_a_usage_error(files: Path) -> None:
    (files / "junk").write_bytes(b"\x30\x03abc")
    result = run("verify", "--anchors", files / "root.pem", files / "junk")
    assert result.exit_code == 1
    assert json.loads(result.stdout)["checks"][0]["id"] == "path.malformed"


def test_a_list_that_cannot_be_read_is_a_refusal_not_a_shrug(files: Path) -> None:
    (files / "crl").write_bytes(b"junk")
    result = run(
        "verify",
        *("--anchors", files / "root.pem", "--intermediates", files / "issuing.pem"),
        *("--crls", files / "crl", "--at", AT),
        files / "leaf.pem",
    )
    assert result.exit_code == 1
    assert json.loads(result.stdout)["checks"][0]["id"] == "path.crl-malformed"


@pytest.mark.parametrize(
    "arguments",
    [
        ("verify", "leaf.pem"),
        ("verify", "--anchors", "missing.pem", "leaf.pem"),
        ("inspect", "missing.pem"),
    ],
)
def test_a_mistake_in_the_command_exits_2(
    files: Path, arguments: tuple[str, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(files)
    assert run(*arguments).exit_code == 2


@pytest.mark.parametrize("time", ["yesterday", "2026-11-23T00:00:00"])
def test_a_time_that_is_none_or_has_no_zone_is_a_usage_error(files: Path, time: str) -> None:
    result = run("verify", "--anchors", files / "root.pem", "--at", time, files / "leaf.pem")
    assert isinstance(result.exception, InvalidTimeError)
    assert exit_code(result.exception) is Exit.USAGE


def test_a_table_ends_with_the_verdict(files: Path) -> None:
    result = run("verify", "--anchors", files / "root.pem", "--output", "table", files / "root.pem")
    assert result.stdout.splitlines()[-1] == "refused"


def test_inspect_explains_a_certificate(files: Path) -> None:
    text = run("inspect", files / "issuing.pem").stdout
    assert text.startswith("CA certificate\n")
    assert "sign certificates" in text


def test_inspect_explains_a_request(tmp_path: Path) -> None:
    (tmp_path / "csr").write_bytes(csr(KEYS[0]))
    text = run("inspect", tmp_path / "csr").stdout
    assert "proven: the key inside signed the request" in text


def test_inspect_prints_json_and_exits_1_for_what_is_broken(files: Path, tmp_path: Path) -> None:
    sound = run("inspect", "--output", "json", files / "leaf.der")
    assert (sound.exit_code, json.loads(sound.stdout)[0]["kind"]) == (0, "certificate")
    broken = bytearray(csr(KEYS[0]))
    broken[-1] ^= 1
    (tmp_path / "csr").write_bytes(bytes(broken))
    refused = run("inspect", "--output", "json", tmp_path / "csr")
    assert refused.exit_code == 1
    assert json.loads(refused.stdout)[0]["defects"] == ["request does not prove possession of its key"]


def test_init_founds_an_authority_that_verify_accepts(tmp_path: Path) -> None:
    assert run("init", "--data", tmp_path, "--domain", "devices.example", "--fleet", "Plant A").exit_code == 0
    made = tmp_path / "keys" / "ca"
    assert run("verify", "--anchors", made / "root.pem", made / "tls.pem").exit_code == 0


@pytest.mark.parametrize("names", [("--domain", "no_name"), ("--domain", "a.example", "--fleet", "Plant \u00e9")])
def test_init_with_names_that_no_certificate_carries_leaves_nothing(tmp_path: Path, names: tuple[str, ...]) -> None:
    assert run("init", "--data", tmp_path / "data", *names).exit_code != 0
    assert not (tmp_path / "data").exists()


def test_a_certificate_that_no_request_waits_for_is_told_so_before_the_passphrase_is_looked_for(tmp_path: Path) -> None:
    (tmp_path / "given.pem").write_bytes(b"")
    result = run("init", "--data", tmp_path / "data", "--certificate", tmp_path / "given.pem")
    assert isinstance(result.exception, AuthorityMissingError)
    assert "--csr-out first" in str(result.exception)


def test_a_ceremony_is_held_and_resumed_from_the_command_line(tmp_path: Path) -> None:
    secret = tmp_path / "passphrase"
    secret.write_text("correct horse battery staple\n")
    secret.chmod(0o600)
    zone = ("--fleet", "Plant A", "--issuing", "line-1=line-1.devices.example", "--passphrase-file", secret)
    made, again = run("ceremony", tmp_path / "safe", *zone), run("ceremony", tmp_path / "safe", *zone)
    assert "made       line-1/issuing.pem" in made.stdout
    assert "was there  line-1/issuing.pem" in again.stdout
    folder = tmp_path / "safe"
    chain = ("--anchors", folder / "root/root.pem", "--intermediates", folder / "line-1/issuing.pem")
    assert run("verify", *chain, folder / "line-1/ocsp.pem").exit_code == 0


@pytest.mark.parametrize("zone", ["line-1", "../up=devices.example", "root=devices.example", "=devices.example"])
def test_an_issuing_ca_without_a_name_or_a_domain_is_a_usage_error(tmp_path: Path, zone: str) -> None:
    arguments = ("--fleet", "Plant A", "--issuing", zone, "--passphrase-file", tmp_path / "none")
    assert run("ceremony", tmp_path / "safe", *arguments).exit_code == 2


def test_the_verdict_does_not_depend_on_the_order_of_anchors(files: Path) -> None:
    other = files / "other.pem"
    other.write_bytes(replace(SOUND, root_end=NOW).root().public_bytes(Encoding.PEM))
    for anchors in (("other.pem", "root.pem"), ("root.pem", "other.pem")):
        given = [part for anchor in anchors for part in ("--anchors", files / anchor)]
        chain = ("--intermediates", files / "issuing.pem", "--at", (NOW + timedelta(hours=1)).isoformat())
        assert run("verify", *given, *chain, files / "leaf.pem").exit_code == 0
