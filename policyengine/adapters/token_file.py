"""A file of one-time tokens, readable by its owner alone, on disk before the tokens are worth anything."""

from __future__ import annotations

import csv
import io
import os
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType

from policyengine.model.times import format_timestamp
from policyengine.services.errors import InvalidRequestError
from policyengine.services.registry.batch_tokens import BatchToken

COLUMNS = ("id", "serial", "token", "expires_at")


class TokenFile:
    """A CSV file that is made on entering; one without tokens is removed on leaving."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._handle = -1
        self._is_empty = True

    def __enter__(self) -> TokenFile:
        """Make the file; raises InvalidRequestError where one exists already or it cannot be made."""
        try:
            self._handle = os.open(self._path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        except OSError as cause:
            raise InvalidRequestError(
                f"cannot make `{self._path}`: {cause.strerror}", code="tokens.file", field="out"
            ) from cause
        self._write([COLUMNS])
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close the file."""
        os.close(self._handle)
        if self._is_empty:
            self._path.unlink(missing_ok=True)

    def add(self, tokens: Sequence[BatchToken]) -> None:
        """Return once `tokens` are on disk."""
        self._is_empty = self._is_empty and not tokens
        self._write([(each.device_id, each.serial, each.token, format_timestamp(each.expires_at)) for each in tokens])

    def _write(self, rows: Sequence[Sequence[str]]) -> None:
        text = io.StringIO(newline="")
        csv.writer(text, lineterminator="\n").writerows(rows)
        with os.fdopen(os.dup(self._handle), "wb") as file:
            file.write(text.getvalue().encode())
            file.flush()
            os.fsync(file.fileno())
