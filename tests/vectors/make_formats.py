"""Makes `tests/vectors/formats/`: our vectors of all formats but TPM and the RFC 9783 profile of PSA, one defect each.

`python -m tests.vectors.make_formats` writes them; a test holds the files to this script. Keys are derived from fixed
numbers and ECDSA is deterministic, so the bytes never change by themselves. `failed` in the index are the check ids
that must refuse the case, no more and no fewer.
"""

from __future__ import annotations

import json
from pathlib import Path

from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from tests.vectors import cca_cases, cmw_cases, ear_cases, eat_cases, psa_cases
from tests.vectors.format_case import KEYS, SECRET, Case

HERE = Path(__file__).parent / "formats"


def cases() -> list[Case]:
    """Return every case, in the order of the index."""
    return [each for made in (psa_cases, eat_cases, cca_cases, cmw_cases, ear_cases) for each in made.cases()]


def files() -> dict[str, bytes]:
    """Return every file of the folder by its path inside it."""
    made = {f"{case.name}/{case.file}": case.evidence for case in cases()}
    for name, key in KEYS.items():
        pem = key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
        made[f"keys/{name}.pem"] = pem
    made["keys/secret.bin"] = SECRET
    made["index.json"] = (json.dumps([entry(case) for case in cases()], indent=1) + "\n").encode()
    return made


def entry(case: Case) -> dict[str, object]:
    made: dict[str, object] = {
        "id": case.name,
        "format": case.name.split("/")[0],
        "files": [case.file],
        "key": case.key,
        "nonce": case.nonce.hex() if case.nonce else None,
        "at": case.at,
        "expect": "reject" if case.failed else "accept",
        "failed": list(case.failed),
        "reason": case.reason,
        "claims": dict(case.claims),
    }
    return {name: value for name, value in made.items() if value is not None and value != {}}


if __name__ == "__main__":
    for path, content in files().items():
        target = HERE / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(content)
