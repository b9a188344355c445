"""`python -m tests.parity`: prints what twenty rules say of one device shown as PSA, EAT, CCA, TPM and DICE."""

from __future__ import annotations

import sys

from tests.parity.presented import PRESENTED
from tests.parity.table import table


def main() -> int:
    """Print the table; return 1 if the formats disagree about a rule."""
    rows = table()
    width = max(len(row.name) for row in rows)
    print(f"{'':{width}}  " + "  ".join(f"{name:10} {'tampered':10}" for name in PRESENTED))
    for row in rows:
        cells = "  ".join(f"{row.released[name]:10} {row.tampered[name]:10}" for name in PRESENTED)
        print(f"{row.name:{width}}  {cells}{'' if row.agrees else '  DIFFERS'}")
    differing = [row.name for row in rows if not row.agrees]
    print(f"{len(rows) - 1} rules, {len(PRESENTED)} formats, {len(differing)} differ")
    return 1 if differing else 0


if __name__ == "__main__":
    sys.exit(main())
