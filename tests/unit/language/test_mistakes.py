"""One minimal mistake for each diagnostic code, found at its exact place: `«` stands before the character to mark."""

from __future__ import annotations

import re
from datetime import timedelta
from pathlib import Path

import pytest

from policyengine.adapters import git, tree
from policyengine.language import codes
from policyengine.language.compiler import compile_tree
from policyengine.language.reader import MAX_FILE_BYTES
from tests.unit.language.repository import NOW, base, certificate, compiled, replaced

BOOT = "engineering/boot.yaml"
TEST = "engineering/boot_test.yaml"
BIND = "operations/bindings.yaml"
ACME = "vendors/vendor-acme/keys.yaml"
WAIVER = "waivers/spare-part.yaml"
ANCHORS = "trust-anchors/index.yaml"
RELEASES = "reference-values/vendor-acme/gw-200.yaml"
PROFILE = "profiles/all.yaml"
PARTIES = "parties.yaml"

KEY = '"UuuPBv8P8j8J0SGBfvq5SBIkmXEFSe+oXhO+E1P8LHk="'


def document(kind: str, name: str, spec: str) -> str:
    return f"---\napiVersion: policyengine/v1\nkind: {kind}\nmetadata: {{name: {name}}}\nspec: {spec}\n"


MORE_CONTROLS = document("ControlCatalog", "«etsi", '{source: x, edition: z, controls: [{id: "x:1", title: z}]}')
MORE_FACTS = document("FactSchema", "more", "{facts: {«org.ring: {type: int}}}")
MORE_PROFILES = document(
    "CertificateProfile",
    "more",
    "{for: [«sn-40], key: [p256], lifetime: 1d, subject: CN=x, eku: [client-auth], tiers: {full: {}}}",
)
LEFT = "left: cert.not_after - now"
LATEST = "model.latest_version.atLeast(params.min_version)"
PROVEN = "- id: proven\n      require: identity.verified"
BOTH = "\n    - {id: both, require: identity.verified && boot.secure}"
UNTIL = "until: 2027-06-30"

# code, file, what stands there, what is written instead
EDITS = [
    (
        "policy.selects-nothing",
        BOOT,
        "select: {model: {in: [gw-200]}}",
        "select: «{model: {in: [gw-200]}, class: {in: [sensor]}}",
    ),
    ("rule.constant-part", BOOT, "require: identity.verified", "require: «identity.verified && 1 < 2"),
    ("rule.contradiction", BOOT, "require: identity.verified", "require: «identity.verified && !identity.verified"),
    (
        "rule.implied",
        BOOT,
        PROVEN,
        PROVEN.replace("id: ", "id: «") + "\n    - {id: both, require: identity.verified && boot.secure}",
    ),
    ("rule.repeated", BOOT, PROVEN, PROVEN + "\n    - {id: «again, require: identity.verified}"),
    ("test.untested-rule", BOOT, PROVEN, PROVEN.replace("proven", "«other")),
    ("waiver.expires-soon", WAIVER, '"2026-12-15T00:00:00Z"', '«"2026-11-28T00:00:00Z"'),
    ("waiver.future", WAIVER, "approvals: [it]", "approvals: [it]\n  granted: «2026-11-24"),
    ("schema.api-version", BOOT, "policyengine/v1", "«policyengine/v2"),
    ("schema.enum", BOOT, "severity: high", "severity: «hihg"),
    ("schema.kind", BOOT, "kind: Policy", "kind: «Polciy"),
    ("schema.missing-key", BOOT, "severity: high\n  controls", "«controls"),
    ("schema.pattern", BOOT, "name: boot", "name: «Boot"),
    ("schema.range", PARTIES, "role: it\n", "role: it\n  threshold: «0\n"),
    ("schema.repeated-item", BOOT, '["etsi:5.7-1"]', '["etsi:5.7-1", «"etsi:5.7-1"]'),
    ("schema.size", BOOT, '"mode {boot.mode}"', '«""'),
    ("schema.type", BOOT, '["etsi:5.7-1"]', "«etsi"),
    ("schema.unknown-key", BOOT, "require: identity.verified", "«requires: x\n      require: identity.verified"),
    ("schema.unquoted-number", BOOT, "version: 1.4.0", "version: «1.40"),
    ("yaml.alias", BOOT, 'message: "mode {boot.mode}"', "message: «*x"),
    ("yaml.anchor", BOOT, "title: ", "title: «&x "),
    ("yaml.boolean", "fleet.yaml", "[line-1]", "[«no]"),
    ("yaml.control-character", BOOT, "title: Gateways", "title: «\u202eGateways"),
    ("yaml.duplicate-key", BOOT, "severity: high", "severity: high\n  «severity: low"),
    ("yaml.empty-document", "controls/etsi.yaml", "    - {id", "---\n«---\napiVersion: 1\n    - {id"),
    ("yaml.key", BOOT, "severity: high", "severity: high\n  «1: one"),
    ("yaml.merge", BOOT, "severity: high", "severity: high\n  «<<: one"),
    ("yaml.null", BOOT, "severity: high", "severity:«"),
    ("yaml.number", BOOT, "default: 7", "default: «0x07"),
    ("yaml.syntax", BOOT, "severity: high", "severity: high: «er".replace("high: «er", "high«: er")),
    ("yaml.tab", BOOT, "  severity: high", "«\tseverity: high"),
    ("yaml.tag", BOOT, "title: ", "title: «!!str "),
    ("binding.above-ceiling", BIND, "action: limited", "action: «deny"),
    ("binding.matches-nothing", BIND, "{site: {in: [plant-a]}}", "«{class: {in: [sensor]}}"),
    ("cel.unknown-fact", BOOT, "boot.secure &&", "boot.«secur &&"),
    ("cel.unknown-value", BOOT, "require: boot.secure &&", "require: boot.lifecycle != «'debgu' &&"),
    ("cel.not-bool", BOOT, "require: identity.verified", "require: «identity.kind"),
    ("cel.version-compare", BOOT, LATEST, "model.latest_version «== params.min_version"),
    ("controls.duplicate", "controls/etsi.yaml", "start-up}", 'start-up}\n    - {id: «"etsi:5.7-1", title: Again}'),
    ("controls.unknown", BOOT, '["etsi:5.7-1"]', '[«"etsi:5.7-2"]'),
    ("facts.undeclared", TEST, "unset: [boot.secure]", "unset: [«boot.secur]"),
    ("fleet.not-a-vendor", "fleet.yaml", "vendor: vendor-acme", "vendor: «engineering"),
    ("fleet.unknown-model", PROFILE, "[gw-200, sn-40]", "[gw-200, «sn-41]"),
    ("fleet.versions", "fleet.yaml", "versionScheme: semver}", 'versionScheme: semver, versions: «["1"]}'),
    ("layout.wrong-kind", WAIVER, "kind: Waiver", "kind: «ControlCatalog"),
    ("layout.wrong-owner", BOOT, "owner: engineering", "owner: «it"),
    ("lets.unused", BOOT, LEFT, LEFT + "\n    «right: now - cert.not_before"),
    ("name.duplicate", "controls/etsi.yaml", "start-up}\n", "start-up}\n" + MORE_CONTROLS),
    ("params.contradicted", BOOT, "default: 24h, tighter: lower", "default: 24h, tighter: «higher"),
    ("params.direction", BOOT, "{type: string, default: none,", "{type: string, default: none, tighter: «higher,"),
    ("params.loosened", BIND, "max_age: 12h", "«max_age: 48h"),
    ("params.not-tunable", ACME, "{min_svn: 9}", "{«max_age: 12h}"),
    ("params.unknown", BIND, "max_age: 12h", "«max_agee: 12h"),
    ("params.unused", BOOT, "  let:\n", "    «spare: {type: int, default: 1}\n  let:\n"),
    ("party.no-scope", PARTIES, "role: vendor\n  scope: {model: {in: [sn-40]}}", "role: vendor\n  scope: «{}"),
    ("party.right-missing", PARTIES, "[tighten, reference-values]", "[tighten]"),
    ("party.unknown", BOOT, "[vendor-acme, operations]", "[«vendor-acne, operations]"),
    ("party.vendor-right", PARTIES, "[tighten, reference-values]", "[tighten, «loosen, reference-values]"),
    ("policy.unbound", ACME, "{policy: vendor-acme/keys,", "{policy: engineering/boot,"),
    ("policy.unknown", BIND, "engineering/boot", "«engineering/boots"),
    ("profile.approvals", PROFILE, "  tiers:", "  revocation: {approvals: [it, «vendor-acme]}\n  tiers:"),
    ("profile.bounds", PROFILE, "  tiers:", "  revocation: {approvals: [it, operations], expires: «31d}\n  tiers:"),
    ("profile.bounds", PROFILE, "limited: {lifetime: 24h}}", "limited: {lifetime: «30s}}"),
    ("profile.bounds", PROFILE, "  tiers:", "  late_renewal: «400d\n  tiers:"),
    ("profile.name", PROFILE, '"{device.id}.devices.example"', '«"{device.id}.example"'),
    ("profile.name", PROFILE, 'san: {dns: ["{device.id}.devices.example"]}', 'san: {uri: [«"no scheme"]}'),
    ("profile.name", PROFILE, '"CN={device.id}"', '«"UID={device.id}"'),
    ("profile.overlap", PROFILE, "limited: {lifetime: 24h}}\n", "limited: {lifetime: 24h}}\n" + MORE_PROFILES),
    ("reference.duplicate", RELEASES, UNTIL, UNTIL + "\n    - version: «4.2.1\n      components: []"),
    ("reference.empty", RELEASES, UNTIL, UNTIL + "\n    - «version: 4.2.2"),
    ("reference.missing-file", RELEASES, UNTIL, "corim: «lost.corim"),
    ("reference.version", RELEASES, "version: 4.2.1", "version: «r42"),
    ("rule.constant", BOOT, "require: identity.verified", "require: «1 < 2"),
    ("rule.duplicate", BOOT, "id: floor", "id: «secure"),
    ("rule.hold-too-long", BOOT, "{hold: 72h}", "{hold: «8d}"),
    ("rule.phases", BOOT, PROVEN, "- «id: proven\n      require: cert.key_type == csr.key_type"),
    ("scope.narrowed", ACME, "  where: {model: {in: [gw-200]}}\n", "  where: «{site: {in: [plant-a]}}\n"),
    ("scope.outside", ACME, "  where: {model: {in: [gw-200]}}\n", "  where: «{model: {in: [sn-40]}}\n"),
    ("selector.unknown-value", BIND, "[plant-a]", "[«plant-b]"),
    ("template.brace", BOOT, '"mode {boot.mode}"', '"mode {boot.mode} «}"'),
    ("template.not-device", PROFILE, '"CN={device.id}"', '"CN={«boot.mode}"'),
    ("template.not-single", BOOT, '"mode {boot.mode}"', '"mode {«boot}"'),
    ("template.unknown-fact", BOOT, '"mode {boot.mode}"', '"mode {«boot.mod}"'),
    (
        "test.chain-too-long",
        TEST,
        "  expect:\n",
        "".join(f"    d{n}: {{from: {'' if n != 33 else '«'}d{n + 1}}}\n" for n in range(1, 35)) + "  expect:\n",
    ),
    ("test.circle", TEST, "good:\n      model: gw-200\n", "good:\n      model: gw-200\n      from: old\n"),
    ("test.inside-list", TEST, "unset: [boot.secure]", "unset: [«software.name]"),
    ("test.unknown-device", TEST, "old: {floor", "«odd: {floor"),
    ("test.unknown-rule", TEST, "{floor: fail", "{«flor: fail"),
    ("trust.foreign-model", ANCHORS, "[gw-200]", "[«sn-40]"),
    ("trust.missing-file", ANCHORS, "file: acme.pem", "file: «acne.pem"),
    ("trust.serials-ca", ANCHORS, "use: [idevid]", "use: «[idevid, serials]"),
    ("trust.serial-pattern", ANCHORS, '"^AC-[0-9]{8}$"', '«"^AC-(?=x)"'),
    ("value.time", WAIVER, '"2026-12-15T00:00:00Z"', '«"2026-13-15T00:00:00Z"'),
    ("value.too-many", TEST, "set: {boot.svn: 3}", "set: {net.open_ports: «[" + "1, " * 300 + "1]}"),
    ("value.type", TEST, "boot.svn: 3", "boot.svn: «high"),
    ("value.zero", PROFILE, "lifetime: 14d", "lifetime: «0s"),
    ("waiver.approvals", WAIVER, "approvals: [it]", "approvals: «[operations]"),
    ("waiver.expired", WAIVER, '"2026-12-15T00:00:00Z"', "«2026-11-23"),
    ("waiver.forbidden", WAIVER, "engineering/boot\n  rules: [floor]", "«vendor-acme/keys\n  rules: [key]"),
    ("waiver.identity", WAIVER, "[floor]", "[«proven]"),
    ("waiver.matches-nothing", WAIVER, "{device: {in: [gw-0007]}}", "«{model: {in: [sn-40]}}"),
    ("waiver.no-right", WAIVER, "approvals: [it]", "approvals: «[engineering]"),
    ("waiver.too-long", WAIVER, '"2026-12-15T00:00:00Z"', '«"2026-12-24T00:00:00Z"'),
    ("waiver.unknown-rule", WAIVER, "[floor]", "[«flor]"),
    ("facts.duplicate", "facts/own.yaml", "source: declared}\n", "source: declared}\n" + MORE_FACTS),
    ("party.duplicate-key", PARTIES, "keys: [", f"keys: [{{id: it-2026, ed25519: {KEY}}}, "),
    ("party.threshold", PARTIES, "role: it\n", "role: it\n  threshold: «2\n"),
    ("party.weak-key", PARTIES, KEY, f'«"{"A" * 43}="'),
]

PLACES = {  # where the mark cannot stand in the edit itself
    "party.right-missing": (RELEASES, 3, 11),
    "policy.unbound": (ACME, 3, 18),
    "party.duplicate-key": (PARTIES, 6, 87),
    "test.circle": (TEST, 14, 17),
    "yaml.null": (BOOT, 9, 12),
    "yaml.tab": (BOOT, 9, 1),
}

# code, change, file, line, column
FILES = [
    ("layout.missing-file", {"fleet.yaml": None}, "fleet.yaml", 1, 1),
    ("layout.unexpected-file", {"policies.yaml": "a: b\n"}, "policies.yaml", 1, 1),
    ("layout.extension", {"it/x.yml": "a: b\n"}, "it/x.yml", 1, 1),
    ("yaml.bom", {BOOT: b"\xef\xbb\xbf" + base()[BOOT]}, BOOT, 1, 1),
    ("yaml.line-end", {BOOT: base()[BOOT].replace(b"\n", b"\r\n")}, BOOT, 1, 28),
    ("yaml.encoding", {BOOT: base()[BOOT].replace(b"Gateways", b"Gatew\xe4ys")}, BOOT, 7, 15),
    ("yaml.directive", {BOOT: b"%YAML 1.1\n---\n" + base()[BOOT]}, BOOT, 1, 1),
    ("yaml.no-document", {"facts/x.yaml": "# none\n"}, "facts/x.yaml", 1, 1),
    ("yaml.too-deep", {"facts/x.yaml": "a:\n  " + "[" * 32}, "facts/x.yaml", 2, 34),
    ("yaml.too-large", {"facts/x.yaml": b" " * (MAX_FILE_BYTES + 1)}, "facts/x.yaml", 1, 1),
    ("trust.expired", {"trust-anchors/acme.pem": certificate(until=NOW)}, ANCHORS, 6, 14),
    ("trust.not-a-ca", {"trust-anchors/acme.pem": certificate(authority=False)}, ANCHORS, 6, 14),
    ("trust.not-a-certificate", {"trust-anchors/acme.pem": b"hello"}, ANCHORS, 6, 14),
]

ELSEWHERE = {
    code
    for code in codes.MEANINGS
    if code.startswith(("cel.", "tree.", "reference.corim-", "reference.key-", "version."))
} | {"waiver.extended"}


@pytest.mark.parametrize(("code", "path", "old", "new"), EDITS, ids=[edit[0] for edit in EDITS])
def test_a_mistake_is_found_at_its_place(code: str, path: str, old: str, new: str) -> None:
    marked = replaced(path, old, new)
    found = [one for one in compiled({path: marked.replace("«", "")}).diagnostics if one.code == code]
    assert [(one.file, one.line, one.column) for one in found] == [PLACES.get(code) or place_of_mark(path, marked)]
    assert found[0].help


def place_of_mark(path: str, marked: str) -> tuple[str, int, int]:
    before = marked[: marked.index("«")]
    return path, before.count("\n") + 1, len(before) - before.rfind("\n")


@pytest.mark.parametrize(("code", "change", "path", "line", "column"), FILES, ids=[one[0] for one in FILES])
def test_a_mistake_of_a_whole_file_is_found(
    code: str, change: dict[str, bytes | str | None], path: str, line: int, column: int
) -> None:
    found = [one for one in compiled(change).diagnostics if one.code == code]
    assert [(one.file, one.line, one.column) for one in found] == [(path, line, column)]


def test_every_code_has_a_planted_mistake() -> None:
    planted = {edit[0] for edit in EDITS} | {one[0] for one in FILES}
    assert set(codes.MEANINGS) - planted - ELSEWHERE == set()


def test_the_table_of_codes_is_complete() -> None:
    """Every code that the compiler or an adapter can give is in the table, and no other."""
    families = {code.split(".")[0] for code in codes.MEANINGS}
    sources = [*Path(codes.__file__).parent.rglob("*.py"), Path(tree.__file__), Path(git.__file__)]
    written: set[str] = set()
    errors: set[str] = set()
    for source in sources:
        if source.name == "codes.py":
            continue
        text = source.read_text()
        written |= set(re.findall(r'"((?:[a-z]+)\.[a-z0-9-]+)"', text))
        errors |= set(re.findall(r'^    code = "([a-z0-9.-]+)"', text, re.MULTILINE))
    given = {code for code in written if code.split(".")[0] in families and not code.endswith(".yaml")}
    assert given - errors == set(codes.MEANINGS) - (errors & set(codes.MEANINGS))


def test_a_line_that_ends_in_a_carriage_return_does_not_hide_other_mistakes() -> None:
    broken = replaced(BOOT, "severity: high", "severity: hihg").replace("\n", "\r\n")
    assert [one.code for one in compiled({BOOT: broken}).diagnostics] == ["yaml.line-end", "schema.enum"]


def test_a_condition_in_a_block_scalar_is_marked_at_its_own_line() -> None:
    text = replaced(
        BOOT,
        "require: boot.secure && boot.mode in params.modes",
        "require: >-  # folded\n        boot.secure &&\n        boot.mod in params.modes",
    )
    (found,) = [one for one in compiled({BOOT: text}).diagnostics if one.code == "cel.unknown-fact"]
    assert (found.line, found.column) == (25, 14)


def test_an_escaped_condition_is_marked_at_its_word() -> None:
    text = replaced(BOOT, "require: identity.verified", 'require: "\\"a\\" == identity.kin"')
    (found,) = [one for one in compiled({BOOT: text}).diagnostics if one.code == "cel.unknown-fact"]
    assert (found.line, found.column) == (36, 35)


def test_a_condition_that_ends_too_early_is_marked_at_its_last_character() -> None:
    text = replaced(BOOT, "require: identity.verified", "require: (identity.verified")
    (found,) = [one for one in compiled({BOOT: text}).diagnostics if one.code == "cel.syntax"]
    assert (found.line, found.column) == (36, 33)


def test_a_suggestion_names_the_fact_that_was_meant() -> None:
    text = replaced(BOOT, "boot.secure &&", "boot.secur &&")
    (found,) = compiled({BOOT: text}).diagnostics
    assert "boot.secure" in found.help


UNKNOWN_VALUES = [
    ("boot.mode in ['locked', «'prodution']", "did you mean `production`?"),
    ("software.all(s, «'revokd' != s.match)", "did you mean `revoked`?"),
    ("cel.bind(wanted, boot.mode == «'lockd', wanted || boot.secure)", "did you mean `locked`?"),
    ("device.site != «'plant-b'", "did you mean `plant-a`?"),
    ("device.criticality == «'hihg'", "did you mean `high`?"),
]


@pytest.mark.parametrize(("condition", "advice"), UNKNOWN_VALUES, ids=[one[0] for one in UNKNOWN_VALUES])
def test_a_text_that_a_fact_never_has_is_marked(condition: str, advice: str) -> None:
    marked = replaced(BOOT, "require: identity.verified", f'require: "{condition}"')
    found = [one for one in compiled({BOOT: marked.replace("«", "")}).diagnostics if one.code == "cel.unknown-value"]
    assert [(one.file, one.line, one.column) for one in found] == [place_of_mark(BOOT, marked)]
    assert found[0].help == advice


def test_a_text_that_a_fact_never_has_is_marked_once_where_a_let_says_it() -> None:
    marked = replaced(BOOT, "left: cert.not_after - now", "left: cert.not_after - now\n    bad: boot.mode == «'lokced'")
    marked = marked.replace("require: identity.verified", "require: let.bad && boot.secure")
    marked = marked.replace(
        "require: evidence.age < params.max_age", "require: let.bad || evidence.age < params.max_age"
    )
    found = [one for one in compiled({BOOT: marked.replace("«", "")}).diagnostics if one.code == "cel.unknown-value"]
    assert [(one.file, one.line, one.column) for one in found] == [place_of_mark(BOOT, marked)]


OPPOSITES = [
    ("boot.svn > 3 && boot.svn < 3", "rule.contradiction"),
    ("boot.svn >= 4 && boot.secure && 3 >= boot.svn", "rule.contradiction"),
    ("boot.mode == 'locked' && boot.mode == 'production'", "rule.contradiction"),
    ("boot.mode == 'locked' && boot.mode != 'locked'", "rule.contradiction"),
    ("boot.mode != 'debug' || boot.mode != 'unknown'", "rule.constant-part"),
    ("boot.svn > 3 || boot.svn <= 3", "rule.constant-part"),
    ("boot.secure || !boot.secure", "rule.constant-part"),
    ("boot.secure || (boot.svn == 1 && boot.svn == 2)", "rule.constant-part"),
    ("!(boot.secure && !boot.secure)", "rule.constant-part"),
]


@pytest.mark.parametrize(("condition", "code"), OPPOSITES, ids=[one[0] for one in OPPOSITES])
def test_conditions_that_exclude_each_other_are_found(condition: str, code: str) -> None:
    text = replaced(BOOT, "require: identity.verified", f'require: "{condition}"')
    assert [one.code for one in compiled({BOOT: text}).diagnostics] == [code]


SATISFIABLE = [
    "boot.svn >= 3 && boot.svn <= 3",
    "boot.svn > 3 && boot.svn != 5 && boot.svn < 9",
    "boot.mode != 'debug' && boot.mode != 'unknown'",
    "boot.mode == 'locked' || boot.mode == 'production'",
    "boot.svn > 3 || boot.svn < 3",
    "boot.svn > 3 && boot.count < 3",
]


@pytest.mark.parametrize("condition", SATISFIABLE)
def test_conditions_that_can_be_met_and_missed_are_not_called_opposites(condition: str) -> None:
    text = replaced(BOOT, "require: identity.verified", f'require: "{condition}"')
    assert compiled({BOOT: text}).diagnostics == ()


def test_any_text_may_stand_beside_a_fact_whose_values_nobody_lists() -> None:
    text = replaced(
        BOOT, "require: identity.verified", "require: boot.seed != '00' && software.exists(s, s.name == 'x')"
    )
    assert compiled({BOOT: text}).diagnostics == ()


def seen(path: str, old: str, new: str) -> list[tuple[str, str]]:
    return [(one.code, one.help) for one in compiled({path: replaced(path, old, new)}).diagnostics]


@pytest.mark.parametrize(
    ("where", "code"),
    [
        ("{site: {in: [plant-a]}}", "binding.matches-nothing"),
        ("{device: {in: [gw-0007, gw-0008]}}", "waiver.matches-nothing"),
        ("{model: {in: [gw-200]}}", "policy.selects-nothing"),
    ],
)
def test_what_is_only_about_excluded_devices_is_about_nothing(where: str, code: str) -> None:
    boot = replaced(BOOT, "exclude: {site: {in: [lab]}}", f"exclude: {where}")
    assert code in {one.code for one in compiled({BOOT: boot}).diagnostics}


def test_a_waiver_whose_end_is_no_day_is_not_called_too_long_as_well() -> None:
    assert [code for code, _ in seen(WAIVER, "2026-12-15T00", "2026-11-31T00")] == ["value.time"]


def test_the_last_day_a_waiver_may_end_is_told_to_the_second() -> None:
    now = NOW.replace(microsecond=5)
    files = {**base(), WAIVER: replaced(WAIVER, "2026-12-15", "2027-12-15").encode()}
    (found,) = compile_tree(files, now=now).diagnostics
    assert found.help == "let it end by 2026-12-23T00:00:00Z"


def test_quotes_around_a_number_are_named_as_what_is_wrong() -> None:
    assert ("value.type", "remove the quotes") in seen(BOOT, "default: 7,", 'default: "7",')


def test_a_number_that_quotes_do_not_put_right_gets_the_form_that_is_meant() -> None:
    assert seen(BOOT, "version: 1.4.0", "version: 1.4") == [
        ("schema.unquoted-number", "write three numbers, such as `1.4.0`")
    ]
    assert ("schema.unquoted-number", 'write "4" in quotes') in seen(RELEASES, "version: 4.2.1", "version: 4")


def test_a_file_that_cannot_be_read_to_its_end_is_not_said_to_lack_the_rest() -> None:
    for old, new in [("  severity: high", "\tseverity: high"), ("  severity: high", "  severity high")]:
        codes_found = [code for code, _ in seen(BOOT, old, new)]
        assert set(codes_found) <= {"yaml.tab", "yaml.syntax"}
        assert codes_found


def test_a_version_param_tightens_under_the_models_scheme() -> None:
    """`10.0.0` is below `4.2.0` as text and above it as a SemVer version."""
    path = "operations/bindings.yaml"
    assert compiled({path: replaced(path, "max_age: 12h", "min_version: 10.0.0")}).diagnostics == ()


def test_a_list_param_tightens_by_losing_items_where_lower_is_tighter() -> None:
    path = "operations/bindings.yaml"
    assert compiled({path: replaced(path, "max_age: 12h", "modes: [locked]")}).diagnostics == ()
    loosened = compiled({path: replaced(path, "max_age: 12h", "modes: [locked, debug]")}).diagnostics
    assert [one.code for one in loosened] == ["params.loosened"]


def test_a_param_that_a_rule_uses_unclearly_counts_as_loosened_when_a_vendor_moves_it() -> None:
    """A vendor may tighten only; where the rule does not show that it tightens, it is not believed to."""
    edits = {BOOT: replaced(BOOT, "boot.svn >= params.min_svn", "boot.svn * params.min_svn > 50")}
    found = [one for one in compiled(edits).diagnostics if one.file == ACME]
    assert [(one.code, one.help) for one in found] == [
        ("params.loosened", "the rules do not show on which side it is tighter; a vendor may tighten only")
    ]


def test_a_param_without_direction_counts_as_loosened_when_it_moves() -> None:
    path = "operations/bindings.yaml"
    found = compiled({path: replaced(path, "max_age: 12h", "motto: other")}).diagnostics
    assert [one.code for one in found] == ["params.loosened"]


def test_the_owner_of_a_policy_may_loosen_its_params_with_the_right_to() -> None:
    binding = (
        "apiVersion: policyengine/v1\nkind: Binding\nmetadata: {name: easy, owner: engineering}\n"
        "spec: {policy: engineering/boot, params: {min_svn: 1}, mode: audit}\n"
    )
    assert compiled({"engineering/easy.yaml": binding}).diagnostics == ()


def test_a_waiver_of_the_longest_life_allowed_is_good() -> None:
    path = "waivers/spare-part.yaml"
    files = {**base(), path: replaced(path, '"2026-12-15T00:00:00Z"', '"2026-12-23T00:00:00Z"').encode()}
    assert compile_tree(files, now=NOW).diagnostics == ()
    assert [one.code for one in compile_tree(files, now=NOW - timedelta(seconds=1)).diagnostics] == ["waiver.too-long"]
