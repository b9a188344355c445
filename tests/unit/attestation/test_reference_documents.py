"""ReferenceValues documents without a policy repository."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from policyengine.attestation.reference_documents import ReferenceValuesError, reference_values
from policyengine.model.endorsements import ReferenceValues, merged

COMPONENT = {"name": "app", "sha256": "ab" * 32}


def spec(**release: Any) -> dict[str, Any]:
    return {"models": ["gw-200"], "releases": [{"version": "4.2.1", "components": [COMPONENT]} | release]}


def test_a_document_and_its_spec_alone_say_the_same() -> None:
    document = {"apiVersion": "policyengine/v1", "kind": "ReferenceValues", "metadata": {}, "spec": spec(svn=8)}
    assert reference_values(document) == reference_values(spec(svn=8))


@pytest.mark.parametrize("until", ["2027-06-30", "2027-06-30T00:00:00Z", "2027-06-30T02:00:00+02:00"])
def test_a_date_ends_at_its_first_instant_in_utc(until: str) -> None:
    assert reference_values(spec(until=until)).releases[0].until == datetime(2027, 6, 30, tzinfo=UTC)


@pytest.mark.parametrize(
    ("path", "document"),
    [
        ("document", []),
        ("kind", {"kind": "Policy", "spec": spec()}),
        ("spec.releases", {"models": []}),
        ("spec.models[0]", spec() | {"models": [1]}),
        ("spec.releases[0]", spec(sha256="ab" * 32)),
        ("spec.releases[0].version", spec(version=4.2)),
        ("spec.releases[0].svn", spec(svn=True)),
        ("spec.releases[0].svn", spec(svn=-1)),
        ("spec.releases[0].until", spec(until="soon")),
        ("spec.releases[0].until", spec(until="2027-06-30T00:00:00")),
        ("spec.releases[0].components", spec(components=None)),
        ("spec.releases[0].components[0].sha256", spec(components=[COMPONENT | {"sha256": "AB" * 32}])),
        ("spec.releases[0].components[0].name", spec(components=[{"sha256": "ab" * 32}])),
    ],
)
def test_a_mistake_is_refused_with_its_path(path: str, document: object) -> None:
    with pytest.raises(ReferenceValuesError) as caught:
        reference_values(document)
    assert caught.value.fields["path"] == path


def test_documents_merge_without_repetition() -> None:
    one, two = reference_values(spec()), reference_values(spec() | {"models": ["gw-210"]})
    assert merged([one, two]) == ReferenceValues(models=("gw-200", "gw-210"), releases=one.releases)
