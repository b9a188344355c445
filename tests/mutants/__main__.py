"""`python -m tests.mutants`: prints, for every check id, the evidence that a build without it would believe."""

from __future__ import annotations

import sys

from tests.mutants.table import requirements, row


def main() -> int:
    """Print the table; return 1 if a check can be taken out unnoticed."""
    rows = [row(check) for check in sorted(requirements())]
    width = max(len(each.check) for each in rows)
    for each in rows:
        killing = f"{each.killing[0].name} ({len(each.killing)} of {len(each.cases)})" if each.killing else "NONE"
        print(f"{each.check:{width}}  {killing}")
    killed = sum(bool(each.killing) for each in rows)
    print(f"{killed} of {len(rows)} checks killed, {100 * killed // len(rows)}%")
    return 0 if killed == len(rows) else 1


if __name__ == "__main__":
    sys.exit(main())
