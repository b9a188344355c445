"""What `cryptography` raises and warns when bytes are not what they claim to be, and how an extension is looked up."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TypeVar

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm

Value = TypeVar("Value", bound=x509.ExtensionType)

UNREADABLE = (
    ValueError,
    TypeError,
    UnsupportedAlgorithm,
    x509.DuplicateExtension,
    x509.InvalidVersion,
    x509.UnsupportedGeneralNameType,
)


@contextmanager
def tolerant() -> Iterator[None]:
    """Silence the warnings about odd serials and over-long names: our own checks refuse them, or say why not.

    NOTE: warning filters are process-wide; a race between threads can lose a warning, never a check.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


def extension(extensions: x509.Extensions, kind: type[Value]) -> x509.Extension[Value] | None:
    """Return the extension of this kind, None if it is not there."""
    try:
        return extensions.get_extension_for_class(kind)
    except x509.ExtensionNotFound:
        return None
