"""Counters and histograms in the Prometheus text format; labels come from closed sets only."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from operator import add
from typing import Any

MEDIA_TYPE = "text/plain; version=0.0.4; charset=utf-8"

# Seconds; a check-in's goal is 0.15 at the 99th percentile.
BUCKETS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5)

METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})

Sample = tuple[Mapping[str, str], float]


@dataclass(frozen=True, slots=True, kw_only=True)
class Counts:
    """What one process has counted, for another one to add to its own: only what JSON holds."""

    requests: tuple[tuple[str, str, int, int], ...]  # route, method, hundreds of the status, how many
    buckets: Mapping[str, tuple[int, ...]]
    seconds: Mapping[str, float]
    tiers: Mapping[str, int]
    shed: int
    in_flight: int

    def document(self) -> dict[str, object]:
        """Return the counts as JSON."""
        return asdict(self)

    @classmethod
    def read(cls, document: Mapping[str, Any]) -> Counts:
        """Return the counts whose `document` this is, as another process of the same version wrote it."""
        return cls(**{**document, "requests": tuple(map(tuple, document["requests"]))})


class Metrics:
    """What this process has counted since it started."""

    def __init__(self) -> None:
        self._requests: dict[tuple[str, str, int], int] = defaultdict(int)
        self._buckets: dict[str, list[int]] = defaultdict(lambda: [0] * (len(BUCKETS) + 1))
        self._seconds: dict[str, float] = defaultdict(float)
        self._tiers: dict[str, int] = defaultdict(int)
        self.seen = 0
        self.shed = 0
        self.in_flight = 0

    def answered(self, route: str, method: str, status: int, seconds: float) -> None:
        """Count one answered request; `route` is the name of a route, never a path."""
        self._requests[route, method if method in METHODS else "other", status // 100] += 1
        self._seconds[route] += seconds
        self._buckets[route][next((at for at, bound in enumerate(BUCKETS) if seconds <= bound), len(BUCKETS))] += 1

    def checked_in(self, tier: str) -> None:
        """Count one recorded check-in by the tier it got."""
        self._tiers[tier] += 1

    def counts(self) -> Counts:
        """Return what was counted; any thread may ask, as each copy is made in one step of the interpreter."""
        return Counts(
            requests=tuple((*key, count) for key, count in dict(self._requests).items()),
            buckets={route: tuple(counts) for route, counts in dict(self._buckets).items()},
            seconds=dict(self._seconds),
            tiers=dict(self._tiers),
            shed=self.shed,
            in_flight=self.in_flight,
        )

    def with_others(self, others: Iterable[Counts]) -> Metrics:
        """Return these counts and those of `others` together."""
        whole = Metrics()
        for counts in (self.counts(), *others):
            whole.go_on_from(counts)
            whole.in_flight += counts.in_flight
        return whole

    def go_on_from(self, counts: Counts) -> None:
        """Add what a process counted that is gone: its requests are no longer under way."""
        for route, method, group, count in counts.requests:
            self._requests[route, method, group] += count
        for route, buckets in counts.buckets.items():
            self._buckets[route] = list(map(add, self._buckets[route], buckets))
        for route, seconds in counts.seconds.items():
            self._seconds[route] += seconds
        for tier, count in counts.tiers.items():
            self._tiers[tier] += count
        self.shed += counts.shed

    def text(self, *, devices: Mapping[str, Mapping[str, int]], generation: int | None) -> str:
        """Return everything in the Prometheus text format, with the gauges the caller just read."""
        fleet = [
            ({"model": model, "tier": tier}, float(count))
            for model, by_tier in devices.items()
            for tier, count in by_tier.items()
        ]
        requests = [
            ({"route": route, "method": method, "status": f"{group}xx"}, float(count))
            for (route, method, group), count in self._requests.items()
        ]
        tiers = [({"tier": tier}, float(count)) for tier, count in self._tiers.items()]
        families = (
            _family("policyengine_http_requests_total", "counter", "Answered requests.", requests),
            self._durations(),
            _family(
                "policyengine_http_in_flight", "gauge", "Requests being answered now.", [({}, float(self.in_flight))]
            ),
            _family(
                "policyengine_http_shed_total", "counter", "Requests refused under load.", [({}, float(self.shed))]
            ),
            _family("policyengine_checkins_total", "counter", "Recorded check-ins by tier.", tiers),
            _family("policyengine_devices", "gauge", "Operational devices by model and tier.", fleet),
            _family("policyengine_bundle_generation", "gauge", "Generation in force.", [({}, float(generation or 0))]),
        )
        return "".join(families)

    def _durations(self) -> str:
        name = "policyengine_http_request_duration_seconds"
        lines = [f"# HELP {name} Time to answer.\n# TYPE {name} histogram\n"]
        for route, counts in sorted(self._buckets.items()):
            total = 0
            for bound, count in zip((*map(str, BUCKETS), "+Inf"), counts, strict=True):
                total += count
                lines.append(_line(f"{name}_bucket", {"route": route, "le": bound}, total))
            lines.append(_line(f"{name}_sum", {"route": route}, round(self._seconds[route], 6)))
            lines.append(_line(f"{name}_count", {"route": route}, total))
        return "".join(lines)


def _family(name: str, kind: str, meaning: str, samples: Iterable[Sample]) -> str:
    head = f"# HELP {name} {meaning}\n# TYPE {name} {kind}\n"
    return head + "".join(sorted(_line(name, labels, value) for labels, value in samples))


def _line(name: str, labels: Mapping[str, str], value: float) -> str:
    inside = ",".join(f'{key}="{_escaped(text)}"' for key, text in labels.items())
    return f"{name}{{{inside}}} {value:.15g}\n" if inside else f"{name} {value:.15g}\n"


def _escaped(text: str) -> str:
    return text.replace("\\", r"\\").replace('"', r"\"").replace("\n", r"\n")
