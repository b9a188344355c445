"""What a check remembers for the next one: what each file holds, and what is wrong with each unit of documents."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from policyengine.errors import PolicyEngineError
from policyengine.language.diagnostics import as_stored, from_stored
from policyengine.model.diagnostic import Diagnostic


class ForgottenError(PolicyEngineError):
    """The bytes do not hold what a check remembers."""

    code = "check.forgotten"


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """A document as other documents see it: its kind and full name, the policy it is about, and where it begins.

    `named_at` is line and column of its name.
    """

    kind: str
    name: str
    refused: bool
    line: int
    policy: str
    named_at: tuple[int, int]


@dataclass(frozen=True, slots=True, kw_only=True)
class Summary:
    """What one file holds, in the order of its lines, and what is wrong with its form, shape and place."""

    entries: tuple[Entry, ...] = ()
    diagnostics: tuple[Diagnostic, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Remembered:
    """Summaries by digest of path and content; diagnostics of units by digest of everything they depend on."""

    files: Mapping[str, Summary] = field(default_factory=dict)
    units: Mapping[str, tuple[Diagnostic, ...]] = field(default_factory=dict)


def encode_remembered(remembered: Remembered) -> bytes:
    """Return `remembered` as JSON."""
    files = {
        key: [list(map(_entry_form, one.entries)), _forms(one.diagnostics)] for key, one in remembered.files.items()
    }
    units = {key: _forms(found) for key, found in remembered.units.items()}
    return json.dumps({"files": files, "units": units}, separators=(",", ":"), ensure_ascii=False).encode()


def decode_remembered(content: bytes) -> Remembered:
    """Return what `encode_remembered` was given; raises ForgottenError for anything else."""
    try:
        document = json.loads(content)
        files = {key: _summary(form) for key, form in document["files"].items()}
        units = {key: tuple(map(from_stored, form)) for key, form in document["units"].items()}
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as cause:
        raise ForgottenError("what the last check remembered cannot be read") from cause
    return Remembered(files=files, units=units)


def _forms(found: tuple[Diagnostic, ...]) -> list[list[object]]:
    return [as_stored(one) for one in found]


def _summary_form(one: Summary) -> list[object]:
    return [list(map(_entry_form, one.entries)), _forms(one.diagnostics)]


def _entry_form(one: Entry) -> list[object]:
    return [one.kind, one.name, one.refused, one.line, one.policy, list(one.named_at)]


def _summary(form: Any) -> Summary:
    entries, found = form
    return Summary(entries=tuple(map(_entry, entries)), diagnostics=tuple(map(from_stored, found)))


def _entry(form: Any) -> Entry:
    kind, name, refused, line, policy, (named_line, named_column) = form
    return Entry(
        kind=str(kind),
        name=str(name),
        refused=bool(refused),
        line=int(line),
        policy=str(policy),
        named_at=(int(named_line), int(named_column)),
    )
