"""`policyengine device`: the registry, on the server's machine: list, show, import, tokens, quarantine, retirement."""

from __future__ import annotations

import getpass
import json
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from policyengine.cli import device_gateways
from policyengine.cli.columns import amount
from policyengine.cli.options import Data, Output, command_group, settings_at
from policyengine.cli.rows import print_rows

if TYPE_CHECKING:
    from policyengine.model.decision import Tier
    from policyengine.services.actors import Principal
    from policyengine.services.catalogue import Services
    from policyengine.services.past_state import PastState
    from policyengine.services.records import Device, DeviceState

app = command_group("List, import and release devices.")
app.add_typer(device_gateways.app)

Id = Annotated[str, typer.Argument(metavar="DEVICE", help="The device's id.")]
Reason = Annotated[str, typer.Option(help="Why; stands in the audit log.")]

MAX_TOKEN_DAYS = 90


class Restricted(StrEnum):
    """The tiers a person can put on a device."""

    LIMITED = "limited"
    QUARANTINE = "quarantine"
    DENY = "deny"


Format = Annotated[Output, typer.Option(help="How to print.")]


@app.command("list")
def list_devices(
    tier: Annotated[str | None, typer.Option(help="Only devices in this tier.")] = None,
    model: Annotated[list[str] | None, typer.Option(help="Only this model. Repeatable.")] = None,
    output: Format = Output.TABLE,
    data: Data = None,
) -> None:
    """List the registry by id."""
    from policyengine.services.ports import MAX_PAGE, DeviceFilter, PageRequest

    where = DeviceFilter(models=frozenset(model) if model else None, tier=_tier(tier))
    rows: list[dict[str, object]] = []
    with services_at(data) as (services, actor):
        cursor: str | None = None
        while True:
            page = services.devices.list(actor, where, PageRequest(cursor=cursor, limit=MAX_PAGE))
            rows.extend(_row(device, state) for device, state in page.items)
            cursor = page.next
            if cursor is None:
                break
    print_rows(rows, ("id", "model", "site", "zone", "lifecycle", "tier", "last_seen"), output)


@app.command()
def show(device: Id, output: Format = Output.TABLE, data: Data = None) -> None:
    """Say what is known of a device and why it is in its tier."""
    from policyengine.model.ids import device_id

    with services_at(data) as (services, actor):
        detail = services.devices.show(actor, device_id(device))
        row = _row(detail.device, detail.state)
        why = services.audit.explain_device(actor, device_id(device)).text if detail.state is not None else None
    if output is Output.JSON:
        typer.echo(json.dumps(row | {"explanation": why}))
        return
    for name, value in row.items():
        typer.echo(f"{name}: {'-' if value is None else value}")
    if why is not None:
        typer.echo(why)


@app.command("import")
def import_devices(
    file: Annotated[Path, typer.Argument(help="JSON (a list of devices), or CSV by its name.", exists=True)],
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Show what would change, and change nothing.")] = False,
    output: Format = Output.TABLE,
    data: Data = None,
) -> None:
    """Bring the registry in line with a list: new devices are expected, known ones say what the list says."""
    from policyengine.cli.device_import import Progress, diff_document, diff_lines
    from policyengine.cli.exits import Exit
    from policyengine.services.registry.device_documents import MAX_FILE, read_device_table, read_devices

    content = file.read_bytes()
    is_table = file.suffix.lower() == ".csv"
    devices = read_device_table(content) if is_table else read_devices(content, max_bytes=MAX_FILE)
    with services_at(data) as (services, actor):
        diff = services.registration.compare(actor, devices)
        if not dry_run and not diff.conflicts:
            with Progress(total=len(diff.new) + len(diff.changed)) as progress:
                services.registration.carry_out(actor, diff, done=progress.reached)
    if output is Output.JSON:
        typer.echo(json.dumps(diff_document(diff)))
    else:
        typer.echo("\n".join(diff_lines(diff, dry_run=dry_run)))
    if diff.conflicts:
        raise typer.Exit(Exit.FINDINGS)


@app.command()
def admit(device: Id, data: Data = None) -> None:
    """Let a pending device enrol at its next check-in."""
    from policyengine.model.ids import device_id

    with services_at(data) as (services, actor):
        services.devices.admit(actor, device_id(device))


@app.command()
def token(
    device: Id,
    days: Annotated[int, typer.Option(help="How long it lives.", min=1, max=MAX_TOKEN_DAYS)] = 7,
    data: Data = None,
) -> None:
    """Make a one-time enrolment token and print it, this once."""
    from policyengine.model.ids import device_id

    with services_at(data) as (services, actor):
        made = services.devices.create_token(actor, device_id(device), lifetime=timedelta(days=days))
    typer.echo(made.token)


@app.command()
def tokens(
    source: Annotated[
        Path, typer.Option("--from", help="The vendor's signed list of serial numbers (JWS).", exists=True)
    ],
    out: Annotated[Path, typer.Option(help="The file that gets the tokens, for you alone (0600); it must not exist.")],
    days: Annotated[int, typer.Option(help="How long they live.", min=1, max=MAX_TOKEN_DAYS)] = 30,
    data: Data = None,
) -> None:
    """Make one-time tokens for the devices of a vendor's signed list, and expect those that are new."""
    from policyengine.adapters.token_file import TokenFile
    from policyengine.services.registry.serial_lists import MAX_LIST_BYTES

    with source.open("rb") as file:
        content = file.read(MAX_LIST_BYTES + 1)
    with services_at(data) as (services, actor), TokenFile(out) as kept:
        made = services.batch_tokens.make(actor, content, lifetime=timedelta(days=days), keep=kept.add)
    typer.echo(
        f"batch {made.batch} of {made.vendor}: {amount(made.tokens, 'token')} in {out}, "
        f"{amount(made.announced, 'device')} announced, {made.left} left alone"
    )


@app.command()
def quarantine(
    device: Id,
    reason: Reason,
    tier: Annotated[Restricted, typer.Option(help="The tier to put on it.")] = Restricted.QUARANTINE,
    data: Data = None,
) -> None:
    """Put a tier on a device until a person releases it."""
    from policyengine.model.decision import Tier
    from policyengine.model.ids import device_id

    with services_at(data) as (services, actor):
        services.devices.quarantine(actor, device_id(device), reason=reason, tier=Tier[tier.name])


@app.command()
def release(device: Id, reason: Reason, data: Data = None) -> None:
    """Lift a person's quarantine."""
    from policyengine.model.ids import device_id

    with services_at(data) as (services, actor):
        services.devices.release(actor, device_id(device), reason=reason)


@app.command()
def retire(device: Id, reason: Reason, data: Data = None) -> None:
    """End a device's service; its history stays."""
    from policyengine.model.ids import device_id

    with services_at(data) as (services, actor):
        services.devices.retire(actor, device_id(device), reason=reason)


@app.command()
def transfer(
    device: Id,
    reason: Reason,
    site: Annotated[str | None, typer.Option(help="The site where it stands now.")] = None,
    zone: Annotated[str | None, typer.Option(help="The zone where it stands now.")] = None,
    data: Data = None,
) -> None:
    """Say that a device stands elsewhere."""
    from policyengine.model.ids import device_id

    with services_at(data) as (services, actor):
        services.succession.transfer(actor, device_id(device), site=site, zone=zone, reason=reason)


@app.command()
def replace(
    old: Annotated[str, typer.Argument(metavar="OLD", help="The device that goes; it is retired.")],
    new: Annotated[str, typer.Argument(metavar="NEW", help="The registered device that takes its place.")],
    reason: Reason,
    data: Data = None,
) -> None:
    """Let a device take the place of another: site, zone, labels and criticality."""
    from policyengine.model.ids import device_id

    with services_at(data) as (services, actor):
        services.succession.replace(actor, device_id(old), device_id(new), reason=reason)


@app.command()
def rekey(
    device: Id,
    reason: Reason,
    serial: Annotated[str | None, typer.Option(help="The new board's serial number, if it is another.")] = None,
    data: Data = None,
) -> None:
    """Let a device whose board was swapped enrol again; its old key never comes back."""
    from policyengine.model.ids import device_id

    with services_at(data) as (services, actor):
        services.succession.rekey(actor, device_id(device), serial=serial, reason=reason)


@app.command("reset-floors")
def reset_floors(reason: Reason, data: Data = None) -> None:
    """Let devices that checked in while the clock was ahead check in again; only with the server stopped."""
    from policyengine.wiring import end_nonces

    end_nonces(settings_at(data))  # first: what is above a lowered floor must not be spent again
    with services_at(data) as (services, actor):
        count = services.devices.lower_floors(actor, reason=reason)
    typer.echo(f"{amount(count, 'device')} may check in again, with a new challenge")


@contextmanager
def services_at(data: Path | None) -> Iterator[tuple[Services, Principal]]:
    """Yield the installation's services and the person at this machine, who may do everything."""
    from policyengine.services.actors import PersonRole, Principal
    from policyengine.wiring import opened

    with opened(settings_at(data)) as installation:
        yield installation.services, Principal(name=f"local:{getpass.getuser()}", role=PersonRole.ADMIN)


def _row(device: Device, state: DeviceState | PastState | None) -> dict[str, object]:
    from policyengine.model.times import format_timestamp

    known: dict[str, object] = {
        "id": device.id,
        "vendor": device.vendor,
        "model": device.model,
        "serial": device.serial,
        "site": device.site,
        "zone": device.zone,
        "gateways": " ".join(device.gateways) or None,
        "lifecycle": device.lifecycle.value,
    }
    if state is None:
        return known | {"tier": None, "decision_id": None, "last_seen": None, "reporter": None}
    return known | {
        "tier": state.tier.name.lower(),
        "decision_id": state.decision_id,
        "last_seen": None if state.last_seen is None else format_timestamp(state.last_seen),
        "reporter": state.reporter,
    }


def _tier(text: str | None) -> Tier | None:
    from policyengine.model.decision import Tier
    from policyengine.services.errors import InvalidRequestError

    if text is None:
        return None
    try:
        return Tier[text.upper()]
    except KeyError as cause:
        raise InvalidRequestError(f"tier `{text}` is not known", code="request.tier", field="tier") from cause
