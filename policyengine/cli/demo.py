"""`policyengine demo`: the whole product on one machine: policies, CA, server, and a fleet of simulated devices."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from policyengine.cli.options import Output

if TYPE_CHECKING:
    from rich.console import Console

    from policyengine.adapters.demo_site import DemoSite
    from policyengine.cli.demo_steps import Ending, Published, Server
    from policyengine.simulation.plan import PlannedDevice

ROUND_SECONDS = 7  # well inside the freshness of the demo's evidence, so that healthy devices stay fresh


def demo(
    once: Annotated[bool, typer.Option("--once", help="End when every device has its tier; keep nothing.")] = False,
    output: Annotated[Output, typer.Option(help="`json` prints one document and nothing else.")] = Output.TABLE,
    devices: Annotated[int, typer.Option(help="How many devices to simulate.", min=30, max=2000)] = 200,
    port: Annotated[int, typer.Option(help="Port of the server; 0: any free one.", min=0, max=65535)] = 0,
    directory: Annotated[
        Path | None, typer.Option(help="New folder to keep everything in; a temporary one unless given.")
    ] = None,
) -> None:
    """Simulate a fleet against a real server with real keys and evidence, and show who ended where and why."""
    from rich.console import Console

    console = Console(stderr=output is Output.JSON, highlight=False)
    with _folder(directory) as folder, _started(folder, console, devices=devices, port=port) as (site, server, plan):
        run = _run_once if once else _run_on
        run(site, server, plan, console, output)


@contextmanager
def _folder(directory: Path | None) -> Iterator[Path]:
    if directory is not None:
        directory.mkdir(parents=True, exist_ok=True)
        yield directory.resolve()
        return
    with tempfile.TemporaryDirectory(prefix="policyengine-demo-") as temporary:
        yield Path(temporary)


@contextmanager
def _started(
    folder: Path, console: Console, *, devices: int, port: int
) -> Iterator[tuple[DemoSite, Server, Sequence[PlannedDevice]]]:
    from policyengine.adapters.demo_site import DemoSite
    from policyengine.cli.demo_steps import announce, make_site, publish, running_server

    site = DemoSite(directory=folder)
    with console.status("writing policies of five parties, one commit each, and two vendors' test CAs"):
        plan = make_site(site, devices=devices)
    console.print(f"policies   {site.policies}")
    with ExitStack() as running:
        with console.status("starting the server: root and issuing CA, database, TLS"):
            server = running.enter_context(running_server(site, port=port))
        console.print(f"server     {server.url}")
        _print_in_force(publish(server, site.policies), console)
        announce(server, plan)
        console.print(f"announced  {len(plan)} devices of {len({planned.model for planned in plan})} models")
        yield site, server, plan


def _run_once(site: DemoSite, server: Server, plan: Sequence[PlannedDevice], console: Console, output: Output) -> None:
    from policyengine.cli.demo_steps import FRESH_SECONDS, running_devices

    with running_devices(site, server, quiet=FRESH_SECONDS + 1, rounds=1, every=0) as reports:
        refusals = _watch_first_rounds(reports, plan, console)
        for _ in reports:
            pass  # to the end of the process, which then says how it ended
    _show(server, plan, refusals, console, output)


def _run_on(site: DemoSite, server: Server, plan: Sequence[PlannedDevice], console: Console, output: Output) -> None:
    from policyengine.cli.demo_report import print_queries
    from policyengine.cli.demo_steps import FRESH_SECONDS, running_devices

    with running_devices(site, server, quiet=FRESH_SECONDS + 1, rounds=0, every=ROUND_SECONDS) as reports:
        refusals = _watch_first_rounds(reports, plan, console)
        print_queries(_show(server, plan, refusals, console, output), server, console)
        console.print(f"\n# commit a change in {site.policies}", soft_wrap=True)
        console.print("# and see what it does; Ctrl-C ends the demo")
        try:
            _put_commits_in_force(site, server, reports, console)
        except KeyboardInterrupt:
            console.print("stopping")


def _watch_first_rounds(
    reports: Iterator[dict[str, Any]], plan: Sequence[PlannedDevice], console: Console
) -> dict[str, str]:
    """Follow enrolment and the first round, and return what refused devices were told."""
    from policyengine.cli.demo_steps import FRESH_SECONDS

    refusals = _bar(reports, "enrolling", len(plan), console, until="enrolled")
    with console.status(f"waiting {FRESH_SECONDS} s: evidence goes stale, and one device will stay silent"):
        first = next(reports)
    _bar(chain([first], reports), "checking in", len(plan), console, until="round-1")
    return refusals


def _bar(reports: Iterator[dict[str, Any]], what: str, total: int, console: Console, *, until: str) -> dict[str, str]:
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn

    columns = (TextColumn(f"{what:10}"), BarColumn(), MofNCompleteColumn())
    refusals = {}
    with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as progress:
        task = progress.add_task(what, total=total)
        for report in reports:
            if report["event"] == until:
                break
            if report["refusal"] is not None:
                refusals[report["device_id"]] = report["refusal"]
            progress.advance(task)
    return refusals


def _show(
    server: Server, plan: Sequence[PlannedDevice], refusals: Mapping[str, str], console: Console, output: Output
) -> tuple[Ending, ...]:
    """Print where every device ended, and return it."""
    from policyengine.cli.demo_report import document, print_table
    from policyengine.cli.demo_steps import endings

    found = endings(server, plan, refusals)
    if output is Output.JSON:
        typer.echo(document(found))
    else:
        print_table(found, console)
    return found


def _put_commits_in_force(site: DemoSite, server: Server, reports: Iterator[dict[str, Any]], console: Console) -> None:
    """Publish each new commit, and say what it changed once every device has checked in under it."""
    from policyengine.adapters.git import read_commit
    from policyengine.cli.demo_report import tier_changes

    known, tiers = read_commit(site.policies).commit, dict[str, str]()
    before, rounds_to_go = dict[str, str](), 0
    for report in reports:
        if report["event"] == "visit":
            tiers[report["device_id"]] = report["tier"] or "refused"
            continue
        rounds_to_go -= 1
        if rounds_to_go == 0:
            console.print(f"changed    {tier_changes(before, tiers)}")
        commit = read_commit(site.policies).commit
        if commit == known:
            continue
        known = commit
        if _put_in_force(site, server, console):
            before, rounds_to_go = dict(tiers), 1


def _put_in_force(site: DemoSite, server: Server, console: Console) -> bool:
    """Publish the last commit and return whether it is in force now."""
    from policyengine.cli.demo_steps import DemoFailedError, publish

    try:
        _print_in_force(publish(server, site.policies), console)
    except DemoFailedError as refused:
        console.print(f"refused    {refused.message}", soft_wrap=True)
        return False
    return True


def _print_in_force(published: Published, console: Console) -> None:
    console.print(f"in force   {published.digest}", soft_wrap=True)
    console.print(f"           from commit {published.commit}")
