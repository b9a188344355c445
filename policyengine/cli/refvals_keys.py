"""`policyengine refvals keys`: the keys of devices that vendors' signed CoRIMs list in a policy repository."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from policyengine.cli.options import Output
from policyengine.cli.rows import print_rows

if TYPE_CHECKING:
    from policyengine.model.endorsements import AttestKey

SHOWN = ("model", "instance", "use", "key", "signer", "corim_id", "until")


def list_keys(
    directory: Annotated[Path, typer.Argument(metavar="DIR", help="The policy repository.")],
    model: Annotated[str | None, typer.Option(help="Only this model.")] = None,
    output: Annotated[Output, typer.Option(help="A table or JSON.")] = Output.TABLE,
) -> None:
    """Show the keys by which devices may enrol, whose they are, who vouches for them, and until when."""
    from policyengine.cli.compiled import compiled_bundle, demand_model

    bundle, _ = compiled_bundle(directory)
    demand_model(bundle, model)
    rows = [
        _row(name, key)
        for values in bundle.reference_values
        for name in values.models
        if model in {None, name}
        for key in values.attest_keys or ()
    ]
    print_rows(rows, SHOWN, output)


def _row(model: str, key: AttestKey) -> dict[str, object]:
    from policyengine.model.times import format_timestamp

    ends = [each for each in (key.until, key.endorser.valid_until) if each is not None]
    return {
        "model": model,
        "instance": key.instance,
        "use": key.use.value,
        "key": key.thumbprint,
        "signer": key.endorser.party,
        "corim_id": key.endorser.corim_id,
        "until": format_timestamp(min(ends)) if ends else None,
    }
