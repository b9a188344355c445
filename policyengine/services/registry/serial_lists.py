"""A vendor's signed list of serial numbers: what it built, believed only from its own key and for its own models.

The list is a compact JWS of type `policyengine-serials+jws` (serial_signers.py says by which keys), over

    {"vendor": "vendor-acme", "batch": "2026-11", "devices": [{"serial": "AC-00000001", "model": "gw-200"}, ...]}

In order: the parts and their sizes; the vendor that the list names is a party; the JOSE checks with its keys, or that
of the certificate, as the only candidates; every device is of a model of that vendor, of the party's scope, and one
that the certificate's CA may speak for. `id`, `class` and `hw_version` may stand beside; where a device stands is not
the vendor's to say.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from policyengine.attestation.jose import Jws, json_object
from policyengine.errors import quoted
from policyengine.model.base64url import from_base64url
from policyengine.model.policy import Bundle, Party
from policyengine.model.strict_json import read_json
from policyengine.services.errors import InvalidRequestError, RefusedError
from policyengine.services.registry.device_documents import device_in
from policyengine.services.registry.devices import NewDevice
from policyengine.services.registry.serial_signers import Signatory, signatory

MAX_LIST_BYTES = 16 * 1024 * 1024  # the 50,000 devices of a large batch have some 5 MB
MAX_SERIALS = 50_000  # each is looked up by its number; a larger batch comes as several lists

_KEYS = frozenset({"vendor", "batch", "devices"})
_OF_A_DEVICE = frozenset({"serial", "model", "id", "class", "hw_version"})


@dataclass(frozen=True, slots=True, kw_only=True)
class SerialList:
    """A batch as its vendor signed it."""

    vendor: str
    batch: str
    devices: tuple[NewDevice, ...]


def read_serial_list(content: bytes, bundle: Bundle, *, now: datetime) -> SerialList:
    """Return the batch that a vendor signed; `now` is aware, for the certificate of its key.

    Raises InvalidRequestError for what is not such a list, RefusedError (`serials.*`, `jose.*`) for one that is not
    believed: another key, another vendor's models, a model outside the party's scope, a device that
    its CA may not speak for.
    """
    message = _message(content)
    document = read_json(message.payload, max_bytes=MAX_LIST_BYTES)
    if not isinstance(document, dict) or document.keys() != _KEYS:
        raise _invalid("the payload", f"does not have exactly the keys {', '.join(sorted(_KEYS))}")
    signed_by = signatory(message, bundle, document["vendor"], now=now)
    party = signed_by.party
    batch, devices = document["batch"], document["devices"]
    if not isinstance(batch, str) or not 0 < len(batch) <= 128 or not batch.isprintable():
        raise _invalid("batch", "is not 1 to 128 printable characters")
    if not isinstance(devices, list) or not 0 < len(devices) <= MAX_SERIALS:
        raise _invalid("devices", f"is not a list of 1 to {MAX_SERIALS} devices")
    found = tuple(_device(entry, f"devices[{at}]", party.name) for at, entry in enumerate(devices))
    _demand_scope(found, party, bundle)
    _demand_entitled(found, signed_by)
    return SerialList(vendor=party.name, batch=batch, devices=found)


def _message(content: bytes) -> Jws:
    if len(content) > MAX_LIST_BYTES:
        raise _invalid("the list", f"has more than {MAX_LIST_BYTES} bytes")
    parts = content.strip().split(b".")
    decoded = [from_base64url(part.decode("latin-1")) for part in parts]
    if len(decoded) != 3 or decoded[0] is None or decoded[1] is None or decoded[2] is None:
        raise _invalid("the list", "is not a compact JWS: three parts in base64url, with dots between")
    header = json_object(decoded[0], "the header")
    return Jws(header=header, payload=decoded[1], signature=decoded[2], signed=b".".join(parts[:2]))


def _device(entry: object, path: str, vendor: str) -> NewDevice:
    if not isinstance(entry, dict):
        raise _invalid(path, "is not an object")
    unknown = sorted(entry.keys() - _OF_A_DEVICE)
    if unknown:
        raise _invalid(f"{path}.{unknown[0][:64]}", f"is not for a vendor to say; known: {', '.join(_OF_A_DEVICE)}")
    return device_in({"id": entry.get("serial"), **entry, "vendor": vendor}, path)


def _demand_scope(devices: tuple[NewDevice, ...], party: Party, bundle: Bundle) -> None:
    for model in sorted({device.model for device in devices}):
        known = bundle.fleet.models.get(model)
        said: Mapping[str, str | None] = {
            "model": model,
            "vendor": party.name,
            "class": None if known is None else known.device_class,
        }
        inside = all((said.get(each.key) in each.values) is not each.negated for each in party.scope.clauses)
        if known is None or known.vendor != party.name or not inside:
            raise RefusedError(
                f"model {quoted(model)} is not in the scope of {quoted(party.name)}",
                code="serials.scope",
                check="serials.scope",
            )


def _demand_entitled(devices: tuple[NewDevice, ...], signed_by: Signatory) -> None:
    for device in devices:
        if not signed_by.answers_for(model=device.model, serial=device.serial):
            shown = f"serial number {quoted(device.serial)} of model {quoted(device.model)}"
            raise RefusedError(
                f"the CA behind this list may not speak for {shown}", code="serials.scope", check="serials.entitled"
            )


def _invalid(path: str, problem: str) -> InvalidRequestError:
    return InvalidRequestError(f"{path} {problem}", code="request.serials", field=path)
