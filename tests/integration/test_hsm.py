"""Keys in a real SoftHSM2 token: they sign what others verify, and errors say what to do."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from pki.authority import Order, issue
from pki.chain import validate_path
from pki.crl_encoding import ListPlan
from pki.crl_lists import load_crl
from pki.hierarchy import Founding, found
from pki.keys import KeyType
from pki.request import held_key
from pki.reservation import Registrar
from pki.signatures import check_signature
from pki.software import SoftwareSigner
from policyengine.adapters import rollover
from policyengine.adapters.authority import CROSS, FleetNames, certificate_in, create_authority, open_authority
from policyengine.adapters.hsm import HsmError, HsmSigner, Token, TokenPlace
from tests.support.site import FakeEntropy
from tests.unit.pki.making import FIELDS, KEYS, NOW, MemoryLedger, entropy, terms

MODULES = (
    "/usr/lib/softhsm/libsofthsm2.so",
    "/usr/lib64/pkcs11/libsofthsm2.so",
    "/usr/local/lib/softhsm/libsofthsm2.so",
)
KINDS = (KeyType.P256, KeyType.P384, KeyType.RSA)


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[TokenPlace]:
    module = next((Path(each) for each in MODULES if Path(each).exists()), None)
    program = shutil.which("softhsm2-util")
    if module is None or program is None:
        pytest.skip("SoftHSM2 is not installed (softhsm2)")
    there = tmp_path_factory.mktemp("softhsm")
    (there / "tokens").mkdir()
    (there / "softhsm2.conf").write_text(f"directories.tokendir = {there / 'tokens'}\nlog.level = ERROR\n")
    os.environ["SOFTHSM2_CONF"] = str(there / "softhsm2.conf")
    command = [program, "--init-token", "--free", "--label", "plant", "--so-pin", "so-12345", "--pin", "user-1234"]
    subprocess.run(command, check=True, capture_output=True)
    (there / "pin").write_text("user-1234\n")
    (there / "pin").chmod(0o600)
    yield TokenPlace(module=module, token="plant", pin_file=there / "pin")
    del os.environ["SOFTHSM2_CONF"]


@pytest.fixture(scope="module")
def token(place: TokenPlace) -> Token:
    opened = Token(place)
    for kind in KINDS:
        opened.generate(kind.value, kind)
    return opened


@pytest.mark.parametrize("kind", KINDS)
def test_another_implementation_verifies_what_the_token_signs(token: Token, kind: KeyType) -> None:
    signer = HsmSigner(token, kind.value)
    check_signature(signer.public_key, oid=signer.algorithm.oid, signature=signer.sign(b"data"), data=b"data")


@pytest.mark.parametrize("kind", KINDS)
def test_openssl_accepts_a_certificate_that_a_token_signed(token: Token, kind: KeyType, tmp_path: Path) -> None:
    registrar = Registrar()
    ledger = MemoryLedger(registrar)
    draws = iter(range(10))
    hierarchy = found(
        Founding(fleet_name="Plant A", domains=("devices.example",), addresses=(), now=NOW),
        root=SoftwareSigner(KEYS[0]),
        issuing=HsmSigner(token, kind.value),
        ledger=ledger,
        registrar=registrar,
        entropy=lambda size: entropy(f"hsm {kind} {next(draws)}", size),
    )
    order = Order(terms=terms(), key=held_key(SoftwareSigner(KEYS[2])), fields=FIELDS, authorization="sha256:decision")
    leaf = issue(hierarchy.authority, ledger, order, now=NOW, entropy=entropy("leaf"))
    for name, issued in (("root", hierarchy.root), ("issuing", hierarchy.issuing), ("leaf", leaf)):
        (tmp_path / name).write_text(issued.pem)
    command = ["openssl", "verify", "-x509_strict", "-attime", str(int(NOW.timestamp())), "-CAfile", "root"]
    said = subprocess.run([*command, "-untrusted", "issuing", "leaf"], cwd=tmp_path, capture_output=True, check=False)
    assert said.returncode == 0, said.stderr


def test_many_threads_share_a_key(token: Token) -> None:
    signer = HsmSigner(token, "p256")
    with ThreadPoolExecutor(16) as threads:
        made = list(threads.map(lambda number: (number, signer.sign(b"%d" % number)), range(64)))
    for number, signature in made:
        check_signature(signer.public_key, oid=signer.algorithm.oid, signature=signature, data=b"%d" % number)


def test_a_token_that_lost_its_sessions_is_opened_again(token: Token) -> None:
    signer = HsmSigner(token, "p256")
    signer.sign(b"before")
    signer._key.session.close()
    check_signature(signer.public_key, oid=signer.algorithm.oid, signature=signer.sign(b"after"), data=b"after")


def test_nothing_of_the_key_can_be_read(token: Token) -> None:
    from pkcs11 import Attribute, ObjectClass
    from pkcs11.exceptions import AttributeSensitive

    key = token.session().get_key(object_class=ObjectClass.PRIVATE_KEY, label="p256")
    assert (key[Attribute.SENSITIVE], key[Attribute.EXTRACTABLE]) == (True, False)
    with pytest.raises(AttributeSensitive):
        key[Attribute.VALUE]


def test_a_label_that_is_taken_is_not_overwritten(token: Token) -> None:
    with pytest.raises(HsmError) as refused:
        token.generate("p256", KeyType.P256)
    assert refused.value.code == "hsm.key-exists"


def test_a_key_that_is_not_there_is_named_so(token: Token) -> None:
    with pytest.raises(HsmError) as refused:
        HsmSigner(token, "nobody")
    assert refused.value.code == "hsm.key-missing"


@pytest.mark.parametrize(
    ("change", "code"),
    [({"token": "elsewhere"}, "hsm.token"), ({"module": Path("/nowhere/none.so")}, "hsm.module")],
    ids=["token", "module"],
)
def test_what_is_not_there_is_named(place: TokenPlace, change: dict[str, object], code: str) -> None:
    with pytest.raises(HsmError) as refused:
        Token(replace(place, **change))
    assert refused.value.code == code


def test_an_authority_whose_issuing_key_is_in_the_token_is_founded_and_opened(
    place: TokenPlace, token: Token, tmp_path: Path
) -> None:
    names = FleetNames(fleet="Plant H", domains=("devices.example",))
    directory, secret = tmp_path / "ca", b"correct horse battery"
    draws = iter(range(1000))
    create_authority(
        directory,
        passphrase=secret,
        names=names,
        now=NOW,
        entropy=lambda size: entropy(f"hsm authority {next(draws)}", size),
        token=place,
    )
    assert not (directory / "issuing.key").exists()
    registrar = Registrar()
    stored = open_authority(directory, passphrase=secret, registrar=registrar)
    order = Order(terms=terms(), key=held_key(SoftwareSigner(KEYS[2])), fields=FIELDS, authorization="sha256:decision")
    leaf = issue(stored.authority, MemoryLedger(registrar), order, now=NOW, entropy=entropy("leaf of hsm"))
    assert validate_path(leaf.certificate, intermediates=[stored.issuing], anchors=[stored.root], at=NOW)
    plan = ListPlan(issuer=stored.lists.issuer, number=1, this_update=NOW, next_update=NOW + timedelta(days=1))
    assert load_crl(stored.lists.sign_list(plan, (), now=NOW)).is_signature_valid(stored.issuing.public_key())


def test_a_new_root_and_ca_follow_one_whose_key_is_in_the_token(
    place: TokenPlace, token: Token, tmp_path: Path
) -> None:
    """Both issuing keys stay in the token: the old root vouches for the new one, and devices of either have a path."""
    directory, secret = tmp_path / "ca", b"correct horse battery"
    draw, later = FakeEntropy(seed=43).draw, NOW + timedelta(days=1)
    names = FleetNames(fleet="Plant R", domains=("devices.example",))
    create_authority(directory, passphrase=secret, names=names, now=NOW, entropy=draw, token=place)
    old = directory / "root.pem"
    root = rollover.RootKey(file=directory / "root.key", passphrase=secret)
    rollover.Rotation(directory, passphrase=secret, root=root, now=later, entropy=draw).root()
    rollover.publish(directory, now=later)
    rollover.switch(directory, now=later)
    registrar = Registrar()
    stored = open_authority(directory, passphrase=secret, registrar=registrar)
    order = Order(terms=terms(), key=held_key(SoftwareSigner(KEYS[2])), fields=FIELDS, authorization="sha256:decision")
    leaf = issue(stored.authority, MemoryLedger(registrar), order, now=later, entropy=entropy("leaf after rotation"))
    cross = certificate_in(directory / "g2" / CROSS)
    for above, anchor in ((cross, certificate_in(old)), (stored.issuing, stored.root)):
        assert validate_path(leaf.certificate, intermediates=[above], anchors=[anchor], at=later)
    assert (
        sorted(each.name for each in directory.rglob("issuing.*"))
        == ["issuing.hsm.json", "issuing.hsm.json"] + ["issuing.pem"] * 2
    )


def test_a_wrong_pin_is_refused_in_a_process_of_its_own(place: TokenPlace, tmp_path: Path) -> None:
    """A login lasts as long as its process, so a wrong PIN can only be tried in another."""
    import sys

    (tmp_path / "pin").write_text("wrong-0000")
    (tmp_path / "pin").chmod(0o600)
    code = (
        "from pathlib import Path; from policyengine.adapters.hsm import *\n"
        f"module, pin = Path({str(place.module)!r}), Path({str(tmp_path / 'pin')!r})\n"
        "try: Token(TokenPlace(module=module, token='plant', pin_file=pin))\n"
        "except HsmError as error: print(error.code)"
    )
    said = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert said.stdout.strip() == "hsm.pin", said.stderr
