"""`policyengine cel`: the condition language by itself, without policies or devices."""

from __future__ import annotations

import json
import resource
import signal
import sys
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, BinaryIO

import typer

from policyengine.cli.options import command_group
from policyengine.errors import PolicyEngineError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from types import FrameType

    from policyengine.services.authoring.expressions import Answer

MAX_LINE = 4 * 1024 * 1024  # bytes of one request, as for every JSON document
MAX_SECONDS = 10.0  # of computing, for one request: how busy the machine is changes no answer
MAX_MEMORY = 1024 * 1024 * 1024  # bytes for one request, beside what the program itself takes

_PAGES = Path("/proc/self/statm")

app = command_group("Evaluate expressions of the condition language.")


class SlowExpressionError(PolicyEngineError):
    """An expression that was stopped because it took too long."""

    code = "cel.time"


class LargeExpressionError(PolicyEngineError):
    """An expression that was stopped because it took too much memory."""

    code = "cel.memory"


class LongLineError(PolicyEngineError):
    """A line that is too long to be read."""

    code = "json.too-large"


@app.callback()
def _group() -> None:
    """Evaluate expressions of the condition language."""


@app.command("eval")
def evaluate(
    file: Annotated[
        Path | None, typer.Argument(metavar="[FILE]", help="Requests, one JSON object a line; default standard input.")
    ] = None,
) -> None:
    """Evaluate CEL with the engine that judges devices: JSON lines in, JSON lines out.

    A request is {"id", "expr", "bindings": {name: typed value}, "type_env"?, "container"?, "disable_check"?}; a typed
    value is {"t": "int", "v": "7"}. An answer is {"id", "kind": "value" | "error" | "compile_error", "value"}. Each
    line is answered, whatever the others hold; the exit code is 2 if one was no request.
    """
    if file is None:
        all_answered = _answer(sys.stdin.buffer)
    else:
        with file.open("rb") as lines:
            all_answered = _answer(lines)
    if not all_answered:
        raise typer.Exit(2)


def _answer(lines: BinaryIO) -> bool:
    all_answered = True
    for line in _bounded(lines):
        if line.strip():
            answer = _answered(line)
            all_answered &= answer.is_answered
            sys.stdout.write(json.dumps(answer.document, ensure_ascii=True) + "\n")
            sys.stdout.flush()
    return all_answered


def _bounded(lines: BinaryIO) -> Iterator[bytes]:
    """Yield the lines; of one that is too long, as much as shows that it is."""
    while line := lines.readline(MAX_LINE + 1):
        yield line
        while len(line) > MAX_LINE and not line.endswith(b"\n"):
            line = lines.readline(MAX_LINE)


def _answered(line: bytes) -> Answer:
    from policyengine.services.authoring.expressions import answer_line, refused_line

    if len(line) > MAX_LINE:
        return refused_line(b"", LongLineError(f"the line has more than {MAX_LINE} bytes"))
    try:
        with _limits():
            return answer_line(line)
    except SlowExpressionError as error:
        return refused_line(line, error)
    except MemoryError:
        return refused_line(line, LargeExpressionError(f"the expression needs more than {MAX_MEMORY} bytes"))


@contextmanager
def _limits() -> Iterator[None]:
    """Raise SlowExpressionError after MAX_SECONDS, and MemoryError beyond MAX_MEMORY more than is used now."""

    def stop(_number: int, _frame: FrameType | None) -> None:
        raise SlowExpressionError(f"the expression was stopped after {MAX_SECONDS:g} seconds of computing")

    soft, hard = resource.getrlimit(resource.RLIMIT_AS)
    before = signal.signal(signal.SIGPROF, stop)
    resource.setrlimit(resource.RLIMIT_AS, (_most(soft), hard))
    signal.setitimer(signal.ITIMER_PROF, MAX_SECONDS)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_PROF, 0)
        resource.setrlimit(resource.RLIMIT_AS, (soft, hard))
        signal.signal(signal.SIGPROF, before)


def _most(soft: int) -> int:
    """Return the address space that one request may fill, never more than the caller's own limit."""
    wanted = _used() + MAX_MEMORY
    return wanted if soft == resource.RLIM_INFINITY else min(soft, wanted)


def _used() -> int:
    """Return the bytes of address space in use; where the system does not say, none."""
    try:
        return int(_PAGES.read_text().split()[0]) * resource.getpagesize()
    except OSError:
        return 0
