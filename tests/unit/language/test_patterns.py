"""The regular expressions of policies: what RE2 and Rust's `regex` read alike (docs/policy-language.md)."""

from __future__ import annotations

import pytest

from policyengine.language.patterns import MAX_PATTERN, refusal

ALIKE = [
    r"^AC-[0-9]{8}$",
    r"md5|sha-?1([^0-9]|$)",
    r"^[\w.-]+@[\w-]+\.com$",
    r"(?i)abc(?-i:D)(?P<name>x)(?<other>y)(?:z)",
    r"[]a][^]a][[:alpha:]_-][\]\[\\]",
    r"\x41\x{1F600}\pL\p{Greek}\PN",
    r"a{1,}?b*?c+d??",
    r"\A\bx\B\z\d\D\s\S\w\W\t\n",
    r"\-\/\"\&\~\#\.",
]
OTHERWISE = [
    r"\C",
    r"\Qa.b\E",
    r"\012",
    r"\<word\>",
    r"\_",
    r"\p{^Greek}",
    r"[[]",
    r"[a&&b]",
    r"[a~~b]",
    r"[!--]",
    r"[\w-z]",
    r"a{",
    r"a{,2}",
    r"}",
    r"(?m)+a",
    r"(?=a)",
    r"(?x)a",
    r"(a)\1",
    r"a**",
    r"(",
    r"a{1001}",
    "a" * (MAX_PATTERN + 1),
]


@pytest.mark.parametrize("pattern", ALIKE)
def test_what_all_engines_read_alike_is_taken(pattern: str) -> None:
    assert refusal(pattern) is None


@pytest.mark.parametrize("pattern", OTHERWISE)
def test_what_one_engine_lacks_or_reads_otherwise_is_refused_with_a_reason(pattern: str) -> None:
    assert refusal(pattern)
