"""Keys of single devices that signed CoRIMs beside a ReferenceValues document vouch for (`attest_keys`).

A device whose key a vendor vouches for needs no certificate from the factory to enrol. So a key belongs to one device:
listed for two, it proves neither, and the tree does not compile.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import datetime

from policyengine.language.nodes import YamlNode, at, items, text
from policyengine.language.page import Page
from policyengine.language.surroundings import Surroundings
from policyengine.language.values import moment_at
from policyengine.model.corim import EndorsedCorim
from policyengine.model.endorsements import AttestKey, Endorser, KeyUse, ReferenceValues
from policyengine.model.policy import Party


def check_key_files(page: Page, around: Surroundings) -> None:
    """Report a document that vouches for nothing, and CoRIMs with keys that are not there."""
    nodes = items(page.spec, "attest_keys")
    if not nodes and not items(page.spec, "releases"):
        message = "the document has neither `releases` nor `attest_keys`"
        page.error(page.node("spec"), "reference.empty", message, "add one of them")
    for node in nodes:
        path = page.file.rpartition("/")[0] + "/" + (text(node, "corim") or "")
        if path not in around.files:
            place = at(node, "corim") or node
            message = f"there is no file `{path}`"
            page.error(place, "reference.missing-file", message, "put the CoRIM beside this document")


def attest_keys(
    found: EndorsedCorim, party: Party, *, until: datetime | None, signing: KeyUse = KeyUse.ATTEST
) -> Iterator[AttestKey]:
    """Yield the keys that `found` vouches for, withdrawn at `until`; what is listed to sign evidence is `signing`."""
    endorser = Endorser(party=party.name, corim_id=found.id, corim_digest=found.digest, valid_until=found.valid_until)
    for each in found.keys:
        yield AttestKey(
            use=signing if each.use is KeyUse.ATTEST else each.use,
            spki=each.spki,
            thumbprint=each.thumbprint,
            instance=each.instance,
            class_id=each.class_id,
            endorser=endorser,
            until=until,
        )


def keys_alone(page: Page, node: YamlNode, found: EndorsedCorim, party: Party) -> tuple[AttestKey, ...]:
    """Return the keys of an entry of `attest_keys`; reports a CoRIM without any."""
    until = at(node, "until")
    if not found.keys:
        message = f"`{text(node, 'corim')}` vouches for no key of a single device"
        advice = "ask the vendor for attest-key triples with an instance and a PKIX key"
        page.error(at(node, "corim") or node, "reference.corim-refused", message, advice)
    # A CoRIM does not say that a key is in a TPM (draft-ietf-rats-corim section 5.1.10), so who merges it does.
    signing = KeyUse.QUOTE if text(node, "signs") == "quotes" else KeyUse.ATTEST
    return tuple(attest_keys(found, party, until=None if until is None else moment_at(page, until), signing=signing))


def check_keys_once(pages: Iterable[Page], references: Iterable[ReferenceValues]) -> None:
    """Report keys that are listed for two devices, wherever in the tree."""
    owners: dict[str, str] = {}
    for page, values in zip(pages, references, strict=True):
        for key in values.attest_keys or ():
            if owners.setdefault(key.thumbprint, key.instance) != key.instance:
                message = (
                    f"key `{key.thumbprint}` is listed for devices `{owners[key.thumbprint]}` and `{key.instance}`"
                )
                page.error(page.node("spec"), "reference.key-shared", message, "ask the vendor which device has it")
