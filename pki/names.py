"""Subjects and alternative names: templates with a strict allow-list of characters, and their DER.

A template's constant text and every value put into it pass the same character rules, so no value can add an
attribute, a label or a NUL. A placeholder in a dNSName fills at most one label: otherwise `a.b` + `c` and `a` + `b.c`
would give two devices one name.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache

from pki import der
from pki.errors import NameRefusedError

PLACEHOLDERS = frozenset(
    {
        *(f"device.{field}" for field in ("id", "serial", "model", "vendor", "class", "site", "zone", "hw_version")),
        "fleet.name",
    }
)

# RFC 5280 appendix A.1 upper bounds, in characters
_ATTRIBUTES = {
    "CN": ("2.5.4.3", der.UTF8_STRING, 64),
    "O": ("2.5.4.10", der.UTF8_STRING, 64),
    "OU": ("2.5.4.11", der.UTF8_STRING, 64),
    "L": ("2.5.4.7", der.UTF8_STRING, 128),
    "ST": ("2.5.4.8", der.UTF8_STRING, 128),
    "C": ("2.5.4.6", der.PRINTABLE_STRING, 2),
    "serialNumber": ("2.5.4.5", der.PRINTABLE_STRING, 64),
}
_PLAIN = re.compile(r"[A-Za-z0-9 ._:/()+'-]+")  # within PrintableString and without RFC 4514 specials but `+`
_LABEL = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?")
_URI = re.compile(r"[a-z][a-z0-9+.-]{0,31}:[A-Za-z0-9._~:/@-]{1,400}")
_PLACEHOLDER = re.compile(r"\{([^{}]*)\}")
MAX_DNS_NAME = 253  # RFC 1035 section 2.3.4, without the root dot
KEPT_NAMES = 64  # a subject is written once, and compared by lint right after
MAX_TEMPLATE = 512  # longer than any name it could make


@dataclass(frozen=True, slots=True, kw_only=True)
class SubjectTemplate:
    """`CN={device.id},O=Plant A`: attributes in order, most significant last to write as people do."""

    attributes: tuple[tuple[str, str], ...]

    @property
    def text(self) -> str:
        """The template as it was written."""
        return ",".join(f"{name}={value}" for name, value in self.attributes)


def subject_template(text: str) -> SubjectTemplate:
    """Return the template in `text`; raises NameRefusedError with code `name.template` or `name.attribute`."""
    attributes = []
    for part in _bounded(text).split(","):
        name, separator, value = part.strip().partition("=")
        if not separator or not value:
            raise NameRefusedError(f"`{part.strip()}` is not of the form `CN=value`", code="name.template")
        if name not in _ATTRIBUTES:
            raise NameRefusedError(
                f"subject attribute `{name}` is not one of {', '.join(_ATTRIBUTES)}", code="name.attribute"
            )
        _check_placeholders(value)
        attributes.append((name, value))
    return SubjectTemplate(attributes=tuple(attributes))


def dns_template(text: str) -> str:
    """Return `text` if it can only make dNSNames; raises NameRefusedError."""
    _check_placeholders(_bounded(text))
    _check_dns(_PLACEHOLDER.sub("x", text))
    return text


def uri_template(text: str) -> str:
    """Return `text` if it can only make URIs; raises NameRefusedError."""
    _check_placeholders(_bounded(text))
    _check_uri(_PLACEHOLDER.sub("x", text))
    return text


def _bounded(text: str) -> str:
    if len(text) > MAX_TEMPLATE:
        raise NameRefusedError(f"name template is longer than {MAX_TEMPLATE} characters", code="name.template")
    return text


def _check_placeholders(text: str) -> None:
    for found in _PLACEHOLDER.findall(text):
        if found not in PLACEHOLDERS:
            raise NameRefusedError(f"placeholder `{found}` is not known", code="name.placeholder")
    rest = _PLACEHOLDER.sub("", text)
    if "{" in rest or "}" in rest:
        raise NameRefusedError(f"`{text}` has an unbalanced brace", code="name.placeholder")


def _fill(text: str, fields: Mapping[str, str]) -> str:
    def value(match: re.Match[str]) -> str:
        found = fields.get(match.group(1))
        if not found:
            raise NameRefusedError(f"nothing is known for `{match.group(1)}`", code="name.missing")
        return found

    return _PLACEHOLDER.sub(value, text)


def fill_subject(template: SubjectTemplate, fields: Mapping[str, str]) -> tuple[tuple[str, str], ...]:
    """Return the subject's (attribute, value) pairs.

    Raises NameRefusedError: `name.missing`, `name.character` or `name.too-long`.
    """
    return tuple((name, _checked_value(name, _fill(text, fields))) for name, text in template.attributes)


def _checked_value(name: str, value: str) -> str:
    limit = _ATTRIBUTES[name][2]
    if len(value) > limit:
        raise NameRefusedError(f"subject attribute `{name}` is longer than {limit} characters", code="name.too-long")
    if not _PLAIN.fullmatch(value) or value != value.strip():
        said = f"subject attribute `{name}` is {value[:80]!a}: not only letters, digits, inner spaces and ._:/()+'-"
        raise NameRefusedError(said, code="name.character")
    return value


def fill_dns(template: str, fields: Mapping[str, str]) -> str:
    """Return the dNSName; a placeholder's value must be at most a part of one label.

    Raises NameRefusedError: `name.missing`, `name.dns` or `name.dns-label`.
    """
    for field in _PLACEHOLDER.findall(template):
        if "." in fields.get(field, ""):
            raise NameRefusedError(f"`{field}` would fill more than one label of a dNSName", code="name.dns-label")
    return _check_dns(_fill(template, fields))


def fill_uri(template: str, fields: Mapping[str, str]) -> str:
    """Return the URI; a placeholder's value may not hold `/`, `:` or `@`.

    Raises NameRefusedError: `name.missing` or `name.uri`.
    """
    for field in _PLACEHOLDER.findall(template):
        if set(fields.get(field, "")) & set("/:@"):
            raise NameRefusedError(f"`{field}` would change the shape of a URI", code="name.uri")
    return _check_uri(_fill(template, fields))


def _check_dns(name: str) -> str:
    labels = name.split(".")
    if len(name) > MAX_DNS_NAME or not all(_LABEL.fullmatch(label) for label in labels) or labels[-1].isdigit():
        raise NameRefusedError(f"`{name[:80]!a}` is not a dNSName of letters, digits and hyphens", code="name.dns")
    return name


def _check_uri(name: str) -> str:
    if not _URI.fullmatch(name):
        raise NameRefusedError(f"`{name[:80]!a}` is not a plain URI", code="name.uri")
    return name


def is_plain_dns(name: str) -> bool:
    """Return whether `name` is a dNSName that we would write."""
    try:
        _check_dns(name)
    except NameRefusedError:
        return False
    return True


@lru_cache(maxsize=KEPT_NAMES)
def encode_name(attributes: tuple[tuple[str, str], ...]) -> bytes:
    """Return the DER Name, one attribute per RDN (RFC 5280 section 4.1.2.4)."""
    return der.sequence(*(der.set_of(_attribute(name, value)) for name, value in attributes))


def _attribute(name: str, value: str) -> bytes:
    dotted, tag, _ = _ATTRIBUTES[name]
    return der.sequence(der.oid(dotted), der.tlv(tag, value.encode()))


def upper_bound(dotted: str) -> int | None:
    """Return the longest value we write under this attribute type; None if we write no such attribute."""
    return next((limit for known, _, limit in _ATTRIBUTES.values() if known == dotted), None)
