"""`policyengine simulate`: simulated devices with real keys against a running server, one JSON line a visit."""

from __future__ import annotations

import json
import time
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from policyengine.adapters.simulated_fleet import SimulatedFleet, Visit


def simulate(
    site: Annotated[Path, typer.Option(help="Folder with `plan.json` and `vendors/`, as the demo writes it.")],
    server: Annotated[str, typer.Option(help="Address of the server, https://...")],
    ca: Annotated[Path, typer.Option(help="PEM file of the certificates to trust the server by.")],
    quiet: Annotated[float, typer.Option(help="Seconds between enrolment and the first round.", min=0)] = 0,
    every: Annotated[float, typer.Option(help="Seconds between rounds.", min=0)] = 10,
    rounds: Annotated[int, typer.Option(help="Rounds of check-ins after enrolment; 0: until stopped.", min=0)] = 1,
) -> None:
    """Enrol every device of the plan, then let all but the silent ones check in, round after round."""
    fleet = _fleet(site, server, ca)
    try:
        fleet.enrol(_print_visit)
        _print_round("enrolled")
        time.sleep(quiet)
        for number in range(1, rounds + 1) if rounds else count(1):
            fleet.check_in(_print_visit)
            _print_round(f"round-{number}")
            if number != rounds:
                time.sleep(every)
    finally:
        fleet.close()


def _fleet(folder: Path, server: str, ca: Path) -> SimulatedFleet:
    from policyengine.adapters.clock import SystemClock
    from policyengine.adapters.demo_site import DemoSite, read_plan, read_vendors
    from policyengine.adapters.entropy import SystemEntropy
    from policyengine.adapters.simulated_fleet import SimulatedFleet
    from policyengine.simulation.fleet import manufacture

    site = DemoSite(directory=folder)
    devices = manufacture(read_plan(site), read_vendors(site), now=SystemClock().now(), entropy=SystemEntropy().draw)
    return SimulatedFleet(devices=devices, server=server, ca_pem=ca.read_text(encoding="ascii"))


def _print_visit(visit: Visit) -> None:
    _print(
        {
            "event": "visit",
            "device_id": visit.device_id,
            "scenario": visit.scenario.value,
            "status": visit.status,
            "tier": visit.tier,
            "refusal": visit.refusal,
        }
    )


def _print_round(name: str) -> None:
    _print({"event": name})


def _print(document: dict[str, object]) -> None:
    typer.echo(json.dumps(document))  # one write a line: visits come from several threads
