"""Credential activation: only the TPM with the EK reads the secret, and only for the key it was wrapped for."""

from __future__ import annotations

from dataclasses import replace

import pytest
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, padding
from hypothesis import given
from hypothesis import strategies as st

from policyengine.attestation.errors import MalformedEvidenceError
from policyengine.attestation.tpm.algorithms import SHA256
from policyengine.attestation.tpm.credential import ENTROPY_BYTES, Credential, make_credential, oaep
from policyengine.attestation.tpm.structures import PublicArea, read_public
from policyengine.simulation import tpm
from tests.unit.attestation.tpm_device import AK, DEVICE_KEY, rsa_key

SECRET, ENTROPY = bytes(range(32)), bytes(range(ENTROPY_BYTES))
EKS = {
    "rsa": tpm.TpmKey(private=rsa_key("ek"), template=tpm.EK),
    "p256": tpm.TpmKey(private=ec.derive_private_key(0x4001, ec.SECP256R1()), template=tpm.EK),
    "p384": tpm.TpmKey(
        private=ec.derive_private_key(0x4002, ec.SECP384R1()),
        template=replace(tpm.EK, name_hash="sha384", aes_bits=256),
    ),
    "p521": tpm.TpmKey(
        private=ec.derive_private_key(0x4003, ec.SECP521R1()),
        template=replace(tpm.EK, name_hash="sha512", aes_bits=256),
    ),
}


def public(ek: tpm.TpmKey) -> PublicArea:
    return read_public(ek.public)


def wrapped(ek: tpm.TpmKey, *, name: bytes = AK.name, entropy: bytes = ENTROPY) -> Credential:
    return make_credential(public(ek), name=name, secret=SECRET, entropy=entropy)


def activated(ek: tpm.TpmKey, credential: Credential, *, name: bytes = AK.name) -> bytes | None:
    return tpm.activate_credential(
        ek, name=name, id_object=credential.id_object, encrypted_secret=credential.encrypted_secret
    )


@pytest.mark.parametrize("kind", EKS)
def test_the_tpm_with_the_ek_and_the_key_reads_the_secret(kind: str) -> None:
    """Part 1 section 24; the TPM's side decrypts RSA-OAEP by the library, not by our encoding."""
    assert activated(EKS[kind], wrapped(EKS[kind])) == SECRET


@pytest.mark.parametrize("kind", EKS)
def test_a_tpm_with_another_key_than_the_named_one_refuses(kind: str) -> None:
    """The name is authenticated: a software key cannot borrow the EK of a genuine TPM."""
    assert activated(EKS[kind], wrapped(EKS[kind]), name=DEVICE_KEY.name) is None


def test_another_tpm_cannot_read_the_secret() -> None:
    other = replace(EKS["p256"], private=ec.derive_private_key(0x4009, ec.SECP256R1()))
    assert activated(other, wrapped(EKS["p256"])) is None


@pytest.mark.parametrize("kind", EKS)
def test_the_same_entropy_gives_the_same_bytes_and_other_entropy_others(kind: str) -> None:
    other = bytes(reversed(ENTROPY))
    assert wrapped(EKS[kind]) == wrapped(EKS[kind])
    assert wrapped(EKS[kind]).encrypted_secret != wrapped(EKS[kind], entropy=other).encrypted_secret


@given(message=st.binary(max_size=64), salt=st.binary(min_size=32, max_size=32), label=st.binary(max_size=16))
def test_our_oaep_is_what_the_library_decrypts(message: bytes, salt: bytes, label: bytes) -> None:
    """RFC 8017 section 7.1.1."""
    key = rsa_key("ek")
    numbers = key.public_key().public_numbers()
    block = oaep(SHA256, 256, message, label=label, salt=salt)
    cipher = pow(int.from_bytes(block, "big"), numbers.e, numbers.n).to_bytes(256, "big")
    scheme = padding.OAEP(padding.MGF1(hashes.SHA256()), hashes.SHA256(), label)
    assert key.decrypt(cipher, scheme) == message


@pytest.mark.parametrize(
    "template",
    [replace(tpm.EK, aes_bits=None), replace(tpm.EK, aes_bits=64), replace(tpm.EK, name_hash="sha1")],
    ids=["no-cipher", "weak-cipher", "weak-name"],
)
def test_an_ek_that_cannot_wrap_is_refused(template: tpm.Template) -> None:
    with pytest.raises(MalformedEvidenceError) as caught:
        wrapped(replace(EKS["p256"], template=template))
    assert caught.value.code == "tpm.ek"


@pytest.mark.parametrize(("secret", "entropy"), [(b"", ENTROPY), (bytes(33), ENTROPY), (SECRET, ENTROPY[1:])])
def test_a_secret_or_entropy_of_the_wrong_length_is_a_fault_of_the_caller(secret: bytes, entropy: bytes) -> None:
    with pytest.raises(ValueError, match="wrong length"):
        make_credential(public(EKS["p256"]), name=AK.name, secret=secret, entropy=entropy)
