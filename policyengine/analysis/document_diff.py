"""What differs in the documents beside the policies: fleet, parties, anchors, profiles, reference values, controls."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import fields
from typing import TypeVar

from policyengine.analysis.changes import About, Change, Subject, Verdict
from policyengine.analysis.direction import Direction, by_size
from policyengine.model.endorsements import AttestKey, Release
from policyengine.model.ids import digest_of
from policyengine.model.policy import Anchor, Bundle, Enforcement, Fleet, Model, Place, UnknownDevices

_T = TypeVar("_T")
_SHORT_DIGEST = 19  # `sha256:` and twelve digits tell a dozen certificates apart


def nobody(_value: object) -> str:
    """Return that a document belongs to no party alone."""
    return ""


def fleet_changes(old: Fleet, new: Fleet) -> Iterator[Change]:
    """Yield what the fleet says otherwise: its switches have a direction, its models are never guessed."""
    about = About(subject=Subject.FLEET, name=new.name, party="", place=Place(file="fleet.yaml", line=1))
    enforces = (one.enforcement is Enforcement.ENFORCE for one in (old, new))
    yield from about.wording("name", old.name, new.name)
    yield from about.aspect(
        "enforcement", old.enforcement, new.enforcement, by_size(*enforces, higher=Direction.TIGHTER)
    )
    waits = (one.unknown_devices is UnknownDevices.PENDING for one in (old, new))
    yield from about.aspect(
        "enrollment.unknown", old.unknown_devices, new.unknown_devices, by_size(*waits, higher=Direction.LOOSER)
    )
    yield from about.aspect("sites", old.sites, new.sites, Direction.SAME)
    yield from about.aspect("zones", old.zones, new.zones, Direction.SAME)
    for purpose in sorted((old.gate or {}).keys() | (new.gate or {}).keys()):
        passes = (old.passes(purpose), new.passes(purpose))
        yield from about.aspect(f"gate.{purpose}", *passes, by_size(*passes, higher=Direction.LOOSER))
    for name in sorted(old.models.keys() | new.models.keys()):
        before, after = old.models.get(name), new.models.get(name)
        yield from about.aspect(f"models.{name}", _model(before), _model(after), Direction.UNDECIDED)


def _model(model: Model | None) -> object:
    return None if model is None else _values(model, without=("name",))


def anchor_changes(old: Bundle, new: Bundle) -> Iterator[Change]:
    """Yield certificates that came or went, and those that may speak for others than before."""
    before, after = _by_name(_anchors(old), _anchors(new))
    yield from named(Subject.ANCHOR, before, after, lambda one: one.vendor, Direction.UNDECIDED)


def _anchors(bundle: Bundle) -> list[tuple[str, Anchor]]:
    return [(f"{one.vendor} {digest_of(one.certificate.encode())[:_SHORT_DIGEST]}", one) for one in bundle.anchors]


def profile_and_value_changes(old: Bundle, new: Bundle) -> Iterator[Change]:
    """Yield certificate profiles, releases and devices' keys that came, went, or say otherwise."""
    profiles = _by_name(*([(one.name, one) for one in bundle.profiles] for bundle in (old, new)))
    yield from named(Subject.PROFILE, *profiles, nobody, Direction.UNDECIDED)
    yield from named(Subject.REFERENCE_VALUES, *_by_name(_vouched(old), _vouched(new)), _endorsing, Direction.UNDECIDED)


def _endorsing(vouched: Release | AttestKey) -> str:
    return "" if vouched.endorser is None else vouched.endorser.party


def _vouched(bundle: Bundle) -> list[tuple[str, Release | AttestKey]]:
    return [*_releases(bundle), *_keys(bundle)]


def _keys(bundle: Bundle) -> list[tuple[str, AttestKey]]:
    return [
        (f"{' '.join(values.models)} key {key.thumbprint[:_SHORT_DIGEST]}", key)
        for values in bundle.reference_values
        for key in values.attest_keys or ()
    ]


def _releases(bundle: Bundle) -> list[tuple[str, Release]]:
    return [
        (f"{' '.join(values.models)} {release.version}", release)
        for values in bundle.reference_values
        for release in values.releases
    ]


def _by_name(old: Iterable[tuple[str, _T]], new: Iterable[tuple[str, _T]]) -> tuple[dict[str, _T], dict[str, _T]]:
    """Return both by name without what they share. What has the name of another is numbered: none hides another."""
    left = list(old)
    come = []
    for name, value in new:
        same = next(
            (at for at, (known, one) in enumerate(left) if known == name and _values(one) == _values(value)), None
        )
        if same is None:
            come.append((name, value))
        else:
            del left[same]
    return _numbered(left), _numbered(come)


def _numbered(pairs: Iterable[tuple[str, _T]]) -> dict[str, _T]:
    found, seen = dict[str, _T](), Counter[str]()
    for name, value in pairs:
        seen[name] += 1
        found[name if seen[name] == 1 else f"{name} #{seen[name]}"] = value
    return found


def named(
    subject: Subject, old: Mapping[str, _T], new: Mapping[str, _T], owner: Callable[[_T], str], effect: Direction
) -> Iterator[Change]:
    """Yield what came, went, or changed of things whose changes all have the same effect."""
    for name in sorted(old.keys() | new.keys()):
        before, after = old.get(name), new.get(name)
        known = after if after is not None else before
        if known is None:
            continue
        place = getattr(known, "place", None)
        about = About(subject=subject, name=name, party=owner(known), place=place)
        if before is None or after is None:
            yield about.whole(Verdict.ADDED if before is None else Verdict.REMOVED, effect)
            continue
        first, second = _values(before), _values(after)
        for key in first:
            yield from about.aspect(key, first[key], second.get(key), effect)


def _values(value: object, *, without: tuple[str, ...] = ()) -> dict[str, object]:
    """Return the fields of `value` that mean something."""
    skipped = {"place", "by_component", "by_inventory", *without}
    return {one.name: getattr(value, one.name) for one in fields(value) if one.name not in skipped}  # type: ignore[arg-type]
