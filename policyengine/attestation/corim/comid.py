"""The grammar of CoMID (tag 506), CoTL (508), CoSWID (505) and CoRIM (501): draft-ietf-rats-corim-11, RFC 9393.

Nothing here decides what is believed; it decides what is well formed. `COMID`, `COTL`, `COSWID` and `CORIM` are shapes.
"""

from __future__ import annotations

from typing import Any

from policyengine.attestation.corim.grammar import (
    Walk,
    anything,
    boolean,
    integer,
    is_map,
    many,
    may,
    needed,
    octets,
    one_of,
    one_or_many,
    record,
    refuse,
    row,
    seconds,
    tagged,
    text,
    uint,
)

CORIM_TAG, COSWID_TAG, COMID_TAG, COTL_TAG = 501, 505, 506, 508
SVN_TAG, MIN_SVN_TAG = 552, 553
UUID_TAG, OID_TAG, URI_TAG, BYTES_TAG, UEID_TAG = 37, 111, 32, 560, 550
PKIX_KEY_TAG, PKIX_CERTIFICATE_TAG, PKIX_PATH_TAG = 554, 555, 556
# All tags of the grammar, for the strict door; whatever else is tagged is refused there.
TAGS = (1, URI_TAG, UUID_TAG, OID_TAG, CORIM_TAG, COSWID_TAG, COMID_TAG, COTL_TAG, *range(550, 565))

# IANA "Named Information Hash Algorithm Registry": identifier to size of the digest in bytes.
DIGEST_SIZES = {1: 32, 2: 16, 3: 15, 4: 12, 5: 8, 6: 4, 7: 48, 8: 64, 9: 28, 10: 32, 11: 48, 12: 64}

_UUID = octets(least=16, most=16)
_URI = tagged(URI_TAG, text)
_OID = octets(least=1, most=64)
_TAG_ID = one_of(types={str: text, bytes: _UUID})
_PROFILE = one_of(tags={URI_TAG: text, OID_TAG: _OID})


def _digest(value: Any, path: str, walk: Walk) -> None:
    row(one_of(types={int: integer, str: text}), octets(least=1, most=64))(value, path, walk)
    size = DIGEST_SIZES.get(value[0]) if type(value[0]) is int else None
    if size is not None and len(value[1]) != size:
        refuse(path, f"a digest of {len(value[1])} bytes, its algorithm has {size}")


def _digests(value: Any, path: str, walk: Walk) -> None:
    """Accept digests of one thing: each algorithm once (section "Digests"), lest one of two be chosen."""
    many(_digest)(value, path, walk)
    if len({each[0] for each in value}) != len(value):
        refuse(path, "an algorithm is there twice")


def _cose_key(value: Any, path: str, _walk: Walk) -> None:
    if not is_map(value) or 1 not in value:  # RFC 9052 section 7: kty is required; its other labels are not ours
        refuse(path, "not a COSE_Key")


_KEY = one_of(
    tags={
        PKIX_KEY_TAG: text,
        PKIX_CERTIFICATE_TAG: text,
        PKIX_PATH_TAG: text,
        557: _digest,
        558: _cose_key,
        559: _digest,
        BYTES_TAG: octets(least=1),
        561: _digest,
        562: octets(least=1),
    }
)


def _class_with_vendor(value: Any, path: str, _walk: Walk) -> None:
    if 2 in value and 1 not in value:
        refuse(path, "a model without a vendor")


_CLASS = record(
    {
        0: may("class-id", one_of(tags={OID_TAG: _OID, UUID_TAG: _UUID, BYTES_TAG: octets(least=1, most=256)})),
        1: may("vendor", text),
        2: may("model", text),
        3: may("layer", uint),
        4: may("index", uint),
    },
    also=_class_with_vendor,
)
_INSTANCE = one_of(
    tags={
        UEID_TAG: octets(least=7, most=33),
        UUID_TAG: _UUID,
        BYTES_TAG: octets(least=1, most=256),
        PKIX_KEY_TAG: text,
        PKIX_CERTIFICATE_TAG: text,
        557: _digest,
        558: _cose_key,
        559: _digest,
        562: octets(least=1),
    }
)
ENVIRONMENT = record(
    {
        0: may("class", _CLASS),
        1: may("instance", _INSTANCE),
        2: may("group", one_of(tags={UUID_TAG: _UUID, BYTES_TAG: octets(least=1, most=256)})),
    }
)
_MKEY = one_of(tags={OID_TAG: _OID, UUID_TAG: _UUID}, types={int: uint, str: text})
_FLAGS = record(
    {
        number: may(name, boolean)
        for number, name in enumerate(
            (
                "is-configured",
                "is-secure",
                "is-recovery",
                "is-debug",
                "is-replay-protected",
                "is-integrity-protected",
                "is-runtime-meas",
                "is-immutable",
                "is-tcb",
                "is-confidentiality-protected",
                "is-runtime-updatable",
            )
        )
    }
)
_BYTES = octets(least=1, most=4096)


def _masked(value: Any, path: str, walk: Walk) -> None:
    row(_BYTES, _BYTES)(value, path, walk)
    if len(value[0]) != len(value[1]):
        refuse(path, "a raw value and its mask differ in length")


def _registers(value: Any, path: str, walk: Walk) -> None:
    if not is_map(value) or not value:
        refuse(path, "not a map with entries")
    for name, digests in value.items():
        _digests(digests, f"{path}.{name}", walk)


def _range(value: Any, path: str, walk: Walk) -> None:
    bound = one_of(types={int: integer, type(None): anything})
    row(bound, bound)(value, path, walk)
    least, most = value
    if least is not None and most is not None and least > most:
        refuse(path, "a range whose end lies before its start")


def _mask_has_value(value: Any, path: str, _walk: Walk) -> None:
    if 5 in value and 4 not in value:
        refuse(path, "a mask without a raw value")


MEASURED_VALUES = record(
    {
        0: may("version", record({0: needed("version", text), 1: may("version-scheme", anything)})),
        1: may("svn", one_of(tags={SVN_TAG: uint, MIN_SVN_TAG: uint}, types={int: uint})),
        2: may("digests", _digests),
        3: may("flags", _FLAGS),
        4: may("raw-value", one_of(tags={BYTES_TAG: _BYTES, 563: _masked})),
        5: may("raw-value-mask", _BYTES),
        6: may("mac-addr", octets(least=6, most=8)),
        7: may("ip-addr", octets(least=4, most=16)),
        8: may("serial-number", text),
        9: may("ueid", octets(least=7, most=33)),
        10: may("uuid", _UUID),
        11: may("name", text),
        13: may("cryptokeys", many(_KEY)),
        14: may("integrity-registers", _registers),
        15: may("int-range", one_of(tags={564: _range}, types={int: integer})),
    },
    also=_mask_has_value,
)
_MEASUREMENT = record({0: may("mkey", _MKEY), 1: needed("mval", MEASURED_VALUES), 2: may("authorized-by", many(_KEY))})
_CLAIMS = many(_MEASUREMENT)
_REFERENCE = row(ENVIRONMENT, _CLAIMS)
_KEYS = row(ENVIRONMENT, many(_KEY), optional=record({0: may("mkey", _MKEY), 1: may("authorized-by", many(_KEY))}))
_DOMAIN = row(ENVIRONMENT, many(ENVIRONMENT))
_SERIES = row(row(ENVIRONMENT, many(_MEASUREMENT, least=0), optional=many(_KEY)), many(row(_CLAIMS, _CLAIMS)))
_TRIPLES = record(
    {
        0: may("reference-triples", many(_REFERENCE)),
        1: may("endorsed-triples", many(_REFERENCE)),
        2: may("identity-triples", many(_KEYS)),
        3: may("attest-key-triples", many(_KEYS)),
        4: may("dependency-triples", many(_DOMAIN)),
        5: may("membership-triples", many(_DOMAIN)),
        6: may("coswid-triples", many(row(ENVIRONMENT, many(_TAG_ID)))),
        8: may("conditional-endorsement-series-triples", many(_SERIES)),
        10: may("conditional-endorsement-triples", many(row(many(_REFERENCE), many(_REFERENCE)))),
    }
)


def _entity(*roles: int) -> Any:
    def role(value: Any, path: str, _walk: Walk) -> None:
        if type(value) is not int or value not in roles:
            refuse(path, "not a role")

    return record({0: needed("entity-name", text), 1: may("reg-id", _URI), 2: needed("role", many(role))})


_TAG_IDENTITY = record({0: needed("tag-id", _TAG_ID), 1: may("tag-version", uint)})


def _relation(value: Any, path: str, _walk: Walk) -> None:
    if type(value) is not int or value not in {0, 1}:
        refuse(path, "neither supplements nor replaces")


COMID = record(
    {
        0: may("language", text),
        1: needed("tag-identity", _TAG_IDENTITY),
        2: may("entities", many(_entity(0, 1, 2))),
        3: may("linked-tags", many(record({0: needed("linked-tag-id", _TAG_ID), 1: needed("tag-rel", _relation)}))),
        4: needed("triples", _TRIPLES),
    }
)


def _in_order(value: Any, path: str, _walk: Walk) -> None:
    if 0 in value and value[0].value > value[1].value:
        refuse(path, "a validity that ends before it begins")


VALIDITY = record({0: may("not-before", seconds), 1: needed("not-after", seconds)}, also=_in_order)
COTL = record(
    {
        0: needed("tag-identity", _TAG_IDENTITY),
        1: needed("tags-list", many(_TAG_IDENTITY)),
        2: needed("tl-validity", VALIDITY),
    }
)
_SWID_HASH = row(integer, octets(least=1, most=64))
_SWID_FILE = record(
    {24: needed("fs-name", text), 20: may("size", uint), 21: may("file-version", text), 7: may("hash", _SWID_HASH)}
)
# RFC 9393 section 2.3; what is not read here (links, meta, evidence...) is passed over, as its receivers may.
COSWID = record(
    {
        0: needed("tag-id", _TAG_ID),
        12: needed("tag-version", integer),
        1: needed("software-name", text),
        13: may("software-version", text),
        2: needed("entity", one_or_many(record({31: needed("entity-name", text), 33: needed("role", anything)}))),
        6: may("payload", record({17: may("file", one_or_many(_SWID_FILE))})),
    }
)


def _one_signer(value: Any, path: str, _walk: Walk) -> None:
    if sum(2 in each[2] for each in value.get(5, ())) > 1:
        refuse(path, "two entities with the role manifest-signer")


_LOCATOR = record({0: needed("href", one_or_many(_URI)), 1: may("thumbprint", anything)})
_TAG = one_of(tags=dict.fromkeys((COSWID_TAG, COMID_TAG, COTL_TAG), octets(least=1, most=64 * 1024)))
CORIM = record(
    {
        0: needed("id", _TAG_ID),
        1: needed("tags", many(_TAG)),
        2: may("dependent-rims", many(_LOCATOR)),
        3: may("profile", _PROFILE),
        4: may("rim-validity", VALIDITY),
        5: may("entities", many(_entity(1, 2))),
    },
    also=_one_signer,
)
META = record(
    {
        0: needed("signer", record({0: needed("signer-name", text), 1: may("signer-uri", _URI)})),
        1: may("signature-validity", VALIDITY),
    }
)
