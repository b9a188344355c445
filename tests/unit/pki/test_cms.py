"""Detached signatures (RFC 5652): those of other implementations are believed, and every change of one is not."""

from __future__ import annotations

import subprocess
from datetime import UTC, datetime
from pathlib import Path

import pytest
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, pkcs7

from pki import der
from pki.certificates import name_text
from pki.cms import MAX_MESSAGE_BYTES, CmsError, verify_detached
from policyengine.simulation.vendor import make_vendor_ca
from tests.support.mud_signer import KEY, SUBJECT, MudSigner, make_signer

NOW = datetime(2026, 11, 23, tzinfo=UTC)
DATA = frozenset({"1.2.840.113549.1.7.1"})
CONTENT = b'{"a file": true}\n'
CA = make_vendor_ca(
    "vendor-acme",
    root_key=ec.derive_private_key(1, ec.SECP256R1()),
    issuing_key=ec.derive_private_key(2, ec.SECP256R1()),
    now=NOW,
    entropy=bytes(range(1, 33)),
)
SIGNER = make_signer(CA, now=NOW)
SIGNED = SIGNER.sign(CONTENT)


def code_of(message: bytes, content: bytes = CONTENT, types: frozenset[str] = DATA) -> str:
    with pytest.raises(CmsError) as refused:
        verify_detached(message, content, types=types)
    return refused.value.code


@pytest.mark.parametrize("digest", [hashes.SHA256(), hashes.SHA384(), hashes.SHA512()], ids=lambda each: each.name)
def test_a_signature_over_the_content_names_its_signer(digest: pkcs7.PKCS7HashTypes) -> None:
    found = verify_detached(SIGNER.sign(CONTENT, digest), CONTENT, types=DATA)
    assert (found.certificate, found.others) == (SIGNER.certificate, (SIGNER.issuing,))
    assert name_text(found.certificate.subject) == SUBJECT


def openssl_signed(folder: Path, signer: MudSigner, *options: str) -> bytes:
    """Sign as RFC 8520 section 13.1 shows."""
    key = signer.key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    for name, content in {"key": key, "cert": signer.certificate.public_bytes(Encoding.PEM), "file": CONTENT}.items():
        (folder / name).write_bytes(content)
    (folder / "chain").write_bytes(signer.issuing.public_bytes(Encoding.PEM))
    command = ["openssl", "cms", "-sign", "-signer", "cert", "-inkey", "key", "-in", "file", "-binary"]
    made = [*command, "-outform", "DER", "-certfile", "chain", "-out", "file.p7s", *options]
    subprocess.run(made, cwd=folder, check=True, capture_output=True)
    return (folder / "file.p7s").read_bytes()


@pytest.mark.parametrize("options", [(), ("-keyid",), ("-md", "sha512")], ids=["plain", "by key identifier", "sha512"])
def test_a_signature_of_openssl_is_believed(tmp_path: Path, options: tuple[str, ...]) -> None:
    """RFC 8520 section 13.1."""
    found = verify_detached(openssl_signed(tmp_path, SIGNER, *options), CONTENT, types=DATA)
    assert found.certificate == SIGNER.certificate


def test_a_signature_without_signed_attributes_is_refused(tmp_path: Path) -> None:
    assert code_of(openssl_signed(tmp_path, SIGNER, "-noattr")) == "cms.attributes"


def test_a_signature_that_holds_its_content_is_refused(tmp_path: Path) -> None:
    assert code_of(openssl_signed(tmp_path, SIGNER, "-nodetach")) == "cms.attached"


def test_a_signature_with_sha1_is_refused(tmp_path: Path) -> None:
    assert code_of(openssl_signed(tmp_path, SIGNER, "-md", "sha1")) == "cms.algorithm"


def test_a_signature_without_its_certificate_is_refused(tmp_path: Path) -> None:
    assert code_of(openssl_signed(tmp_path, SIGNER, "-nocerts")) == "cms.signer"


def test_another_content_is_refused() -> None:
    assert code_of(SIGNED, CONTENT + b" ") == "cms.digest"


def test_content_of_another_type_is_refused() -> None:
    """What was signed as something else does not speak as a file of this kind."""
    assert code_of(SIGNED, types=frozenset({"1.2.840.113549.1.9.16.1.41"})) == "cms.type"


def test_a_message_beyond_the_limit_is_refused_unread() -> None:
    assert code_of(SIGNED + bytes(MAX_MESSAGE_BYTES)) == "cms.malformed"


@pytest.mark.parametrize("form", ["PEM", "SMIME"])
def test_a_signature_in_another_form_is_refused_with_what_to_do(tmp_path: Path, form: str) -> None:
    with pytest.raises(CmsError, match="-outform DER"):
        verify_detached(openssl_signed(tmp_path, SIGNER, "-outform", form), CONTENT, types=DATA)


def test_two_signers_are_refused() -> None:
    builder = pkcs7.PKCS7SignatureBuilder().set_data(CONTENT)
    for key in (KEY, ec.derive_private_key(3, ec.SECP384R1())):
        builder = builder.add_signer(make_signer(CA, now=NOW, key=key).certificate, key, hashes.SHA256())
    both = builder.sign(Encoding.DER, [pkcs7.PKCS7Options.DetachedSignature, pkcs7.PKCS7Options.Binary])
    assert code_of(both) == "cms.signer"


def test_a_signed_attribute_that_stands_there_twice_is_refused() -> None:
    """RFC 5652 section 11: one instance, one value."""
    digest = der.sequence(der.oid("1.2.840.113549.1.9.4"), der.set_of(der.octet_string(bytes(32))))
    start = SIGNED.index(der.oid("1.2.840.113549.1.9.4")) - 2
    end = start + len(digest)
    assert code_of(_grown(SIGNED, start, end)) == "cms.attributes"


def _grown(message: bytes, start: int, end: int) -> bytes:
    """Return `message` with the element between `start` and `end` twice, every length around it mended."""

    def grow(offset: int, stop: int) -> bytes:
        found = b""
        while offset < stop:
            element, after = der.read(message, offset)
            inner = after - len(element.content)
            if offset == start:
                found += element.encoded * 2
            elif offset < start < after:
                found += der.tlv(element.tag, grow(inner, after))
            else:
                found += element.encoded
            offset = after
        return found

    return grow(0, len(message))


def test_no_flipped_bit_makes_another_key_speak() -> None:
    """A changed certificate with the same key is for path validation to refuse."""
    for at in range(len(SIGNED)):
        changed = bytearray(SIGNED)
        changed[at] ^= 1 << at % 8
        try:
            found = verify_detached(bytes(changed), CONTENT, types=DATA)
        except CmsError:
            continue
        assert found.certificate.public_key() == KEY.public_key()


def test_a_message_that_is_cut_short_is_refused() -> None:
    assert {code_of(SIGNED[:length]) for length in range(len(SIGNED))} == {"cms.malformed"}


def test_an_rsa_signature_is_believed() -> None:
    """RFC 3370 section 3.2: the algorithm is named rsaEncryption, and the digest says the rest."""
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    certificate = make_signer(CA, now=NOW, key=key).certificate
    builder = pkcs7.PKCS7SignatureBuilder().set_data(CONTENT).add_signer(certificate, key, hashes.SHA256())
    signed = builder.sign(Encoding.DER, [pkcs7.PKCS7Options.DetachedSignature, pkcs7.PKCS7Options.Binary])
    assert verify_detached(signed, CONTENT, types=DATA).certificate == certificate
