"""`curl` and `openssl` as relying parties of a running server: lists and OCSP over real TLS, by GET and by POST."""

from __future__ import annotations

import base64
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import quote

import pytest
from cryptography import x509

from pki.reservation import pem_of
from policyengine.adapters.demo_site import DemoSite
from policyengine.simulation.device import enrolment
from tests.integration.real_site import Running, expect, publish, put_in_force, running
from tests.support.site import plain

BASE = "http://pki.devices.example/pki"
TWO_PARTIES = b"renew_at: 0.5\n  revocation: {approvals: [it, operations], hold: true}"


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Running, Path]]:
    """A server with two enrolled devices, the second revoked; their certificates and its CA as files."""
    if shutil.which("openssl") is None or shutil.which("curl") is None:
        pytest.skip("openssl or curl is not installed")
    site = DemoSite(directory=tmp_path_factory.mktemp("site"))
    there = tmp_path_factory.mktemp("relying-party")
    with running(site.data, POLICYENGINE_PKI_URL=BASE) as server:
        devices = publish(site, server, count=2)
        wire = server.connection()
        for number, device in enumerate(devices):
            nonce = plain(str(expect(wire.post("/v1/challenges", {}), 200).document["nonce"]))
            reply = expect(wire.post("/v1/checkins", enrolment(device, nonce)), 200).document
            (there / f"device{number}.pem").write_text(pem_of(plain(str(reply["certificate"]))))
        wire.close()
        people = server.connection(token=server.token)
        revoked = x509.load_pem_x509_certificate((there / "device1.pem").read_bytes()).serial_number
        expect(people.post(f"/v1/certificates/{revoked:x}/revoke", {"reason": "keyCompromise"}), 204)
        people.close()
        issuing, root = server.ca_pem.split("-----END CERTIFICATE-----\n")[:2]
        (there / "issuing.pem").write_text(issuing + "-----END CERTIFICATE-----\n")
        (there / "root.pem").write_text(root + "-----END CERTIFICATE-----\n")
        (there / "ca.pem").write_text(server.ca_pem)
        yield server, there


def run(there: Path, *command: str) -> subprocess.CompletedProcess[bytes]:
    return subprocess.run(command, cwd=there, capture_output=True, check=False)


def curl(served: tuple[Running, Path], path: str, *options: str) -> subprocess.CompletedProcess[bytes]:
    server, there = served
    return run(there, "curl", "-sS", "--cacert", "ca.pem", *options, f"{server.url}{path}")


def place(there: Path, device: str) -> str:
    """The path below the server of the list that the certificate itself names."""
    certificate = x509.load_pem_x509_certificate((there / device).read_bytes())
    (point,) = certificate.extensions.get_extension_for_class(x509.CRLDistributionPoints).value
    (name,) = point.full_name or ()
    assert str(name.value).startswith(BASE)
    return "/pki" + str(name.value).removeprefix(BASE)


@pytest.mark.parametrize(("device", "said"), [("device0", b"device0.pem: OK"), ("device1", b"certificate revoked")])
def test_openssl_judges_a_device_by_the_list_its_certificate_names(
    served: tuple[Running, Path], device: str, said: bytes
) -> None:
    _, there = served
    (there / "list.crl").write_bytes(curl(served, place(there, f"{device}.pem")).stdout)
    run(there, *["openssl", "crl", "-inform", "DER", "-in", "list.crl", "-out", "list.pem"])
    command = "openssl verify -x509_strict -extended_crl -crl_check -CAfile root.pem -untrusted issuing.pem -CRLfile"
    verdict = run(there, *command.split(), "list.pem", f"{device}.pem")
    assert said in verdict.stdout + verdict.stderr


def asked(there: Path, device: str, *options: str) -> bytes:
    command = ["openssl", "ocsp", *options, "-issuer", "issuing.pem", "-cert", device, "-reqout", "request.der"]
    run(there, *command)
    return (there / "request.der").read_bytes()


def judged(there: Path, device: str, answer: bytes) -> str:
    (there / "answer.der").write_bytes(answer)
    command = "openssl ocsp -no_nonce -CAfile ca.pem -issuer issuing.pem -respin answer.der -cert"
    said = run(there, *command.split(), device)
    assert b"Response verify OK" in said.stderr, said.stderr
    return said.stdout.decode()


@pytest.mark.parametrize(("device", "state"), [("device0.pem", "good"), ("device1.pem", "revoked")])
@pytest.mark.parametrize("method", ["GET", "POST"])
def test_openssl_believes_the_answer_however_it_is_asked(
    served: tuple[Running, Path], device: str, state: str, method: str
) -> None:
    """RFC 6960 appendix A.1."""
    _, there = served
    question = asked(there, device, "-no_nonce")
    if method == "GET":
        text = quote(base64.b64encode(question).decode(), safe="")
        answer = curl(served, f"/pki/ocsp/{text}").stdout
    else:
        answer = curl(
            served, "/pki/ocsp", "-H", "Content-Type: application/ocsp-request", "--data-binary", "@request.der"
        ).stdout
    assert f"{device}: {state}" in judged(there, device, answer)


def test_answers_and_lists_may_be_cached_for_a_minute(served: tuple[Running, Path]) -> None:
    """RFC 5019 section 6.2."""
    _, there = served
    question = quote(base64.b64encode(asked(there, "device0.pem", "-no_nonce")).decode(), safe="")
    for path in (place(there, "device0.pem"), f"/pki/ocsp/{question}"):
        headers = curl(served, path, "-D", "-", "-o", "/dev/null").stdout.decode().lower()
        assert "cache-control: max-age=60, public, no-transform, must-revalidate" in headers
        tag = next(line.partition(": ")[2] for line in headers.splitlines() if line.startswith("etag:"))
        again = curl(served, path, "-o", "/dev/null", "-w", "%{http_code}", "-H", f"If-None-Match: {tag}")
        assert again.stdout == b"304"


@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("/pki/crl/00.crl", b"404"),
        ("/pki/crl/{issuer}.crl", b"200"),
        ("/pki/crl/{issuer}/00.crl", b"200"),
        ("/pki/crl/{issuer}/00.delta.crl", b"200"),
        ("/pki/crl/{issuer}/40.crl", b"404"),
        ("/pki/crl/{issuer}/..%2f.crl", b"404"),
        ("/pki/ocsp/bm9uc2Vuc2U=", b"200"),
        ("/pki/ocsp/%00", b"200"),
        ("/pki/ocsp", b"405"),
    ],
)
def test_each_path_answers_with_its_status(served: tuple[Running, Path], path: str, status: bytes) -> None:
    _, there = served
    issuer = place(there, "device0.pem").split("/")[3]
    found = curl(served, path.replace("{issuer}", issuer), "--path-as-is", "-o", "/dev/null", "-w", "%{http_code}")
    assert found.stdout == status


def test_a_question_of_another_media_type_is_refused(served: tuple[Running, Path]) -> None:
    found = curl(served, "/pki/ocsp", "--data-binary", "x", "-o", "/dev/null", "-w", "%{http_code}")
    assert found.stdout == b"415"


def command(served: tuple[Running, Path], *arguments: str) -> subprocess.CompletedProcess[bytes]:
    server, there = served
    return run(there, sys.executable, "-m", "policyengine", "pki", *arguments, "--data", str(server.data))


def test_a_person_at_the_machine_holds_and_releases_and_the_server_says_so_at_once(
    served: tuple[Running, Path],
) -> None:
    _, there = served
    serial = f"{x509.load_pem_x509_certificate((there / 'device0.pem').read_bytes()).serial_number:x}"
    seen = []
    for verb in ("hold", "release"):
        assert command(served, verb, serial, "--reason", "odd traffic").returncode == 0
        text = quote(base64.b64encode(asked(there, "device0.pem", "-no_nonce")).decode(), safe="")
        seen.append(judged(there, "device0.pem", curl(served, f"/pki/ocsp/{text}").stdout))
    assert ["revoked" in seen[0], "certificateHold" in seen[0], "good" in seen[1]] == [True, True, True]


def test_a_list_is_written_for_those_whom_the_server_does_not_reach(served: tuple[Running, Path]) -> None:
    _, there = served
    assert command(served, "crl", "--out", "written.crl").returncode == 0
    said = run(
        there, *["openssl", "crl", "-inform", "DER", "-in", "written.crl", "-noout", "-text", "-CAfile", "ca.pem"]
    )
    assert b"verify OK" in said.stderr
    assert b"Key Compromise" in said.stdout


def test_a_serial_that_is_none_of_ours_is_a_refusal(served: tuple[Running, Path]) -> None:
    said = command(served, "revoke", "0x12:34")
    assert said.returncode != 0
    assert b"no certificate has the serial number `1234`" in said.stderr


def said_by(served: tuple[Running, Path], *arguments: str) -> str:
    done = command(served, *arguments)
    return (done.stdout + done.stderr).decode()


@pytest.fixture(scope="module")
def two_parties(served: tuple[Running, Path]) -> tuple[Running, Path]:
    """The same server, whose profiles now ask for two parties; a token file of one person of each beside it."""
    server, there = served
    put_in_force(DemoSite(directory=server.data.parent), server, old=b"renew_at: 0.5", new=TWO_PARTIES, generation=1)
    for role, party in (("security", "it"), ("operations", "operations")):
        token = [sys.executable, "-m", "policyengine", "token", "create", f"one of {party}", "--role", role]
        made = run(there, *token, "--party", party, "--data", str(server.data))
        (there / f"{party}.token").touch(mode=0o600)
        (there / f"{party}.token").write_bytes(made.stdout)
    return served


def test_two_parties_revoke_by_commands(two_parties: tuple[Running, Path]) -> None:
    """What the first command prints is the second one's; nothing but the two tokens gets through."""
    _, there = two_parties
    serial = f"{x509.load_pem_x509_certificate((there / 'device0.pem').read_bytes()).serial_number:x}"
    at_the_machine = command(two_parties, "revoke", serial)
    proposed = said_by(two_parties, "revoke", serial, "--reason", "superseded", "--token-file", "it.token")
    confirm = proposed.splitlines()[1].removeprefix("policyengine pki ").replace("FILE", "operations.token").split()
    listed = said_by(two_parties, "proposals")
    confirmed = said_by(two_parties, *confirm)
    assert (at_the_machine.returncode, b"revocation.party" in at_the_machine.stderr) == (4, True)
    assert "waits for the second party until" in proposed
    assert "one of it (it)" in listed
    assert confirmed == f"{serial} is revoked: superseded\n"
