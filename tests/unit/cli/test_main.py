"""The command line's front door: names, help without imports, and one exit code an error."""

from __future__ import annotations

import json
import subprocess
import sys
from importlib.util import find_spec

import pytest

from policyengine.cli import main
from policyengine.cli.exits import Exit, error_line, exit_code, problem_document
from policyengine.errors import PolicyEngineError

HEAVY = ("cryptography", "fastapi", "sqlalchemy", "pydantic", "rich", "cel_expr_python", "jinja2", "uvicorn", "yaml")


class DeniedError(PolicyEngineError):
    """The test's refusal."""

    code = "actor.denied"


def run(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "policyengine", *arguments],
        capture_output=True,
        text=True,
        check=False,
        env={"PATH": "/usr/bin:/bin", **environment},
    )


def test_help_names_every_command_without_importing_any() -> None:
    code = (
        "import sys\nfrom policyengine.cli import main\nsys.argv=['policyengine','--help']\n"
        "try: main.run()\nexcept SystemExit: pass\n"
        "print(','.join(sys.modules), file=sys.stderr)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert all(f"  {name} " in done.stdout for name in main.COMMANDS)
    assert not {name.split(".")[0] for name in done.stderr.strip().split(",")} & set(HEAVY)


@pytest.mark.parametrize("name", main.COMMANDS)
def test_every_registered_command_loads(name: str) -> None:
    assert find_spec(f"policyengine.cli.{main.COMMANDS[name].module}"), "its module is missing"
    assert main.load(name).name == name


def test_an_unknown_command_is_a_usage_error_with_a_suggestion() -> None:
    done = run("chek")
    assert (done.returncode, done.stdout) == (2, "")
    assert "Did you mean 'check'" in done.stderr


def test_a_bad_setting_is_one_line_on_stderr_and_no_traceback() -> None:
    done = run("serve", POLICYENGINE_PORT="eighty")
    assert done.returncode == Exit.USAGE
    assert (
        done.stderr
        == "error[settings.invalid]: `POLICYENGINE_PORT` cannot be read: say a whole number from 0 to 65535\n"
    )


def test_a_refusal_under_output_json_is_a_problem_document_on_stderr() -> None:
    done = run("token", "list", "--output", "json", POLICYENGINE_PORT="eighty")
    assert done.stdout == ""
    assert json.loads(done.stderr)["code"] == "settings.invalid"


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (DeniedError("no"), Exit.DENIED),
        (PolicyEngineError("broken"), Exit.FAULT),
        (ConnectionRefusedError(), Exit.UNREACHABLE),
        (FileNotFoundError(2, "No such file or directory", "x.yaml"), Exit.USAGE),
        (ZeroDivisionError(), Exit.FAULT),
    ],
)
def test_an_error_has_one_exit_code(error: Exception, expected: Exit) -> None:
    assert exit_code(error) is expected


def test_an_unexpected_error_shows_its_kind_but_not_its_text() -> None:
    assert "secret" not in error_line(ValueError("secret"))


def test_a_missing_file_is_named() -> None:
    error = FileNotFoundError(2, "No such file or directory", "x.yaml")
    assert error_line(error) == "error[file.unreadable]: `x.yaml`: no such file or directory"


def test_a_problem_document_carries_the_fields_of_its_error() -> None:
    document = problem_document(DeniedError("no", device="gw-1"))
    assert (document["code"], document["device"], document["status"]) == ("actor.denied", "gw-1", 403)
