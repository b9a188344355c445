"""A check that remembers the last one says exactly what one that remembers nothing says."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st

from policyengine.language.compiler import compile_tree
from policyengine.language.incremental import check_tree
from policyengine.language.remembered import ForgottenError, Remembered, decode_remembered, encode_remembered
from tests.pack.mistakes import MISTAKES, PACK, WAIVER, Mistake

NOW = datetime(2026, 11, 23, tzinfo=UTC)
CLEAN = check_tree(PACK, now=NOW, remembered=Remembered()).remembered
MORE = {
    "removed policy": {"it/ca-health.yaml": None},
    "removed bindings": {"it/bindings.yaml": None},
    "broken bindings": {"it/bindings.yaml": PACK["it/bindings.yaml"] + b"---\na: ["},
    "removed site": {"fleet.yaml": PACK["fleet.yaml"].replace(b", lab-berlin", b"")},
    "removed party": {"parties.yaml": PACK["parties.yaml"].split(b"---\n", 1)[1]},
    "removed controls": {"controls/etsi-en-303-645.yaml": None},
    "moved lines": {"it/bindings.yaml": b"# one more line\n" + PACK["it/bindings.yaml"]},
    "policy twice": {"it/twice.yaml": PACK["it/ca-health.yaml"]},
    "stray party": {"it/party.yaml": PACK["parties.yaml"]},
    "waiver": {"waivers/spare-part.yaml": WAIVER.encode()},
    "nothing but comments": {"it/none.yaml": b"# nothing\n"},
}


def changed(changes: Mapping[str, bytes | None]) -> dict[str, bytes]:
    return {path: data for path, data in {**PACK, **changes}.items() if data is not None}


@pytest.mark.parametrize("mistake", MISTAKES, ids=lambda mistake: mistake.name)
def test_a_mistake_made_after_a_clean_check_is_found_as_if_from_scratch(mistake: Mistake) -> None:
    planted = mistake.planted()
    again = check_tree(planted, now=NOW, remembered=CLEAN)
    assert again.diagnostics == compile_tree(planted, now=NOW).diagnostics


@pytest.mark.parametrize("changes", MORE.values(), ids=MORE)
def test_a_change_of_what_others_rest_on_is_seen_everywhere(changes: Mapping[str, bytes | None]) -> None:
    files = changed(changes)
    first = check_tree(files, now=NOW, remembered=CLEAN)
    again = check_tree(files, now=NOW, remembered=first.remembered)
    assert first.diagnostics == again.diagnostics == compile_tree(files, now=NOW).diagnostics


@settings(max_examples=15, deadline=None, phases=(Phase.explicit, Phase.generate))
@given(st.lists(st.sets(st.sampled_from(range(len(MISTAKES))), max_size=4), min_size=2, max_size=4))
def test_a_day_of_edits_checks_like_a_fresh_start_each_time(days: list[set[int]]) -> None:
    remembered = CLEAN
    for day in days:
        files = {**PACK, **{MISTAKES[one].file: MISTAKES[one].planted()[MISTAKES[one].file] for one in day}}
        result = check_tree(files, now=NOW, remembered=remembered)
        assert result.diagnostics == compile_tree(files, now=NOW).diagnostics
        remembered = result.remembered


def test_a_waiver_ends_although_no_file_changed() -> None:
    files = {**PACK, "waivers/spare-part.yaml": WAIVER.encode()}
    remembered = check_tree(files, now=NOW, remembered=CLEAN).remembered
    later = check_tree(files, now=NOW + timedelta(days=60), remembered=remembered)
    assert "waiver.expired" in {one.code for one in later.diagnostics}


def test_what_is_no_longer_there_is_forgotten() -> None:
    files = changed({"it/ca-health.yaml": None, "it/ca-health_test.yaml": None})
    result = check_tree(files, now=NOW, remembered=CLEAN)
    assert len(result.remembered.files) == len(CLEAN.files) - 2


def test_what_is_remembered_survives_being_stored() -> None:
    assert decode_remembered(encode_remembered(CLEAN)) == CLEAN


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b'{"files": {"a": [1]}, "units": {}}', b"[" * 100_000, b"\xff"])
def test_what_cannot_be_read_is_forgotten(content: bytes) -> None:
    with pytest.raises(ForgottenError):
        decode_remembered(content)
