"""Devices to announce as JSON: what `policyengine device import` and the API read, strictly."""

from __future__ import annotations

from collections.abc import Mapping

from policyengine.model.ids import device_id
from policyengine.model.strict_json import read_json
from policyengine.services.devices import NewDevice
from policyengine.services.errors import InvalidRequestError

_REQUIRED = ("id", "vendor", "model", "serial")
_OPTIONAL = ("class", "hw_version", "site", "zone", "criticality")
MAX_TEXT = 256


def read_devices(content: bytes) -> tuple[NewDevice, ...]:
    """Return the devices in a JSON list, or in `{"devices": [...]}`.

    Raises InvalidJsonError, InvalidNameError, InvalidRequestError with the place (`devices[3].model`).
    """
    document = read_json(content)
    if isinstance(document, dict) and document.keys() == {"devices"}:
        document = document["devices"]
    if not isinstance(document, list):
        raise _invalid("devices", "is not a list")
    return tuple(_device(entry, f"devices[{at}]") for at, entry in enumerate(document))


def _device(entry: object, path: str) -> NewDevice:
    if not isinstance(entry, dict):
        raise _invalid(path, "is not an object")
    unknown = sorted(entry.keys() - {*_REQUIRED, *_OPTIONAL, "labels"})
    if unknown:
        known_keys = ", ".join((*_REQUIRED, *_OPTIONAL, "labels"))
        raise _invalid(f"{path}.{unknown[0][:64]}", f"is not known here; known: {known_keys}")
    known = {name: _text(entry, name, path) for name in (*_REQUIRED, *_OPTIONAL) if entry.get(name) is not None}
    missing = [name for name in _REQUIRED if name not in known]
    if missing:
        raise _invalid(f"{path}.{missing[0]}", "is missing")
    return NewDevice(
        id=device_id(known["id"]),
        vendor=known["vendor"],
        model=known["model"],
        serial=known["serial"],
        device_class=known.get("class"),
        hw_version=known.get("hw_version"),
        site=known.get("site"),
        zone=known.get("zone"),
        labels=_labels(entry.get("labels", {}), path),
        criticality=known.get("criticality"),
    )


def _labels(value: object, path: str) -> Mapping[str, str]:
    if not isinstance(value, dict):
        raise _invalid(f"{path}.labels", "is not an object")
    return {name: _text(value, name, f"{path}.labels") for name in value}


def _text(entry: Mapping[str, object], name: str, path: str) -> str:
    value = entry[name]
    if not isinstance(value, str) or not 0 < len(value) <= MAX_TEXT or "\0" in value:
        raise _invalid(f"{path}.{name}", f"is not text of 1 to {MAX_TEXT} characters")
    return value


def _invalid(path: str, problem: str) -> InvalidRequestError:
    return InvalidRequestError(f"`{path}` {problem}", code="request.devices", field=path)
