"""A company that runs its CAs with openssl: it founds roots, and certifies what comes as a request."""

from __future__ import annotations

import subprocess
from dataclasses import dataclass
from pathlib import Path

DAYS = "900"


@dataclass(frozen=True, slots=True)
class Company:
    """Its files: one root, or several as the years go by."""

    folder: Path

    def found(self, name: str) -> Path:
        """Make a root called `name` and return its certificate."""
        certificate, key = self.folder / f"{name}.pem", self.folder / f"{name}.key"
        subject, usage = f"/O=Company/CN={name}", "keyUsage=critical,keyCertSign,cRLSign"
        made = ("req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-noenc", "-days", DAYS)
        _openssl(*made, "-subj", subject, "-addext", usage, "-keyout", key, "-out", certificate)
        return certificate

    def certify(self, request: str, name: str, out: str) -> bytes:
        """Return the CA that `request` asks for, as the root called `name` certifies it, and that root."""
        asked, given = self.folder / f"{out}.csr", self.folder / f"{out}.pem"
        asked.write_text(request)
        root = ("-CA", self.folder / f"{name}.pem", "-CAkey", self.folder / f"{name}.key")
        _openssl("x509", "-req", "-in", asked, *root, "-copy_extensions", "copy", "-days", DAYS, "-out", given)
        return given.read_bytes() + (self.folder / f"{name}.pem").read_bytes()


def _openssl(*command: object) -> None:
    done = subprocess.run(["openssl", *map(str, command)], capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode == 0, done.stderr
