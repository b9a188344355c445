"""Every problem of a condition has a stable code and stands at its place."""

from __future__ import annotations

import pytest

from policyengine.language.cel.environment import CelProblem, ConditionError, Environment
from policyengine.language.cel.text import MAX_CHARACTERS
from policyengine.model.schema import CORE_SCHEMA
from policyengine.model.types import BOOL, DURATION, INT, STRING, list_of

PARAMS = {"min_svn": INT, "modes": list_of(STRING), "grace": DURATION, "strict": BOOL}
ENVIRONMENT = Environment.for_facts(CORE_SCHEMA, PARAMS).with_let("left", "cert.not_after - now")


def problems(text: str) -> tuple[CelProblem, ...]:
    with pytest.raises(ConditionError) as caught:
        ENVIRONMENT.condition(text)
    return caught.value.problems


def only_problem(text: str) -> CelProblem:
    found = problems(text)
    assert len(found) == 1, found
    return found[0]


CASES = [
    # (text with the place marked by ^ before it, code)
    ("boot.^secur", "cel.unknown-fact"),
    ("^bot.secure", "cel.unknown-fact"),
    ("boot.secure && ^bot.svn > 1", "cel.unknown-fact"),
    ("software.all(s, s.^nam == 'x')", "cel.unknown-fact"),
    ("sbom.components.exists(c, c.^lic == 'MIT')", "cel.unknown-fact"),
    ("'é😀ß' == 'a' && boot.^zz", "cel.unknown-fact"),
    ("'é😀ß' == 'a'\r\n && boot.^zz", "cel.unknown-fact"),
    ("// what it is for\nboot.^zz", "cel.unknown-fact"),
    ("^l_t.left > duration('1s')", "cel.unknown-fact"),
    ("boot.svn > ^params.min", "cel.unknown-param"),
    ("^let.lft > duration('1s')", "cel.unknown-let"),
    ("^strtsWith('a')", "cel.unknown-function"),
    ("boot.mode.^startWith('a')", "cel.unknown-function"),
    ("math.^greatst(1, 2) > 1", "cel.unknown-function"),
    ("^size() > 1", "cel.type"),
    ("boot.svn ^== '3'", "cel.type"),
    ("^!boot.mode", "cel.type"),
    ("vuln.exists(v, v.cvss ^>= 7)", "cel.type"),
    ("boot.secure.^x", "cel.type"),
    ("^boot.svn.all(x, true)", "cel.type"),
    ("^boot.svn", "cel.not-bool"),
    ("^params.modes", "cel.not-bool"),
    ("a ^b", "cel.syntax"),
    ("boot.secure &^&", "cel.syntax"),
    ("(boot.secur^e", "cel.syntax"),
    ("boot.secure &^&  // and more\n", "cel.syntax"),
    ("^", "cel.syntax"),
    ("boot.mode == ^'locked", "cel.syntax"),
    ("boot.mode == ^'a\\q'", "cel.syntax"),
    ("^let", "cel.syntax"),
    ("boot.svn > ^9223372036854775808", "cel.literal"),
    ("software.exists(^s.name, true)", "cel.macro"),
    ("has(^boot)", "cel.macro"),
    ("boot.secure && ^has(params.strict)", "cel.has"),
    ("^has(let.left)", "cel.has"),
    ("^has(now.x)", "cel.type"),
    ("software.exists(s, s.version ^== '1.2')", "cel.version-compare"),
    ("software[0].version ^== software[1].version", "cel.version-compare"),
    ("software[0].version ^!= model.min_version", "cel.version-compare"),
    ("software[0].version ^< software[1].version", "cel.version-compare"),
    ("model.min_version ^in software.map(s, s.version)", "cel.version-compare"),
    ("model.min_version ^in ['1.2']", "cel.version-compare"),
    ("^dyn(model.min_version) == '1.2'", "cel.version-compare"),
    ("^[model.min_version, 1].size() == 2", "cel.version-compare"),
    ("^{model.min_version: 1}.size() == 1", "cel.version-compare"),
    ("^{'a': model.min_version, 'b': 1}.size() == 1", "cel.version-compare"),
    ("software.^sortBy(s, s.version).size() == 1", "cel.type"),
    ("software.map(s, s.version).^distinct().size() == 1", "cel.version-compare"),
    ("sets.^contains(software.map(s, s.version), [])", "cel.version-compare"),
    ("'%s'.^format([model.min_version]) == '1.2'", "cel.version-compare"),
    ("boot ^== boot", "cel.group"),
    ("software[0] ^in software", "cel.group"),
    ("^policyengine.fact.boot{secure: true}.secure", "cel.message-construction"),
    ("^google.protobuf.Timestamp{} == now", "cel.message-construction"),
    ("boot.mode.matches(^'(')", "cel.regex"),
    ("boot.mode.matches(^'(?=a)')", "cel.regex"),
    (r"boot.mode.matches(^r'\C')", "cel.regex"),
    (r"regex.replace(boot.mode, ^r'[[]', '') == ''", "cel.regex"),
    ("software.all(s, s.version.within(^'vers:semver/>=1.2'))", "cel.version"),
    ("software.all(s, s.version.within(^'vers:deb/>=1.2-|<3'))", "cel.version"),
    ("software.all(s, s.version.within(^'vers:deb/>=1.2|<1.2-0'))", "cel.version"),
    ("evidence.age < duration(^'1d')", "cel.duration"),
    ("evidence.age < duration(^'')", "cel.duration"),
    ("now < timestamp(^'2026-11-23')", "cel.timestamp"),
    ("now < timestamp(^'2026-02-30T00:00:00Z')", "cel.timestamp"),
    ("now < timestamp(^'2026-02-03T00:00:00+25:00')", "cel.timestamp"),
    ("software.all(s, s.version.atLeast(^''))", "cel.version"),
    ("software.all(s, s.version.below(^'latest'))", "cel.version"),
    ("software.all(s, s.version.within(^'>=1.2'))", "cel.version"),
    ("boot.mode == '^\0'", "cel.character"),
    ("boot.mode == '^\ud800'", "cel.character"),
    ("vuln.^all(v, sbom.components.exists(c, c.name == v.component))", "cel.cost"),
]


@pytest.mark.parametrize(("marked", "code"), CASES)
def test_a_problem_has_its_code_at_its_place(marked: str, code: str) -> None:
    place = marked.index("^")
    found = problems(marked.replace("^", "", 1))
    assert (found[0].offset, found[0].code) == (place, code)


@pytest.mark.parametrize(("marked", "code"), CASES)
def test_a_sentence_starts_small_and_has_no_full_stop(marked: str, code: str) -> None:
    for found in problems(marked.replace("^", "", 1)):
        assert found.message
        assert not found.message[0].isupper()
        assert not found.message.endswith(".")
        assert "policyengine.fact.version" not in found.message


def test_all_problems_of_one_condition_come_at_once_and_in_order() -> None:
    found = problems("boot.secur && bot.mode == 'x' || boot.svn == 'a' || nosuch(1)")
    assert [(each.offset, each.code) for each in found] == [
        (5, "cel.unknown-fact"),
        (14, "cel.unknown-fact"),
        (42, "cel.type"),
        (52, "cel.unknown-function"),
    ]


def test_all_ill_formed_constants_come_at_once() -> None:
    found = problems("evidence.age < duration('1d') && now < timestamp('x') && boot.mode.matches('(')")
    assert [each.code for each in found] == ["cel.duration", "cel.timestamp", "cel.regex"]


@pytest.mark.parametrize(
    ("text", "meant"),
    [
        ("boot.svn = 7", "`==`"),
        ("boot.svn <> 7", "`!=`"),
        ("boot.secure and identity.verified", "`&&`"),
        ("boot.secure & identity.verified", "`&&`"),
        ("boot.secure or identity.verified", "`||`"),
        ("not boot.secure", "`!`"),
        ("evidence.age < 48h", '`duration("48h")`'),
        ("boot.secure == True", "`true`"),
        ("software.any(s, s.svn > 3)", "`exists`"),
        ("boot.secur", "`boot.secure`"),
        ("bot.secure", "`boot.secure`"),
        ("software.all(s, s.nam == 'x')", "`software.name`"),
        ("sbom.components.all(c, c.licence == 'x')", "`sbom.components.license`"),
        ("params.min_svm > 1", "`params.min_svn`"),
        ("let.lft > duration('1s')", "`let.left`"),
        ("boot.mode.startWith('a')", "`startsWith`"),
        ("software.all(s)", "`list.all(x, condition)`"),
        ("vuln.all(v, v.cvss < 7)", "`7.0`"),
        ("software[0].version == '1'", "`.atLeast("),
    ],
)
def test_help_names_what_was_meant(text: str, meant: str) -> None:
    assert meant in problems(text)[0].help


def test_a_problem_covers_the_misspelt_name() -> None:
    found = only_problem("boot.secure && bot.svn > 1")
    assert (found.offset, found.length) == (15, len("bot.svn"))


def test_foreign_text_is_shown_on_one_short_line() -> None:
    found = only_problem("boot.mode.matches('''(\n" + "x" * 500 + "''')")
    assert "\n" not in found.message
    assert len(found.message) < 200


def test_a_condition_over_the_limit_of_length_is_refused() -> None:
    assert only_problem("true " + " " * MAX_CHARACTERS).code == "cel.too-long"


def test_a_condition_at_the_limit_of_length_is_read() -> None:
    assert ENVIRONMENT.condition("true".ljust(MAX_CHARACTERS))


@pytest.mark.parametrize(
    ("opening", "bracket"), [("(", 0), ("[", 0), ("{1:", 0), ("-(", 1), ("size(", 4), ("l.all(x, ", 5)]
)
def test_deep_brackets_are_refused_at_the_bracket_too_many(opening: str, bracket: int) -> None:
    found = only_problem(opening * 33 + "1")
    assert (found.code, found.offset) == ("cel.too-deep", 32 * len(opening) + bracket)


@pytest.mark.parametrize(
    "text",
    [
        "boot.svn" + " + 1" * 200 + " > 1",
        "boot.secure ? true : " * 100 + "true",
        "device.labels" + ".a" * 60,
    ],
)
def test_long_chains_of_operators_are_refused(text: str) -> None:
    assert problems(text)[0].code in ("cel.too-deep", "cel.type")


def test_a_long_flat_condition_is_no_deep_one() -> None:
    compiled = ENVIRONMENT.condition(" || ".join(f"boot.svn == {number}" for number in range(500)))
    assert len(compiled.node.operands) == 500


def test_an_untyped_let_does_not_add_problems_to_its_uses() -> None:
    environment = ENVIRONMENT.with_untyped_let("broken")
    assert environment.condition("let.broken > duration('1s') && boot.secure")


def test_a_let_that_is_declared_later_is_unknown() -> None:
    with pytest.raises(ConditionError) as caught:
        ENVIRONMENT.with_let("first", "let.second > 1").with_let("second", "boot.svn")
    assert caught.value.problems[0].code == "cel.unknown-let"
