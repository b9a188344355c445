"""The plan as JSON, so that the devices can live in a process of their own."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from policyengine.model.endorsements import ReferenceComponent, Release
from policyengine.model.ids import device_id
from policyengine.simulation.plan import PlannedDevice, Scenario


def planned_document(planned: PlannedDevice) -> dict[str, object]:
    """Return `planned` as a JSON object; read_planned is the inverse."""
    return {
        **registry_entry(planned),
        "scenario": planned.scenario.value,
        "release": {
            "version": planned.release.version,
            "svn": planned.release.svn,
            "components": [[component.name, component.sha256] for component in planned.release.components],
        },
    }


def registry_entry(planned: PlannedDevice) -> dict[str, object]:
    """Return what operations knows of the device before it arrives, as `device import` reads it."""
    return {
        "id": planned.device_id,
        "vendor": planned.vendor,
        "model": planned.model,
        "class": planned.device_class,
        "serial": planned.serial,
        "site": planned.site,
        "zone": planned.zone,
        "labels": dict(planned.labels),
        "criticality": planned.criticality,
    }


def read_planned(document: Mapping[str, Any]) -> PlannedDevice:
    """Return the device that planned_document wrote; raises KeyError or ValueError on anything else."""
    release = document["release"]
    return PlannedDevice(
        device_id=device_id(document["id"]),
        vendor=document["vendor"],
        model=document["model"],
        device_class=document["class"],
        serial=document["serial"],
        site=document["site"],
        zone=document["zone"],
        labels=document["labels"],
        criticality=document["criticality"],
        scenario=Scenario(document["scenario"]),
        release=Release(
            version=release["version"],
            svn=release["svn"],
            components=tuple(ReferenceComponent(name=name, sha256=digest) for name, digest in release["components"]),
        ),
    )
