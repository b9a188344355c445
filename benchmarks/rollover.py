"""Rollover drill: a new root over N simulated devices (default 200), 30 % of them away; how many are locked out.

`python -m benchmarks.rollover 10000` is the number that the product promises.
"""

from __future__ import annotations

import asyncio
import sys
import tempfile
import time
from pathlib import Path

from tests.support.rollover_drill import Drill

DEFAULT = 200


def main() -> int:
    """Run the drill; return 1 when a device was locked out."""
    count = int(sys.argv[1]) if len(sys.argv) > 1 else DEFAULT
    start = time.perf_counter()
    with tempfile.TemporaryDirectory() as folder:
        drill = Drill(Path(folder), count, say=lambda what: print(f"{time.perf_counter() - start:6.0f} s  {what}"))
        report = asyncio.run(drill.run())
        drill.site.store.close()
    for name, what in sorted(report.locked_out.items())[:10]:
        print(f"locked out: {name}: {what}")
    print(
        f"{report.devices:,} devices, {report.away:,} away during the switch, {report.handshakes:,} TLS handshakes; "
        f"retirement refused for {report.retirement_refused_for:,}; {report.on_new_ca:,} on the new CA; "
        f"{len(report.locked_out)} locked out; {time.perf_counter() - start:.0f} s, {time.process_time():.0f} s of CPU"
    )
    return 1 if report.locked_out or report.on_new_ca != report.devices else 0


if __name__ == "__main__":
    raise SystemExit(main())
