"""The public shapes of exposure: a device, what it runs, and since when."""

from __future__ import annotations

from api.shapes import Moment, Shape
from policyengine.services.exposure.search import Exposed


class SightingOut(Shape):
    """A component that was looked for; not `certain` where its version cannot be compared."""

    found_in: str
    name: str | None
    version: str | None
    purl: str | None
    digest: str | None
    cve: str | None
    vex: str | None
    vex_by: str | None
    certain: bool
    source: str | None


class ExposedOut(Shape):
    """A device that runs what was looked for."""

    device_id: str
    model: str
    site: str | None
    zone: str | None
    since: Moment
    components: list[SightingOut]


def exposed_out(found: tuple[Exposed, ...]) -> ExposedOut:
    """Return the public shape of one device's sightings, of which there is at least one."""
    device = found[0].device
    return ExposedOut(
        device_id=device.id,
        model=device.model,
        site=device.site,
        zone=device.zone,
        since=found[0].since,
        components=[_sighting(each) for each in found],
    )


def _sighting(found: Exposed) -> SightingOut:
    component = found.sighting.component
    return SightingOut(
        found_in=component.group,
        name=component.name,
        version=component.version,
        purl=component.purl,
        digest=component.digest,
        cve=component.cve,
        vex=component.vex,
        vex_by=component.vex_by,
        certain=found.sighting.certain,
        source=found.source,
    )
