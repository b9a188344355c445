"""Debian's and RPM's own programs order random versions as `deb` and `rpm` schemes do."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path
from random import Random

import pytest

from policyengine.model.version import Key, VersionError, deb_key, rpm_key
from tests.support.seed import seed

PAIRS = 400  # dpkg is a process for each comparison

_DPKG = """while read one other; do
  if dpkg --compare-versions "$one" lt "$other" 2>/dev/null; then echo "<"
  elif dpkg --compare-versions "$one" eq "$other" 2>/dev/null; then echo "="
  elif dpkg --compare-versions "$one" gt "$other" 2>/dev/null; then echo ">"
  else echo "none"
  fi
done"""


def _text(random: Random, signs: str, most: int, least: int = 0) -> str:
    return "".join(random.choice(signs) for _ in range(random.randint(least, most)))


def _deb(random: Random) -> str:
    epoch, revision = random.choice(("", "", "0:", "1:", "01:")), f"-{_text(random, '01a.+~', 4, 1)}"
    upstream = random.choice("0123456789") + _text(random, "0019aAzZ.+~-:" if epoch else "0019aAzZ.+~-", 7)
    return epoch + upstream + random.choice(("", revision))


def _rpm(random: Random) -> str:
    release = random.choice(("", "-1", "-1.el9", "-2~a"))
    return random.choice(("", "", "1:")) + _text(random, "0019aAzZ.+~^~^_.", 8, 1) + release


def _neighbour(random: Random, text: str) -> str:
    """Return `text` with one sign more, less or other: two unrelated versions differ in their first number."""
    at = random.randrange(len(text))
    return text[:at] + random.choice(("", "0", "1", "a", "Z", ".", "+", "~")) + text[at + random.randint(0, 1) :]


def _pairs(random: Random, drawn: Callable[[Random], str]) -> list[tuple[str, str]]:
    versions = [drawn(random) for _ in range(PAIRS)]
    return [(text, _neighbour(random, text) or "1") for text in versions]


def _ordered(pairs: list[tuple[str, str]], key: Callable[[str], Key], said: list[str]) -> list[str]:
    """Return the pairs that both sides can read and order differently."""
    wrong, compared = [], 0
    for (one, other), order in zip(pairs, said, strict=True):
        try:
            left, right = key(one), key(other)
        except VersionError:
            continue
        compared += 1
        ours = "<" if left < right else ">" if left > right else "="
        if ours != order:
            wrong.append(f"{one} {ours} {other}, they say {order}")
    assert compared > PAIRS / 2
    return wrong


@pytest.mark.skipif(shutil.which("dpkg") is None, reason="dpkg is not installed; it comes with Debian")
def test_dpkg_orders_debian_versions_as_we_do() -> None:
    """Debian Policy section 5.6.12; what dpkg cannot read, we refuse as well."""
    pairs = _pairs(Random(drawn := seed()), _deb)
    asked = "".join(f"{one} {other}\n" for one, other in pairs)
    said = subprocess.run(["sh", "-c", _DPKG], input=asked, capture_output=True, text=True, check=True).stdout.split()
    wrong = _ordered(pairs, deb_key, said)
    assert not wrong, f"seed {drawn}: {wrong[:3]}"


@pytest.mark.skipif(shutil.which("rpm") is None, reason="rpm is not installed; see tests/system-packages.txt")
def test_rpm_orders_rpm_versions_as_we_do(tmp_path: Path) -> None:
    """rpmvercmp with `~` before and `^` behind everything (RPM's documentation, "Dependencies")."""
    pairs = _pairs(Random(drawn := seed()), _rpm)
    script = tmp_path / "compare.lua"
    script.write_text("".join(f'io.write(rpm.vercmp("{one}", "{other}"), " ")\n' for one, other in pairs))
    macro = f'%{{lua: dofile("{script}")}}'
    said = subprocess.run(["rpm", "--eval", macro], capture_output=True, text=True, check=True).stdout.split()
    wrong = _ordered(pairs, rpm_key, [{"-1": "<", "0": "=", "1": ">"}[each] for each in said])
    assert not wrong, f"seed {drawn}: {wrong[:3]}"
