"""`policyengine refvals` writes only what compiles: releases of digests, CoRIMs and golden devices, and their ends."""

from __future__ import annotations

import base64
import json
from pathlib import Path

import cbor2
import pytest
from cryptography.hazmat.primitives.asymmetric import ed25519
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from typer.testing import CliRunner

from policyengine.cli.compiled import UnknownModelError
from policyengine.cli.refvals import ReleaseArgumentError, app
from policyengine.simulation import corim
from tests.unit.language.repository import base

KEY = ed25519.Ed25519PrivateKey.from_private_bytes(bytes([0xA1] * 32))
STRANGER = ed25519.Ed25519PrivateKey.from_private_bytes(bytes([0xA2] * 32))
APP = "11" * 32
UEID = b"\x01" + bytes(16)
NAMED = ["--party", "vendor-acme", "--model", "gw-200", "--release", "5.0.0"]


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    raw = KEY.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw)
    key = f'  keys: [{{id: acme, ed25519: "{base64.b64encode(raw).decode()}"}}]\n'
    scope = b"  scope: {model: {in: [gw-200]}}\n"
    for name, content in base().items():
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content.replace(scope, scope + key.encode()))
    return tmp_path


def run(*arguments: str | Path) -> tuple[int, str]:
    done = CliRunner().invoke(app, [str(each) for each in arguments])
    if done.exception is not None and not isinstance(done.exception, SystemExit):
        raise done.exception
    return done.exit_code, done.output


def listed(repository: Path) -> dict[str, dict[str, object]]:
    rows = json.loads(run("list", repository, "--output", "json")[1])
    return {row["version"]: row for row in rows}


def signed(tmp_path: Path, key: ed25519.Ed25519PrivateKey) -> Path:
    environment = corim.environment(vendor="vendor-acme", model="gw-200")
    tag = corim.comid({0: [[environment, [corim.measurement(bytes.fromhex(APP), mkey="app", v1=9)]]]})
    path = tmp_path / "given.cbor"
    path.write_bytes(corim.signed(key, corim.corim([tag])))
    return path


def listing(tmp_path: Path, key: ed25519.Ed25519PrivateKey = KEY) -> Path:
    """Return a CoRIM with the key of one device."""
    device = corim.environment(vendor="vendor-acme", model="gw-200", instance=cbor2.CBORTag(550, UEID))
    tag = corim.comid({3: [corim.key_triple(device, STRANGER)]})
    path = tmp_path / "keys.cbor"
    path.write_bytes(corim.signed(key, corim.corim([tag])))
    return path


def test_a_list_of_keys_is_added_and_shown(repository: Path, tmp_path: Path) -> None:
    """draft-ietf-rats-corim section 5.1.10."""
    assert run("add-keys", repository, *NAMED[:4], "--batch", "2026-11", "--corim", listing(tmp_path))[0] == 0
    (row,) = json.loads(run("keys", repository, "--output", "json")[1])
    assert (row["instance"], row["use"], row["signer"]) == (UEID.hex(), "attest", "vendor-acme")


def test_a_list_of_attestation_keys_is_added_as_keys_that_quote(repository: Path, tmp_path: Path) -> None:
    given = (*NAMED[:4], "--batch", "aks", "--corim", listing(tmp_path), "--signs", "quotes")
    assert run("add-keys", repository, *given)[0] == 0
    assert [row["use"] for row in json.loads(run("keys", repository, "--output", "json")[1])] == ["quote"]


def test_a_list_of_keys_by_somebody_else_is_not_written(repository: Path, tmp_path: Path) -> None:
    given = listing(tmp_path, STRANGER)
    assert run("add-keys", repository, *NAMED[:4], "--batch", "2026-11", "--corim", given)[0] == 1
    assert json.loads(run("keys", repository, "--output", "json")[1]) == []


def test_a_list_of_keys_replaces_no_other(repository: Path, tmp_path: Path) -> None:
    arguments = ("add-keys", repository, *NAMED[:4], "--batch", "2026-11", "--corim", listing(tmp_path))
    run(*arguments)
    with pytest.raises(ReleaseArgumentError, match="another name"):
        run(*arguments)


@pytest.mark.parametrize("option", ["--party", "--model", "--release"])
@pytest.mark.parametrize("name", ["../x", "..", "vendor-acme/gw", ""])
def test_what_is_no_name_writes_nowhere(repository: Path, option: str, name: str) -> None:
    """What lies outside the party's folder is compiled with nothing and signed off by nobody."""
    before = sorted(repository.parent.rglob("*"))
    with pytest.raises(ReleaseArgumentError, match="cannot be the name of a file or folder"):
        run("add", repository, *NAMED, option, name, "--digest", f"app={APP}")
    assert sorted(repository.parent.rglob("*")) == before


def test_a_list_of_keys_of_a_party_that_is_no_name_is_refused(repository: Path, tmp_path: Path) -> None:
    with pytest.raises(ReleaseArgumentError, match="cannot be the name of a file or folder"):
        run("add-keys", repository, "--party", "../x", *NAMED[2:4], "--batch", "1", "--corim", listing(tmp_path))


@pytest.mark.parametrize("command", ["list", "keys"])
def test_a_model_the_fleet_does_not_have_is_told_apart_from_one_without_rows(repository: Path, command: str) -> None:
    with pytest.raises(UnknownModelError, match="no model `gw-20` in fleet"):
        run(command, repository, "--model", "gw-20")


def test_digests_become_a_release(repository: Path) -> None:
    assert run("add", repository, *NAMED, "--digest", f"app={APP}", "--svn", "9")[0] == 0
    assert listed(repository)["5.0.0"]["svn"] == 9


def test_a_release_that_is_there_is_not_written_again(repository: Path) -> None:
    """Its end would be lost without a word, or two releases of one version would disagree about their SVN."""
    run("add", repository, *NAMED, "--digest", f"app={APP}")
    run("retire", repository, "--model", "gw-200", "--release", "5.0.0", "--until", "2026-12-01T00:00:00Z")
    with pytest.raises(ReleaseArgumentError, match=r"gw-200-5\.0\.0\.yaml` has release"):
        run("add", repository, *NAMED, "--digest", f"app={APP}")
    assert listed(repository)["5.0.0"]["until"] == "2026-12-01T00:00:00Z"


def test_a_token_in_place_of_its_verdict_is_told_apart_by_name(repository: Path, tmp_path: Path) -> None:
    (tmp_path / "token.cbor").write_bytes(b"\xd2\x84")
    with pytest.raises(ReleaseArgumentError, match=r"token\.cbor` is not what `evidence verify` printed"):
        run("capture", repository, "--from", tmp_path / "token.cbor", *NAMED)


@pytest.mark.parametrize("source", ["verdict.jsn", "no such verdict"])
def test_a_file_that_is_not_there_is_not_taken_for_a_device_without_a_word(
    repository: Path, tmp_path: Path, source: str
) -> None:
    with pytest.raises(ReleaseArgumentError, match=f"`{source}` is no file; as the id of a device: "):
        run("capture", repository, "--from", source, "--data", tmp_path / "none", *NAMED)


def test_a_signed_corim_becomes_a_release(repository: Path, tmp_path: Path) -> None:
    assert run("add", repository, *NAMED, "--corim", signed(tmp_path, KEY))[0] == 0
    row = listed(repository)["5.0.0"]
    assert (row["svn"], row["signer"], row["corim_id"]) == (9, "vendor-acme", "acme.rim")


def test_a_corim_by_another_key_is_not_written(repository: Path, tmp_path: Path) -> None:
    code, _ = run("add", repository, *NAMED, "--corim", signed(tmp_path, STRANGER))
    assert (code, list(repository.rglob("gw-200-5.0.0*"))) == (1, [])


def test_a_release_of_somebody_elses_model_is_not_written(repository: Path) -> None:
    named = ["--party", "vendor-acme", "--model", "sn-40", "--release", "7"]
    assert run("add", repository, *named, "--digest", f"app={APP}")[0] == 1


@pytest.mark.parametrize("until", ["2027-01-01T00:00:00Z", "2028-01-01T00:00:00Z"])
def test_a_retired_release_has_an_end(repository: Path, until: str) -> None:
    run("add", repository, *NAMED, "--digest", f"app={APP}")
    named = ["--model", "gw-200", "--release"]
    assert run("retire", repository, *named, "5.0.0", "--until", "2026-12-31T00:00:00Z")[0] == 0
    assert run("retire", repository, *named, "5.0.0", "--until", until)[0] == 0
    assert listed(repository)["5.0.0"]["until"] == until


def test_a_release_written_in_one_line_can_be_retired(repository: Path) -> None:
    version = next(iter(listed(repository)))
    assert (
        run("retire", repository, "--model", "gw-200", "--release", version, "--until", "2027-02-02T00:00:00Z")[0] == 0
    )
    assert listed(repository)[version]["until"] == "2027-02-02T00:00:00Z"


def test_retiring_what_is_not_there_is_said(repository: Path) -> None:
    with pytest.raises(ReleaseArgumentError):
        run("retire", repository, "--model", "gw-200", "--release", "1.1.1")


def verdict(tmp_path: Path, **changes: object) -> Path:
    software = [{"name": "app", "digest": APP}]
    path = tmp_path / "verdict.json"
    path.write_text(json.dumps({"accepted": True, "facts": {"software": software}} | changes))
    return path


def test_a_golden_devices_verdict_becomes_a_release(repository: Path, tmp_path: Path) -> None:
    assert run("capture", repository, "--from", verdict(tmp_path), *NAMED)[0] == 0
    assert listed(repository)["5.0.0"]["components"] == 1


def test_what_a_device_of_another_model_measured_is_not_captured(repository: Path, tmp_path: Path) -> None:
    facts = {"device": {"model": "sn-40"}, "software": [{"name": "app", "digest": APP}]}
    with pytest.raises(ReleaseArgumentError, match="the device is a `sn-40`"):
        run("capture", repository, "--from", verdict(tmp_path, facts=facts), *NAMED)


@pytest.mark.parametrize("change", [{"accepted": False}, {"facts": {}}, {"facts": {"software": [{"name": "app"}]}}])
def test_what_was_not_believed_or_measured_is_not_captured(
    repository: Path, tmp_path: Path, change: dict[str, object]
) -> None:
    with pytest.raises(ReleaseArgumentError):
        run("capture", repository, "--from", verdict(tmp_path, **change), *NAMED)
