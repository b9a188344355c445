"""Templates and the filters that make hostile text visible instead of effective."""

from __future__ import annotations

import json
import unicodedata
from collections.abc import Mapping

from jinja2 import Environment, PackageLoader, StrictUndefined, select_autoescape
from starlette.responses import HTMLResponse

from policyengine.model.decision import Tier
from policyengine.model.times import format_timestamp
from policyengine.services.history.explanation import undecided

TIERS = tuple(tier.name.lower() for tier in Tier)

BAR_WIDTH = 1000  # the bar's own units; the browser stretches it

# Cc: controls and terminal escapes; Cf: bidi overrides and zero-width characters; Cs, Co, Cn: nothing that has a glyph.
_INVISIBLE = frozenset({"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"})


def shown(value: object) -> str:
    """Return `value` as text in which every character can be seen: controls and bidi marks are written as `U+202E`."""
    return "".join(_visible(character) for character in str(value))


def shown_lines(value: object) -> str:
    """Return `value` as `shown` does, keeping its line ends."""
    return "\n".join(map(shown, str(value).split("\n")))


def shares(counts: Mapping[str, int]) -> list[dict[str, object]]:
    """Return the segments of a bar, one a tier, in whole units."""
    total, start, parts = sum(counts.values()), 0, []
    for tier in TIERS:
        width = round(BAR_WIDTH * counts.get(tier, 0) / total) if total else 0
        if width:
            parts.append({"tier": tier, "start": start, "width": width})
            start += width
    return parts


def page(template: str, *, status: int = 200, **context: object) -> HTMLResponse:
    """Return the page of that name."""
    drawn = _TEMPLATES.get_template(f"{template}.html").render(tiers=TIERS, **{"viewer": None, **context})
    return HTMLResponse(drawn, status_code=status)


def _visible(character: str) -> str:
    return f"U+{ord(character):04X}" if unicodedata.category(character) in _INVISIBLE else character


def _json_text(value: object) -> str:
    return json.dumps(value, ensure_ascii=False)


_TEMPLATES = Environment(
    loader=PackageLoader("api"),
    autoescape=select_autoescape(default=True),
    undefined=StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
)
_TEMPLATES.filters.update(
    shown=shown,
    shown_lines=shown_lines,
    shares=shares,
    rfc3339=format_timestamp,
    tojson_text=_json_text,
    undecided=undecided,
)
