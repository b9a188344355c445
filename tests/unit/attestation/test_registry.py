"""Formats by media type: exact, without order, and with the wrapper around all of them."""

from __future__ import annotations

from dataclasses import replace

import pytest

from policyengine.attestation.eat import appraisal as eat
from policyengine.attestation.eat import result as ear
from policyengine.attestation.errors import FormatConflictError, UnsupportedMediaTypeError
from policyengine.attestation.media_type import MediaType
from policyengine.attestation.psa import appraisal as psa
from policyengine.attestation.registry import Registry
from policyengine.attestation.verifier import BUILT_IN, READABLE

RESULT = 'application/eat+jwt; eat_profile="tag:ietf.org,2026:rats/ear#03"'
NEW = replace(psa.FORMAT, name="new", media_types=(MediaType(essence="application/x-new"),))


def test_an_exact_profile_goes_before_a_format_that_takes_every_profile() -> None:
    found = Registry((eat.FORMAT, psa.FORMAT)).format_for(
        'application/eat+cwt; eat_profile="tag:psacertified.org,2023:psa#tfm"'
    )
    assert found is psa.FORMAT


@pytest.mark.parametrize(
    "added",
    [
        pytest.param(replace(NEW, name="psa"), id="a name that is taken"),
        pytest.param(replace(NEW, media_types=(MediaType(essence=psa.MEDIA_TYPE),)), id="a type that is taken"),
        pytest.param(replace(NEW, any_profile=eat.FORMAT.any_profile), id="every profile of a type that is taken"),
        pytest.param(replace(NEW, name="cmw"), id="the name of the wrapper"),
    ],
)
def test_two_formats_for_one_thing_are_refused(added: object) -> None:
    with pytest.raises(FormatConflictError):
        BUILT_IN.extended((added,))


def test_a_wrapper_finds_formats_that_were_added() -> None:
    assert BUILT_IN.extended((NEW,)).format_for("application/x-new") is NEW


def test_a_result_is_readable_and_no_evidence() -> None:
    """RFC 9334 section 8: what a check-in takes are not the beliefs of others."""
    assert (READABLE.format_for(RESULT), BUILT_IN.format_for(RESULT)) == (ear.FORMAT, eat.FORMAT)


def test_a_type_with_another_parameter_is_another_type() -> None:
    with pytest.raises(UnsupportedMediaTypeError):
        BUILT_IN.format_for("application/eat+cwt; version=1")
