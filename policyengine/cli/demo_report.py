"""What the demo prints at its end: who ended where and why, and what an auditor would ask next."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rich.console import Console

    from policyengine.cli.demo_steps import Ending, Server

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

    table = Table("device", "scenario", "tier", box=None, pad_edge=False, header_style="bold")
    table.add_column("why", overflow="fold")
    telling = [ending for ending in endings if ending.tier != "full" or ending.reasons]
    for ending in sorted(telling, key=lambda ending: ORDER.index(ending.tier)):
        tier = f"[{COLOURS[ending.tier]}]{ending.tier}[/]"
        table.add_row(ending.device_id, ending.scenario, tier, "\n".join(ending.reasons))
    healthy = len(endings) - len(telling)
    table.add_row(f"{healthy} others", "healthy", f"[{COLOURS['full']}]full[/]", "every enforced rule passes")
    console.print()
    console.print(table)
    totals = _totals(endings)
    console.print("\ntotal      " + ", ".join(f"{totals[tier]} {tier}" for tier in reversed(ORDER) if totals[tier]))


def print_queries(endings: Sequence[Ending], server: Server, console: Console) -> None:
    """Print where to look and three questions an auditor can paste."""
    quarantined = next((e.device_id for e in endings if e.tier == "quarantine"), endings[0].device_id)
    ask = f'curl -s --cacert {server.ca} -H "Authorization: Bearer $(cat {server.ca.parent / "admin.token"})"'
    console.print(f"\ndashboard  {server.url}/  (token: {server.ca.parent / 'admin.token'})")
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
