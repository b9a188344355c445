"""Files replaced whole or not at all: a reader sees the old content or the new, also when the machine stops between."""

from __future__ import annotations

import os
import stat
import tempfile
from pathlib import Path


def replace_file(path: Path, content: bytes) -> None:
    """Put `content` in place of the file at `path`, which keeps its permissions; raises OSError."""
    mode = stat.S_IMODE(path.stat().st_mode)
    write_whole(path, content, mode=mode)


def write_whole(path: Path, content: bytes, *, mode: int) -> None:
    """Write `content` to `path` with the permissions `mode`, whole or not at all; raises OSError."""
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name[:64]}.")
    temporary = Path(name)
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        temporary.chmod(mode)
        temporary.replace(path)
    except OSError:
        temporary.unlink(missing_ok=True)
        raise
