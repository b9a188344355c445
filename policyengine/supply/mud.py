"""MUD files (RFC 8520): what a maker says that its device needs of the network, as JSON, signed beside it.

1. the signature is over the file as it is, by one certificate that may sign (section 13.2, pki.cms)
2. a path leads from that certificate to an authority that speaks for the model
3. only then is the file read: every member known or of an extension that it names, every limit kept
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from cryptography import x509

from pki.certificates import name_text
from pki.chain import validate_path
from pki.cms import CmsError, verify_detached
from pki.errors import PathError
from pki.reading import extension
from policyengine.model.strict_json import InvalidJsonError, read_json
from policyengine.model.times import InvalidTimeError, parse_timestamp
from policyengine.supply.errors import SupplyError
from policyengine.supply.mud_flows import AccessList, Flows, Way, allowed, lists_of
from policyengine.supply.reading import Members

MAX_MUD_BYTES = 256 * 1024  # public ones have some kilobytes; with its signature it fits a request body
MAX_VALIDITY = 168  # hours; RFC 8520 section 3.5
DEFAULT_VALIDITY = 48
MAX_EXTENSIONS = 16
MAX_POLICY_LISTS = 64

SIGNED_TYPES = frozenset({"1.2.840.113549.1.7.1", "1.2.840.113549.1.9.16.1.41"})  # id-data, as OpenSSL; id-ct-mudtype

_READ = Members("mud")
_CONTAINER = "ietf-mud:mud"
_PATH = f"$['{_CONTAINER}']"
_KNOWN = frozenset(
    {
        "mud-version", "mud-url", "last-update", "mud-signature", "cache-validity", "is-supported", "systeminfo",
        "mfg-name", "model-name", "firmware-rev", "software-rev", "documentation", "extensions", "from-device-policy",
        "to-device-policy",
    }
)  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class MudFile:
    """What a MUD file says. `validity` is how long it counts after it was fetched."""

    url: str
    last_update: datetime
    validity: timedelta
    is_supported: bool
    system_info: str | None
    mfg_name: str | None
    model_name: str | None
    inbound: Flows
    outbound: Flows


def verified_signer(content: bytes, signature: bytes, authorities: Sequence[x509.Certificate], *, at: datetime) -> str:
    """Return the subject (RFC 4514) of the certificate that signed a MUD file, vouched for by `authorities`.

    Raises SupplyError: `mud.signature`, `mud.signer`.
    """
    try:
        signer = verify_detached(signature, content, types=SIGNED_TYPES)
    except CmsError as cause:
        raise SupplyError(f"{cause.message} ({cause.code})", code="mud.signature") from cause
    usage = extension(signer.certificate.extensions, x509.KeyUsage)
    if usage is None or not usage.value.digital_signature:  # RFC 8520 section 13.2
        raise SupplyError("the signer's certificate is not for signatures (key usage)", code="mud.signer")
    try:
        validate_path(signer.certificate, intermediates=signer.others, anchors=authorities, at=at)
    except PathError as cause:
        raise SupplyError(
            f"nobody who may sign MUD files of this model vouches for the signer: {cause.message}", code="mud.signer"
        ) from cause
    return name_text(signer.certificate.subject)


def read_mud(content: bytes) -> MudFile:
    """Return what a MUD file says; whoever signed it is not looked at.

    Raises SupplyError: `mud.json`, `mud.shape`, `mud.version`, `mud.unknown-member`, `mud.time`, `mud.validity`,
    `mud.acl-type`, `mud.acl-missing`, `mud.too-many`, `mud.too-long`.
    """
    try:
        document = _READ.members(read_json(content, max_bytes=MAX_MUD_BYTES), "$")
    except InvalidJsonError as cause:
        raise SupplyError(cause.message, code="mud.json") from cause
    given = _READ.members(document.get(_CONTAINER), _PATH)
    _demand_known(given)
    if given.get("mud-version") != 1 or isinstance(given["mud-version"], bool):
        raise _READ.refused("version 1 is read here", f"{_PATH}.mud-version", "version")
    lists = lists_of(document)
    return MudFile(
        url=_url(given),
        last_update=_time(given),
        validity=_validity(given),
        is_supported=_flag(given, "is-supported"),
        system_info=_READ.text_or_none(given, "systeminfo", _PATH),
        mfg_name=_READ.text_or_none(given, "mfg-name", _PATH),
        model_name=_READ.text_or_none(given, "model-name", _PATH),
        inbound=allowed(_policy(given, "to-device-policy", lists), Way.TO_DEVICE),
        outbound=allowed(_policy(given, "from-device-policy", lists), Way.FROM_DEVICE),
    )


def _demand_known(given: Mapping[str, Any]) -> None:
    """Raise SupplyError for a member that RFC 8520 does not have, unless the file names extensions (section 3.9)."""
    extensions = _READ.listed(given, "extensions", _PATH, limit=MAX_EXTENSIONS)
    unknown = sorted(given.keys() - _KNOWN)
    if unknown and not extensions:
        path = f"{_PATH}.{unknown[0]}"
        raise _READ.refused("no member of RFC 8520, and no extension is named", path, "unknown-member")


def _policy(given: Mapping[str, Any], name: str, lists: Mapping[str, AccessList]) -> list[AccessList]:
    path = f"{_PATH}.{name}.access-lists"
    holder = _READ.members(given.get(name, {}), f"{_PATH}.{name}")
    listing = _READ.members(holder.get("access-lists", {}), path)
    named = _READ.listed(listing, "access-list", path, limit=MAX_POLICY_LISTS)
    found = []
    for at, each in enumerate(named):
        place = f"{path}.access-list[{at}]"
        text = _READ.text(_READ.members(each, place), "name", place)
        if text not in lists:
            raise _READ.refused("there is no access list of this name", f"{place}.name", "acl-missing")
        found.append(lists[text])
    return found


def _url(given: Mapping[str, Any]) -> str:
    found = _READ.text(given, "mud-url", _PATH)
    if not found.startswith("https://"):  # RFC 8520 section 1.6
        raise _READ.refused("an https URL is expected", f"{_PATH}.mud-url")
    return found


def _time(given: Mapping[str, Any]) -> datetime:
    try:
        return parse_timestamp(_READ.text(given, "last-update", _PATH))
    except InvalidTimeError as cause:
        raise _READ.refused(cause.message, f"{_PATH}.last-update", "time") from cause


def _validity(given: Mapping[str, Any]) -> timedelta:
    hours = given.get("cache-validity", DEFAULT_VALIDITY)
    if not isinstance(hours, int) or isinstance(hours, bool) or not 1 <= hours <= MAX_VALIDITY:
        raise _READ.refused(f"hours from 1 to {MAX_VALIDITY} are expected", f"{_PATH}.cache-validity", "validity")
    return timedelta(hours=hours)


def _flag(given: Mapping[str, Any], name: str) -> bool:
    found = given.get(name)
    if not isinstance(found, bool):
        raise _READ.refused("true or false is expected", f"{_PATH}.{name}")
    return found
