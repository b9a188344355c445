"""`policyengine gate`: check a posture token with published keys alone, as whoever relies on it does."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

from policyengine.cli.options import command_group, moment_at

MAX_TOKEN_BYTES = 8192  # ours have some 900 bytes

app = command_group("Check posture tokens.")


@app.callback()
def gate() -> None:
    """Check posture tokens."""


@app.command()
def verify(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="The token; `-` reads standard input.")],
    jwks: Annotated[Path, typer.Option(help="Keys, as `/.well-known/jwks.json` publishes them.")],
    aud: Annotated[str, typer.Option(help="Who relies on the token.")],
    purpose: Annotated[str, typer.Option("--for", metavar="PURPOSE", help="What the device wants to pass for.")],
    now: Annotated[str | None, typer.Option(metavar="TIME", help="RFC 3339 time to judge at; default now.")] = None,
) -> None:
    """Judge a posture token without its server: prints JSON; exit 0 believed, 1 refused, 2 usage."""
    from policyengine.attestation.errors import MalformedEvidenceError
    from policyengine.attestation.jwk import read_jwk_set
    from policyengine.attestation.posture import PostureError, read_posture
    from policyengine.model.times import format_timestamp

    keys, moment = read_jwk_set(jwks.read_bytes()), moment_at(now)
    try:
        found = read_posture(_token(file), keys=keys, audience=aud, purpose=purpose, now=moment)
    except (PostureError, MalformedEvidenceError) as refusal:
        typer.echo(json.dumps({"accepted": False, "check": refusal.code, "reason": refusal.message}))
        raise typer.Exit(1) from refusal
    told = {
        "accepted": True,
        "device_id": found.device_id,
        "for": found.purpose,
        "tier": found.tier,
        "issuer": found.issuer,
        "decision": found.decision,
        "expires_at": format_timestamp(found.expires_at),
        "certificate": found.certificate,
    }
    typer.echo(json.dumps(told))


def _token(file: Path) -> bytes:
    if str(file) == "-":
        return typer.get_binary_stream("stdin").read(MAX_TOKEN_BYTES).strip()
    with file.open("rb") as opened:
        return opened.read(MAX_TOKEN_BYTES).strip()
