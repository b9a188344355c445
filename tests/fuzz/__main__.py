"""`python -m tests.fuzz [EXAMPLES [NAME]]`: the fuzz campaigns, and a table of what they saw."""

from __future__ import annotations

import sys

from tests.fuzz.campaign import MAX_BYTES, MAX_SECONDS, run
from tests.fuzz.targets import TARGETS

EXAMPLES = 2_000
_VERDICTS = ("accepted", "refused", "malformed", "unsupported", "read")


def main() -> None:
    """Run every target, or those with NAME in their name, and print one line each; the first escape ends it."""
    examples = int(sys.argv[1]) if len(sys.argv) > 1 else EXAMPLES
    named = sys.argv[2] if len(sys.argv) > 2 else ""
    print(f"limits of one decode: {MAX_SECONDS * 1000:.0f} ms of processor time, {MAX_BYTES // 1_000_000} MB")
    print(f"{'door':24} {'decodes':>8}" + "".join(f"{verdict:>12}" for verdict in _VERDICTS) + "  worst ms  worst MB")
    for target in (each for each in TARGETS if named in each.name):
        found = run(target, examples=examples)
        counts = "".join(f"{found.verdicts[verdict]:>12}" for verdict in _VERDICTS)
        print(f"{found.name:24} {found.decodes:>8}{counts}  {found.seconds * 1000:8.2f}  {found.bytes / 1e6:8.2f}")
    print("nothing but MalformedEvidenceError and UnsupportedMediaTypeError escaped")


if __name__ == "__main__":
    main()
