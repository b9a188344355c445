"""`policyengine webhook`: how far webhooks are, what they were not told, and sending it again."""

from __future__ import annotations

from typing import Annotated

import typer

from policyengine.cli.options import Data, Output, command_group, settings_at
from policyengine.cli.rows import print_rows

app = command_group("Show webhooks and send dead letters again.")

Name = Annotated[str, typer.Argument(help="The webhook's name.")]
As = Annotated[Output, typer.Option(help="How to print.")]


@app.command("list")
def list_webhooks(output: As = Output.TABLE, data: Data = None) -> None:
    """Show how far each webhook of POLICYENGINE_WEBHOOKS_FILE is."""
    from policyengine.services.actors import SYSTEM
    from policyengine.wiring import opened

    with opened(settings_at(data)) as installation:
        found = installation.services.webhooks.list(SYSTEM)
    rows = [
        {
            "name": each.name,
            "next": each.next,
            "behind": each.behind,
            "attempts": each.attempts,
            "dead_letters": each.dead_letters,
            "error": each.error,
        }
        for each in found
    ]
    print_rows(rows, ("name", "next", "behind", "attempts", "dead_letters", "error"), output)


@app.command()
def dead(webhook: Name, output: As = Output.TABLE, data: Data = None) -> None:
    """Show what a webhook refused, or did not take for a day."""
    from policyengine.services.actors import SYSTEM
    from policyengine.wiring import opened

    with opened(settings_at(data)) as installation:
        found = installation.services.webhooks.dead_letters(SYSTEM, webhook)
    rows = [
        {
            "index": each.index,
            "type": each.type,
            "device": each.device_id,
            "attempts": each.attempts,
            "asked": each.asked,
            "error": each.error,
        }
        for each in found
    ]
    print_rows(rows, ("index", "type", "device", "attempts", "asked", "error"), output)


@app.command()
def retry(
    webhook: Name, index: Annotated[int, typer.Argument(help="The dead letter's index.", min=0)], data: Data = None
) -> None:
    """Have the running server send a dead letter again."""
    from policyengine.services.actors import SYSTEM
    from policyengine.wiring import opened

    with opened(settings_at(data)) as installation:
        installation.services.webhooks.retry(SYSTEM, webhook, index)
