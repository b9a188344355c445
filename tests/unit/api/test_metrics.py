"""Counters of one process, and of several told as one (docs/adr/0036)."""

from __future__ import annotations

import json

from api.metrics import Counts, Metrics


def counting(*, answers: int, tier: str) -> Metrics:
    metrics = Metrics()
    for _ in range(answers):
        metrics.answered("check_in", "POST", 200, 0.02)
    metrics.checked_in(tier)
    metrics.shed, metrics.in_flight = 1, 2
    return metrics


def text(metrics: Metrics) -> str:
    return metrics.text(devices={}, generation=1)


def test_counts_of_several_processes_add_up_in_every_family() -> None:
    whole = text(counting(answers=3, tier="full").with_others([counting(answers=4, tier="limited").counts()]))
    assert 'http_requests_total{route="check_in",method="POST",status="2xx"} 7\n' in whole
    assert 'duration_seconds_bucket{route="check_in",le="0.025"} 7\n' in whole
    assert 'duration_seconds_sum{route="check_in"} 0.14\n' in whole
    assert 'checkins_total{tier="full"} 1\n' in whole and 'checkins_total{tier="limited"} 1\n' in whole
    assert "http_shed_total 2\n" in whole and "http_in_flight 4\n" in whole


def test_counts_survive_the_file_they_are_shared_by() -> None:
    counts = counting(answers=3, tier="full").counts()
    again = Counts.read(json.loads(json.dumps(counts.document())))
    assert text(Metrics().with_others([again])) == text(Metrics().with_others([counts]))


def test_successor_goes_on_from_what_was_counted_and_not_from_what_was_under_way() -> None:
    """A sum that fell would look to Prometheus like a restart of all workers."""
    successor = Metrics()
    successor.go_on_from(counting(answers=3, tier="full").counts())
    assert 'status="2xx"} 3\n' in text(successor) and "http_in_flight 0\n" in text(successor)


def test_adding_others_leaves_the_own_counts_as_they_are() -> None:
    own = counting(answers=3, tier="full")
    before = text(own)
    own.with_others([counting(answers=4, tier="full").counts()])
    assert text(own) == before
