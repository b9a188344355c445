"""What a code means that is no diagnostic, no check and no refusal of a device: of a finding, a command or the API.

Codes of one subject share their first part, and the message of an error says what was wrong in the one case; so most
are explained by subject, and by themselves where that would say too little. The longest name that fits counts.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple


class Subject(NamedTuple):
    """What codes of this name say, and the page to read on at; None where the message says it all."""

    meaning: str
    page: str | None = None


_FINDINGS = "docs/semantics.md"
_API = "docs/api.md#conventions"
_AUDIT = "docs/auditor.md#take-the-evidence-with-you"
_LOG = "docs/transparency-log.md"
_OPERATOR = "docs/operator.md"
_PKI = "docs/pki.md"
_BUNDLES = "docs/adr/0006-bundle-format.md"

# Why a finding is what it is (docs/semantics.md). One that is `unknown` is never a pass; what then happens, the binding
# says (`onUnknown`).
_REASONS: Mapping[str, str] = {
    "cel.conversion": "a value has no form in the type that the condition asks for",
    "cel.division-by-zero": "the condition divides by zero",
    "cel.duplicate-key": "a map made by the condition has a key twice",
    "cel.error": "the condition cannot be evaluated for this device",
    "cel.index": "the condition reads beyond the end of a list",
    "cel.key": "the condition reads a key that a map does not have",
    "cel.no-overload": "the condition uses an operator or function on values that it does not take",
    "cel.optional": "the condition reads an optional value that is not there",
    "cel.overflow": "a number leaves the range of 64 bits",
    "cel.range": "an argument is outside the range that a function takes",
    "cel.regex": "a pattern is none, or asks for more work than is allowed",
    "cel.size": "a value would be larger than is allowed",
    "cel.undeclared": "the condition reads a name that nobody declared",
    "cel.zone": "a time zone is unknown",
    "fact.absent": "a fact that the rule reads is missing",
    "fact.incomplete": "a list that the rule reads may lack items",
    "fact.stale": "a fact that the rule reads is too old",
    "decision.no-policy": "nothing passed at enrolment: an empty policy admits nobody",
    "fact.weak": "a fact that the rule reads comes from too weak a source",
    "phase.other": "the rule is not for this phase, so it was skipped",
    "rule.false": "the condition does not hold: a failure",
    "rule.true": "the condition holds: a pass",
    "selector.no-match": "the rule is not about this device, so it was skipped",
    "selector.unknown": "the registry does not say whether the rule is about this device",
    "waiver.covers": "the condition does not hold, and a waiver covers that until it ends",
    "version.invalid": "a version cannot be read by the scheme it is compared in",
}

_SUBJECTS: Mapping[str, Subject] = {
    "actor": Subject("who asks is not known, or may not do that", "docs/api.md#who-may-what"),
    "authority": Subject(
        "an authority is there where none may be, or is not there whole", f"{_PKI}#found-an-authority"
    ),
    "backup": Subject("a backup cannot be made where it should, or is not whole", "docs/storage.md#backups"),
    "bundle": Subject("a bundle is not one, not the one meant, or older than one already in force", _BUNDLES),
    "ca": Subject("the request for a CA's certificate is not what the plan says", f"{_PKI}#under-a-companys-root"),
    "cel.memory": Subject("the expression took too much memory and was stopped", "docs/cel.md"),
    "cel.refused": Subject("the condition does not compile", "docs/cel.md"),
    "cel.request": Subject("the line asks for no evaluation", "docs/cel.md"),
    "cel.time": Subject("the expression took too long and was stopped", "docs/cel.md"),
    "cel.type-form": Subject("a type or declaration does not have its form", "docs/cel.md"),
    "cel.typed-value": Subject("a typed value does not have its form", "docs/cel.md"),
    "cel.untranslatable": Subject("this engine cannot run the expression", "docs/cel.md"),
    "ceremony": Subject("a ceremony cannot go on: another plan, or a changed file", f"{_PKI}#a-ceremony-offline"),
    "certificate": Subject("the certificate is not there, or not in a state for that", f"{_PKI}#revocation"),
    "check.forgotten": Subject("what a check remembered cannot be read; it starts anew"),
    "cms": Subject("a detached signature is none over this file", "docs/supplies.md#mud-files"),
    "client": Subject("the server did not answer"),
    "control": Subject("no framework has a control of that name", "docs/api.md#compliance"),
    "copy": Subject("the database to copy into is not empty, or not one", f"{_OPERATOR}#keep"),
    "corim.older": Subject("a CoRIM has a tag that is older than the one in force", "docs/endorsements.md"),
    "csr": Subject("the certification request was refused", f"{_PKI}#from-request-to-certificate"),
    "data": Subject("no server has ever started on the data directory", f"{_OPERATOR}#start"),
    "decision.missing": Subject("the device was not decided on, or that decision is not kept", "docs/storage.md"),
    "demo": Subject("the demo cannot show what it should", "docs/demo.md"),
    "der": Subject("the bytes are not the DER that was expected at this place"),
    "device.gateways": Subject(
        "the gateways that may report of a device are those already, or cannot be", "docs/device.md"
    ),
    "device.lifecycle": Subject("the device is not in a state for that"),
    "device.missing": Subject("there is no such device, or none that this asker may see"),
    "device.model": Subject("a device can only take over from one of its own model"),
    "device.place": Subject("a device can only take over from one at its own place"),
    "device.unrestricted": Subject("nothing restricts the device, so nothing can be lifted"),
    "diagnostic": Subject("no diagnostic, check or refusal has that name", "docs/diagnostics.md"),
    "document": Subject(
        "a stored document is damaged or not kept any more", "docs/storage.md#which-decisions-are-kept"
    ),
    "enrolment.token-spent": Subject("the one-time token was used up in the meantime", "docs/device.md"),
    "est": Subject("an EST request names a label or names that are not the device's", "docs/est.md"),
    "evidence.anchors": Subject("the trust anchors cannot be used", "docs/evidence.md"),
    "evidence.format-conflict": Subject("two formats answer to one name or media type", "docs/evidence.md"),
    "evidence.malformed": Subject("the bytes are not evidence of the announced format", "docs/evidence.md"),
    "evidence.plugin": Subject("an installed package announces a format and delivers none", "docs/evidence.md"),
    "export": Subject("an evidence export cannot be made, or is not what it says it is", _AUDIT),
    "facts": Subject("reported facts do not have their form, type or bounds", "docs/facts.md"),
    "fault": Subject("this is a defect of ours: what was asked for may be all right; please report it"),
    "feeds": Subject("a pack of vulnerabilities is not believed or cannot be read", "docs/supplies.md"),
    "fetch": Subject("what was asked for over HTTPS was not had"),
    "gate.stale": Subject("the server's own decisions are too old to let anybody pass", "docs/gate.md"),
    "git": Subject("git is not there, or the directory or revision is none of its own"),
    "hsm": Subject("the CA's key in its token cannot be used now", _PKI),
    "http": Subject("the request is not HTTP as this resource takes it", _API),
    "identity.former-key": Subject("the device had that key before, and no former key comes back", "docs/device.md"),
    "init": Subject("the directory for a new policy repository is not empty"),
    "inspect": Subject("the bytes are of no kind that is known here", "docs/evidence.md"),
    "issue": Subject("the authority refuses to sign", f"{_PKI}#from-request-to-certificate"),
    "json": Subject("the bytes are not one strict JSON document"),
    "jwks": Subject("published keys cannot be read"),
    "key": Subject("the public key is weak, known to be compromised, of another kind, or none", f"{_PKI}#profiles"),
    "keyfile": Subject("a key file is not there, not private, or its passphrase is another", _PKI),
    "keys.missing": Subject("the database has a history and its keys are gone; no others are made", _OPERATOR),
    "lint": Subject("a certificate or list would have broken a rule, and was not signed", _PKI),
    "log": Subject("the transparency log, or what somebody shows of it, is not believed", _LOG),
    "login": Subject("the sign-in was not completed or is not believed", f"{_OPERATOR}#who-may-sign-in"),
    "model.missing": Subject("the fleet has no such model, or none that this asker may see", _API),
    "mud": Subject("a MUD file cannot be read, is not believed, or counts no more", "docs/supplies.md#mud-files"),
    "name": Subject("a name does not have the form its kind demands"),
    "network": Subject("a text is no IP address or block"),
    "nonce.former": Subject("another server gave out the nonce before the device moved", "docs/device.md"),
    "object": Subject("there is nothing of that name, or nothing that this asker may see", _API),
    "ocsp": Subject("an OCSP request is not one that is answered here", f"{_PKI}#revocation"),
    "oidc": Subject("the identity provider or its keys cannot be used", f"{_OPERATOR}#who-may-sign-in"),
    "path": Subject("no certification path holds (RFC 5280 section 6.1)", f"{_PKI}#judge-a-path"),
    "pki": Subject("there is no such issuer or list", f"{_PKI}#revocation"),
    "policies": Subject("the policy repository does not compile", "docs/policy-language.md"),
    "policy": Subject("no policy is in force, or the one in force cannot be read", f"{_OPERATOR}#3-am"),
    "posture": Subject("a posture token is not to be believed for that", "docs/gate.md"),
    "proof.missing": Subject("no leaf of the log holds that decision by itself", _LOG),
    "prior": Subject("a previous decision cannot be read"),
    "profile": Subject("a certificate profile says what no certificate can honour", f"{_PKI}#profiles"),
    "records": Subject(
        "that period is not to be archived or pruned now, or not by that file", f"{_OPERATOR}#make-room"
    ),
    "reference.invalid": Subject("a document is not of kind ReferenceValues", "docs/endorsements.md"),
    "renewal.key": Subject("the request is for another key than the certificate's", f"{_PKI}#issue-and-renew-by-hand"),
    "renewal.nonce": Subject("the nonce is not for the device of the certificate", "docs/device.md"),
    "report": Subject("a report on devices cannot be taken", "docs/supplies.md#reports-on-devices"),
    "renewal.window": Subject("it is too early to renew", f"{_PKI}#issue-and-renew-by-hand"),
    "request": Subject("a part of the request does not have the form or bounds it must have", _API),
    "revocation": Subject(
        "the revocation needs another party, other terms, or has been overtaken", f"{_PKI}#revocation"
    ),
    "rotate": Subject("that step of a rollover does not follow the one before it", f"{_PKI}#rotate"),
    "rule.unknown": Subject("no rule, or more than one, answers to the name", "docs/policy-language.md"),
    "sbom": Subject("a software bill of materials cannot be read or is of something else", "docs/supplies.md#sboms"),
    "serials": Subject("a signed list of serial numbers is not believed", "docs/device.md"),
    "serve": Subject("the server cannot start so, or must be stopped first", f"{_OPERATOR}#start"),
    "service": Subject("a use case refused, and the message says why"),
    "settings": Subject("a setting or a document that one names cannot be used", "docs/api.md#settings"),
    "signature": Subject("a signature does not verify, or is made in a way that is not believed"),
    "simulation": Subject("that fleet cannot be simulated"),
    "state": Subject("something else changed it in the meantime: read it again and decide anew", _API),
    "store": Subject("the database cannot be used now, or is of another version", f"{_OPERATOR}#3-am"),
    "supply": Subject("a document of a supplier is not what it should be", "docs/supplies.md"),
    "time": Subject("a text is not a time or duration of the form asked for"),
    "token": Subject("there is no such token, or it was revoked"),
    "tokens": Subject("the file for tokens cannot be written there"),
    "tree": Subject("the directory is none, or holds what is not read"),
    "trust": Subject("the trust bundle is not to be believed"),
    "usage": Subject("an argument cannot be used; `--help` says what it takes"),
    "vex": Subject("a statement of exploitability cannot be read or is not believed", "docs/supplies.md"),
    "waiver.missing": Subject("there is no such waiver in force", _API),
    "webhook": Subject("a webhook cannot be used, or was not answered", "docs/events.md#set-up"),
}
OTHERS: Mapping[str, Subject] = {**{code: Subject(said, _FINDINGS) for code, said in _REASONS.items()}, **_SUBJECTS}


def subject_of(code: str) -> Subject | None:
    """Return what `code` says, by the longest name that fits; None for one of no subject."""
    return OTHERS.get(code) or OTHERS.get(code.partition(".")[0])
