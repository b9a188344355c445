"""Where a planned rollover stands: which folder's CA issues, and which other one is served beside it.

    rollover.json   {"version", "state", "current", "other", "since"}; without it the first CA issues and is alone

Every step writes the file whole, in one rename, so that a server that starts finds one state or the next. `version`
only rises: it is the version of the trust bundle that devices see.
"""

from __future__ import annotations

import json
import os
from dataclasses import dataclass
from datetime import datetime
from enum import Enum
from pathlib import Path

from policyengine.adapters.keyfile import sync_directory
from policyengine.errors import CodedError

FILE = "rollover.json"
FIRST = ""  # the folder of the CA that the ceremony founded: the authority's own


class RolloverError(CodedError):
    """The step does not follow the one before it, or the state cannot be read."""

    code = "rotate.state"


class RolloverState(Enum):
    """How far a rollover is."""

    STEADY = "steady"  # one CA
    PREPARED = "prepared"  # a successor stands, nobody was told of it
    PUBLISHED = "published"  # relying parties are told of both; the old one issues
    SWITCHED = "switched"  # the new one issues; both are told of and served


@dataclass(frozen=True, slots=True, kw_only=True)
class Rollover:
    """One state: `other` is the successor until the switch, the predecessor after it, None when there is one CA."""

    version: int = 1
    state: RolloverState = RolloverState.STEADY
    current: str = FIRST
    other: str | None = None
    since: datetime | None = None  # when the last step was made; None: nothing has changed since the founding

    @property
    def served(self) -> tuple[str, ...]:
        """The folders of the CAs that relying parties are told of: the one that issues first."""
        overlaps = self.other is not None and self.state is not RolloverState.PREPARED
        return (self.current, self.other) if overlaps and self.other is not None else (self.current,)

    def after(self, state: RolloverState, *, at: datetime, current: str, other: str | None) -> Rollover:
        """Return the next state, one version later."""
        since = at.replace(microsecond=0)
        return Rollover(version=self.version + 1, state=state, current=current, other=other, since=since)

    def demand(self, *states: RolloverState) -> None:
        """Raise RolloverError `rotate.state` unless this is one of `states`."""
        if self.state not in states:
            wanted = " or ".join(f"`{state.value}`" for state in states)
            raise RolloverError(f"the rollover is `{self.state.value}`; this step follows {wanted}")


def read_rollover(directory: Path) -> Rollover:
    """Return where the authority in `directory` stands. Raises RolloverError `rotate.unreadable`."""
    file = directory / FILE
    try:
        document = json.loads(file.read_text(encoding="utf-8"))
        return Rollover(
            version=int(document["version"]),
            state=RolloverState(document["state"]),
            current=_folder(document["current"]),
            other=None if document["other"] is None else _folder(document["other"]),
            since=None if document["since"] is None else datetime.fromisoformat(document["since"]),
        )
    except FileNotFoundError:
        return Rollover()
    except (ValueError, KeyError, TypeError) as cause:
        raise RolloverError(f"`{file}` does not say where the rollover stands", code="rotate.unreadable") from cause


def write_rollover(directory: Path, rollover: Rollover) -> None:
    """Keep `rollover`, durably and whole."""
    document = {
        "version": rollover.version,
        "state": rollover.state.value,
        "current": rollover.current,
        "other": rollover.other,
        "since": None if rollover.since is None else rollover.since.isoformat(),
    }
    fresh = directory / f".{FILE}.new"
    with fresh.open("w", encoding="utf-8") as file:
        file.write(json.dumps(document, sort_keys=True) + "\n")
        file.flush()
        os.fsync(file.fileno())
    fresh.replace(directory / FILE)
    sync_directory(directory)


def _folder(name: object) -> str:
    if not isinstance(name, str) or (name != FIRST and not (name[0] == "g" and name[1:].isdigit())):
        raise ValueError("no folder of ours")
    return name
