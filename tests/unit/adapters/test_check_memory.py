"""The memory of a check helps or is ignored; it never decides what is right."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from policyengine.adapters.check_memory import CheckMemory
from policyengine.language.remembered import Remembered
from policyengine.model.diagnostic import Diagnostic, Level

FOUND = Diagnostic(file="a.yaml", line=1, column=2, code="x.y", severity=Level.ERROR, message="no", help="do")
REMEMBERED = Remembered(units={"k": (FOUND,)})


@pytest.fixture
def memory(tmp_path: Path) -> CheckMemory:
    return CheckMemory(directory=tmp_path / "cache", repository=tmp_path)


@pytest.fixture
def kept(memory: CheckMemory) -> CheckMemory:
    memory.save(REMEMBERED)
    assert memory.load() == REMEMBERED
    return memory


def test_nothing_is_remembered_at_first(memory: CheckMemory) -> None:
    assert memory.load() == Remembered()


def test_only_the_user_can_read_and_write_it(kept: CheckMemory) -> None:
    assert (kept.directory.stat().st_mode & 0o777, kept.path.stat().st_mode & 0o777) == (0o700, 0o600)


def test_a_changed_byte_is_noticed(kept: CheckMemory) -> None:
    kept.path.write_bytes(kept.path.read_bytes().replace(b"error", b"info", 1))
    assert kept.load() == Remembered()


def test_a_cut_file_is_noticed(kept: CheckMemory) -> None:
    kept.path.write_bytes(kept.path.read_bytes()[:-10])
    assert kept.load() == Remembered()


def test_a_file_that_others_may_write_is_not_believed(kept: CheckMemory) -> None:
    kept.path.chmod(0o666)
    assert kept.load() == Remembered()


def test_a_directory_that_others_may_write_is_not_believed(kept: CheckMemory) -> None:
    kept.directory.chmod(0o777)
    assert kept.load() == Remembered()


def test_nothing_is_kept_in_a_directory_that_others_may_write(memory: CheckMemory) -> None:
    memory.directory.mkdir()
    memory.directory.chmod(0o777)
    memory.save(REMEMBERED)
    assert list(memory.directory.iterdir()) == []


def test_a_link_is_not_followed(kept: CheckMemory, tmp_path: Path) -> None:
    kept.path.rename(tmp_path / "elsewhere")
    kept.path.symlink_to(tmp_path / "elsewhere")
    assert kept.load() == Remembered()


def test_another_version_of_the_program_does_not_believe_it(kept: CheckMemory) -> None:
    assert replace(kept, program=f"{kept.program} ").load() == Remembered()


def test_two_repositories_do_not_share_it(kept: CheckMemory, tmp_path: Path) -> None:
    other = CheckMemory(directory=kept.directory, repository=tmp_path / "other")
    assert other.load() == Remembered()


def test_where_nothing_can_be_kept_the_check_goes_on(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    memory = CheckMemory(directory=tmp_path / "file" / "cache", repository=tmp_path)
    memory.save(REMEMBERED)
    assert memory.load() == Remembered()
