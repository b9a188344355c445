"""The recipe of RFC 7030 clients without a library: curl for HTTP and TLS, openssl for requests and PKCS#7."""

from __future__ import annotations

import base64
import subprocess
from dataclasses import dataclass, field
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from policyengine.simulation.device import SimulatedDevice


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What curl got."""

    status: int
    headers: str
    body: bytes

    def certificates(self) -> list[x509.Certificate]:
        """Let openssl read the PKCS#7."""
        printed = subprocess.run(
            ["openssl", "pkcs7", "-inform", "DER", "-print_certs"],
            input=base64.b64decode(self.body),
            capture_output=True,
            check=True,
        )
        return x509.load_pem_x509_certificates(printed.stdout)


@dataclass(slots=True)
class EstClient:
    """One device's EST client; `certificate` and `key` are what it shows in TLS."""

    url: str
    ca: Path
    folder: Path
    certificate: Path | None = None
    key: Path | None = None
    token: str | None = None
    label: str = ""
    calls: int = field(default=0)

    def show(self, certificates: list[x509.Certificate], key: Path) -> None:
        """Use these certificates, leaf first, and this key in TLS from now on."""
        self.certificate, self.key = self.folder / "tls.pem", key
        self.certificate.write_bytes(b"".join(each.public_bytes(Encoding.PEM) for each in certificates))

    def idevid(self, device: SimulatedDevice) -> None:
        """Show the device's IDevID."""
        key = self.folder / "idevid.key"
        key.write_bytes(device.identity_key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
        self.show([x509.load_der_x509_certificate(each) for each in device.chain], key)

    def request(self, subject: str, *, san: str | None = None, key: str = "new.key", asks: str | None = None) -> bytes:
        """Let openssl make a key and a request; returns the request in base64 lines. `asks` is one more extension."""
        wanted = (None if san is None else f"subjectAltName={san}", asks)
        extension = [word for each in wanted if each is not None for word in ("-addext", each)]
        made = subprocess.run(
            [
                *("openssl", "req", "-new", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes"),
                *("-keyout", str(self.folder / key), "-subj", subject, "-outform", "DER", *extension),
            ],
            capture_output=True,
            check=True,
        )
        return base64.encodebytes(made.stdout)

    def get(self, operation: str) -> Answer:
        return self._curl(operation, [])

    def post(self, operation: str, body: bytes) -> Answer:
        (self.folder / "body").write_bytes(body)
        return self._curl(
            operation, ["--data-binary", f"@{self.folder / 'body'}", "-H", "Content-Type: application/pkcs10"]
        )

    def _curl(self, operation: str, more: list[str]) -> Answer:
        self.calls += 1
        head, body = self.folder / f"head{self.calls}", self.folder / f"out{self.calls}"
        shown = ["--cert", str(self.certificate), "--key", str(self.key)] if self.certificate else []
        user = ["--user", f"device:{self.token}"] if self.token else []
        ran = subprocess.run(
            [
                *("curl", "--silent", "--show-error", "--cacert", str(self.ca), "-D", str(head), "-o", str(body)),
                *("-w", "%{http_code}", *shown, *user, *more),
                f"{self.url}/.well-known/est/{self.label}{operation}",
            ],
            capture_output=True,
            text=True,
            check=True,
        )
        return Answer(status=int(ran.stdout), headers=head.read_text(), body=body.read_bytes())
