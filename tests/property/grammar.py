"""Random typed conditions as text, from the whole language, over facts of the core schema.

A text is a condition that a person could write; everything in it type-checks. `Text.is_standard` says whether cel-cpp
knows all its functions and reads all of it as we do.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from random import Random

from policyengine.model.schema import CORE_SCHEMA, FactSchema
from policyengine.model.types import BOOL, DOUBLE, INT, STRING, Type, list_of

SCHEMA: FactSchema = CORE_SCHEMA.with_org({"score": DOUBLE})
PARAMS: Mapping[str, Type] = {"limit": INT, "modes": list_of(STRING), "strict": BOOL}
PARAM_VALUES: Mapping[str, object] = {"limit": 2, "modes": ("locked", "a"), "strict": True}

FACTS: Mapping[str, tuple[str, ...]] = {
    "bool": ("boot.secure", "evidence.fresh", "identity.verified", "params.strict"),
    "int": ("boot.svn", "boot.count", "csr.key_bits", "params.limit"),
    "double": ("org.score",),
    "string": ("boot.mode", "boot.debug", "device.site", 'device.labels["a"]', "device.labels.b", "cert.subject"),
    "timestamp": ("cert.not_after", "cert.not_before", "now"),
    "duration": ("evidence.age",),
    "list(int)": ("net.open_ports",),
    "list(string)": ("net.protocols", "params.modes", "cert.san"),
    "map": ("device.labels", "pcrs"),
}
FIELDS: Mapping[str, Mapping[str, tuple[str, ...]]] = {
    "software": {"string": ("name", "match"), "int": ("svn",)},
    "vuln": {"string": ("id",), "double": ("cvss",), "bool": ("kev",)},
}
OPTIONAL_FACTS = ('device.labels[?"a"]', "device.labels.?b", 'pcrs[?"sha256:0"]')
TEXTS = ("", "a", "ab", "b,a", "production", "locked", "é😀", "10.1.2.3", "1.2.3")
SCALARS = ("bool", "int", "double", "string", "bytes", "timestamp", "duration")
SIGNS = ("==", "!=", "<", "<=", ">", ">=")
PATTERNS = ("^a", "b$", "[a-c]+", "o.*d", "é", "x?")
ZONES = ("UTC", "Europe/Berlin", "America/New_York", "+05:30", "-11:00")


@dataclass(frozen=True)
class Text:
    """A condition; `is_standard`: cel-cpp can judge it too."""

    text: str
    is_standard: bool


Maker = Callable[[int], str]
Scope = tuple[tuple[str, str], ...]  # local names and their kinds, innermost last


class Grammar:
    """Draws texts; `depth` bounds nesting."""

    def __init__(self, random: Random) -> None:
        self._random, self._names, self._scope, self._is_standard = random, 0, (), True

    def condition(self, depth: int = 4) -> Text:
        """Return one condition."""
        self._names, self._is_standard = 0, True
        text = self._draw("bool", depth)
        return Text(text, self._is_standard and not _mixes_slots(text))

    def _pick(self, *options: str) -> str:
        return self._random.choice(options)

    def _draw(self, kind: str, depth: int) -> str:
        leaves = self._leaves(kind)
        if depth > 0 and (not leaves or self._random.random() < 0.85):
            return self._random.choice(self._branches(kind))(depth - 1)
        return self._random.choice(leaves)

    def _leaves(self, kind: str) -> list[str]:
        facts = [f"{name}.{field}" for name, root in self._scope for field in FIELDS.get(root, {}).get(kind, ())]
        names = [name for name, own in self._scope if own == kind]
        return [*FACTS.get(kind, ()), *facts * 2, *names * 3, *self._constants(kind)]

    def _constants(self, kind: str) -> list[str]:
        draw = self._random
        match kind:
            case "bool":
                return [self._pick("true", "false")]
            case "int":
                return [str(draw.choice((-7, -1, 0, 1, 2, 3, 22, 443, 2**62, -(2**63), 2**63 - 1)))]
            case "uint":
                return [f"{draw.choice((0, 1, 2, 7, 2**64 - 1))}u"]
            case "double":
                return [self._pick("-1.5", "0.0", "-0.0", "0.5", "2.0", "1e300", "0.0 / 0.0")]
            case "string":
                return [quoted(draw.choice(TEXTS))]
            case "bytes":
                return [f"b{quoted(draw.choice(TEXTS))}"]
            case "duration":
                return [f'duration("{draw.choice(("0s", "90s", "1h30m", "-5m", "250ms", "960h"))}")']
            case "timestamp":
                return [f"timestamp({draw.choice((0, 951782400, 1767225600, 1780272000))})"]
            case "list(int)":
                return ["[1, 2, 3]", "[443, 22, 443]"]
            case "list(string)":
                return ['["a", "ab"]', '["production", "locked"]']
            case "map":
                return ['{"a": "b"}']
            case "optional(int)":
                return ["optional.of(2)", "[1].first()"]
            case _:
                return list(OPTIONAL_FACTS)

    def _branches(self, kind: str) -> list[Maker]:
        if kind == "bool":
            return self._booleans()
        both: list[Maker] = [lambda d: self._choice(kind, d), lambda d: self._bound(kind, d)]
        makers: Mapping[str, Callable[[], list[Maker]]] = {
            "int": self._integers,
            "uint": self._unsigned,
            "double": self._doubles,
            "string": self._strings,
            "bytes": self._bytes,
            "duration": self._durations,
            "timestamp": self._timestamps,
            "list(int)": lambda: [*self._lists("int"), *self._ranges()],
            "list(string)": lambda: [*self._lists("string"), *self._string_lists()],
            "map": self._maps,
            "optional(int)": lambda: self._optionals("int"),
            "optional(string)": lambda: self._optionals("string"),
        }
        return makers[kind]() + both

    def _choice(self, kind: str, d: int) -> str:
        return f"({self._draw('bool', d)} ? {self._draw(kind, d)} : {self._draw(kind, d)})"

    def _bound(self, kind: str, d: int) -> str:
        inner = self._pick("bool", "int", "string", "list(int)", "duration", "optional(string)", "map")
        value, name = self._draw(inner, d), self._fresh()
        return f"cel.bind({name}, {value}, {self._inside(((name, inner),), kind, d)})"

    def _fresh(self) -> str:
        self._names += 1
        return self._pick("x", "y", f"v{self._names}")  # short names shadow each other

    def _inside(self, names: Scope, kind: str, d: int) -> str:
        outer = self._scope
        self._scope = tuple(pair for pair in outer if pair[0] not in dict(names)) + names
        text = self._draw(kind, d)
        self._scope = outer
        return text

    def _booleans(self) -> list[Maker]:
        draw = self._draw

        def several(sign: str, d: int) -> str:
            return f"({f' {sign} '.join(draw('bool', d) for _ in range(self._random.choice((2, 2, 3))))})"

        return [
            *[lambda d: several("&&", d), lambda d: several("||", d)] * 3,
            lambda d: f"!({draw('bool', d)})",
            lambda d: self._choice("bool", d),
            lambda d: self._bound("bool", d),
            *[self._comparison] * 4,
            lambda d: f"({draw('bool', d)} {self._pick('==', '!=')} {draw('bool', d)})",
            self._mixed,
            self._same,
            lambda d: f"({draw('int', d)} in {draw('list(int)', d)})",
            lambda d: f"({draw('string', d)} in {draw('list(string)', d)})",
            lambda d: f"({draw('string', d)} in {draw('map', d)})",
            self._tested_text,
            lambda d: (
                "has("
                + self._pick(*FACTS["string"][:3], "device.labels.a", "boot.svn", "cert.not_after", "net.open_ports")
                + ")"
            ),
            *[lambda d: self._quantified("int", d), lambda d: self._quantified("string", d)],
            *[self._over_rows] * 3,
            lambda d: f"{self._collection(d)}.{self._pick('all', 'exists')}{self._two('bool', d)}",
            lambda d: f"{draw(self._optional(), d)}.hasValue()",
            lambda d: (
                f"sets.{self._pick('contains', 'equivalent', 'intersects')}"
                f"({draw('list(int)', d)}, {draw('list(int)', d)})"
            ),
            lambda d: f"math.{self._pick('isNaN', 'isInf', 'isFinite')}({draw('double', d)})",
            lambda d: f"bool({draw('string', d)})",
            lambda d: f'regex.extract({draw("string", d)}, "{self._pick("a", "([ab])b", "é")}").hasValue()',
            *[self._own] * 2,
        ]

    def _comparison(self, d: int) -> str:
        kind = self._pick(*SCALARS, "uint")
        return f"({self._draw(kind, d)} {self._pick(*SIGNS)} {self._draw(kind, d)})"

    def _mixed(self, d: int) -> str:
        """Numbers of different types, and values of unknown type."""
        one, other = self._pick("int", "uint", "double"), self._pick("int", "uint", "double", "string", "bool")
        sign = self._pick("==", "!=") if other in ("string", "bool") else self._pick(*SIGNS)
        return f"(dyn({self._draw(one, d)}) {sign} {self._draw(other, d)})"

    def _same(self, d: int) -> str:
        kind = self._pick("list(int)", "list(string)", "map", "optional(int)", "optional(string)")
        return f"({self._draw(kind, d)} {self._pick('==', '!=')} {self._draw(kind, d)})"

    def _tested_text(self, d: int) -> str:
        if self._random.random() < 0.3:
            return f"{self._draw('string', d)}.matches({quoted(self._random.choice(PATTERNS))})"
        method = self._pick("startsWith", "endsWith", "contains")
        return f"{self._draw('string', d)}.{method}({self._draw('string', d)})"

    def _quantified(self, element: str, d: int) -> str:
        name = self._fresh()
        body = self._inside(((name, element),), "bool", d)
        return f"{self._draw(f'list({element})', d)}.{self._pick('all', 'exists', 'exists_one')}({name}, {body})"

    def _over_rows(self, d: int) -> str:
        rows, name = self._pick("software", "vuln"), self._fresh()
        if self._random.random() < 0.15:
            field = self._pick(*(field for fields in FIELDS[rows].values() for field in fields))
            body = f"has({name}.{field})"
        else:
            body = self._inside(((name, rows),), "bool", d)
        over = (
            rows
            if self._random.random() < 0.8
            else f"{rows}.filter({name}, {self._inside(((name, rows),), 'bool', d)})"
        )
        return f"{over}.{self._pick('all', 'exists', 'exists_one')}({name}, {body})"

    def _collection(self, d: int) -> str:
        return self._draw(self._pick("list(string)", "map"), d)

    def _two(self, kind: str, d: int) -> str:
        """Two variables whose kinds both collections of texts share as far as we look: the second is a text."""
        key, value = f"k{self._names}", f"w{self._names}"
        self._names += 1
        return f"({key}, {value}, {self._inside(((value, 'string'),), kind, d)})"

    def _mapped(self, element: str, d: int) -> str:
        name = self._fresh()
        body = self._inside(((name, element),), element, d)
        return self._pick(f"optMap({name}, {body})", f"optFlatMap({name}, optional.of({body}))")

    def _optional(self) -> str:
        return self._pick("optional(int)", "optional(string)")

    def _ours(self, text: str) -> str:
        """Return `text`, and keep cel-cpp from judging the condition."""
        self._is_standard = False
        return text

    def _own(self, d: int) -> str:
        """Functions that cel-cpp does not have."""
        version = self._pick("model.latest_version", "software[0].version", "model.min_version")
        return self._ours(
            self._pick(
                f'{version}.{self._pick("atLeast", "below")}("{self._pick("1.0.0", "1.2.3", "10.0.0")}")',
                f'{version}.within("vers:semver/>=1.0.0|<2.0.0")',
                f"{version}.atLeast(model.min_version)",
                f'cidr("10.0.0.0/{self._pick("0", "8", "15", "16", "32")}").containsIP({self._draw("string", d)})',
                f"isIP({self._draw('string', d)})",
                f"(ip({self._draw('string', d)}).family() == 4)",
                f'semver({self._draw("string", d)}).{self._pick("isGreaterThan", "isLessThan")}(semver("1.2.0"))',
                f'(semver({self._draw("string", d)}).compareTo(semver("1.2.3")) {self._pick(*SIGNS)} 0)',
                f"(semver({self._draw('string', d)}).{self._pick('major', 'minor', 'patch')}() > 1)",
                f"isSemver({self._draw('string', d)})",
                self._network(d),
            )
        )

    def _network(self, d: int) -> str:
        blocks = [
            f'cidr("{self._pick("10.1.0.0", "10.1.2.3", "11.0.0.0")}/{self._pick("0", "9", "16", "32")}")' for _ in "ab"
        ]
        address = f"ip({self._draw('string', d)})"
        return self._pick(
            *[f"{blocks[0]}.containsCIDR({blocks[1]})"] * 3,
            f"({blocks[0]}.masked() == {blocks[1]})",
            f"{blocks[0]}.isMask()",
            f"({blocks[0]}.ip() == {address})",
            f"({blocks[0]}.prefixLength() > {self._draw('int', d)})",
            f"isCIDR({self._draw('string', d)})",
            f"ip.isCanonical({self._draw('string', d)})",
            f"{address}.is{self._pick('Unspecified', 'Loopback', 'GlobalUnicast')}()",
            f"{address}.isLinkLocal{self._pick('Unicast', 'Multicast')}()",
        )

    def _integers(self) -> list[Maker]:
        draw = self._draw
        return [
            *[lambda d: f"({draw('int', d)} {self._pick('+', '-', '*', '/', '%')} {draw('int', d)})"] * 3,
            lambda d: f"-({draw('int', d)})",
            lambda d: f"{self._sized(d)}.size()",
            lambda d: f"{draw('list(int)', d)}[{draw('int', d)}]",
            lambda d: f"{draw('list(int)', d)}.{self._pick('distinct', 'sort', 'reverse')}()[{self._pick('0', '1')}]",
            lambda d: f"int({draw(self._pick('double', 'uint', 'string', 'timestamp'), d)})",
            lambda _: "int(org.score)",  # the fact is a fraction below zero at times
            lambda d: f"{draw('string', d)}.{self._pick('indexOf', 'lastIndexOf')}({draw('string', d)})",
            lambda d: (
                f"{draw('string', d)}.{self._pick('indexOf', 'lastIndexOf')}({draw('string', d)}, {draw('int', d)})"
            ),
            lambda d: f"math.{self._pick('greatest', 'least')}({draw('int', d)}, {draw('int', d)})",
            lambda d: f"math.{self._pick('abs', 'sign', 'bitNot')}({draw('int', d)})",
            lambda d: f"math.{self._pick('bitAnd', 'bitOr', 'bitXor')}({draw('int', d)}, {draw('int', d)})",
            lambda d: f"math.{self._pick('bitShiftLeft', 'bitShiftRight')}({draw('int', d)}, {draw('int', d)})",
            lambda d: f"{draw('optional(int)', d)}.orValue({draw('int', d)})",
            lambda d: f"{draw('optional(int)', d)}.value()",
            lambda d: f"{draw('timestamp', d)}.{self._field()}({self._pick('', *map(quoted, ZONES))})",
            lambda d: f"{draw('duration', d)}.get{self._pick('Hours', 'Minutes', 'Seconds', 'Milliseconds')}()",
        ]

    def _field(self) -> str:
        return "get" + self._pick(
            "FullYear", "Month", "Date", "DayOfMonth", "DayOfWeek", "DayOfYear", "Hours", "Minutes", "Seconds"
        )

    def _sized(self, d: int) -> str:
        return self._draw(self._pick("list(int)", "list(string)", "string", "bytes", "map"), d)

    def _unsigned(self) -> list[Maker]:
        draw = self._draw
        return [
            lambda d: f"({draw('uint', d)} {self._pick('+', '-', '*', '/', '%')} {draw('uint', d)})",
            lambda d: f"uint({draw(self._pick('int', 'double'), d)})",
        ]

    def _doubles(self) -> list[Maker]:
        draw = self._draw
        return [
            lambda d: f"({draw('double', d)} {self._pick('+', '-', '*', '/')} {draw('double', d)})",
            lambda d: f"-({draw('double', d)})",
            lambda d: f"double({draw(self._pick('int', 'uint'), d)})",
            lambda d: (
                f"math.{self._pick('ceil', 'floor', 'round', 'trunc', 'abs', 'sign', 'sqrt')}({draw('double', d)})"
            ),
        ]

    def _strings(self) -> list[Maker]:
        draw = self._draw
        return [
            lambda d: f"({draw('string', d)} + {draw('string', d)})",
            lambda d: f"string({draw(self._pick('bool', 'int', 'uint', 'bytes', 'string'), d)})",
            lambda d: f"{draw('map', d)}[{draw('string', d)}]",
            lambda d: f"{draw('list(string)', d)}[{draw('int', d)}]",
            lambda d: f"{draw('list(string)', d)}.join({self._pick('', quoted(','))})",
            lambda d: f"{draw('string', d)}.{self._pick('lowerAscii', 'upperAscii', 'trim', 'reverse')}()",
            lambda d: f"{draw('string', d)}.substring({draw('int', d)})",
            lambda d: self._ours(
                f"{draw('string', d)}.substring({draw('int', d)}, {draw('int', d)})"
            ),  # cel-cpp: end < size
            lambda d: f"{draw('string', d)}.charAt({draw('int', d)})",
            lambda d: f"{draw('string', d)}.replace({draw('string', d)}, {draw('string', d)})",
            lambda d: (
                f"{draw('string', d)}.replace({draw('string', d)}, {draw('string', d)}, {self._pick('-1', '0', '1')})"
            ),
            lambda d: f"{draw('optional(string)', d)}.orValue({draw('string', d)})",
            lambda d: f"strings.quote({draw('string', d)})",
            lambda d: f'"%s|%s".format([{draw("string", d)}, {draw(self._pick("int", "bool", "list(int)"), d)}])',
            lambda d: f'"%d-%x".format([{draw("int", d)}, {draw("int", d)}])',
            lambda d: f"base64.encode({draw('bytes', d)})",
            lambda d: f'regex.replace({draw("string", d)}, "{self._pick("a", "[ab]+")}", "z")',
        ]

    def _bytes(self) -> list[Maker]:
        return [
            lambda d: f"bytes({self._draw('string', d)})",
            lambda d: f"({self._draw('bytes', d)} + {self._draw('bytes', d)})",
            lambda d: f"base64.decode({self._draw('string', d)})",
            lambda d: f"base64.decode(base64.encode({self._draw('bytes', d)}))",
        ]

    def _durations(self) -> list[Maker]:
        draw = self._draw
        return [
            lambda d: f"({draw('timestamp', d)} - {draw('timestamp', d)})",
            lambda d: f"({draw('duration', d)} {self._pick('+', '-')} {draw('duration', d)})",
        ]

    def _timestamps(self) -> list[Maker]:
        draw = self._draw
        return [
            lambda d: f"({draw('timestamp', d)} {self._pick('+', '-')} {draw('duration', d)})",
            lambda d: f"({draw('duration', d)} + {draw('timestamp', d)})",
        ]

    def _ranges(self) -> list[Maker]:
        return [
            lambda _: f"lists.range({self._pick('0', '3')})",
            lambda _: self._ours("lists.range(-1)"),  # throws in cel-cpp
        ]

    def _lists(self, element: str) -> list[Maker]:
        kind, draw = f"list({element})", self._draw

        def each(macro: str, body: str, d: int) -> str:
            name = self._fresh()
            return f"{draw(kind, d)}.{macro}({name}, {self._inside(((name, element),), body, d)})"

        return [
            lambda d: f"[{draw(element, d)}, {draw(element, d)}]",
            lambda d: f"[{draw(element, d)}, ?{draw(f'optional({element})', d)}]",
            lambda d: f"({draw(kind, d)} + {draw(kind, d)})",
            lambda d: each("filter", "bool", d),
            lambda d: each("map", element, d),
            lambda d: f"{draw(kind, d)}.{self._pick('distinct', 'sort', 'reverse')}()",
            lambda d: f"{draw(kind, d)}.slice({self._pick('0', '1')}, {draw('int', d)})",
            lambda d: f"[{draw(kind, d)}, {draw(kind, d)}].flatten()",
            lambda d: each("sortBy", self._pick("int", "string"), d),
        ]

    def _string_lists(self) -> list[Maker]:
        draw = self._draw
        return [
            lambda d: f"{draw('string', d)}.split({self._pick(*map(quoted, (',', 'a')))})",
            lambda d: self._ours(f'{draw("string", d)}.split("")'),  # cel-cpp finds one part in an empty text
            lambda d: f"{draw('string', d)}.split({quoted('a')}, {self._pick('-1', '0', '1', '2')})",
            lambda d: f"{draw('list(string)', d)}.transformList{self._two('string', d)}",
            lambda d: self._ours(f"{draw('map', d)}.transformList{self._two('string', d)}"),  # cel-cpp: in any order
            lambda d: f'regex.extractAll({draw("string", d)}, "{self._pick("a", "[ab]+", "é")}")',
        ]

    def _maps(self) -> list[Maker]:
        draw = self._draw
        return [
            lambda d: f'{{"a": {draw("string", d)}, "b": {draw("string", d)}}}',
            lambda d: f'{{{draw("string", d)}: {draw("string", d)}, ?"b": {draw("optional(string)", d)}}}',
            lambda d: self._ours(f"{draw('map', d)}.transformMap{self._two('string', d)}"),  # fails in cel-cpp
            lambda d: self._ours(f"{self._collection(d)}.transformMapEntry{self._two('map', d)}"),
        ]

    def _optionals(self, element: str) -> list[Maker]:
        kind, draw = f"optional({element})", self._draw
        made: list[Maker] = [
            lambda d: f"optional.of({draw(element, d)})",
            lambda d: f"optional.ofNonZeroValue({draw(element, d)})",
            lambda d: f"({draw('bool', d)} ? {draw(kind, d)} : optional.none())",
            lambda d: f"{draw(kind, d)}.{self._mapped(element, d)}",
            lambda d: f"{draw(kind, d)}.or({draw(kind, d)})",
            lambda d: f"{draw(f'list({element})', d)}.{self._pick('first', 'last')}()",
            lambda d: f"{draw(f'list({element})', d)}[?{draw('int', d)}]",
        ]
        return made if element == "int" else [*made, lambda d: f"{draw('map', d)}[?{draw('string', d)}]"]


_LOOP = re.compile(r"\.(?:all|exists|exists_one|filter|map|transformList)\(")
_BIND = re.compile(r"cel\.bind\(|\.sortBy\(|\.opt(?:Flat)?Map\(")


def _mixes_slots(text: str) -> bool:
    """Return whether cel-cpp 0.1.3 may read a wrong variable: it confuses bound names with those of other loops."""
    binds = len(_BIND.findall(text))
    return binds > 0 and (_LOOP.search(text) is not None or (".sortBy(" in text and binds > 1))


def quoted(text: str) -> str:
    """Return `text` as a literal."""
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'
