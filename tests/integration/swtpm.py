"""A software TPM as a device: Debian's swtpm behind tpm2-tools, with an EK certificate from a CA of its own."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature

from pki import der
from policyengine.attestation.tpm.keys import spki_of
from policyengine.attestation.tpm.structures import read_public

PROGRAMS = ("swtpm", "swtpm_setup", "tpm2_quote", "tpm2_activatecredential")
EK_HANDLE, EK_CERTIFICATE = "0x81010001", "0x1c00002"
_CREDENTIAL_HEADER = bytes.fromhex("badcc0de00000001")  # how tpm2-tools begins a credential file


def missing() -> list[str]:
    """Return the programs that are not installed."""
    return [program for program in PROGRAMS if shutil.which(program) is None]


@dataclass(frozen=True, slots=True, kw_only=True)
class AttestationKey:
    """A key made in the TPM: its context file there, its scheme, its TPMT_PUBLIC, its name."""

    context: Path
    scheme: str
    public: bytes
    name: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class SoftwareTpm:
    """One running swtpm in a folder of its own; every method is one or two commands of a device's agent."""

    folder: Path

    def run(self, *command: str) -> None:
        """Run one tpm2-tools command in the folder; there is no resource manager, so flush what it leaves."""
        environment = os.environ | {"TPM2TOOLS_TCTI": f"swtpm:path={self.folder / 'socket'}"}
        finished(command, self.folder, environment)
        finished(("tpm2_flushcontext", "-t"), self.folder, environment)

    def read(self, name: str) -> bytes:
        """Return a file that a command wrote."""
        return (self.folder / name).read_bytes()

    def ek_certificate(self) -> bytes:
        """Return the DER of the EK certificate in non-volatile memory."""
        self.run("tpm2_nvread", EK_CERTIFICATE, "-o", "ek.der")
        return self.read("ek.der")

    def ek_public(self) -> bytes:
        """Return the TPMT_PUBLIC of the EK."""
        self.run("tpm2_readpublic", "-c", EK_HANDLE, "-f", "tss", "-o", "ek.pub")
        return self.read("ek.pub")[2:]

    def create_ak(self, kind: str, scheme: str) -> AttestationKey:
        """Make an attestation key below the EK (`ecc` and `ecdsa`, or `rsa` and `rsassa` or `rsapss`)."""
        at = f"ak-{kind}-{scheme}"
        files = ("-c", f"{at}.ctx", "-u", f"{at}.pub", "-n", f"{at}.name", "-f", "tss")
        self.run("tpm2_createak", "-C", EK_HANDLE, "-G", kind, "-s", scheme, "-g", "sha256", *files)
        return AttestationKey(
            context=self.folder / f"{at}.ctx",
            scheme=scheme,
            public=self.read(f"{at}.pub")[2:],
            name=self.read(f"{at}.name"),
        )

    def activate(self, ak: AttestationKey, *, id_object: bytes, encrypted_secret: bytes) -> bytes:
        """Return the secret of a credential; fails unless EK and AK are here."""
        (self.folder / "credential").write_bytes(_CREDENTIAL_HEADER + id_object + encrypted_secret)
        self.run("tpm2_startauthsession", "--policy-session", "-S", "session.ctx")
        self.run("tpm2_policysecret", "-S", "session.ctx", "-c", "e")
        files = ("-i", "credential", "-o", "out", "-P", "session:session.ctx")
        self.run("tpm2_activatecredential", "-c", str(ak.context), "-C", EK_HANDLE, *files)
        self.run("tpm2_flushcontext", "session.ctx")
        return self.read("out")

    def extend(self, pcr: int, digest: bytes) -> None:
        """Extend a PCR of the SHA-256 bank, as firmware does when it measures."""
        self.run("tpm2_pcrextend", f"{pcr}:sha256={digest.hex()}")

    def quote(self, ak: AttestationKey, *, nonce: bytes, pcrs: range) -> tuple[bytes, bytes, dict[int, bytes]]:
        """Return TPMS_ATTEST, TPMT_SIGNATURE and the values of `pcrs` in the SHA-256 bank."""
        what = ("-l", "sha256:" + ",".join(str(pcr) for pcr in pcrs), "-q", nonce.hex())
        files = ("-m", "quote.msg", "-s", "quote.sig", "-o", "quote.pcrs", "-F", "values")
        self.run("tpm2_quote", "-c", str(ak.context), *what, *files, "-g", "sha256", "--scheme", ak.scheme)
        values = self.read("quote.pcrs")
        shown = {pcr: values[32 * index : 32 * index + 32] for index, pcr in enumerate(pcrs)}
        return self.read("quote.msg"), self.read("quote.sig"), shown

    def sign_as_any_program(self, ak: AttestationKey, data: bytes) -> bytes:
        """Return the raw signature of a restricted key over `data`, for which the TPM gives anybody a ticket."""
        (self.folder / "said").write_bytes(data)
        self.run("tpm2_hash", "-C", "e", "-g", "sha256", "-o", "said.digest", "-t", "said.ticket", "said")
        files = ("-o", "said.sig", "-f", "plain", "-d", "said.digest", "-t", "said.ticket")
        self.run("tpm2_sign", "-c", str(ak.context), "-g", "sha256", "-s", ak.scheme, *files)
        r, s = decode_dss_signature(self.read("said.sig"))
        return r.to_bytes(32, "big") + s.to_bytes(32, "big")

    def create_device_key(self) -> tuple[Path, bytes]:
        """Make a signing key that stays in this TPM; return its context and TPMT_PUBLIC."""
        self.run("tpm2_createprimary", "-C", "o", "-G", "ecc", "-c", "srk.ctx")
        attributes = "fixedtpm|fixedparent|sensitivedataorigin|userwithauth|sign"
        self.run("tpm2_create", "-C", "srk.ctx", "-G", "ecc", "-a", attributes, "-u", "dev.pub", "-r", "dev.priv")
        self.run("tpm2_load", "-C", "srk.ctx", "-u", "dev.pub", "-r", "dev.priv", "-c", "dev.ctx")
        return self.folder / "dev.ctx", self.read("dev.pub")[2:]

    def certify(self, key: Path, ak: AttestationKey) -> tuple[bytes, bytes]:
        """Return TPMS_ATTEST and TPMT_SIGNATURE of TPM2_Certify; tpm2-tools fixes the qualifying data to 00ff55aa."""
        files = ("-o", "certify.msg", "-s", "certify.sig", "-f", "tss")
        self.run("tpm2_certify", "-c", str(key), "-C", str(ak.context), "-g", "sha256", *files)
        return self.read("certify.msg"), self.read("certify.sig")

    def persist(self, context: Path, handle: str) -> None:
        """Keep the key of `context` under a persistent handle."""
        self.run("tpm2_evictcontrol", "-C", "o", "-c", str(context), handle)

    def certify_over(self, key: str, ak: str, nonce: bytes) -> tuple[bytes, bytes]:
        """Return TPMS_ATTEST and TPMT_SIGNATURE of TPM2_Certify over `nonce`, for two persistent handles.

        tpm2-tools cannot say what is certified over, so this command is written by hand (Part 3 section 18.2).
        """
        password = bytes.fromhex("40000009" + "0000" + "00" + "0000")  # TPM_RS_PW with an empty password
        sessions = len(2 * password).to_bytes(4, "big") + 2 * password
        handles = bytes.fromhex(key[2:] + ak[2:])
        scheme = bytes.fromhex("0010")  # TPM_ALG_NULL: the key's own
        body = handles + sessions + len(nonce).to_bytes(2, "big") + nonce + scheme
        head = bytes.fromhex("8002") + (10 + len(body)).to_bytes(4, "big") + bytes.fromhex("00000148")
        answer = self.command(head + body)
        assert answer[6:10] == bytes(4), answer.hex()
        size = int.from_bytes(answer[14:16], "big")
        end = 14 + int.from_bytes(answer[10:14], "big")
        return answer[16 : 16 + size], answer[16 + size : end]

    def command(self, sent: bytes) -> bytes:
        """Return the TPM's answer to a command as it goes over the wire."""
        with socket.socket(socket.AF_UNIX) as wire:
            wire.connect(str(self.folder / "socket"))
            wire.sendall(sent)
            return wire.recv(4096)

    def request(self, context: Path, public: bytes, name: str) -> tuple[bytes, bytes]:
        """Return a certificate request (PKCS#10) that the key of `context` signs, and its SubjectPublicKeyInfo."""
        spki = spki_of(read_public(public))
        assert spki is not None
        subject = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, name)]).public_bytes()
        info = der.sequence(der.integer(0), subject, spki, der.context(0, b""))
        (self.folder / "csr.info").write_bytes(info)
        files = ("-o", "csr.sig", "-f", "plain", "csr.info")
        self.run("tpm2_sign", "-c", str(context), "-g", "sha256", "-s", "ecdsa", *files)
        algorithm = der.sequence(der.oid("1.2.840.10045.4.3.2"))  # ecdsa-with-SHA256
        return der.sequence(info, algorithm, der.bit_string(self.read("csr.sig"))), spki


def finished(command: Sequence[str], folder: Path, environment: Mapping[str, str]) -> None:
    """Run `command` to its end in `folder`; fails with what it says."""
    found = subprocess.run(
        command, check=False, cwd=folder, env=environment, capture_output=True, text=True, timeout=120
    )
    assert found.returncode == 0, f"{' '.join(command)}: {found.stdout}{found.stderr}"


def manufacture(folder: Path) -> tuple[Path, Path]:
    """Make the state of a TPM with an EK and its certificate; return the PEM files of issuing CA and root."""
    ca, state = folder / "ca", folder / "state"
    ca.mkdir(), state.mkdir()
    ca_conf, ca_options, setup_conf = folder / "localca.conf", folder / "localca.options", folder / "setup.conf"
    ca_conf.write_text(
        f"statedir = {ca}\nsigningkey = {ca}/signkey.pem\nissuercert = {ca}/issuercert.pem\ncertserial = {ca}/serial\n"
    )
    ca_options.write_text("--platform-manufacturer Example\n--platform-version 1\n--platform-model Gateway\n")
    setup_conf.write_text(
        f"create_certs_tool = {shutil.which('swtpm_localca')}\n"
        f"create_certs_tool_config = {ca_conf}\ncreate_certs_tool_options = {ca_options}\nactive_pcr_banks = sha256\n"
    )
    command = ["swtpm_setup", "--tpm2", "--tpm-state", str(state), "--config", str(setup_conf), "--create-ek-cert"]
    finished([*command, "--overwrite"], folder, os.environ)
    return ca / "issuercert.pem", ca / "swtpm-localca-rootca-cert.pem"


def power_on(folder: Path) -> subprocess.Popen[bytes]:
    """Start the TPM whose state is in `folder`, on sockets in that folder; it ends when its process is terminated."""
    socket = folder / "socket"
    command = ["swtpm", "socket", "--tpm2", "--tpmstate", f"dir={folder / 'state'}"]
    server = ["--server", f"type=unixio,path={socket}", "--ctrl", f"type=unixio,path={socket}.ctrl"]
    flags = ["--flags", "not-need-init,startup-clear"]
    quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    return subprocess.Popen([*command, *server, *flags], cwd=folder, **quiet)
