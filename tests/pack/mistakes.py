"""Mistakes people make in policy repositories, each as a change to the starter pack."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from policyengine.adapters.starter import starter_files

PACK = starter_files()
GATEWAY = "engineering/gateway-firmware.yaml"
BOOT = "engineering/boot-integrity.yaml"
BINDINGS = "operations/bindings.yaml"
ACME = "vendors/vendor-acme/gateway-line.yaml"

WAIVER = """apiVersion: policyengine/v1
kind: Waiver
metadata: {name: spare-part}
spec:
  policy: engineering/gateway-firmware
  rules: [firmware-floor]
  where: {device: {in: [gw200-0007]}}
  reason: Spare part ordered
  ticket: OPS-412
  compensatingControl: Isolated in VLAN 40
  approvals: [engineering, operations]
  expires: "2026-12-15T00:00:00Z"
"""
SECOND_POLICY = """apiVersion: policyengine/v1
kind: Policy
metadata: {name: snooping, version: 1.0.0, owner: vendor-acme, title: About devices of others}
spec:
  severity: low
  controls: ["etsi:5.7-1"]
  select: {model: {in: [sn-40]}}
  rules:
    - {id: watch, require: boot.secure}
  ceiling: notify
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Mistake:
    """`wrong` in place of `right` in `file` (no `right`: a new file); found at the line of `marker`, under `code`."""

    name: str
    file: str
    right: str = ""
    wrong: str
    marker: str
    code: str
    column: str = ""  # the text whose first character is the place, when the marker's line alone is not exact enough

    def planted(self) -> Mapping[str, bytes]:
        """Return the pack with this mistake in it."""
        if not self.right:
            return {**PACK, self.file: self.wrong.encode()}
        content = PACK[self.file].decode()
        assert content.count(self.right) >= 1, f"the pack no longer has {self.right!r}"
        return {**PACK, self.file: content.replace(self.right, self.wrong, 1).encode()}


MISTAKES = (
    Mistake(
        name="misspelt fact",
        file=BOOT,
        right="require: boot.secure &&",
        wrong="require: boot.secur &&",
        marker="boot.secur &&",
        code="cel.unknown-fact",
        column="secur &&",
    ),
    Mistake(
        name="misspelt fact in a message",
        file=BOOT,
        right="{boot.mode}",
        wrong="{boot.mod}",
        marker="{boot.mod}",
        code="template.unknown-fact",
    ),
    Mistake(
        name="unquoted version",
        file=GATEWAY,
        right="version: 1.0.0",
        wrong="version: 1.0",
        marker="version: 1.0",
        code="schema.unquoted-number",
        column="1.0",
    ),
    Mistake(
        name="text compared with a number",
        file=GATEWAY,
        right="boot.svn >= params.min_svn",
        wrong='boot.svn >= "7"',
        marker='boot.svn >= "7"',
        code="cel.type",
    ),
    Mistake(
        name="condition that is not a bool",
        file=GATEWAY,
        right="require: boot.svn >= params.min_svn",
        wrong="require: boot.svn",
        marker="require: boot.svn",
        code="cel.not-bool",
        column="boot.svn",
    ),
    Mistake(
        name="versions compared as text",
        file=ACME,
        right='c.version.atLeast("4.1.0")',
        wrong='c.version == "4.1.0"',
        marker='c.version == "4.1.0"',
        code="cel.version-compare",
    ),
    Mistake(
        name="unbalanced parenthesis",
        file=ACME,
        right='require: device.serial.matches("^AC-[0-9]{8}$")',
        wrong='require: device.serial.matches("^AC-[0-9]{8}$"',
        marker='matches("^AC-[0-9]{8}$"',
        code="cel.syntax",
    ),
    Mistake(
        name="regular expression that no engine runs in linear time",
        file=ACME,
        right='matches("^AC-[0-9]{8}$")',
        wrong='matches("^(?=AC)")',
        marker='matches("^(?=AC)")',
        code="cel.regex",
    ),
    Mistake(
        name="unknown function",
        file=GATEWAY,
        right="boot.svn >= params.min_svn",
        wrong="boot.svn.isAtLeast(params.min_svn)",
        marker="isAtLeast",
        code="cel.unknown-function",
    ),
    Mistake(
        name="duration without a unit",
        file="it/ca-health.yaml",
        right='duration("1440h")',
        wrong='duration("1440")',
        marker='duration("1440")',
        code="cel.duration",
    ),
    Mistake(
        name="dead rule",
        file=GATEWAY,
        right="require: boot.svn >= params.min_svn",
        wrong="require: params.min_svn >= 0 || true",
        marker="|| true",
        code="rule.constant",
    ),
    Mistake(
        name="param that no rule reads",
        file=GATEWAY,
        right="boot.svn >= params.min_svn",
        wrong="boot.svn >= 7",
        marker="min_svn: {type: int",
        code="params.unused",
    ),
    Mistake(
        name="vendor selects another vendor's devices",
        file="vendors/vendor-acme/snooping.yaml",
        wrong=SECOND_POLICY,
        marker="select:",
        code="scope.outside",
    ),
    Mistake(
        name="policy in another party's directory",
        file=GATEWAY,
        right="owner: engineering",
        wrong="owner: operations",
        marker="owner: operations",
        code="layout.wrong-owner",
        column="operations",
    ),
    Mistake(
        name="unknown party",
        file=BINDINGS,
        right="{name: gateway-firmware, owner: operations}",
        wrong="{name: gateway-firmware, owner: opertions}",
        marker="owner: opertions",
        code="party.unknown",
        column="opertions",
    ),
    Mistake(
        name="action above the ceiling",
        file=BINDINGS,
        right="policy: engineering/gateway-firmware\n  mode: enforce\n  action: limited",
        wrong="policy: engineering/gateway-firmware\n  mode: enforce\n  action: quarantine # too hard",
        marker="action: quarantine # too hard",
        code="binding.above-ceiling",
        column="quarantine #",
    ),
    Mistake(
        name="binding of a policy that does not exist",
        file=BINDINGS,
        right="policy: engineering/gateway-firmware",
        wrong="policy: engineering/gateway-firmwares",
        marker="gateway-firmwares",
        code="policy.unknown",
        column="engineering/gateway-firmwares",
    ),
    Mistake(
        name="param of another type",
        file="it/bindings.yaml",
        right="min_left_percent: 20",
        wrong="min_left_percent: high",
        marker="min_left_percent: high",
        code="value.type",
        column="high",
    ),
    Mistake(
        name="param that the policy does not have",
        file="it/bindings.yaml",
        right="min_left_percent: 20",
        wrong="min_left_percentage: 20",
        marker="min_left_percentage: 20",
        code="params.unknown",
    ),
    Mistake(
        name="site that the fleet does not have",
        file=BINDINGS,
        right="where: {site: {in: [lab-berlin]}}",
        wrong="where: {site: {in: [lab-berln]}}",
        marker="lab-berln",
        code="selector.unknown-value",
        column="lab-berln",
    ),
    Mistake(
        name="control that no catalog has",
        file=BOOT,
        right='"etsi:5.7-1"',
        wrong='"etsi:5.7-9"',
        marker="etsi:5.7-9",
        code="controls.unknown",
    ),
    Mistake(
        name="duplicate key",
        file=BOOT,
        right="  severity: critical\n",
        wrong="  severity: critical\n  severity: low\n",
        marker="severity: low",
        code="yaml.duplicate-key",
        column="severity: low",
    ),
    Mistake(
        name="duplicate rule id",
        file=BOOT,
        right="- id: debug-ports-closed",
        wrong="- id: secure-boot # again",
        marker="secure-boot # again",
        code="rule.duplicate",
        column="secure-boot # again",
    ),
    Mistake(
        name="alias",
        file="fleet.yaml",
        right="zones: [line-1, line-2, utilities, bench]",
        wrong="zones: *sites",
        marker="zones: *sites",
        code="yaml.alias",
        column="*sites",
    ),
    Mistake(
        name="tab",
        file=BOOT,
        right="  ceiling: quarantine",
        wrong="\tceiling: quarantine",
        marker="\tceiling: quarantine",
        code="yaml.tab",
        column="\tceiling",
    ),
    Mistake(
        name="tag",
        file=GATEWAY,
        right="severity: high",
        wrong="severity: !!str high",
        marker="!!str",
        code="yaml.tag",
        column="!!str",
    ),
    Mistake(
        name="boolean of another decade",
        file="operations/hardening.yaml",
        right="config.log_enabled\n",
        wrong="yes\n",
        marker="require: yes",
        code="yaml.boolean",
        column="yes",
    ),
    Mistake(
        name="unknown key",
        file=BOOT,
        right="remediation: Close the debug session",
        wrong="remediaton: Close the debug session",
        marker="remediaton:",
        code="schema.unknown-key",
        column="remediaton",
    ),
    Mistake(
        name="missing key",
        file=BOOT,
        right="  ceiling: quarantine\n",
        wrong="",
        marker="severity: critical",
        code="schema.missing-key",
    ),
    Mistake(
        name="severity that does not exist",
        file=BOOT,
        right="severity: critical",
        wrong="severity: catastrophic",
        marker="severity: catastrophic",
        code="schema.enum",
        column="catastrophic",
    ),
    Mistake(
        name="hold longer than a week",
        file="operations/liveness.yaml",
        right="{hold: 72h}",
        wrong="{hold: 8d}",
        marker="{hold: 8d}",
        code="rule.hold-too-long",
        column="8d",
    ),
    Mistake(
        name="expired waiver",
        file="waivers/spare-part.yaml",
        wrong=WAIVER.replace("2026-12-15", "2026-11-22"),
        marker="expires:",
        code="waiver.expired",
    ),
    Mistake(
        name="waiver longer than its policy allows",
        file="waivers/spare-part.yaml",
        wrong=WAIVER.replace("2026-12-15", "2027-03-01"),
        marker="expires:",
        code="waiver.too-long",
    ),
    Mistake(
        name="waiver that lacks an approval",
        file="waivers/spare-part.yaml",
        wrong=WAIVER.replace("[engineering, operations]", "[operations]"),
        marker="approvals:",
        code="waiver.approvals",
    ),
    Mistake(
        name="waiver of a rule that does not exist",
        file="waivers/spare-part.yaml",
        wrong=WAIVER.replace("[firmware-floor]", "[firmware-flor]"),
        marker="firmware-flor",
        code="waiver.unknown-rule",
    ),
    Mistake(
        name="waiver of a policy that cannot be waived",
        file="waivers/spare-part.yaml",
        wrong=WAIVER.replace("engineering/gateway-firmware", "it/device-identity").replace(
            "firmware-floor", "identity-verified"
        ),
        marker="policy:",
        code="waiver.forbidden",
    ),
    Mistake(
        name="trust anchor whose file is missing",
        file="trust-anchors/index.yaml",
        right="file: acme-idevid-root.pem",
        wrong="file: acme-root.pem",
        marker="file: acme-root.pem",
        code="trust.missing-file",
        column="acme-root.pem",
    ),
    Mistake(
        name="test expects a rule that does not exist",
        file="operations/liveness_test.yaml",
        right="replayed: {recent-evidence: fail",
        wrong="replayed: {recent-evidenc: fail",
        marker="recent-evidenc:",
        code="test.unknown-rule",
        column="recent-evidenc:",
    ),
    Mistake(
        name="let that no condition uses",
        file=BOOT,
        right="  rules:\n",
        wrong="  let: {age: evidence.age}\n  rules:\n",
        marker="let: {age",
        code="lets.unused",
        column="age: evidence",
    ),
    Mistake(
        name="rule written twice under two names",
        file=GATEWAY,
        right="  ceiling: ",
        wrong="    - id: floor-again\n      require: boot.svn >= params.min_svn\n"
        "      evidence: {min: attested, fresh: 24h, onUnknown: {hold: 72h}}\n  ceiling: ",
        marker="id: floor-again",
        code="rule.repeated",
        column="floor-again",
    ),
    Mistake(
        name="rule that another makes needless",
        file="operations/liveness.yaml",
        right="  ceiling: ",
        wrong="    - {id: narrow, require: boot.secure && boot.svn > 3}\n"
        "    - {id: wide, require: boot.secure}\n  ceiling: ",
        marker="id: wide",
        code="rule.implied",
        column="wide",
    ),
    Mistake(
        name="rule that no device can meet",
        file=BOOT,
        right="require: boot.secure && ",
        wrong="require: boot.secure && !boot.secure && ",
        marker="!boot.secure",
        code="rule.contradiction",
        column="boot.secure && !",
    ),
    Mistake(
        name="part of a condition left over from a trial",
        file=GATEWAY,
        right="require: boot.svn >= params.min_svn",
        wrong="require: boot.svn >= params.min_svn && 1 < 2",
        marker="&& 1 < 2",
        code="rule.constant-part",
        column="boot.svn",
    ),
    Mistake(
        name="policy for a model of another class",
        file=GATEWAY,
        right="select: {model: {in: [gw-200, gw-210]}}",
        wrong="select: {class: {in: [sensor]}, model: {in: [gw-200, gw-210]}}",
        marker="class: {in: [sensor]}",
        code="policy.selects-nothing",
        column="{class",
    ),
    Mistake(
        name="rule without a test",
        file=GATEWAY,
        right="  ceiling: ",
        wrong="    - {id: untried, require: boot.secure}\n  ceiling: ",
        marker="id: untried",
        code="test.untested-rule",
        column="untried",
    ),
    Mistake(
        name="waiver that ends soon",
        file="waivers/spare-part.yaml",
        wrong=WAIVER.replace("2026-12-15", "2026-11-27"),
        marker="expires:",
        code="waiver.expires-soon",
        column='"2026-11-27',
    ),
    Mistake(
        name="waiver granted in the future",
        file="waivers/spare-part.yaml",
        wrong=f"{WAIVER}  granted: 2026-11-30\n",
        marker="granted:",
        code="waiver.future",
        column="2026-11-30",
    ),
    Mistake(
        name="binding in the directory of waivers",
        file="waivers/binding.yaml",
        wrong="apiVersion: policyengine/v1\nkind: Binding\nmetadata: {name: lost, owner: it}\n"
        "spec: {policy: it/ca-health, mode: audit}\n",
        marker="kind: Binding",
        code="layout.wrong-kind",
        column="Binding",
    ),
    Mistake(
        name="file called .yml",
        file="it/more.yml",
        wrong="kind: Policy\n",
        marker="kind: Policy",
        code="layout.extension",
        column="kind",
    ),
    Mistake(
        name="byte order mark",
        file="it/more.yaml",
        wrong="\ufeff# saved by an editor that adds it\n",
        marker="# saved",
        code="yaml.bom",
    ),
)
