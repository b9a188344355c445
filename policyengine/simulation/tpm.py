"""A TPM 2.0 as far as check-ins need one: keys with public areas and names, quotes, certifications, activation.

Written from the TPM's side of the specification and sharing no code with the verifier. Every field can be given, so
that evidence can also be made wrong on purpose.
"""

from __future__ import annotations

import hashlib
import hmac
import struct
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import cbor2
from cryptography.hazmat.decrepit.ciphers.modes import CFB
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature
from cryptography.hazmat.primitives.ciphers import Cipher
from cryptography.hazmat.primitives.ciphers.algorithms import AES

PrivateKey = ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey

GENERATED, QUOTE, CERTIFY = 0xFF544347, 0x8018, 0x8017
RSASSA, RSAPSS, ECDSA, NULL = 0x0014, 0x0016, 0x0018, 0x0010
ENDORSEMENT, OWNER = b"\x40\x00\x00\x0b", b"\x40\x00\x00\x01"
FIXED = 1 << 1 | 1 << 4 | 1 << 5  # fixedTPM, fixedParent, sensitiveDataOrigin
USER_WITH_AUTH, RESTRICTED, DECRYPT, SIGN = 1 << 6, 1 << 16, 1 << 17, 1 << 18
HASH_IDS = {"sha1": 0x0004, "sha256": 0x000B, "sha384": 0x000C, "sha512": 0x000D}

_SIGNING = {"sha1": hashes.SHA1(), "sha256": hashes.SHA256(), "sha384": hashes.SHA384(), "sha512": hashes.SHA512()}  # noqa: S303 - weak quotes are made on purpose
_CURVES = {"secp256r1": 0x0003, "secp384r1": 0x0004, "secp521r1": 0x0005}

Values = Mapping[str, Mapping[int, bytes]]  # bank -> PCR -> value


@dataclass(frozen=True, slots=True, kw_only=True)
class Template:
    """What a key may do: TPMA_OBJECT bits, signature scheme (`None`: unbound), hash of scheme and name, AES bits."""

    attributes: int
    scheme: int | None = None
    hash: str = "sha256"
    name_hash: str = "sha256"
    aes_bits: int | None = None


AK = Template(attributes=FIXED | USER_WITH_AUTH | RESTRICTED | SIGN, scheme=ECDSA)
RSA_AK = replace(AK, scheme=RSASSA)
EK = Template(attributes=FIXED | RESTRICTED | DECRYPT, aes_bits=128)
DEVICE_KEY = Template(attributes=FIXED | USER_WITH_AUTH | SIGN)


@dataclass(frozen=True, slots=True, kw_only=True)
class TpmKey:
    """A key in a simulated TPM; `parent` is the qualified name above it, or the handle of a hierarchy."""

    private: PrivateKey
    template: Template
    parent: bytes = ENDORSEMENT

    @property
    def public(self) -> bytes:
        """The TPMT_PUBLIC."""
        template, kind = self.template, 0x0001 if isinstance(self.private, rsa.RSAPrivateKey) else 0x0023
        symmetric = NULL.to_bytes(2, "big")
        if template.aes_bits is not None:
            symmetric = struct.pack(">HHH", 0x0006, template.aes_bits, 0x0043)  # AES in CFB mode
        scheme = NULL.to_bytes(2, "big")
        if template.scheme is not None:
            scheme = struct.pack(">HH", template.scheme, HASH_IDS[template.hash])
        head = struct.pack(">HHI", kind, HASH_IDS[template.name_hash], template.attributes)
        return head + sized(b"") + symmetric + scheme + _unique(self.private)

    @property
    def name(self) -> bytes:
        """The name: nameAlg and digest of the public area."""
        return self._identified(self.public)

    @property
    def qualified_name(self) -> bytes:
        """The qualified name, which names every key above it."""
        return self._identified(self.parent + self.name)

    def _identified(self, data: bytes) -> bytes:
        algorithm = self.template.name_hash
        return HASH_IDS[algorithm].to_bytes(2, "big") + hashlib.new(algorithm, data).digest()


def _unique(private: PrivateKey) -> bytes:
    if isinstance(private, rsa.RSAPrivateKey):
        numbers = private.public_key().public_numbers()
        modulus = numbers.n.to_bytes(private.key_size // 8, "big")
        exponent = 0 if numbers.e == 65537 else numbers.e  # the default is written as 0
        return struct.pack(">HI", private.key_size, exponent) + sized(modulus)
    point, size = private.public_key().public_numbers(), (private.key_size + 7) // 8
    curve = struct.pack(">HH", _CURVES[private.curve.name], NULL)
    return curve + sized(point.x.to_bytes(size, "big")) + sized(point.y.to_bytes(size, "big"))


def sized(content: bytes) -> bytes:
    """Return a TPM2B."""
    return struct.pack(">H", len(content)) + content


def selection(values: Values) -> bytes:
    """Return the TPML_PCR_SELECTION of all PCRs in `values`."""
    return struct.pack(">I", len(values)) + b"".join(_bank(bank, pcrs) for bank, pcrs in values.items())


def _bank(bank: str, pcrs: Mapping[int, bytes]) -> bytes:
    bits = sum(1 << pcr for pcr in pcrs)
    return struct.pack(">HB", HASH_IDS[bank], 3) + bits.to_bytes(3, "little")


def quote_body(values: Values, *, hash_: str = "sha256") -> bytes:
    """Return the TPMS_QUOTE_INFO over `values`, digested with the hash of the signature."""
    concatenated = b"".join(pcrs[pcr] for pcrs in values.values() for pcr in sorted(pcrs))
    return selection(values) + sized(hashlib.new(hash_, concatenated).digest())


def certify_body(key: TpmKey) -> bytes:
    """Return the TPMS_CERTIFY_INFO of `key`."""
    return sized(key.name) + sized(key.qualified_name)


def attest(
    kind: int, body: bytes, *, signer: bytes, extra: bytes, magic: int = GENERATED, resets: int = 7, restarts: int = 0
) -> bytes:
    """Return a TPMS_ATTEST; clock and firmware version are those of no TPM in particular."""
    clock = struct.pack(">QIIB", 61_939, resets, restarts, 1)
    return struct.pack(">IH", magic, kind) + sized(signer) + sized(extra) + clock + struct.pack(">Q", 7 << 48) + body


def sign(key: PrivateKey, data: bytes, *, hash_: str = "sha256", scheme: int | None = None) -> bytes:
    """Return a TPMT_SIGNATURE; `scheme` is RSASSA or ECDSA by the key unless given."""
    algorithm = _SIGNING[hash_]
    if isinstance(key, ec.EllipticCurvePrivateKey):
        r, s = decode_dss_signature(key.sign(data, ec.ECDSA(algorithm, deterministic_signing=True)))
        size = (key.key_size + 7) // 8
        head = struct.pack(">HH", scheme or ECDSA, HASH_IDS[hash_])
        return head + sized(r.to_bytes(size, "big")) + sized(s.to_bytes(size, "big"))
    chosen = scheme or RSASSA
    pss = padding.PSS(mgf=padding.MGF1(algorithm), salt_length=padding.PSS.DIGEST_LENGTH)
    signature = key.sign(data, pss if chosen == RSAPSS else padding.PKCS1v15(), algorithm)
    return struct.pack(">HH", chosen, HASH_IDS[hash_]) + sized(signature)


def quote(ak: TpmKey, *, nonce: bytes, values: Values) -> tuple[bytes, bytes]:
    """Return the TPMS_ATTEST and TPMT_SIGNATURE that TPM2_Quote gives."""
    hash_ = ak.template.hash
    signed = attest(QUOTE, quote_body(values, hash_=hash_), signer=ak.qualified_name, extra=nonce)
    return signed, sign(ak.private, signed, hash_=hash_, scheme=ak.template.scheme)


def certify(ak: TpmKey, key: TpmKey, *, nonce: bytes) -> tuple[bytes, bytes]:
    """Return the TPMS_ATTEST and TPMT_SIGNATURE that TPM2_Certify of `key` gives."""
    signed = attest(CERTIFY, certify_body(key), signer=ak.qualified_name, extra=nonce)
    return signed, sign(ak.private, signed, hash_=ak.template.hash, scheme=ak.template.scheme)


def tpm_evidence(
    ak: TpmKey,
    *,
    nonce: bytes,
    values: Values,
    ek: TpmKey | None = None,
    ek_chain: Sequence[bytes] = (),
    eventlog: bytes | None = None,
    certified: TpmKey | None = None,
    ak_chain: Sequence[bytes] = (),
) -> dict[str, object]:
    """Return the parts of a check-in, as the container holds them; what is None or empty is left out."""
    signed, signature = quote(ak, nonce=nonce, values=values)
    parts: dict[str, object] = {
        "attest": signed,
        "signature": signature,
        "ak": ak.public,
        "pcrs": {bank: dict(pcrs) for bank, pcrs in values.items()},
    }
    if ek is not None:
        parts["ek"] = ek.public
    if ek_chain:
        parts["ek_chain"] = list(ek_chain)
    if ak_chain:
        parts["ak_chain"] = list(ak_chain)
    if eventlog is not None:
        parts["eventlog"] = eventlog
    if certified is not None:
        statement, over = certify(ak, certified, nonce=nonce)
        parts["certify"] = {"attest": statement, "signature": over, "public": certified.public}
    return parts


def make_tpm_evidence(parts: Mapping[str, object]) -> bytes:
    """Return the container (`application/vnd.policyengine.tpm+cbor`) with `parts`."""
    return cbor2.dumps(dict(parts))


def activate_credential(ek: TpmKey, *, name: bytes, id_object: bytes, encrypted_secret: bytes) -> bytes | None:
    """Return the secret that was wrapped for the key `name` in the TPM with `ek`, or None if the TPM refuses."""
    algorithm = ek.template.name_hash
    seed = _seed(ek.private, algorithm, encrypted_secret[2:])
    content = id_object[2:]
    size = int.from_bytes(content[:2], "big")
    integrity, identity = content[2 : 2 + size], content[2 + size :]
    mac = hmac.digest(_kdfa(algorithm, seed, b"INTEGRITY\x00", size), identity + name, algorithm)
    if not hmac.compare_digest(mac, integrity):
        return None
    key = _kdfa(algorithm, seed, b"STORAGE\x00" + name, (ek.template.aes_bits or 0) // 8)
    decryptor = Cipher(AES(key), CFB(bytes(16))).decryptor()
    return (decryptor.update(identity) + decryptor.finalize())[2:]


def _seed(private: PrivateKey, algorithm: str, wrapped: bytes) -> bytes:
    if isinstance(private, rsa.RSAPrivateKey):
        hash_ = _SIGNING[algorithm]
        return private.decrypt(wrapped, padding.OAEP(padding.MGF1(hash_), hash_, b"IDENTITY\x00"))
    size = int.from_bytes(wrapped[:2], "big")
    x, y = wrapped[2 : 2 + size], wrapped[4 + size :]
    point = ec.EllipticCurvePublicNumbers(int.from_bytes(x, "big"), int.from_bytes(y, "big"), private.curve)
    shared = private.exchange(ec.ECDH(), point.public_key())
    static_x = private.public_key().public_numbers().x.to_bytes(size, "big")
    return hashlib.new(algorithm, struct.pack(">I", 1) + shared + b"IDENTITY\x00" + x + static_x).digest()


def _kdfa(algorithm: str, key: bytes, label_and_context: bytes, size: int) -> bytes:
    message = struct.pack(">I", 1) + label_and_context + struct.pack(">I", 8 * size)
    return hmac.digest(key, message, algorithm)[:size]
