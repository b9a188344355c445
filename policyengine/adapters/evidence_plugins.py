"""Evidence formats that other packages bring: what is installed under the entry point group GROUP, loaded once."""

from __future__ import annotations

from importlib.metadata import EntryPoint, entry_points

from policyengine.attestation.formats import Format
from policyengine.errors import PolicyEngineError, quoted

GROUP = "policyengine.attestation_formats"


class FormatPluginError(PolicyEngineError):
    """An installed package announces an evidence format and does not deliver one."""

    code = "evidence.plugin"


def installed_formats() -> tuple[Format, ...]:
    """Return the formats of installed packages, by the names of their entry points.

    Raises FormatPluginError for one that cannot be loaded: a format that is silently missing would refuse its devices.
    Whether two formats answer to one media type is for `attestation.registry` to refuse.
    """
    found = sorted(entry_points(group=GROUP), key=lambda each: (each.name, each.value))
    return tuple(_loaded(each) for each in found)


def _loaded(entry: EntryPoint) -> Format:
    try:
        made = entry.load()
    except (ImportError, AttributeError) as cause:
        raise FormatPluginError(
            f"evidence format {quoted(entry.name)} cannot be loaded from {quoted(entry.value)}"
        ) from cause
    if not isinstance(made, Format):
        raise FormatPluginError(f"entry point {quoted(entry.name)}, {quoted(entry.value)}, is no evidence format")
    return made
