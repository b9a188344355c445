"""The JSON Schema for editors: one for all kinds, complete in itself."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest
from jsonschema import Draft202012Validator

CATALOG = {
    "apiVersion": "policyengine/v1",
    "kind": "ControlCatalog",
    "metadata": {"name": "etsi"},
    "spec": {"source": "ETSI EN 303 645", "edition": "V2.1.1", "controls": [{"id": "etsi:5.7-1", "title": "Start-up"}]},
}


def printed(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "policyengine", "schema", *arguments], capture_output=True, text=True, check=False
    )


@pytest.fixture(scope="module")
def validator() -> Draft202012Validator:
    schema = json.loads(printed().stdout)
    Draft202012Validator.check_schema(schema)
    return Draft202012Validator(schema)


def test_a_sound_document_of_any_kind_is_valid(validator: Draft202012Validator) -> None:
    assert list(validator.iter_errors(CATALOG)) == []


def test_a_misspelt_key_is_an_error_where_it_stands(validator: Draft202012Validator) -> None:
    wrong = {**CATALOG, "spec": {**CATALOG["spec"], "edtion": "V2.1.1"}}
    assert [list(error.path) for error in validator.iter_errors(wrong)] == [["spec"]]


def test_an_unknown_kind_is_an_error(validator: Draft202012Validator) -> None:
    assert [list(error.path) for error in validator.iter_errors({**CATALOG, "kind": "Polcy"})] == [["kind"]]


def test_one_kind_stands_alone() -> None:
    assert json.loads(printed("Policy").stdout)["title"] == "Policy"


def test_a_kind_nobody_knows_is_refused() -> None:
    refused = printed("Polcy")
    assert (refused.returncode, refused.stdout) == (2, "")
