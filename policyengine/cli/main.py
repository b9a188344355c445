"""`policyengine`: every command by name; a command's module is imported only when that command runs.

A new command is one line in COMMANDS. The module offers either a function (one command) or a `typer.Typer` (a group).
"""

from __future__ import annotations

import importlib
import json
import sys
import traceback
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING, Annotated, Any

import typer
from typer.core import TyperCommand, TyperGroup

from policyengine.cli.exits import error_line, exit_code, problem_document
from policyengine.settings import debugging

if TYPE_CHECKING:
    from collections.abc import Callable

    from typer._click.core import Command, Context
    from typer._click.formatting import HelpFormatter


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """Where a command lives and what `--help` says of it without importing it."""

    module: str
    attribute: str
    summary: str
    panel: str


_WRITE = "Write and check policies"
_ASK = "Ask why"
_RUN = "Run the fleet"

COMMANDS: dict[str, Entry] = {
    "init": Entry(
        module="init", attribute="init", summary="Start a policy repository from the starter pack.", panel=_WRITE
    ),
    "check": Entry(
        module="check", attribute="check", summary="Find every mistake in a policy repository.", panel=_WRITE
    ),
    "fmt": Entry(module="fmt", attribute="fmt", summary="Write policy files in their canonical form.", panel=_WRITE),
    "test": Entry(
        module="test", attribute="test", summary="Run the policy tests that stand beside the policies.", panel=_WRITE
    ),
    "facts": Entry(module="facts", attribute="facts", summary="Print the facts that rules can read.", panel=_WRITE),
    "schema": Entry(
        module="schema",
        attribute="schema",
        summary="Print the JSON Schema of policy documents, for editors.",
        panel=_WRITE,
    ),
    "build": Entry(
        module="build", attribute="build", summary="Compile a policy repository into a bundle.", panel=_WRITE
    ),
    "bundle": Entry(module="bundle", attribute="app", summary="Verify bundle files.", panel=_WRITE),
    "diff": Entry(module="diff", attribute="diff", summary="Say what a change of the policies means.", panel=_WRITE),
    "sbom": Entry(module="sbom", attribute="app", summary="Check, file and list SBOMs of releases.", panel=_WRITE),
    "vex": Entry(module="vex", attribute="app", summary="File and list VEX statements.", panel=_WRITE),
    "mud": Entry(module="mud", attribute="app", summary="Check, file and list MUD files.", panel=_WRITE),
    "refvals": Entry(
        module="refvals", attribute="app", summary="Add, list, retire and capture reference values.", panel=_WRITE
    ),
    "evaluate": Entry(
        module="evaluate", attribute="evaluate", summary="Decide about one device from a facts file.", panel=_ASK
    ),
    "explain": Entry(
        module="explain", attribute="explain", summary="Say in words what a rule or a code means.", panel=_ASK
    ),
    "replay": Entry(
        module="replay", attribute="replay", summary="Decide stored history again and compare bytes.", panel=_ASK
    ),
    "cel": Entry(module="cel", attribute="app", summary="Evaluate expressions of the condition language.", panel=_ASK),
    "evidence": Entry(
        module="evidence", attribute="app", summary="Verify and inspect attestation evidence.", panel=_ASK
    ),
    "audit": Entry(
        module="audit", attribute="app", summary="Export evidence, and check exports, logs and receipts.", panel=_ASK
    ),
    "pki": Entry(
        module="pki", attribute="app", summary="Found the CA, issue and revoke certificates, judge paths.", panel=_ASK
    ),
    "serve": Entry(
        module="serve", attribute="serve", summary="Serve devices, people and auditors over TLS.", panel=_RUN
    ),
    "demo": Entry(module="demo", attribute="demo", summary="Run a whole simulated fleet on this machine.", panel=_RUN),
    "simulate": Entry(
        module="simulate", attribute="simulate", summary="Let simulated devices talk to a server.", panel=_RUN
    ),
    "device": Entry(module="device", attribute="app", summary="List, import and release devices.", panel=_RUN),
    "token": Entry(
        module="token", attribute="app", summary="Create, list and revoke API tokens of people.", panel=_RUN
    ),
    "report": Entry(
        module="report", attribute="app", summary="File and list what scanners and sensors saw of devices.", panel=_RUN
    ),
    "feeds": Entry(
        module="feeds", attribute="app", summary="Pack, import and list feeds of vulnerabilities.", panel=_RUN
    ),
    "webhook": Entry(
        module="webhook", attribute="app", summary="Show webhooks and send dead letters again.", panel=_RUN
    ),
    "gate": Entry(module="gate", attribute="app", summary="Check posture tokens of devices.", panel=_RUN),
    "doctor": Entry(module="doctor", attribute="doctor", summary="Find what is wrong and say what to do.", panel=_RUN),
    "db": Entry(module="db", attribute="app", summary="Upgrade, back up, restore and copy the database.", panel=_RUN),
}


class LazyGroup(TyperGroup):
    """A group that answers `--help` from COMMANDS and imports a command only to run it."""

    def __init__(self, **attributes: Any) -> None:
        attributes["commands"] = {name: _stand_in(name, entry) for name, entry in COMMANDS.items()}
        super().__init__(**attributes)

    def resolve_command(self, ctx: Context, args: list[str]) -> tuple[str | None, Command | None, list[str]]:
        """Return the real command that `args` names, imported now."""
        name, stand_in, rest = super().resolve_command(ctx, args)
        return name, load(name) if name and stand_in else stand_in, rest

    def format_commands(self, ctx: Context, formatter: HelpFormatter) -> None:  # noqa: ARG002 - the base class calls it
        """Write one section a panel."""
        for panel in dict.fromkeys(entry.panel for entry in COMMANDS.values()):
            with formatter.section(panel):
                formatter.write_dl([(name, entry.summary) for name, entry in COMMANDS.items() if entry.panel == panel])


def _stand_in(name: str, entry: Entry) -> Command:
    return TyperCommand(name, help=entry.summary, rich_markup_mode=None)


def load(name: str) -> Command:
    """Return the command or group registered as `name`, importing its module."""
    entry = COMMANDS[name]
    offered = getattr(importlib.import_module(f"policyengine.cli.{entry.module}"), entry.attribute)
    if not isinstance(offered, typer.Typer):
        function, offered = offered, typer.Typer(add_completion=False, rich_markup_mode=None)
        offered.command(name)(function)
    command = typer.main.get_command(offered)
    command.name = name
    return command


app = typer.Typer(
    cls=LazyGroup,
    name="policyengine",
    help="Security policy as code for IoT fleets: policies in Git, decisions that anyone can check.",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
)


def _print_version(wanted: bool) -> None:
    if wanted:
        from importlib.metadata import version

        typer.echo(f"policyengine {version('policyengine')}")
        raise typer.Exit


@app.callback()
def _root(
    _version: Annotated[
        bool, typer.Option("--version", callback=_print_version, is_eager=True, help="Print the version and exit.")
    ] = False,
) -> None:
    """Security policy as code for IoT fleets: policies in Git, decisions that anyone can check."""


def run() -> None:
    """Run the command line and end the process with an exit code of DESIGN section 11; never a traceback."""
    carry_out(app)


def carry_out(action: Callable[[], object]) -> None:
    """Call `action`; if it raises, end the process with one sentence and an exit code of DESIGN section 11."""
    try:
        action()
    except Exception as error:  # noqa: BLE001 - the last line: whatever happens, the user gets one sentence and a code
        _report(error)
        sys.exit(exit_code(error))


def _report(error: Exception) -> None:
    if debugging():
        traceback.print_exception(error)
    line = json.dumps(problem_document(error)) if _wants_json(sys.argv) else error_line(error)
    sys.stderr.write(line + "\n")


def _wants_json(arguments: list[str]) -> bool:
    return "--output=json" in arguments or ("--output", "json") in pairwise(arguments)
