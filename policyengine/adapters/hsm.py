"""Keys in a PKCS#11 token: they are made there, sign there, and never leave it.

The binding initialises modules without locking (C_Initialize with no arguments), so a process asks its tokens one thing
at a time. Each key has one session, opened once and kept with the key's handle in it: look-ups take longer than
signatures on many devices. A token that was reset or pulled out is opened again once; after that the error says
what the token said, by the name of its CKR code.
"""

from __future__ import annotations

import hashlib
import json
import threading
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature

from pki import der
from pki.errors import DerError
from pki.keys import KeyType, PublicKey
from pki.signatures import SignatureAlgorithm, algorithm_for
from policyengine.adapters.keyfile import read_private
from policyengine.errors import CodedError

try:
    import pkcs11
    from pkcs11 import Attribute, Mechanism, ObjectClass
    from pkcs11 import exceptions as ckr
except ImportError:  # the extra `hsm` is not installed, and opening a token says so
    IS_INSTALLED = False
else:
    IS_INSTALLED = True

RSA_BITS = 3072  # BSI TR-02102-1: at least 3,000 from 2024 on

_CURVES = {KeyType.P256: "1.2.840.10045.3.1.7", KeyType.P384: "1.3.132.0.34"}
_ONE_AT_A_TIME = threading.RLock()
_HASHES = {SignatureAlgorithm.ECDSA_P256: hashlib.sha256, SignatureAlgorithm.ECDSA_P384: hashlib.sha384}
T = TypeVar("T")


class HsmError(CodedError):
    """The token, or something in it, is not as it must be; `code` says what, the message what the token said."""

    code = "hsm.failed"


@dataclass(frozen=True, slots=True, kw_only=True)
class TokenPlace:
    """Which token: the PKCS#11 module's file, the token's label, and the file with the user PIN (mode 0600)."""

    module: Path
    token: str
    pin_file: Path


def write_place(path: Path, place: TokenPlace, *, label: str) -> None:
    """Leave in `path` where a key is; it holds no secret."""
    where = {"module": str(place.module), "token": place.token, "pin_file": str(place.pin_file), "label": label}
    path.write_text(json.dumps(where, indent=2, sort_keys=True) + "\n", encoding="utf-8")


def open_hsm_signer(path: Path) -> HsmSigner:
    """Return a signer for the key that `write_place` left in `path`; raises HsmError `hsm.place` and others."""
    place, label = read_place(path)
    return HsmSigner(Token(place), label)


def read_place(path: Path) -> tuple[TokenPlace, str]:
    """Return what `write_place` left in `path`: the token, and the key's label. Raises HsmError `hsm.place`."""
    try:
        where = json.loads(path.read_text(encoding="utf-8"))
        place = TokenPlace(module=Path(where["module"]), token=where["token"], pin_file=Path(where["pin_file"]))
        return place, str(where["label"])
    except (ValueError, KeyError, TypeError) as cause:
        raise HsmError(f"`{path}` does not say where the key is", code="hsm.place") from cause


class Token:
    """An open token; the PIN is given once, and all sessions of the process share the login."""

    def __init__(self, place: TokenPlace) -> None:
        """Raise HsmError (`hsm.not-installed`, `hsm.module`, `hsm.token`, `hsm.pin`)."""
        if not IS_INSTALLED:
            raise HsmError("PKCS#11 needs the extra `hsm`: pip install policyengine[hsm]", code="hsm.not-installed")
        self.place = place
        self._login: Any = None
        self.open()

    def open(self) -> None:
        """Log in, again if need be; raises HsmError."""
        pin = read_private(self.place.pin_file).decode("utf-8", errors="replace").strip()
        with _ONE_AT_A_TIME:
            try:
                library = pkcs11.lib(str(self.place.module))
            except (pkcs11.PKCS11Error, RuntimeError, OSError) as cause:
                raise HsmError(f"`{self.place.module}` is no PKCS#11 module that loads", code="hsm.module") from cause
            self._token = _asked(lambda: library.get_token(token_label=self.place.token))
            try:
                self._login = self._token.open(user_pin=pin)
            except ckr.UserAlreadyLoggedIn:
                self._login = self._token.open()
            except ckr.PKCS11Error as cause:
                raise _error(cause) from cause

    def session(self) -> Any:
        """Return a new session under the login; raises HsmError."""
        return _asked(self._token.open)

    def generate(self, label: str, kind: KeyType) -> None:
        """Make a key pair that cannot be extracted; raises HsmError `hsm.key-exists` if the label is taken."""
        with _ONE_AT_A_TIME:
            session = _asked(lambda: self._token.open(rw=True))
            try:
                if list(session.get_objects({Attribute.LABEL: label})):
                    sentence = f"token holds a key `{label}` already, and it is not overwritten"
                    raise HsmError(sentence, code="hsm.key-exists")
                _asked(lambda: _generate(session, label, kind))
            finally:
                session.close()


def _generate(session: Any, label: str, kind: KeyType) -> None:
    kept = {Attribute.SENSITIVE: True, Attribute.EXTRACTABLE: False, Attribute.PRIVATE: True}
    if kind is KeyType.RSA:
        session.generate_keypair(pkcs11.KeyType.RSA, RSA_BITS, store=True, label=label, private_template=kept)
        return
    if kind not in _CURVES:
        raise HsmError(f"keys of kind `{kind.value}` are not made in a token", code="hsm.key-kind")
    parameters = session.create_domain_parameters(
        pkcs11.KeyType.EC, {Attribute.EC_PARAMS: der.oid(_CURVES[kind])}, local=True
    )
    parameters.generate_keypair(store=True, label=label, private_template=kept)


class HsmSigner:
    """Signs with a key in a token: P-256, P-384 or RSA."""

    __slots__ = ("_key", "_label", "_public", "_token", "algorithm")

    def __init__(self, token: Token, label: str) -> None:
        """Raise HsmError `hsm.key-missing`, `hsm.key-kind`; KeyRefusedError for a key no authority signs with."""
        self._token, self._label = token, label
        self._public = _public_key(token, label)
        self.algorithm: SignatureAlgorithm = algorithm_for(self._public)
        self._key: Any = None

    @property
    def public_key(self) -> PublicKey:
        """The public half."""
        return self._public

    def sign(self, data: bytes) -> bytes:
        """Return the signature over `data` as X.509 carries it; raises HsmError."""
        with _ONE_AT_A_TIME:
            try:
                return self._sign(data)
            except ckr.PKCS11Error as cause:
                if not isinstance(cause, _stale()):
                    raise _error(cause) from cause
            self._key = None
            self._token.open()
            return _asked(lambda: self._sign(data))

    def _sign(self, data: bytes) -> bytes:
        if self._key is None:
            session = self._token.session()
            self._key = _asked(lambda: session.get_key(object_class=ObjectClass.PRIVATE_KEY, label=self._label))
        return _signature(self._key, data, self.algorithm)

    def __repr__(self) -> str:
        """Name the algorithm and the label; nothing else is known of the key."""
        return f"HsmSigner({self._label}, {self.algorithm.value})"


def _signature(key: Any, data: bytes, algorithm: SignatureAlgorithm) -> bytes:
    if algorithm is SignatureAlgorithm.RSA_SHA256:
        return bytes(key.sign(data, mechanism=Mechanism.SHA256_RSA_PKCS))
    raw = bytes(key.sign(_HASHES[algorithm](data).digest(), mechanism=Mechanism.ECDSA))
    half = len(raw) // 2
    return encode_dss_signature(int.from_bytes(raw[:half], "big"), int.from_bytes(raw[half:], "big"))


def _public_key(token: Token, label: str) -> PublicKey:
    with _ONE_AT_A_TIME:
        session = token.session()
        try:
            key = _asked(lambda: session.get_key(object_class=ObjectClass.PUBLIC_KEY, label=label))
            return _asked(lambda: _public_half(key, label))
        finally:
            session.close()


def _public_half(key: Any, label: str) -> PublicKey:
    if key.key_type == pkcs11.KeyType.RSA:
        modulus, exponent = (
            int.from_bytes(key[which], "big") for which in (Attribute.MODULUS, Attribute.PUBLIC_EXPONENT)
        )
        return rsa.RSAPublicNumbers(exponent, modulus).public_key()
    if key.key_type != pkcs11.KeyType.EC:
        raise HsmError(f"key `{label}` is neither elliptic nor RSA", code="hsm.key-kind")
    return _elliptic(key[Attribute.EC_PARAMS], key[Attribute.EC_POINT], label)


def _elliptic(parameters: bytes, point: bytes, label: str) -> PublicKey:
    curves: dict[bytes, ec.EllipticCurve] = {
        der.oid(_CURVES[KeyType.P256]): ec.SECP256R1(),
        der.oid(_CURVES[KeyType.P384]): ec.SECP384R1(),
    }
    if parameters not in curves:
        raise HsmError(f"key `{label}` is on another curve than P-256 and P-384", code="hsm.key-kind")
    try:
        content = der.whole(point, der.OCTET_STRING).content
        return ec.EllipticCurvePublicKey.from_encoded_point(curves[parameters], content)
    except (DerError, ValueError) as cause:
        raise HsmError(f"public half of `{label}` cannot be read", code="hsm.key-kind") from cause


def _stale() -> tuple[type[Exception], ...]:
    """What a token says after it was reset or pulled out: the sessions are gone, the key perhaps not."""
    return (
        ckr.SessionHandleInvalid,
        ckr.SessionClosed,
        ckr.UserNotLoggedIn,
        ckr.KeyHandleInvalid,
        ckr.ObjectHandleInvalid,
        ckr.DeviceRemoved,
        ckr.TokenNotPresent,
    )


def _asked(question: Callable[[], T]) -> T:
    try:
        return question()
    except ckr.PKCS11Error as cause:
        raise _error(cause) from cause


def _error(cause: Exception) -> HsmError:
    """Return the error of a CKR code: what an operator can do about it decides the code."""
    said = type(cause).__name__
    for code, kinds in _codes().items():
        if isinstance(cause, kinds):
            return HsmError(f"{_SENTENCES[code]}: the token says {said}", code=code)
    return HsmError(f"token failed: it says {said}")


_SENTENCES = {
    "hsm.pin": "the PIN is not accepted",
    "hsm.token": "the token is not there",
    "hsm.key-missing": "the token holds no such key, or several",
    "hsm.unsupported": "the token cannot sign this way",
    "hsm.busy": "the token has no session left",
}


def _codes() -> dict[str, tuple[type[Exception], ...]]:
    return {
        "hsm.pin": (ckr.PinIncorrect, ckr.PinInvalid, ckr.PinLenRange, ckr.PinLocked, ckr.PinExpired),
        "hsm.token": (ckr.NoSuchToken, ckr.TokenNotPresent, ckr.TokenNotRecognised, ckr.DeviceRemoved),
        "hsm.key-missing": (ckr.NoSuchKey, ckr.MultipleObjectsReturned),
        "hsm.unsupported": (ckr.MechanismInvalid, ckr.KeyTypeInconsistent, ckr.FunctionNotSupported),
        "hsm.busy": (ckr.SessionCount,),
    }
