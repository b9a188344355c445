"""What the twenty rules say of one device in five formats: as it was released, and with an implant."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from tests.parity.presented import PRESENTED, TAMPERED
from tests.parity.site import check_in, enrol, parity_site, results

Judged = Mapping[str, str]  # tier, and each rule's result


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One rule, or the tier: what came of it by format."""

    name: str
    released: Mapping[str, str]
    tampered: Mapping[str, str]

    @property
    def agrees(self) -> bool:
        """Tell whether all formats came to the same."""
        return all(len(set(each.values())) == 1 for each in (self.released, self.tampered))


def judged(url: str) -> tuple[dict[str, Judged], dict[str, Judged]]:
    """Return tier and results by format, of the device as released at enrolment and tampered with afterwards."""
    site = parity_site(url)
    released, tampered = {}, {}
    for name, device in PRESENTED.items():
        enrolled = enrol(site, device)
        released[name] = {"tier": str(enrolled["tier"])} | results(site, enrolled)
        later = check_in(site, device, TAMPERED)
        tampered[name] = {"tier": str(later["tier"])} | results(site, later)
    site.store.close()
    return released, tampered


def table() -> tuple[Row, ...]:
    """Return a row for the tier and for each rule, over a database of its own."""
    with tempfile.TemporaryDirectory(prefix="parity") as folder:
        released, tampered = judged(f"sqlite:///{Path(folder) / 'store.db'}")
    names = dict.fromkeys(name for found in (*released.values(), *tampered.values()) for name in found)
    return tuple(
        Row(
            name=name,
            released={kind: found.get(name, "-") for kind, found in released.items()},
            tampered={kind: found.get(name, "-") for kind, found in tampered.items()},
        )
        for name in names
    )
