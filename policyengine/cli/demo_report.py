"""What the demo prints at its end: who ended where and why, and what an auditor would ask next."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rich.console import Console

    from policyengine.cli.demo_steps import Ending, Server

WIDE = 100  # columns from which whole rule names fit; below, without their owner, as `explain` takes them too
ORDER = ("refused", "deny", "quarantine", "limited", "full")
COLOURS = {"refused": "red", "deny": "red", "quarantine": "magenta", "limited": "yellow", "full": "green"}


def document(endings: Sequence[Ending]) -> str:
    """Return the machine-readable result (shape `demo`)."""
    devices = [
        {
            "device_id": ending.device_id,
            "model": ending.model,
            "scenario": ending.scenario,
            "tier": ending.tier,
            "reasons": list(ending.reasons),
        }
        for ending in endings
    ]
    return json.dumps({"devices": devices, "totals": dict(_totals(endings))}, indent=1)


def _totals(endings: Sequence[Ending]) -> Counter[str]:
    return Counter(ending.tier for ending in endings)


def print_table(endings: Sequence[Ending], console: Console) -> None:
    """Print every device that is not plainly healthy, then the totals."""
    from rich.table import Table

    table = Table(box=None, pad_edge=False, header_style="bold")
    for heading in ("device", "scenario", "tier"):
        table.add_column(heading, no_wrap=True)
    table.add_column("why", overflow="fold")
    telling = [ending for ending in endings if ending.tier != "full" or ending.reasons]
    for ending in sorted(telling, key=lambda ending: ORDER.index(ending.tier)):
        tier = f"[{COLOURS[ending.tier]}]{ending.tier}[/]"
        reasons = ending.reasons if console.width >= WIDE else map(_short, ending.reasons)
        table.add_row(ending.device_id, ending.scenario, tier, "\n".join(reasons))
    healthy = len(endings) - len(telling)
    table.add_row(f"{healthy} others", "healthy", f"[{COLOURS['full']}]full[/]", "every enforced rule passes")
    console.print()
    console.print(table)
    totals = _totals(endings)
    console.print("\ntotal      " + ", ".join(f"{totals[tier]} {tier}" for tier in reversed(ORDER) if totals[tier]))


def _short(reason: str) -> str:
    return reason.partition("/")[2] or reason


def tier_changes(before: Mapping[str, str], after: Mapping[str, str]) -> str:
    """Return how many devices went from which tier to which, such as `15 from full to limited`."""
    moved = Counter((old, after[name]) for name, old in before.items() if after.get(name, old) != old)
    return ", ".join(f"{count} from {old} to {new}" for (old, new), count in sorted(moved.items())) or "no device"


def print_queries(endings: Sequence[Ending], server: Server, console: Console) -> None:
    """Print where to look and three questions an auditor can paste."""
    quarantined = next((e.device_id for e in endings if e.tier == "quarantine"), endings[0].device_id)
    ask = f'curl -s --cacert {server.ca} -H "Authorization: Bearer $(cat {server.ca.parent / "admin.token"})"'
    console.print(f"\ndashboard  {server.url}/")
    console.print(f"its token  {server.ca.parent / 'admin.token'}", soft_wrap=True)
    for question, path in (
        (
            f"why is {quarantined} where it is: rule, file and line, fact, evidence",
            f"/v1/devices/{quarantined}/explanation",
        ),
        ("what was not believed, and which check said so", "/v1/security-events"),
        ("which rules speak to each control, and how the fleet stands", "/v1/controls"),
    ):
        console.print(f"\n# {question}")
        console.print(f"{ask} {server.url}{path}", soft_wrap=True)
