"""Devices to announce as JSON or as a table: what `policyengine device import` and the API read, strictly."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Mapping
from dataclasses import replace

from policyengine.model.ids import DeviceId, InvalidNameError, device_id
from policyengine.model.strict_json import MAX_BYTES, read_json
from policyengine.services.errors import InvalidRequestError
from policyengine.services.registry.devices import NewDevice

_REQUIRED = ("id", "vendor", "model", "serial")
_OPTIONAL = ("class", "hw_version", "site", "zone", "criticality")
MAX_TEXT = 256
MAX_FILE = 256 * 1024 * 1024  # bytes; a million devices with labels have some 200 MB as JSON
LABEL = "label:"  # a column `label:NAME` holds the label NAME
GATEWAYS = "gateways"  # ids; in a table with spaces between


def read_devices(content: bytes, *, max_bytes: int = MAX_BYTES) -> tuple[NewDevice, ...]:
    """Return the devices in a JSON list, or in `{"devices": [...]}`.

    A key with null says that the device has none; a key that is not there says nothing. Raises InvalidJsonError,
    InvalidNameError, InvalidRequestError with the place (`devices[3].model`).
    """
    document = read_json(content, max_bytes=max_bytes)
    if isinstance(document, dict) and document.keys() == {"devices"}:
        document = document["devices"]
    if not isinstance(document, list):
        raise _invalid("devices", "is not a list")
    return tuple(device_in(entry, f"devices[{at}]") for at, entry in enumerate(document))


def read_device_table(content: bytes) -> tuple[NewDevice, ...]:
    """Return the devices in a CSV table (RFC 4180) whose first line names the columns, as the keys in JSON.

    An empty cell says that the device has none; a column that is not there says nothing. Raises InvalidNameError,
    InvalidRequestError with the place (`line 3, column model`).
    """
    try:
        text = content.decode("utf-8-sig") if len(content) <= MAX_FILE else None
    except UnicodeDecodeError as cause:
        raise _invalid(f"byte {cause.start}", "is not UTF-8; save the table as CSV in UTF-8") from cause
    if text is None:
        raise _invalid("file", f"has more than {MAX_FILE} bytes")
    rows = csv.reader(io.StringIO(text, newline=""), strict=True)
    found: list[NewDevice] = []
    try:
        header = _header(next(rows, []))
        found.extend(_row(header, row, rows.line_num) for row in rows if row)
    except csv.Error as cause:
        raise _invalid(f"line {rows.line_num}", f"is not CSV: {cause}") from cause
    return tuple(found)


def _header(names: list[str]) -> list[str]:
    known = {*_REQUIRED, *_OPTIONAL, GATEWAYS}
    for name in names:
        if name not in known and not (name.startswith(LABEL) and len(name) > len(LABEL)):
            listed = ", ".join((*_REQUIRED, *_OPTIONAL, GATEWAYS, f"{LABEL}NAME"))
            raise _invalid(f"line 1, column {name[:64]}", f"is not known here; known, separated by commas: {listed}")
    twice = [name for at, name in enumerate(names) if name in names[:at]]
    if twice:
        raise _invalid(f"line 1, column {twice[0]}", "is there twice")
    missing = [name for name in _REQUIRED if name not in names]
    if missing:
        raise _invalid(f"line 1, column {missing[0]}", "is missing")
    return names


def _row(header: list[str], row: list[str], line: int) -> NewDevice:
    if len(row) != len(header):
        raise _invalid(f"line {line}", f"has {len(row)} cells, not {len(header)}")
    cells = {name: cell for name, cell in zip(header, row, strict=True) if cell}
    labels = {name.removeprefix(LABEL): cell for name, cell in cells.items() if name.startswith(LABEL)}
    plain: dict[str, object] = {name: cell for name, cell in cells.items() if not name.startswith(LABEL)}
    if GATEWAYS in plain:
        plain[GATEWAYS] = cells[GATEWAYS].split()
    device = device_in({**plain, "labels": labels}, f"line {line}", separator=", column ")
    named = (name.removeprefix(LABEL) for name in header if name.startswith(LABEL))
    gone = frozenset(name for name in named if name not in labels)
    return replace(device, omitted=_omitted(header) - {"labels"}, labels_gone=gone)


def _omitted(said: Iterable[str]) -> frozenset[str]:
    """Return the attributes of a device about which the keys `said` say nothing."""
    names = {**{name: name for name in (*_OPTIONAL, GATEWAYS, "labels")}, "class": "device_class"}
    return frozenset(attribute for key, attribute in names.items() if key not in said)


def device_in(entry: object, path: str, *, separator: str = ".") -> NewDevice:
    """Return the device that `entry` says, at `path` of its document; raises InvalidRequestError with the place."""
    if not isinstance(entry, dict):
        raise _invalid(path, "is not an object")
    unknown = sorted(entry.keys() - {*_REQUIRED, *_OPTIONAL, GATEWAYS, "labels"})
    if unknown:
        known_keys = ", ".join((*_REQUIRED, *_OPTIONAL, GATEWAYS, "labels"))
        raise _invalid(f"{path}{separator}{unknown[0][:64]}", f"is not known here; known: {known_keys}")
    known = {
        name: _text(entry, name, f"{path}{separator}")
        for name in (*_REQUIRED, *_OPTIONAL)
        if entry.get(name) is not None
    }
    missing = [name for name in _REQUIRED if name not in known]
    if missing:
        raise _invalid(f"{path}{separator}{missing[0]}", "is missing")
    return NewDevice(
        id=_id(known["id"], f"{path}{separator}id"),
        vendor=known["vendor"],
        model=known["model"],
        serial=known["serial"],
        device_class=known.get("class"),
        hw_version=known.get("hw_version"),
        site=known.get("site"),
        zone=known.get("zone"),
        labels=_labels(entry.get("labels", {}), path),
        criticality=known.get("criticality"),
        gateways=_gateways(entry.get(GATEWAYS), f"{path}{separator}{GATEWAYS}"),
        omitted=_omitted(entry),
    )


def _gateways(value: object, path: str) -> tuple[DeviceId, ...]:
    if value is None:
        return ()
    if not isinstance(value, list) or not all(isinstance(name, str) for name in value):
        raise _invalid(path, "is not a list of device ids")
    return tuple(_id(name, path) for name in value)


def _id(text: str, path: str) -> DeviceId:
    try:
        return device_id(text)
    except InvalidNameError as cause:
        raise _invalid(path, f"is no device id: {cause.message}") from cause


def _labels(value: object, path: str) -> Mapping[str, str]:
    if not isinstance(value, dict):
        raise _invalid(f"{path}.labels", "is not an object")
    return {name: _text(value, name, f"{path}.labels.") for name in value}


def _text(entry: Mapping[str, object], name: str, path: str) -> str:
    value = entry[name]
    if not isinstance(value, str) or not 0 < len(value) <= MAX_TEXT or "\0" in value:
        raise _invalid(f"{path}{name}", f"is not text of 1 to {MAX_TEXT} characters")
    return value


def _invalid(path: str, problem: str) -> InvalidRequestError:
    return InvalidRequestError(f"`{path}` {problem}", code="request.devices", field=path)
