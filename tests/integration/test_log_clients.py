"""Clients of the transparency log over real TLS: Go's own, and our monitor as an outsider runs it."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from policyengine.adapters.demo_site import DemoSite
from policyengine.simulation.device import enrolment
from tests.integration.real_site import Running, expect, publish, running
from tests.support.site import plain

SOURCE = Path(__file__).parent / "go" / "log_client.go"
GO_PATH = Path("/usr/share/gocode")  # where Debian's golang-golang-x-mod-dev puts the module's source


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    site = DemoSite(directory=tmp_path_factory.mktemp("site"))
    with running(site.data, POLICYENGINE_LOG_NAME="log.example/kestrel") as server:
        devices = publish(site, server, count=2)
        wire = server.connection()
        for device in devices:
            nonce = plain(str(expect(wire.post("/v1/challenges", {}), 200).document["nonce"]))
            expect(wire.post("/v1/checkins", enrolment(device, nonce)), 200)
        wire.close()
        yield server


@pytest.fixture(scope="module")
def go_client(tmp_path_factory: pytest.TempPathFactory) -> Path:
    go = shutil.which("go")
    if go is None or not (GO_PATH / "src/golang.org/x/mod/sumdb/tlog").is_dir():
        pytest.skip("Go or its module golang.org/x/mod is not installed (go, golang-golang-x-mod-dev)")
    program = tmp_path_factory.mktemp("go") / "log_client"
    alone = {"GO111MODULE": "off", "GOPATH": str(GO_PATH), "GOFLAGS": ""}
    built = subprocess.run(
        [go, "build", "-o", str(program), str(SOURCE)],
        check=False,
        cwd=program.parent,
        env={**os.environ, **alone},
        capture_output=True,
        text=True,
    )
    assert built.returncode == 0, built.stderr
    return program


def audit(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "policyengine", "audit", *arguments],
        check=False,
        capture_output=True,
        text=True,
        timeout=60,
    )


def trust(server: Running) -> list[str]:
    return ["--ca", str(server.data / "ca.pem"), "--vkey", str(server.data / "keys" / "log.vkey")]


def test_go_s_own_client_verifies_every_leaf_and_an_earlier_tree(served: Running, go_client: Path) -> None:
    """golang.org/x/mod/sumdb/tlog, which knows nothing of us, over C2SP tlog-tiles."""
    vkey = (served.data / "keys" / "log.vkey").read_text().strip()
    environment = {**os.environ, "SSL_CERT_FILE": str(served.data / "ca.pem")}
    ran = subprocess.run(
        [str(go_client), vkey, f"{served.url}/log", "3"],
        check=False,
        env=environment,
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert ran.returncode == 0, ran.stderr
    assert "all included, consistent with 3" in ran.stdout


def test_a_monitor_remembers_and_proves(served: Running, tmp_path: Path) -> None:
    seen = tmp_path / "seen"
    first = audit("monitor", f"{served.url}/log", "--state", str(seen), *trust(served))
    second = audit("monitor", f"{served.url}/log", "--state", str(seen), *trust(served))
    assert "first seen with" in first.stdout, first.stderr
    assert "leaves are intact" in second.stdout, second.stderr


def test_two_checkpoints_are_proved_consistent_and_told_as_json(served: Running, tmp_path: Path) -> None:
    seen = tmp_path / "seen"
    audit("monitor", f"{served.url}/log", "--state", str(seen), *trust(served))
    proved = audit("consistent", str(seen), str(seen), f"{served.url}/log", *trust(served), "--output", "json")
    found = json.loads(proved.stdout)
    assert (found["old_size"], found["size"] > 0) == (found["size"], True)


def test_a_monitor_with_another_key_believes_nothing(served: Running, tmp_path: Path) -> None:
    other = "log.example/kestrel+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW"
    refused = audit(
        "monitor", f"{served.url}/log", "--state", str(tmp_path / "x"), "--vkey", other, "--ca", trust(served)[1]
    )
    assert (refused.returncode, refused.stdout) == (2, "")
    assert "error[log.key]" in refused.stderr


def test_a_log_that_does_not_answer_is_exit_code_3(tmp_path: Path, served: Running) -> None:
    """DESIGN section 11: 3 cannot reach."""
    refused = audit("monitor", "https://127.0.0.1:9/log", "--state", str(tmp_path / "x"), *trust(served))
    assert refused.returncode == 3, refused.stderr


def test_a_receipt_from_the_api_verifies_without_the_server(served: Running, tmp_path: Path) -> None:
    people = served.connection(token=served.token)
    device = expect(people.get("/v1/devices"), 200).document["items"][0]
    decision = expect(people.get(f"/v1/devices/{device['id']}/decisions"), 200).document["items"][0]["decision_id"]
    proof = people.get(f"/v1/decisions/{decision}/proof")
    people.close()
    (tmp_path / "proof.json").write_text(json.dumps(dict(expect(proof, 200).document)))
    shown = audit("receipt", str(tmp_path / "proof.json"), *trust(served)[2:])
    assert shown.returncode == 0, shown.stderr
    assert decision in shown.stdout
