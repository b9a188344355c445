"""Revocation lists: a million entries rebuilt, and one shard of them made again after one revocation.

    python -m benchmarks.crl [--entries 1000000]

Entries come from SQLite, encoded as they were when their certificates were revoked. The rebuilt list is a whole one,
joined, signed and verified; beside it stands the bare signing of as many bytes.
"""

from __future__ import annotations

import argparse
import resource
import sqlite3
import statistics
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from tempfile import TemporaryDirectory

from cryptography.hazmat.primitives.asymmetric import ec

from benchmarks.issuance import Serials, founded
from pki.authority import issuer_of
from pki.crl_encoding import EntryReason, ListPlan, encode_entry
from pki.crl_issuing import ListAuthority
from pki.keys import KeyType
from pki.publication import SHARDS, serials_of
from pki.reservation import Registrar
from pki.software import SoftwareSigner
from pki.tbs import serial_number
from policyengine.adapters.keyfile import generate

NOW = datetime(2026, 11, 23, tzinfo=UTC)
STEP = 0x9E3779B97F4A7C15F39CC0605CEDC835  # odd, so that serials repeat only after 2^128


def stored(path: Path, entries: int) -> sqlite3.Connection:
    database = sqlite3.connect(path)
    database.execute("create table revocation (serial text primary key, entry blob) without rowid")
    rows = (
        (f"{serial:x}", encode_entry(serial, since=NOW, reason=EntryReason.KEY_COMPROMISE))
        for number in range(entries)
        for serial in [serial_number((number * STEP % 2**128).to_bytes(16, "big"))]
    )
    database.executemany("insert into revocation values (?, ?)", rows)
    database.commit()
    return database


def entries_of(database: sqlite3.Connection, first: str = "0", last: str = "f") -> Iterator[bytes]:
    clause = "select entry from revocation where serial between ? and ?"
    return (entry for (entry,) in database.execute(clause, (first, last)))


def timed(action: Callable[[], object]) -> float:
    start = time.perf_counter()
    action()
    return time.perf_counter() - start


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--entries", type=int, default=1_000_000)
    options = parser.parse_args()
    hierarchy = founded(Registrar(), Serials())
    key = generate(KeyType.P256)
    issuer = hierarchy.authority.issuer
    lists = ListAuthority(issuer=issuer, signer=hierarchy.authority._signer)
    assert isinstance(key, ec.EllipticCurvePrivateKey)
    assert issuer_of(hierarchy.issuing.certificate) == issuer
    plan = ListPlan(issuer=issuer, number=1, this_update=NOW, next_update=NOW + timedelta(days=1))
    with TemporaryDirectory() as folder:
        database = stored(Path(folder) / "entries.db", options.entries)
        before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024
        size = 0

        def rebuild() -> None:
            nonlocal size
            size = len(lists.sign_list(plan, entries_of(database), now=NOW))

        whole = [timed(rebuild) for _ in range(3)]
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024
        bare = timed(lambda: SoftwareSigner(key).sign(bytes(size)))
        shard = [timed(lambda at=at: one_shard(database, lists, plan, at)) for at in range(SHARDS)]
    print(f"{options.entries} entries, {size / 1e6:.1f} MB: rebuilt in {statistics.median(whole):.2f} s")
    print(f"  peak memory {peak} MB ({before} MB before); bare signing of as many bytes {bare:.2f} s")
    print(
        f"  one revocation into its shard: {1000 * statistics.median(shard):.1f} ms, worst {1000 * max(shard):.1f} ms"
    )


def one_shard(database: sqlite3.Connection, lists: ListAuthority, plan: ListPlan, shard: int) -> bytes:
    """A revocation is stored, and its shard made again."""
    first, last = serials_of(shard)
    serial = int(last, 16) - 1
    entry = encode_entry(serial, since=NOW, reason=EntryReason.KEY_COMPROMISE)
    database.execute("insert into revocation values (?, ?)", (f"{serial:x}", entry))
    database.commit()
    return lists.sign_list(plan, entries_of(database, first, last), now=NOW)


if __name__ == "__main__":
    main()
