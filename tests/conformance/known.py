"""Cases of others in which we differ on purpose, and why; docs/cel.md has the same table. What passes must leave."""

from __future__ import annotations

from collections.abc import Mapping

CERBOS: Mapping[str, str] = {
    "duration_funcs": "`getMilliseconds` of a duration is its fraction in cel-spec, its whole length in Cerbos",
    "maps_and_lists": "a map with doubles as keys is an error in cel-spec; Cerbos makes one",
}
_YEAR_9999 = "factory certificates end in the year 9999 (IEEE 802.1AR); durations of cel-spec end at 292 years"
CEL_SPEC: Mapping[str, str] = {
    "timestamps/timestamp_range/sub_time_duration_over": _YEAR_9999,
    "timestamps/timestamp_range/sub_time_duration_under": _YEAR_9999,
}
