"""The folder of a CA that is to follow the one that issues: its number and names, and how it comes to its place."""

from __future__ import annotations

import re
import tempfile
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime
from pathlib import Path

from cryptography import x509

from pki.hierarchy import Founding, bounds_of
from policyengine.adapters.keyfile import sync_directory
from policyengine.adapters.rollover_state import Rollover, RolloverError, RolloverState, write_rollover

ROTATION = "ceremony:rotate"
_GENERATION = re.compile(r" G[1-9][0-9]{0,3}")
_ISSUING = " issuing CA"


def next_number(directory: Path) -> int:
    """Return the number of the next successor: 2 follows the CA that was founded, and none is used again."""
    return 1 + max((int(path.name[1:]) for path in directory.glob("g[0-9]*")), default=1)


def following(
    issuing: x509.Certificate, fleet: str, *, number: int, domains: tuple[str, ...], now: datetime
) -> Founding:
    """Return what the successor of `issuing` is founded on: its names and `domains`, and the fleet's next name."""
    held, networks = bounds_of(issuing)
    return Founding(
        fleet_name=f"{_GENERATION.sub('', fleet)} G{number}",
        domains=tuple(dict.fromkeys([*held, *domains])),
        addresses=networks,
        now=now,
        by=ROTATION,
    )


def name_of(issuing: x509.Certificate) -> str:
    """Return the fleet's name, as the subject of an issuing CA of ours says it; raises RolloverError."""
    names = issuing.subject.get_attributes_for_oid(x509.NameOID.COMMON_NAME)
    name = str(names[0].value) if len(names) == 1 and len(list(issuing.subject)) == 1 else ""
    if not name.endswith(_ISSUING):
        raise RolloverError(
            "the issuing CA was named by another authority: say the fleet's name with --fleet", code="rotate.subject"
        )
    return name.removesuffix(_ISSUING)


def put_in_place(
    directory: Path, rollover: Rollover, number: int, *, now: datetime, make: Callable[[Path], None]
) -> Rollover:
    """Let `make` fill the successor's folder, put it in place whole, write the state down and return it."""
    name = f"g{number}"
    with tempfile.TemporaryDirectory(dir=directory, prefix=".ceremony-") as outer:
        work = Path(outer) / name
        work.mkdir(mode=0o700)
        make(work)
        work.rename(directory / name)
        sync_directory(directory)
    prepared = rollover.after(RolloverState.PREPARED, at=now, current=rollover.current, other=name)
    write_rollover(directory, replace(prepared, version=rollover.version))  # nobody is told yet
    return prepared
