"""The page inside an export that says what is in it and how to check it without us."""

from __future__ import annotations

READ_ME = """Evidence export of policyengine

report.html                what was true, for people
csv/                       the same as tables: controls, findings (verdicts, from when to when), decisions, ...
assessment-results.json    the same as OSCAL 1.2.1
devices/                   the registry's rows when the export was made
decisions/, documents/     each decision's inputs and, line for line, the decision itself as it was recorded
facts/, priors/            what decisions were made from; the SHA-256 of a line is its name
verdicts/                  what each rule said of each device, from when to when
bundles/                   the policies in force; the SHA-256 of a file is its name
waivers/                   exceptions and who approved them
certificates/              certificates that were issued, DER in base64url
attestation-results/       the last signed result (EAR) of each device, where it is still kept
leaves/                    the leaves of the transparency log that all this became, with their salts
log/                       the signed checkpoint, the hashes that lead from the leaves to it, and the log's key
keys/                      the CAs and the key of attestation results
manifest.json, .sig        every file's digests, signed with the log's key

Each file of records has the SHA-256 of each of its lines beside it (NAME.sha256).

Verify it with `policyengine audit verify FILE --vkey KEY`, or with tools/verify_export.py of the project, which needs
Python and the package `cryptography` and shares no line with the program. Take KEY from the log's operator or from a
checkpoint you kept: whoever made a false file could have put a false key into it.

Raw evidence is not in here and is not kept by the server: facts name it by digest, so that evidence kept elsewhere can
be compared. Site and zone of a device are those of the registry when the export was made.
"""
