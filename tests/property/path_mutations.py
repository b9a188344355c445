"""Chains with random defects, each judged by us and by `openssl verify`: the makers, and the judging in batches.

python -m tests.property.path_mutations 100000        # prints what only we accept, with its labels
"""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address, ip_network
from pathlib import Path
from random import Random
from tempfile import TemporaryDirectory

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from cryptography.x509.oid import ExtendedKeyUsageOID, ObjectIdentifier

from pki import der
from pki.certificates import load_certificate
from pki.chain import ANY_LEAF, examine_path
from pki.errors import PathError
from pki.keys import key_identifier
from pki.reservation import pem_of

AT = datetime(2026, 11, 23, tzinfo=UTC)
BATCH = 250  # chains in one call of openssl, which looks for issuers among all of them
KEYS = [ec.generate_private_key(ec.SECP256R1()) for _ in range(5)]
SPKI = [key.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo) for key in KEYS]
IDENTIFIERS = [key_identifier(spki) for spki in SPKI]
ECDSA_SHA256 = der.sequence(der.oid("1.2.840.10045.4.3.2"))
ECDSA_SHA384 = der.sequence(der.oid("1.2.840.10045.4.3.3"))
BASIC, USAGE, SKI, AKI, SAN = "2.5.29.19", "2.5.29.15", "2.5.29.14", "2.5.29.35", "2.5.29.17"
CONSTRAINTS, EKU, POLICIES = "2.5.29.30", "2.5.29.37", "2.5.29.32"
MAPPINGS, POLICY_CONSTRAINTS, INHIBIT_ANY = "2.5.29.33", "2.5.29.36", "2.5.29.54"
UNKNOWN = "1.3.6.1.4.1.99999.7"

Extension = tuple[str, bool, bytes]


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """One certificate before it is signed; `key` and `signer` are indexes into KEYS."""

    subject: bytes
    issuer: bytes
    key: int
    signer: int
    serial: int
    start: datetime = AT - timedelta(days=1)
    end: datetime = AT + timedelta(days=1)
    extensions: tuple[Extension, ...] = ()
    algorithm: bytes = ECDSA_SHA256
    outer_algorithm: bytes = ECDSA_SHA256
    flip: int | None = None

    def der(self) -> bytes:
        tbs = der.sequence(
            der.context(0, der.integer(2)),
            der.integer(self.serial),
            self.algorithm,
            self.issuer,
            der.sequence(der.time(self.start), der.time(self.end)),
            self.subject,
            SPKI[self.key],
            *([der.context(3, der.sequence(*map(encoded, self.extensions)))] if self.extensions else []),
        )
        signature = KEYS[self.signer].sign(tbs, ec.ECDSA(hashes.SHA256()))
        whole = der.sequence(tbs, self.outer_algorithm, der.bit_string(signature))
        return whole if self.flip is None else flipped(whole, self.flip)


def encoded(extension: Extension) -> bytes:
    oid, critical, value = extension
    return der.sequence(der.oid(oid), der.boolean_true() if critical else b"", der.octet_string(value))


def flipped(data: bytes, position: int) -> bytes:
    changed = bytearray(data)
    changed[position // 8 % len(data)] ^= 1 << position % 8
    return bytes(changed)


def name(text: str) -> bytes:
    return x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, text)]).public_bytes()


def key_usage(*bits: int) -> bytes:
    return der.named_bits(frozenset(bits))


def authority(key: int) -> bytes:
    return der.sequence(der.context_primitive(0, IDENTIFIERS[key]))


def ca(position: int, key: int, signer: int) -> tuple[Extension, ...]:
    return (
        (BASIC, True, der.sequence(der.boolean_true())),
        (USAGE, True, key_usage(5, 6)),
        (SKI, False, der.octet_string(IDENTIFIERS[key])),
        (AKI, False, authority(signer)),
    )


def sound(number: int) -> tuple[Part, ...]:
    """Root, two CAs and a leaf; their names are this chain's own, so that batches do not mix."""
    names = [name(f"{role} {number}") for role in ("root", "upper", "lower", "leaf")]
    leaf = (
        (BASIC, True, der.sequence()),
        (USAGE, True, key_usage(0)),
        (SKI, False, der.octet_string(IDENTIFIERS[3])),
        (AKI, False, authority(2)),
        (SAN, False, x509.SubjectAlternativeName([x509.DNSName("gw.devices.example")]).public_bytes()),
    )
    above = [0, 0, 1, 2]
    return tuple(
        Part(
            subject=names[position],
            issuer=names[above[position]],
            key=position,
            signer=above[position],
            serial=number * 8 + position + 1,
            extensions=leaf if position == 3 else ca(position, position, above[position]),
        )
        for position in range(4)
    )


def put(part: Part, oid: str, value: bytes, *, critical: bool) -> Part:
    rest = tuple(extension for extension in part.extensions if extension[0] != oid)
    return replace(part, extensions=(*rest, (oid, critical, value)))


def drop(part: Part, random: Random) -> Part:
    left = random.choice(part.extensions)[0] if part.extensions else ""
    return replace(part, extensions=tuple(extension for extension in part.extensions if extension[0] != left))


def toggle(part: Part, random: Random) -> Part:
    chosen = random.randrange(max(len(part.extensions), 1))
    return replace(
        part,
        extensions=tuple(
            (oid, critical ^ (position == chosen), value)
            for position, (oid, critical, value) in enumerate(part.extensions)
        ),
    )


def repeat(part: Part, random: Random) -> Part:
    return replace(part, extensions=(*part.extensions, *random.choices(part.extensions or (), k=1)))


def dates(part: Part, random: Random) -> Part:
    seconds = timedelta(seconds=random.choice([-90_000, -1, 0, 1, 90_000]))
    return replace(part, end=AT + seconds) if random.random() < 0.5 else replace(part, start=AT + seconds)


def basic(part: Part, random: Random) -> Part:
    flag = der.boolean_true() if random.random() < 0.7 else b""
    length = random.choice([b"", der.integer(0), der.integer(1), der.integer(-1), der.integer(300)])
    return put(part, BASIC, der.sequence(flag, length), critical=random.random() < 0.8)


def usage(part: Part, random: Random) -> Part:
    bits = [bit for bit in range(9) if random.random() < 0.4]
    return put(part, USAGE, key_usage(*bits), critical=random.random() < 0.5)


def identifiers(part: Part, random: Random) -> Part:
    if random.random() < 0.5:
        return put(part, SKI, der.octet_string(IDENTIFIERS[random.randrange(5)]), critical=random.random() < 0.2)
    by_serial = der.sequence(der.context_primitive(2, b"\x05"))
    value = random.choice([authority(random.randrange(5)), der.sequence(), by_serial])
    return put(part, AKI, value, critical=random.random() < 0.2)


def crossed(part: Part, random: Random) -> Part:
    other = random.randrange(5)
    return replace(part, signer=other) if random.random() < 0.5 else replace(part, key=other)


DOMAINS = ["devices.example", "gw.devices.example", "a.gw.devices.example", "elsewhere.example", "example", "example."]
HOSTS = [*DOMAINS, "*.devices.example", "gw.devices.example.", "*.devices.example."]
MAILS = ["a@devices.example", "b@gw.devices.example", "A@devices.example"]


def some_name(random: Random) -> x509.GeneralName:
    kind = random.randrange(5)
    if kind == 0:
        return x509.DNSName(random.choice(HOSTS))
    if kind == 1:
        return x509.RFC822Name(random.choice(MAILS))
    if kind == 2:
        return x509.UniformResourceIdentifier(f"https://{random.choice(HOSTS)}/x")
    if kind == 3:
        return x509.IPAddress(ip_address(random.choice(["192.0.2.1", "198.51.100.7", "2001:db8::1"])))
    return x509.DirectoryName(directory(random))


def directory(random: Random) -> x509.Name:
    unit = x509.NameAttribute(x509.NameOID.ORGANIZATIONAL_UNIT_NAME, random.choice(["a", "b"]))
    return x509.Name([x509.NameAttribute(x509.NameOID.ORGANIZATION_NAME, random.choice(["o", "O ", "p"])), unit])


def some_tree(random: Random) -> x509.GeneralName:
    kind = random.randrange(5)
    dot = random.choice(["", "", "."])
    if kind == 0:
        return x509.DNSName(dot + random.choice(DOMAINS))
    if kind == 1:
        return x509.RFC822Name(random.choice([*MAILS, dot + random.choice(DOMAINS)]))
    if kind == 2:
        return x509.UniformResourceIdentifier(dot + random.choice(DOMAINS))
    if kind == 3:
        return x509.IPAddress(ip_network(random.choice(["192.0.2.0/24", "0.0.0.0/0", "2001:db8::/32", "::/0"])))
    return x509.DirectoryName(x509.Name(directory(random).rdns[: random.choice([1, 1, 2])]))


def alternative(part: Part, random: Random) -> Part:
    names = [some_name(random) for _ in range(random.randrange(1, 4))]
    return put(part, SAN, x509.SubjectAlternativeName(names).public_bytes(), critical=random.random() < 0.2)


def constraints(part: Part, random: Random) -> Part:
    trees = [some_tree(random) for _ in range(random.randrange(1, 4))]
    permitted = [tree for tree in trees if random.random() < 0.6]
    excluded = [tree for tree in trees if tree not in permitted]
    value = x509.NameConstraints(permitted or None, excluded or None).public_bytes()
    return put(part, CONSTRAINTS, value, critical=random.random() < 0.9)


OIDS = ["1.3.6.1.4.1.99999.1", "1.3.6.1.4.1.99999.2", "2.5.29.32.0"]


def policies(part: Part, random: Random) -> Part:
    chosen = random.sample(OIDS, random.randrange(1, 4))
    value = der.sequence(*(der.sequence(der.oid(policy)) for policy in chosen))
    return put(part, POLICIES, value, critical=random.random() < 0.3)


def policy_limits(part: Part, random: Random) -> Part:
    skip = random.randrange(3)
    kind = random.randrange(4)
    if kind == 0:
        return put(part, INHIBIT_ANY, der.integer(skip), critical=random.random() < 0.8)
    if kind == 1:
        pair = der.sequence(der.oid(random.choice(OIDS)), der.oid(random.choice(OIDS)))
        return put(part, MAPPINGS, der.sequence(pair), critical=random.random() < 0.5)
    value = der.sequence(der.context_primitive(kind - 2, bytes((skip,))))
    return put(part, POLICY_CONSTRAINTS, value, critical=random.random() < 0.8)


def demanded(part: Part, random: Random) -> Part:
    at_once = der.sequence(der.context_primitive(0, b"\x00"))
    return policies(put(part, POLICY_CONSTRAINTS, at_once, critical=True), random)


def purposes(part: Part, random: Random) -> Part:
    known = [ExtendedKeyUsageOID.CLIENT_AUTH, ExtendedKeyUsageOID.SERVER_AUTH, ObjectIdentifier("1.2.3")]
    uses = random.sample(known, 2)
    return put(part, EKU, x509.ExtendedKeyUsage(uses).public_bytes(), critical=random.random() < 0.3)


def unknown(part: Part, random: Random) -> Part:
    return put(part, UNKNOWN, b"\x05\x00", critical=random.random() < 0.5)


def subject(part: Part, random: Random) -> Part:
    texts = [directory(random).public_bytes(), der.sequence(), name("gw.elsewhere.example")]
    return replace(part, subject=random.choice(texts))


def serial(part: Part, random: Random) -> Part:
    return replace(part, serial=random.choice([0, -1, 1 << 158, 1 << 166]))


def algorithm(part: Part, random: Random) -> Part:
    if random.random() < 0.5:
        return replace(part, algorithm=ECDSA_SHA384)
    return replace(part, algorithm=ECDSA_SHA384, outer_algorithm=ECDSA_SHA384)


def flip(part: Part, random: Random) -> Part:
    return replace(part, flip=random.randrange(1 << 16))


MUTATIONS: tuple[Callable[[Part, Random], Part], ...] = (
    drop, toggle, repeat, dates, basic, usage, identifiers, crossed, alternative, constraints, policies, policy_limits,
    demanded, purposes, unknown, subject, serial, algorithm, flip,
)  # fmt: skip
BENIGN = (alternative, constraints, policies, policy_limits, demanded, purposes, basic, usage)  # many stay valid


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """One chain, root first, and what was done to it."""

    chain: tuple[bytes, ...]
    labels: tuple[str, ...]


def case(number: int, random: Random) -> Case:
    parts = list(sound(number))
    labels = []
    for _ in range(random.randrange(1, 5)):
        mutation = random.choice(MUTATIONS if random.random() < 0.5 else BENIGN)
        position = random.choice([0, 1, 1, 2, 2, 3, 3, 3])
        parts[position] = mutation(parts[position], random)
        labels.append(f"{mutation.__name__}@{position}")
    return Case(chain=tuple(part.der() for part in parts), labels=tuple(labels))


def accepted_by_us(one: Case) -> bool:
    root, *between, leaf = one.chain
    return examine_path(leaf, intermediates=between, anchors=[root], at=AT, rules=ANY_LEAF).accepted


_REFUSED = re.compile(r"^error (\d+) at \d+ depth lookup", re.MULTILINE)


def refused_by_openssl(cases: list[Case]) -> dict[int, frozenset[int]]:
    """Return the positions of the refused chains with openssl's error numbers (none: it could not read the leaf)."""
    with TemporaryDirectory() as folder:
        there = Path(folder)
        (there / "roots").write_text("".join(pem_of(one.chain[0]) for one in cases if readable(one.chain[0])))
        between = [certificate for one in cases for certificate in one.chain[1:3]]
        (there / "between").write_text("".join(pem_of(each) for each in between if readable(each)))
        for position, one in enumerate(cases):
            (there / str(position)).write_text(pem_of(one.chain[3]))
        command = [
            "openssl",
            "verify",
            "-x509_strict",
            "-policy_check",
            "-policy",
            "2.5.29.32.0",
            "-attime",
            str(int(AT.timestamp())),
        ]
        command += ["-CAfile", "roots", "-untrusted", "between", *map(str, range(len(cases)))]
        said = subprocess.run(command, cwd=there, capture_output=True, text=True, check=False, errors="replace")
    fine = {int(found) for found in re.findall(r"^(\d+): OK$", said.stdout, re.MULTILINE)}
    return reasons(said.stderr, set(range(len(cases))) - fine)


def readable(certificate: bytes) -> bool:
    """Whether we can read it: what we cannot read we do not accept, and openssl would drop the whole file for it."""
    try:
        load_certificate(certificate)
    except PathError:
        return False
    return True


def reasons(text: str, refused: set[int]) -> dict[int, frozenset[int]]:
    found: dict[int, set[int]] = {position: set() for position in refused}
    errors: set[int] = set()
    for line in text.splitlines():
        if at := _REFUSED.match(line):
            errors.add(int(at.group(1)))
        elif done := re.match(r"^error (\d+): verification failed", line):
            found[int(done.group(1))] = errors
            errors = set()
    return {position: frozenset(errors) for position, errors in found.items()}


def only_ours(count: int, random: Random) -> Iterator[tuple[Case, frozenset[int]]]:
    """Yield each of `count` chains that we accept and openssl refuses, with openssl's error numbers."""
    for start in range(0, count, BATCH):
        cases = [case(number, random) for number in range(start, min(start + BATCH, count))]
        ours = {position for position, one in enumerate(cases) if accepted_by_us(one)}
        refused = refused_by_openssl(cases)
        STATISTICS["chains"] += len(cases)
        STATISTICS["accepted by us"] += len(ours)
        STATISTICS["accepted by openssl"] += len(cases) - len(refused)
        for position in sorted(ours & set(refused)):
            alone = refused_by_openssl([cases[position]])  # a flipped name may be that of another chain in the batch
            if alone:
                yield cases[position], alone[0]


WRITTEN_REASONS = {  # errors of openssl verify -x509_strict for chains that we accept knowingly
    2: "an anchor is trusted as it is given; its issuer's name is nobody's business",
    10: "the last second of validity is valid (RFC 5280 section 4.1.2.5); openssl ends one second early",
    81: "only with 92: a path length beside no key usage",
    89: "RFC 5280 section 6.1.4 (k) asks an intermediate for the CA flag, not for a critical extension; so does PKITS",
    92: "old device CAs have no key usage; RFC 5280 section 6.1.4 (n) checks it where it is present",
}
STATISTICS = {"chains": 0, "accepted by us": 0, "accepted by openssl": 0}

if __name__ == "__main__":
    seed = int(sys.argv[2]) if len(sys.argv) > 2 else 5280
    sys.stdout.write(f"seed {seed}\n")
    for found, errors in only_ours(int(sys.argv[1]), Random(seed)):
        if not errors or errors - set(WRITTEN_REASONS):
            sys.stdout.write(f"{sorted(errors)} {' '.join(found.labels)}\n")
    sys.stdout.write(f"{STATISTICS}\n")
