"""What several commands share: how a group of them looks, how to print, where a server's data is, when to judge."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from policyengine.settings import Settings, from_environment

Data = Annotated[Path | None, typer.Option(help="Data directory of the server.")]
DatabaseUrl = Annotated[str | None, typer.Option("--url", help="Database address instead of the data directory's.")]


class Output(StrEnum):
    """How a result is printed."""

    TABLE = "table"
    JSON = "json"


def command_group(meaning: str | None = None) -> typer.Typer:
    """Return an empty group of commands, described by `meaning`; its help is plain text, like that of all others."""
    return typer.Typer(help=meaning, no_args_is_help=True, add_completion=False, rich_markup_mode=None)


def settings_at(data: Path | None) -> Settings:
    """Return the settings of the environment, with `data` as the data directory where it is given.

    Raises SettingError.
    """
    settings = from_environment()
    return settings if data is None else replace(settings, data=data)


def database_address(data: Path | None, url: str | None) -> str:
    """Return `url`, or the address of the database that the server of `data` uses; raises NoInstallationError."""
    from policyengine.wiring import demand_installation

    if url is not None:
        return url
    settings = settings_at(data)
    if settings.database_url is None:
        demand_installation(settings)  # nothing is made in a directory named by mistake
    return settings.storage_url


def moment_at(text: str | None) -> datetime:
    """Return the RFC 3339 time `text`, or the time it is now; raises InvalidTimeError."""
    from policyengine.adapters.clock import SystemClock
    from policyengine.model.times import parse_timestamp

    return SystemClock().now() if text is None else parse_timestamp(text)
