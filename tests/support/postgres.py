"""A PostgreSQL server of one's own: a new cluster in a temporary folder, reached by a socket in it."""

from __future__ import annotations

import itertools
import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from sqlalchemy import create_engine, text

_numbers = itertools.count(1)


def programs() -> Path | None:
    """Return the folder of `initdb` and `pg_ctl`, or None where PostgreSQL is not installed."""
    packaged = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"))
    found = shutil.which("initdb")
    if packaged:
        return packaged[-1].parent
    return Path(found).resolve().parent if found else None


@contextmanager
def server(bin_directory: Path) -> Iterator[str]:
    """Yield the address of a running server's maintenance database."""
    work = Path(tempfile.mkdtemp(prefix="policyengine-pg-"))
    cluster = work / "cluster"
    user = "postgres" if os.getuid() == 0 else None  # the server refuses to run as root
    if user is not None:
        shutil.chown(work, user)
    options = f"-c listen_addresses='' -c unix_socket_directories={work} -c max_connections=50"
    try:
        _run(user, bin_directory / "initdb", "-D", cluster, "-U", "tester", "-A", "trust", "-E", "UTF8", "--no-sync")
        _run(user, bin_directory / "pg_ctl", "-D", cluster, "-w", "-l", work / "log", "-o", options, "start")
        yield f"postgresql+psycopg://tester@/postgres?host={work}"
    finally:
        _run(user, bin_directory / "pg_ctl", "-D", cluster, "-m", "immediate", "stop")
        shutil.rmtree(work, ignore_errors=True)


def new_database(address: str) -> str:
    """Return the address of a new, empty database on the server."""
    name = f"test_{os.getpid()}_{next(_numbers)}"
    engine = create_engine(address, isolation_level="AUTOCOMMIT")
    with engine.connect() as connection:
        connection.execute(text(f'CREATE DATABASE "{name}"'))
    engine.dispose()
    return address.replace("/postgres?", f"/{name}?")


def _run(user: str | None, *command: object) -> None:
    subprocess.run(
        [str(part) for part in command], user=user, cwd="/", check=True, stdout=subprocess.DEVNULL, timeout=60
    )
