#!/usr/bin/env python3
"""Verify a policyengine evidence export without policyengine: Python 3.11 and the package `cryptography`, no more.

    python verify_export.py EXPORT.zip [VKEY]        VKEY: the log's key NAME+ID+KEY, or a file that holds it

Checked: every byte of the zip; digests of files and records; the log's signatures on manifest and checkpoint; that each
leaf is what the log committed to and all lead to its root; that each decision names its document and inputs by digest
and has its leaf, and none of the period is left out; that verdicts are those of their decisions; signatures of
certificates and attestation results; the tables of decisions and findings against the records.

NOT checked: that a decision follows from its facts and policies (`policyengine audit verify` makes each one again);
when verdicts begin and end; the page, the OSCAL document and the tables computed from it all.

Exit code 0: nothing is wrong; 1: something is, and where it starts is printed; 2: wrong usage.
"""

import base64
import csv
import hashlib
import io
import json
import struct
import sys
import zipfile
import zlib
from datetime import datetime
from itertools import count

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, utils
from cryptography.hazmat.primitives.hashes import SHA256

VERDICT = ("rule", "binding", "result", "reason", "mode", "action")
NO_RECORD = (ValueError, KeyError, TypeError, AttributeError, IndexError)


class WrongError(Exception): ...


def demand(holds, message):
    if not holds:
        raise WrongError(message)


def passes(verify_signature, *arguments):
    try:
        verify_signature(*arguments)
    except (ValueError, TypeError, InvalidSignature):
        return False
    return True


def sha(content):
    return hashlib.sha256(content).hexdigest()


def b64url(text):
    return base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)


def canonical(value):
    """Objects of texts, whole numbers, lists and null, as RFC 8785 writes them."""
    return json.dumps(value, sort_keys=True, ensure_ascii=False, separators=(",", ":")).encode()


class Archive:
    """The zip; its headers must be in their one spelling, with no byte between members."""

    def __init__(self, data):
        self.data = data
        try:
            self.zip = zipfile.ZipFile(io.BytesIO(data))
        except (zipfile.BadZipFile, ValueError, OSError, NotImplementedError) as cause:
            raise WrongError(f"(directory of the zip): {cause}") from cause
        place, directory = 0, data[self.zip.start_dir :]
        for number, info in enumerate(self.zip.infolist(), 1):
            name, where = info.filename.encode(), f"{info.filename} (member {number})"
            sizes = (info.CRC, info.compress_size, info.file_size, len(name), 0)
            common = struct.pack("<5H3I2H", 20, 0x0800, info.compress_type, 0, 0x0021, *sizes)
            central = b"PK\x01\x02\x14\x00" + common + struct.pack("<HHHII", 0, 0, 0, 0, place) + name
            as_written = data[place : place + 30 + len(name)] == b"PK\x03\x04" + common + name
            demand(as_written and directory.startswith(central), f"{where}: its headers are not as written")
            place, directory = place + 30 + len(name) + info.compress_size, directory[len(central) :]
        total, size = len(self.zip.infolist()), len(data) - 22 - place
        end = struct.pack("<4s4H2IH", b"PK\x05\x06", 0, 0, total, total, size, place, 0)
        demand((place, directory) == (self.zip.start_dir, end), "(end of the zip): not as written")

    def stored(self, name):
        info = self.zip.getinfo(name)
        return self.data[info.header_offset + 30 + len(name.encode()) :][: info.compress_size]

    def content(self, name):
        try:
            return self.zip.read(name)
        except (KeyError, zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError) as cause:
            raise WrongError(f"{name}: {cause}") from cause

    def lines(self, name):
        """The records of a member, each held against the digest beside it."""
        beside = self.content(name.rpartition(".")[0] + ".sha256").decode("ascii", "replace")
        found, digests = self.content(name).split(b"\n"), beside.split("\n")
        demand(not found.pop() and not digests.pop() and len(found) == len(digests), f"{name}: records are missing")
        for number, (line, digest) in enumerate(zip(found, digests, strict=True), 1):
            demand(sha(line) == digest, f"{name} record {number}: it has not the digest beside it")
        return found

    def named(self, *folders, end=".jsonl"):
        return [name for name in self.zip.namelist() if name.partition("/")[0] in folders and name.endswith(end)]

    def records(self, folder):
        """Member, number and content of each record of a folder, or of the one member that `folder` names."""
        for name in [folder] if folder.endswith(".jsonl") else self.named(folder):
            yield from ((name, number, json.loads(line)) for number, line in enumerate(self.lines(name), 1))


def parse_vkey(text):
    name, identifier, key = text.strip().split("+", 2)
    raw = base64.b64decode(key)
    wanted = hashlib.sha256(name.encode() + b"\n" + raw).digest()[:4]
    demand(raw[:1] == b"\x01" and identifier == wanted.hex(), "log/vkey: this is no key of a log")
    return name, wanted, ed25519.Ed25519PublicKey.from_public_bytes(raw[1:])


def note_text(archive, member, vkey):
    """The lines of a signed note (C2SP signed-note) whose one signature is the log's."""
    note, (name, identifier, public) = archive.content(member), vkey
    body = note.rpartition(b"\n\n")[0] + b"\n"
    prefix = body + f"\n\u2014 {name} ".encode()
    signature = base64.b64decode(note[len(prefix) : -1])[4:]
    same = note == prefix + base64.b64encode(identifier + signature) + b"\n"
    demand(same and passes(public.verify, signature, body), f"{member}: it is not signed by {name}")
    return body.decode().split("\n")


def check_manifest(archive, vkey):
    content = archive.content("manifest.json")
    text = ["policyengine evidence export v1", vkey[0], f"sha256:{sha(content)}", ""]
    demand(note_text(archive, "manifest.sig", vkey) == text, "manifest.json: not the one that was signed")
    manifest = json.loads(content)
    names = [member["name"] for member in manifest["members"]] + ["manifest.json", "manifest.sig"]
    demand(names == archive.zip.namelist(), "manifest.json: it names other members than there are")
    for member in manifest["members"]:
        name, info = member["name"], archive.zip.getinfo(member["name"])
        stored = (info.compress_size, info.file_size, sha(archive.stored(name)))
        if stored != (member["stored_size"], member["size"], member["stored_sha256"]):
            if name.endswith((".jsonl", ".csv")):
                archive.lines(name)  # says which record
            raise WrongError(f"{name}: its bytes are not those of the manifest")
        demand(sha(archive.content(name)) == member["sha256"], f"{name}: its content is not that of the manifest")
    return manifest


def check_log(archive, manifest, vkey):
    """Leaves are what the log committed to, and lead to its root (RFC 6962 section 2.1)."""
    note, size = note_text(archive, "log/checkpoint", vkey), manifest["log_size"]
    demand(note[:2] == [vkey[0], str(size)], "log/checkpoint: not that of the manifest")
    leaves, found = [], {"decision": {}, "certificate": {}}
    for name, number, line in archive.records("leaves"):
        record, content = line["record"].encode(), json.loads(line["record"])
        entry = {"at": line["at_us"], "commitment": f"sha256:{sha(b64url(line['salt']) + record)}"}
        entry = canonical(entry | {"kind": line["kind"], "v": 1})
        leaves.append((line["index"], hashlib.sha256(b"\x00" + entry).digest()))
        demand(leaves[-1][1] == b64url(line["leaf_hash"]), f"{name} record {number}: not what the log committed to")
        key = content.get("decision" if line["kind"] == "decision" else "serial")
        found.setdefault(line["kind"], {}).setdefault(key, []).append((line["at_us"], content))
    proof = archive.content("log/proof")
    steps, ahead = iter([proof[at : at + 32] for at in range(0, len(proof), 32)]), iter(leaves)
    coming = [next(ahead, None)]

    def root(start, size):
        if coming[0] is None or coming[0][0] >= start + size:
            return next(steps, b"")
        if size == 1:
            (index, hashed), coming[0] = coming[0], next(ahead, None)
            return hashed if index == start else b""
        half = 1 << (size - 1).bit_length() - 1
        return hashlib.sha256(b"\x01" + root(start, half) + root(start + half, size - half)).digest()

    computed = root(0, size) if size else hashlib.sha256(b"").digest()
    spent = coming[0] is None and next(steps, b"") == b""
    demand(computed == base64.b64decode(note[2]) and spent, "log/proof: it does not lead to the signed root")
    return found


def check_decision(line, document, known, logged):
    facts = {"own": f"sha256:{sha(line['facts_own'].encode())}", "shared": line["facts_shared"]}
    inputs = {key: line[key] for key in ("bundle", "facts", "phase", "prior")} | {"now": line["decided_at"]}
    named = (f"sha256:{sha(canonical(facts))}", f"sha256:{sha(canonical(inputs))}", f"sha256:{sha(document)}")
    demand(named == (line["facts"], line["decision_id"], line["document"]), "not of the inputs and document it names")
    needed = {line["bundle"], line["facts_shared"], line["prior"] or line["bundle"]}
    demand(needed <= known, "its bundle, facts or prior are not in the export")
    leaves = [(leaf["device"], leaf["document"]) for _, leaf in logged["decision"].get(line["decision_id"], [])]
    demand((line["device"], line["document"]) in leaves, "the log has no such decision")
    said, keys = json.loads(document), ("decision_id", "bundle", "facts", "prior", "tier", "decided_tier", "decided_at")
    demand(all(said[key] == line[key] for key in keys), "it does not say what its document says")
    return {tuple(found[key] for key in VERDICT) for found in said["findings"]}


def check_parcels(archive, manifest, logged):
    """Decisions, their documents and inputs, and the verdicts in them, a parcel of devices after the other."""
    known = {f"sha256:{sha(line)}" for name in archive.named("facts", "priors") for line in archive.lines(name)}
    known |= {f"sha256:{sha(archive.content(name))}" for name in archive.named("bundles", end=".json")}
    decision_row, finding_row, seen = table(archive, "csv/decisions.csv"), table(archive, "csv/findings.csv"), set()
    for member in archive.named("devices"):
        documents, findings = archive.lines(member.replace("devices", "documents")), {}
        lines = list(archive.records(member.replace("devices", "decisions")))
        demand(len(lines) == len(documents), f"{member}: there are not as many documents as decisions")
        for (name, number, line), document in zip(lines, documents, strict=True):
            try:
                findings[line["decision_id"]] = check_decision(line, document, known, logged)
            except WrongError as cause:
                raise WrongError(f"{name} record {number}: {cause}") from cause
            seen.add(line["decision_id"])
            decision_row(line)
        print(f"{len(seen)} of {manifest['decisions']} decisions checked", file=sys.stderr)
        for name, number, line in archive.records(member.replace("devices", "verdicts")):
            verdict, said = tuple(line[key] for key in VERDICT), findings.get(line["decision_id"])
            demand(said is None or verdict in said, f"{name} record {number}: its decision does not say so")
            finding_row(line)
    decision_row(None)
    finding_row(None)
    demand(len(seen) == manifest["decisions"], "manifest.json: there are other decisions than it counts")
    start, end = (datetime.fromisoformat(manifest[name]).timestamp() * 1e6 for name in ("from", "to"))
    for decision, leaves in logged["decision"].items():
        inside = any(start <= at < end for at, _ in leaves)
        demand(decision in seen or not inside, f"decisions: {decision} is in the log and left out")
    return len(seen)


def table(archive, name):
    """Return how to check the next row of a table; its last column is not checked here."""
    rows = csv.reader(io.StringIO(b"\n".join(archive.lines(name)).decode(), newline=""))
    heads, numbers = next(rows)[:-1], count(2)

    def check(record):
        same = next(rows, [])[:-1] == ([cell(record[head]) for head in heads] if record else [])
        demand(same, f"{name} record {next(numbers)}: it does not say what its record says")

    return check


def cell(value):
    text = "" if value is None else str(value)
    risky = text.startswith(("'", "\t", "\r", "\n")) or text.lstrip().startswith(("=", "+", "-", "@"))
    return ("'" if risky else "") + " ".join(text.splitlines())


def check_vouchers(archive, logged):
    authorities = x509.load_pem_x509_certificates(archive.content("keys/ca.pem"))
    keys = {key["kid"]: key for key in json.loads(archive.content("keys/results.jwks"))["keys"]}
    for name, number, line in archive.records("certificates"):
        certificate = x509.load_der_x509_certificate(b64url(line["certificate"]))
        claim = {key: line[key] for key in ("issuer", "serial", "device", "decision", "lineage")}
        claims = [content for _, content in logged["certificate"].get(f"{certificate.serial_number:x}", [])]
        demand(claim in claims, f"{name} record {number}: the log has no such certificate")
        issued = any(passes(certificate.verify_directly_issued_by, authority) for authority in authorities)
        demand(issued, f"{name} record {number}: no CA of the export signed it")
    for name, number, line in archive.records("attestation-results"):
        subject = jws_claims(line["attestation_result"], keys).get("sub")
        demand(subject == line["device"], f"{name} record {number}: no signed result of this device")


def jws_claims(text, keys):
    signed, _, signature = text.rpartition(".")
    header, payload = (json.loads(b64url(part)) for part in signed.split("."))
    key, raw = keys[header["kid"]], b64url(signature)
    x, y, r, s = (int.from_bytes(part, "big") for part in (b64url(key["x"]), b64url(key["y"]), raw[:32], raw[32:]))
    public = ec.EllipticCurvePublicNumbers(x, y, ec.SECP256R1()).public_key()
    arguments = (utils.encode_dss_signature(r, s), signed.encode(), ec.ECDSA(SHA256()))
    return payload if len(raw) == 64 and header["alg"] == "ES256" and passes(public.verify, *arguments) else {}


def verify(path, given=""):
    with open(path, "rb") as file:
        archive = Archive(file.read())
    try:
        vkey = parse_vkey(given or archive.content("log/vkey").decode("ascii", "replace"))
        manifest = check_manifest(archive, vkey)
        logged = check_log(archive, manifest, vkey)
        found = f"{check_parcels(archive, manifest, logged)} decisions, log of {manifest['log_size']} leaves"
        check_vouchers(archive, logged)
    except NO_RECORD as cause:
        raise WrongError(f"a record is none: {type(cause).__name__} {cause}") from cause
    return found + ("" if given else "\nthe log's key was taken from the file: compare it with the operator's")


def main(arguments):
    if len(arguments) not in (1, 2) or arguments[0].startswith("-"):
        return print(__doc__) or 2
    given = arguments[1] if len(arguments) == 2 else ""
    try:
        print(verify(arguments[0], given if not given or "+" in given else open(given).read()))
    except WrongError as cause:
        return print(f"{cause}\nNOT VERIFIED") or 1
    return print("verified, except that decisions were not made again; see the top of this program") or 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
