"""A policy repository for one model of gateway whose TPM speaks for it, and the requests that its agent sends."""

from __future__ import annotations

import base64
from collections.abc import Mapping
from datetime import UTC, datetime

from policyengine.language.bundle import BundleFile, encode_file
from policyengine.language.compiler import compile_tree
from policyengine.model.base64url import base64url
from tests.integration.real_site import BUNDLE_TYPE, Running, expect

MODEL, VENDOR, DEVICE = "edge-7", "vendor-acme", "edge-0001"

_HEAD = "apiVersion: policyengine/v1\n"
_PARTY = """kind: Party
metadata: {{name: {name}}}
spec:
  role: {role}
  keys: [{{id: one, ed25519: "{key}"}}]
  scope: {{{scope}}}
  may: [{may}]
"""
_FLEET = f"""kind: Fleet
metadata: {{name: tpm-plant}}
spec:
  enforcement: enforce
  enrollment: {{unknown: refuse}}
  models: {{{MODEL}: {{vendor: {VENDOR}, class: gateway, versionScheme: semver}}}}
"""
_ANCHORS = f"""kind: TrustAnchors
metadata: {{name: tpm-roots, owner: it}}
spec:
  anchors: [{{file: tpm-root.pem, use: [ek], vendor: {VENDOR}, models: [{MODEL}]}}]
"""
_REFERENCE = """kind: ReferenceValues
metadata: {{name: edge}}
spec:
  models: [edge-7]
  releases:
    - version: 1.2.3
      svn: 4
      components: [{{name: "sha256:0", sha256: "{pcr0}"}}, {{name: "sha256:7", sha256: "{pcr7}"}}]
"""
_PROFILE = f"""kind: CertificateProfile
metadata: {{name: edge}}
spec:
  for: [{MODEL}]
  key: [p256]
  lifetime: 14d
  renew_at: 0.5
  subject: "CN={{device.id}}"
  san: {{dns: ["{{device.id}}.devices.example"]}}
  eku: [client-auth]
  tiers: {{full: {{}}}}
"""
_POLICY = """kind: Policy
metadata: {name: measured-boot, version: 1.0.0, owner: engineering, title: Gateways boot what was released}
spec:
  severity: high
  rules:
    - id: secure-boot
      require: boot.secure
      evidence: {min: attested, fresh: 1h}
      message: "secure boot is {boot.secure}"
      remediation: Install the signed image.
    - id: endorsed-pcrs
      require: boot.svn >= 4 && software.exists(c, c.name == "sha256:7" && c.match == "endorsed")
      evidence: {min: attested, fresh: 1h}
      message: "svn is {boot.svn}"
      remediation: Install the released image.
    - id: genuine-tpm
      require: identity.kind == "ak" && identity.verified
      evidence: {min: attested, fresh: 1h}
      message: "identity is {identity.kind}"
      remediation: Enrol by the TPM.
  ceiling: quarantine
"""
_BINDING = """kind: Binding
metadata: {name: measured-boot, owner: engineering}
spec: {policy: engineering/measured-boot, mode: enforce, action: quarantine}
"""


def policy_files(root_pem: bytes, pcrs: Mapping[int, bytes]) -> dict[str, bytes]:
    """Return the repository: the root of the TPMs' vendor, and the values of PCR 0 and 7 of the released image."""
    parties = (
        ("it", "it", "", "tighten, loosen, enforce, trust-anchors"),
        ("engineering", "engineering", "", "tighten, enforce, reference-values"),
        (VENDOR, "vendor", f"model: {{in: [{MODEL}]}}", "tighten"),
    )
    documents = [
        _PARTY.format(name=name, role=role, scope=scope, may=may, key=base64.b64encode(bytes([at] * 32)).decode())
        for at, (name, role, scope, may) in enumerate(parties, 1)
    ]
    texts = {
        "fleet.yaml": _HEAD + _FLEET,
        "parties.yaml": "---\n".join(_HEAD + each for each in documents),
        "trust-anchors/roots.yaml": _HEAD + _ANCHORS,
        "reference-values/engineering/edge.yaml": _HEAD + _REFERENCE.format(pcr0=pcrs[0].hex(), pcr7=pcrs[7].hex()),
        "profiles/edge.yaml": _HEAD + _PROFILE,
        "engineering/measured-boot.yaml": _HEAD + _POLICY,
        "engineering/bindings.yaml": _HEAD + _BINDING,
    }
    return {path: text.encode() for path, text in texts.items()} | {"trust-anchors/tpm-root.pem": root_pem}


def publish(server: Running, files: Mapping[str, bytes], *, serial: str) -> None:
    """Put the repository in force and announce the one device, by the thumbprint of its EK."""
    now = datetime.now(UTC)
    compiled = compile_tree(dict(files), now=now)
    assert compiled.bundle is not None, compiled.diagnostics
    file = BundleFile(bundle=compiled.bundle, digest=compiled.digest, commit=None, created_at=now)
    people = server.connection(token=server.token)
    expect(people.upload("/v1/bundles", encode_file(file), BUNDLE_TYPE), 201)
    expect(people.post(f"/v1/bundles/{compiled.digest}/activate", {"expected_generation": None}), 200)
    device = {"id": DEVICE, "vendor": VENDOR, "model": MODEL, "serial": serial}
    expect(people.post("/v1/devices", {"devices": [device]}), 201)
    people.close()


def plain(text: object) -> bytes:
    """Return the bytes that base64url without padding spells."""
    return base64.urlsafe_b64decode(str(text) + "=" * (-len(str(text)) % 4))


def items(*evidence: tuple[str, bytes]) -> list[dict[str, str]]:
    """Return evidence as the protocol carries it."""
    return [{"type": kind, "value": base64url(value)} for kind, value in evidence]
