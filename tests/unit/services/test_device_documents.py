"""Files of devices to announce."""

from __future__ import annotations

import json

import pytest

from policyengine.services.errors import InvalidRequestError
from policyengine.services.registry.device_documents import read_devices

DEVICE = {"id": "gw-1", "vendor": "vendor-acme", "model": "gw-200", "serial": "AC-00000001"}


def test_the_class_of_a_device_is_called_as_its_fact_is() -> None:
    """As in the API and in `device.class`."""
    (device,) = read_devices(json.dumps([{**DEVICE, "class": "gateway"}]).encode())
    assert device.device_class == "gateway"


def test_an_unknown_key_is_named_with_its_place_and_the_keys_there_are() -> None:
    with pytest.raises(
        InvalidRequestError, match=r"`devices\[1\]\.sit` is not known here; known: id, .*site"
    ) as refused:
        read_devices(json.dumps([DEVICE, {**DEVICE, "sit": "plant-a"}]).encode())
    assert refused.value.fields["field"] == "devices[1].sit"


def test_a_missing_key_is_named_with_its_place() -> None:
    with pytest.raises(InvalidRequestError, match=r"`devices\[0\]\.serial` is missing"):
        read_devices(json.dumps([{**DEVICE, "serial": None}]).encode())
