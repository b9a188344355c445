"""An evidence export's report as one HTML page that needs nothing else: read it in any browser, print it, keep it."""

from __future__ import annotations

import html
from collections.abc import Iterable, Sequence

from policyengine.model.times import format_timestamp
from policyengine.reports.assessment import Assessment, ControlRow

_STYLE = """body{font:15px/1.5 system-ui,sans-serif;max-width:72rem;margin:2rem auto;padding:0 1rem;color:#1b1b1f}
h1{font-size:1.5rem}h2{font-size:1.15rem;margin-top:2rem}table{border-collapse:collapse;width:100%}
th,td{text-align:left;vertical-align:top;padding:.3rem .6rem;border-bottom:1px solid #d8d8de}td.n,th.n{text-align:right}
code{font-size:.85em;overflow-wrap:anywhere}.bad{color:#a3001b;font-weight:600}.odd{color:#7a4b00;font-weight:600}
p.note{color:#55555e}"""

_SOURCES = (
    "A fact's source says who vouches for it, from strongest to weakest: attested (the device's hardware signed it), "
    "certified (a vendor's CA or ours did), observed (we saw it), reported (the device said so), declared (a person)."
)


def as_page(found: Assessment) -> str:
    """Return `found` as HTML; whatever came from outside is escaped, and there is no script."""
    framework = "all frameworks" if found.framework is None else found.framework
    body = [
        "<h1>Evidence of device security</h1>",
        _facts(
            ("Framework", framework),
            ("Period", f"{format_timestamp(found.start)} up to, not including, {format_timestamp(found.end)}"),
            ("Scope", found.scope),
            ("Devices in scope", f"{found.devices}, of which {found.undecided} were never decided on"),
            ("Decisions in the export", str(found.decisions)),
            ("Transparency log", f"{found.origin}, {found.log_size} leaves"),
        ),
        "<h2>Controls at the end of the period</h2>",
        '<p class="note">A device counts once a control: failed if any of its rules fails, else unknown, else waived, '
        "else passed. Unknown is no pass: a fact was missing, too weak or too old.</p>",
        _table(_CONTROL_HEADS, map(_control, found.controls)) if found.controls else "<p>No control was in scope.</p>",
        f'<p class="note">{_SOURCES}</p>',
        "<h2>Exceptions and who approved them</h2>",
        _waivers(found),
        "<h2>Not met at the end of the period</h2>",
        _failing(found),
        "<h2>Policies in force</h2>",
        _table(
            ("Since", "Bundle", "Commit", "Activated by"),
            (
                (_text(format_timestamp(row.since)), _code(row.digest), _code(row.commit or "none"), _text(row.actor))
                for row in found.bundles
            ),
        ),
        "<h2>How to check this</h2>",
        "<p>Every number here is computed from the records beside this page. <code>policyengine audit verify FILE "
        "--vkey KEY</code> computes them again from the decisions, makes every decision again, checks every digest, "
        "signature and proof; it needs no server. Take the key from the log's operator, not from this file.</p>",
    ]
    title = f"Evidence, {framework}, {format_timestamp(found.end)}"
    return (
        f'<!doctype html>\n<html lang="en"><head><meta charset="utf-8"><title>{_text(title)}</title>'
        f"<style>{_STYLE}</style></head><body>\n" + "\n".join(body) + "\n</body></html>\n"
    )


_CONTROL_HEADS = (
    "Control",
    "What it asks",
    "Devices",
    "Pass",
    "Fail",
    "Unknown",
    "Waived",
    "Failed at any time",
    "Weakest source",
)


def _control(row: ControlRow) -> tuple[str, ...]:
    if not row.rules:
        return (_text(row.id), _text(row.title), '<span class="odd">no rule speaks to it</span>', *([""] * 6))
    return (
        _text(row.id),
        _text(row.title),
        str(row.devices),
        str(row.passed),
        _marked(row.failed, "bad"),
        _marked(row.unknown, "odd"),
        _marked(row.waived, "odd"),
        str(row.failed_in_period),
        _text(row.weakest or "no fact was read"),
    )


def _waivers(found: Assessment) -> str:
    if not found.waivers:
        return "<p>None was in force.</p>"
    return _table(
        ("Waiver", "Rules", "Approved by", "Why", "Instead", "Ends", "Devices"),
        (
            (
                _text(row.name),
                "<br>".join(map(_code, row.rules)),
                _text(", ".join(row.approvals)),
                _text(f"{row.reason} ({row.ticket})" if row.ticket else row.reason),
                _text(row.compensating_control or "nothing named"),
                _text(format_timestamp(row.expires)),
                str(row.devices),
            )
            for row in found.waivers
        ),
    )


def _failing(found: Assessment) -> str:
    if not found.failing:
        return "<p>Nothing.</p>"
    rows = (
        (_text(row.device), _code(row.rule), _text(row.result), _text(row.since or ""), _text(row.message))
        for row in found.failing
    )
    shown = _table(("Device", "Rule", "Result", "Since", "What was seen"), rows)
    more = found.failing_count - len(found.failing)
    return shown + (f"<p>And {more} more, in <code>csv/findings.csv</code>.</p>" if more else "")


def _facts(*rows: tuple[str, str]) -> str:
    cells = "".join(f"<tr><th>{_text(name)}</th><td>{_text(value)}</td></tr>" for name, value in rows)
    return f"<table>{cells}</table>"


def _table(heads: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Return a table; cells are HTML already."""
    head = "".join(f"<th>{_text(name)}</th>" for name in heads)
    body = "\n".join("<tr>" + "".join(f"<td>{cell}</td>" for cell in row) + "</tr>" for row in rows)
    return f"<table><thead><tr>{head}</tr></thead><tbody>\n{body}\n</tbody></table>"


def _marked(count: int, mark: str) -> str:
    return f'<span class="{mark}">{count}</span>' if count else "0"


def _code(text: str) -> str:
    return f"<code>{_text(text)}</code>"


def _text(text: str) -> str:
    return html.escape(text)
