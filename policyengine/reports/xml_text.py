"""Text that XML 1.0 can hold."""

from __future__ import annotations

import re

_NOT_XML = re.compile("[^\t\n\r\u0020-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")  # XML 1.0 section 2.2, Char


def xml_text(text: str) -> str:
    """Return `text` with U+FFFD for each character that no XML document may hold."""
    return _NOT_XML.sub("\ufffd", text)
