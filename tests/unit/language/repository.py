"""A small policy repository in which everything is right, and one-step changes to it."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from functools import cache

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from policyengine.language.compiler import Compilation, compile_tree
from policyengine.model.diagnostic import Diagnostic

NOW = datetime(2026, 11, 23, tzinfo=UTC)
KEY = "UuuPBv8P8j8J0SGBfvq5SBIkmXEFSe+oXhO+E1P8LHk="

FLEET = """\
apiVersion: policyengine/v1
kind: Fleet
metadata: {name: north}
spec:
  enforcement: enforce
  enrollment: {unknown: refuse}
  sites: [plant-a, lab, depot]
  zones: [line-1]
  models:
    gw-200: {vendor: vendor-acme, class: gateway, versionScheme: semver}
    sn-40: {vendor: vendor-borealis, class: sensor, versionScheme: integer}
"""

PARTIES = f"""\
apiVersion: policyengine/v1
kind: Party
metadata: {{name: it}}
spec:
  role: it
  keys: [{{id: it-2026, ed25519: "{KEY}"}}]
  may: [tighten, loosen, enforce, waive, trust-anchors]
---
apiVersion: policyengine/v1
kind: Party
metadata: {{name: engineering}}
spec: {{role: engineering, may: [tighten, loosen]}}
---
apiVersion: policyengine/v1
kind: Party
metadata: {{name: operations}}
spec: {{role: operations, may: [tighten, enforce, waive]}}
---
apiVersion: policyengine/v1
kind: Party
metadata: {{name: vendor-acme}}
spec:
  role: vendor
  scope: {{model: {{in: [gw-200]}}}}
  may: [tighten, reference-values]
---
apiVersion: policyengine/v1
kind: Party
metadata: {{name: vendor-borealis}}
spec:
  role: vendor
  scope: {{model: {{in: [sn-40]}}}}
  may: [tighten]
"""

POLICY = """\
apiVersion: policyengine/v1
kind: Policy
metadata:
  name: boot
  version: 1.4.0
  owner: engineering
  title: Gateways boot securely
spec:
  severity: high
  controls: ["etsi:5.7-1"]
  select: {model: {in: [gw-200]}}
  exclude: {site: {in: [lab]}}
  params:
    min_svn: {type: int, default: 7, tighter: higher, tunable_by: [vendor-acme, operations]}
    max_age: {type: duration, default: 24h, tighter: lower, tunable_by: [operations]}
    min_version: {type: version, default: 4.2.0, tighter: higher, tunable_by: [operations]}
    modes: {type: [string], default: [production, locked], tighter: lower, tunable_by: [operations]}
    motto: {type: string, default: none, tunable_by: [operations]}
  let:
    left: cert.not_after - now
  rules:
    - id: secure
      require: boot.secure && boot.mode in params.modes
      evidence: {min: attested, fresh: 24h, onUnknown: {hold: 72h}}
      message: "mode {boot.mode}"
      remediation: Flash the signed image.
    - id: floor
      require: boot.svn >= params.min_svn && boot.seed != params.motto
    - id: fresh
      require: evidence.age < params.max_age
    - id: released
      require: model.latest_version.atLeast(params.min_version)
    - id: lasting
      require: let.left > duration("48h")
    - id: proven
      require: identity.verified
  ceiling: quarantine
  waivers: {max: 30d, approvals: [it]}
"""

BINDINGS = """\
apiVersion: policyengine/v1
kind: Binding
metadata: {name: boot-plant, owner: operations}
spec:
  policy: engineering/boot
  where: {site: {in: [plant-a]}}
  params: {min_svn: 8, max_age: 12h}
  mode: enforce
  action: limited
  caps: {per_zone_per_hour: 5}
"""

VENDOR = """\
apiVersion: policyengine/v1
kind: Policy
metadata: {name: keys, version: 1.0.0, owner: vendor-acme, title: Acme keys}
spec:
  severity: low
  controls: ["etsi:5.7-1"]
  select: {model: {in: [gw-200]}}
  rules: [{id: key, require: cert.key_type == "p256"}]
  ceiling: limited
---
apiVersion: policyengine/v1
kind: Binding
metadata: {name: boot-acme, owner: vendor-acme}
spec:
  policy: engineering/boot
  where: {model: {in: [gw-200]}}
  params: {min_svn: 9}
  mode: audit
---
apiVersion: policyengine/v1
kind: Binding
metadata: {name: keys-acme, owner: vendor-acme}
spec: {policy: vendor-acme/keys, where: {class: {in: [gateway]}}, mode: warn}
"""

WAIVER = """\
apiVersion: policyengine/v1
kind: Waiver
metadata: {name: spare-part}
spec:
  policy: engineering/boot
  rules: [floor]
  where: {device: {in: [gw-0007]}}
  reason: Spare part ordered
  ticket: OPS-412
  compensatingControl: Isolated VLAN 40
  approvals: [it]
  expires: "2026-12-15T00:00:00Z"
"""

PROFILE = """\
apiVersion: policyengine/v1
kind: CertificateProfile
metadata: {name: all}
spec:
  for: [gw-200, sn-40]
  key: [p256]
  lifetime: 14d
  subject: "CN={device.id}"
  san: {dns: ["{device.id}.devices.example"]}
  eku: [client-auth]
  tiers: {full: {}, limited: {lifetime: 24h}}
"""

ANCHORS = """\
apiVersion: policyengine/v1
kind: TrustAnchors
metadata: {name: roots}
spec:
  anchors:
    - {file: acme.pem, use: [idevid], vendor: vendor-acme, models: [gw-200], serial: "^AC-[0-9]{8}$"}
"""

REFERENCES = """\
apiVersion: policyengine/v1
kind: ReferenceValues
metadata: {name: gw-200}
spec:
  models: [gw-200]
  releases:
    - version: 4.2.1
      svn: 8
      components: [{name: app, sha256: "6655f641a1bdaa08ee94b12838d950c9110c305701d030d438daaad838ec5977"}]
      until: 2027-06-30
"""

FACTS = """\
apiVersion: policyengine/v1
kind: FactSchema
metadata: {name: own}
spec:
  facts:
    org.ring: {type: string, source: declared}
"""

CONTROLS = """\
apiVersion: policyengine/v1
kind: ControlCatalog
metadata: {name: etsi}
spec:
  source: ETSI EN 303 645
  edition: V2.1.1
  controls:
    - {id: "etsi:5.7-1", title: Software is verified at start-up}
"""

TEST = """\
apiVersion: policyengine/v1
kind: PolicyTest
metadata: {name: boot}
spec:
  policy: engineering/boot
  now: 2026-11-23T00:00:00Z
  devices:
    good:
      model: gw-200
      facts: {boot.secure: true, boot.mode: locked, boot.svn: 9, cert.not_after: 2027-03-01T00:00:00Z}
      evidence: {source: attested, age: 1h}
    silent: {from: good, unset: [boot.secure]}
    old: {from: good, set: {boot.svn: 3}}
  expect:
    good: {secure: pass, floor: pass, fresh: pass, released: pass, lasting: pass, proven: pass, tier: full}
    silent: {secure: unknown}
    old: {floor: fail, tier: limited}
  coverage: {per_rule: [pass, fail]}
"""

KEYS_TEST = """\
apiVersion: policyengine/v1
kind: PolicyTest
metadata: {name: keys}
spec:
  policy: vendor-acme/keys
  now: 2026-11-23T00:00:00Z
  devices: {good: {model: gw-200, facts: {cert.key_type: p256}}}
  expect: {good: {key: pass}}
"""


def certificate(*, authority: bool = True, until: datetime = NOW + timedelta(days=3650)) -> bytes:
    """Return a self-signed PEM certificate."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "root")])
    builder = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(NOW - timedelta(days=3650))
        .not_valid_after(until)
        .add_extension(x509.BasicConstraints(ca=authority, path_length=None), critical=True)
    )
    return builder.sign(key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM)


@cache
def base() -> dict[str, bytes]:
    """Return the files of a repository without a single diagnostic."""
    written = {
        "fleet.yaml": FLEET,
        "parties.yaml": PARTIES,
        "engineering/boot.yaml": POLICY,
        "engineering/boot_test.yaml": TEST,
        "operations/bindings.yaml": BINDINGS,
        "vendors/vendor-acme/keys.yaml": VENDOR,
        "vendors/vendor-acme/keys_test.yaml": KEYS_TEST,
        "waivers/spare-part.yaml": WAIVER,
        "profiles/all.yaml": PROFILE,
        "trust-anchors/index.yaml": ANCHORS,
        "reference-values/vendor-acme/gw-200.yaml": REFERENCES,
        "facts/own.yaml": FACTS,
        "controls/etsi.yaml": CONTROLS,
    }
    return {path: text.encode() for path, text in written.items()} | {"trust-anchors/acme.pem": certificate()}


def compiled(changes: dict[str, bytes | str | None] | None = None, *, now: datetime = NOW) -> Compilation:
    """Return what the compiler says of the base repository with `changes` (None removes a file)."""
    files = dict(base())
    for path, content in (changes or {}).items():
        if content is None:
            del files[path]
        else:
            files[path] = content.encode() if isinstance(content, str) else content
    return compile_tree(files, now=now)


def replaced(path: str, old: str, new: str) -> str:
    """Return the base file at `path` with the only occurrence of `old` replaced."""
    text = base()[path].decode()
    assert text.count(old) == 1, f"{old!r} is {text.count(old)} times in {path}"
    return text.replace(old, new)


def shown(found: tuple[Diagnostic, ...]) -> list[tuple[str, str, int, int]]:
    """Return code and place of each diagnostic."""
    return [(one.code, one.file, one.line, one.column) for one in found]
