"""`python -m benchmarks [NAME...]`: lists the benchmarks, then runs those named, or all, each in its own process."""

from __future__ import annotations

import argparse
import importlib
import subprocess
import sys

NAMES = (
    "rules",
    "check",
    "decisions",
    "appraisal",
    "tpm",
    "dice",
    "issuance",
    "crl",
    "ocsp",
    "checkins",
    "checkins_http",
    "checkins_postgres",
    "est",
    "est_http",
    "ocsp_http",
    "rollover",
    "devices",
    "compliance",
    "audit_replay",
    "gate",
)


def main() -> int:
    """Run the chosen benchmarks; return 1 when one of them failed or missed a target it checks itself."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("names", nargs="*", choices=[*NAMES, []], metavar="NAME", help="default: all")
    parser.add_argument("--list", action="store_true", help="list them and run none")
    options = parser.parse_args()
    for name in NAMES:
        print(f"{name:14} {summary(name)}")
    chosen = () if options.list else options.names or NAMES
    failed = [name for name in chosen if not runs(name)]
    if failed:
        print(f"\nnot as it should be: {', '.join(failed)}")
    return 1 if failed else 0


def summary(name: str) -> str:
    """Return the first line of a benchmark's own description."""
    return (importlib.import_module(f"benchmarks.{name}").__doc__ or "").splitlines()[0]


def runs(name: str) -> bool:
    """Run a benchmark and return whether it ended well."""
    print(f"\n== {name}", flush=True)
    return subprocess.run([sys.executable, "-m", f"benchmarks.{name}"], check=False).returncode == 0


if __name__ == "__main__":
    raise SystemExit(main())
