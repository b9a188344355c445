"""A bounded campaign against one door: only its two errors leave it, and nothing costs more than its limits."""

from __future__ import annotations

import gc
import time
import tracemalloc
import zlib
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from policyengine.attestation.errors import MalformedEvidenceError, UnsupportedMediaTypeError
from policyengine.attestation.formats import Verified
from policyengine.attestation.vectors.case import Judged
from tests.fuzz.edits import mutated
from tests.fuzz.targets import Target

MAX_SECONDS = 0.05  # of processor time, so that other work on the machine changes nothing
MAX_BYTES = 50_000_000
_MEMORY_EVERY = 4  # tracing memory slows a decode several times, so one in four is traced, the same ones each time
_ATTEMPTS = 3  # a slow one is timed again: a page fault or a collection is not the decoder's


@dataclass(slots=True)
class Summary:
    """What a campaign saw: verdicts by kind, and the worst cost of one decode."""

    name: str
    verdicts: Counter[str] = field(default_factory=Counter)
    stated: set[str] = field(default_factory=set)  # by good evidence, as `path=value`
    seconds: float = 0.0
    bytes: int = 0

    @property
    def decodes(self) -> int:
        return sum(self.verdicts.values())


def run(target: Target, *, examples: int) -> Summary:
    """Return the summary of `examples` mutations; raises what escaped the door, or AssertionError over a limit."""
    summary = begun(target)

    @settings(
        max_examples=examples,
        database=None,
        deadline=None,
        suppress_health_check=list(HealthCheck),
        report_multiple_bugs=False,
        print_blob=True,
    )
    @given(st.data())
    def campaign(data: st.DataObject) -> None:
        seed = data.draw(st.sampled_from(target.seeds))
        judge(target, mutated(seed, target.seeds, data.draw), summary)

    campaign()
    return summary


def begun(target: Target) -> Summary:
    """Return the summary of the seeds of `target`, and what good evidence states."""
    summary = Summary(target.name)
    for seed in target.seeds:
        summary.stated |= set(_statements(target.decode(seed)))
        judge(target, seed, summary)
    return summary


def judge(target: Target, evidence: bytes, summary: Summary) -> None:
    """Count what `target` makes of `evidence` and hold the cost of it to the limits."""
    seconds, verdict = _timed(target, evidence)
    for _ in range(_ATTEMPTS):
        if seconds > MAX_SECONDS:
            seconds = min(seconds, _timed(target, evidence)[0])
    summary.verdicts[verdict] += 1
    if verdict == "accepted" and not target.resigned:
        new = set(_statements(target.decode(evidence))) - summary.stated
        assert not new, f"{target.name}: what nobody signed states {sorted(new)}"
    summary.seconds = max(summary.seconds, seconds)
    assert seconds <= MAX_SECONDS, f"{target.name}: {seconds * 1000:.0f} ms for {len(evidence)} bytes"
    if zlib.crc32(evidence) % _MEMORY_EVERY == 0 or seconds > MAX_SECONDS / 5:
        peak = _peak(target, evidence)
        summary.bytes = max(summary.bytes, peak)
        assert peak <= MAX_BYTES, f"{target.name}: {peak} bytes of memory for {len(evidence)} bytes"


def _statements(found: object) -> Iterator[str]:
    """Yield every fact of a believed verdict but the digest of the evidence, which is to differ."""
    facts = found.facts if isinstance(found, Verified | Judged) else {}
    pending: list[tuple[str, object]] = [("", facts)]
    for path, value in pending:
        if isinstance(value, Mapping):
            pending += [(f"{path}.{key}", item) for key, item in value.items()]
        elif path != ".evidence.digest":
            yield f"{path}={value!r}"


def _timed(target: Target, evidence: bytes) -> tuple[float, str]:
    gc.disable()
    started = time.thread_time()
    try:
        verdict = _verdict(target, evidence)
    finally:
        seconds = time.thread_time() - started
        gc.enable()
    return seconds, verdict


def _peak(target: Target, evidence: bytes) -> int:
    tracemalloc.start()
    try:
        _verdict(target, evidence)
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


def _verdict(target: Target, evidence: bytes) -> str:
    try:
        found = target.decode(evidence)
    except MalformedEvidenceError:
        return "malformed"
    except UnsupportedMediaTypeError:
        return "unsupported"
    if isinstance(found, Verified | Judged):
        return "accepted" if found.accepted else "refused"
    return "read"
