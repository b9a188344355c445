"""What the documentation says of each diagnostic code: read from the package, or from `docs/` of a source tree."""

from __future__ import annotations

import importlib.resources
import re
from collections.abc import Iterable
from pathlib import Path

from policyengine.errors import PolicyEngineError, quoted
from policyengine.language.codes import MEANINGS
from policyengine.language.diagnostics import did_you_mean

_SECTION = re.compile(r"^## (?P<code>\S+)\n\n(?P<text>.*?)(?=^## |\Z)", re.MULTILINE | re.DOTALL)


class UnknownCodeError(PolicyEngineError):
    """No diagnostic has that code."""

    code = "diagnostic.unknown"


def explanation_of(code: str, *, others: Iterable[str] = ()) -> str:
    """Return the section on `code` as Markdown, without its heading; raises UnknownCodeError.

    `others` are names that are explained elsewhere and that somebody may have meant.
    """
    if code not in MEANINGS:
        advice = did_you_mean(code, [*MEANINGS, *others]) or "see docs/diagnostics.md and docs/evidence.md"
        raise UnknownCodeError(f"no diagnostic, check or refusal is called {quoted(code)}; {advice}", name=code)
    package = importlib.resources.files("policyengine")
    packed = package / "explanations"
    pages = packed if packed.is_dir() else Path(str(package)).parent / "docs" / "diagnostics"
    page = (pages / f"{code.partition('.')[0]}.md").read_text(encoding="utf-8")
    return next(found["text"].strip() for found in _SECTION.finditer(page) if found["code"] == code)
