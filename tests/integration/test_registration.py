"""Importing lists of devices on real databases: the same list again changes nothing, another identity is refused."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from policyengine.services.actors import SYSTEM, PersonRole, Principal
from policyengine.services.errors import ConflictError, ForbiddenError, InvalidRequestError
from policyengine.services.registry.device_documents import read_device_table, read_devices
from policyengine.services.registry.devices import NewDevice
from policyengine.services.registry.registration import CHUNK, RegistryDiff
from tests.support.site import Site, next_nonce, ready_site


def spare(number: int, **said: str) -> NewDevice:
    return NewDevice(
        id=f"spare-{number}", vendor="vendor-acme", model="gw-200", serial=f"AC-{number:08}", labels={}, **said
    )


def imported(site: Site, *devices: NewDevice) -> RegistryDiff:
    diff = site.services.registration.compare(SYSTEM, devices)
    site.services.registration.carry_out(SYSTEM, diff, done=lambda count: None)
    return diff


@pytest.fixture(scope="module")
def known(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """A site for tests of one device each, which they bring to where they start."""
    site = ready_site(f"sqlite:///{tmp_path_factory.mktemp('known') / 'store.db'}")
    yield site
    site.store.close()


def test_the_same_list_again_changes_nothing(database: str) -> None:
    site = ready_site(database)
    fleet = [spare(number, site="plant-a") for number in range(3)]
    first, again = imported(site, *fleet), imported(site, *fleet)
    assert (len(first.new), len(again.new), again.unchanged) == (3, 0, 3)
    site.store.close()


def test_what_operators_say_anew_is_written_and_the_device_decided_again(database: str) -> None:
    import asyncio

    site = ready_site(database)
    device = site.of("healthy")[0]
    asyncio.run(site.enrol(device))
    planned = device.planned
    moved = NewDevice(
        id=planned.device_id,
        vendor=planned.vendor,
        model=planned.model,
        serial=planned.serial,
        labels={},
        site="plant-a",
        zone="line-9",
        criticality="medium",
    )
    diff = imported(site, moved)
    assert {name for each in diff.changed for name in each.fields} >= {"zone"}
    assert site.services.sweep.run() == 1
    assert site.services.devices.facts(SYSTEM, planned.device_id)["facts"]["device"]["zone"] == "line-9"
    site.store.close()


def test_a_device_in_mid_check_in_is_decided_with_what_the_list_says(database: str) -> None:
    """A check-in that read the registry before the import starts again."""
    import asyncio

    site = ready_site(database)
    device = site.of("healthy")[0]
    reply = asyncio.run(site.enrol(device))
    version = site.store.view(device.planned.device_id).state.version
    planned = device.planned
    imported(
        site,
        NewDevice(
            id=planned.device_id, vendor=planned.vendor, model=planned.model, serial=planned.serial, labels={"a": "b"}
        ),
    )
    assert site.store.view(device.planned.device_id).state.version > version
    assert asyncio.run(site.check_in(device, next_nonce(reply))).tier is not None
    site.store.close()


def test_another_identity_under_a_known_id_is_refused_and_nothing_is_written(database: str) -> None:
    """DESIGN section 11: a registry that disagrees is a conflict, never a take-over."""
    site = ready_site(database)
    imported(site, spare(1))
    diff = site.services.registration.compare(SYSTEM, [replace(spare(1), serial="AC-99999999"), spare(2)])
    assert [each.fields for each in diff.conflicts] == [{"serial": ("AC-00000001", "AC-99999999")}]
    with pytest.raises(ConflictError) as refused:
        site.services.registration.carry_out(SYSTEM, diff, done=lambda count: None)
    assert refused.value.code == "registry.conflict"
    assert site.store.view("spare-2") is None
    site.store.close()


def test_an_id_that_is_anothers_but_for_case_is_refused_everywhere(database: str) -> None:
    """RFC 9525 section 6.3: the dNSNames of the two would be one. By list, over the API, and by whoever came first."""
    site = ready_site(database)
    other = replace(spare(9), id="SPARE-1")
    early = site.services.registration.compare(SYSTEM, [other])
    imported(site, spare(1))
    acts = (
        lambda: site.services.registration.compare(SYSTEM, [spare(2), other]),
        lambda: site.services.registration.compare(SYSTEM, [spare(3), replace(spare(4), id="Spare-3")]),
        lambda: site.services.registration.carry_out(SYSTEM, early, done=lambda count: None),
        lambda: site.services.devices.announce(SYSTEM, [other]),
    )
    codes = []
    for act in acts:
        with pytest.raises(ConflictError) as refused:
            act()
        codes.append(refused.value.code)
    assert codes == ["device.exists"] * len(acts)
    assert site.store.view("SPARE-1") is None
    site.store.close()


def test_a_conflict_that_came_in_between_is_refused_by_the_store(database: str) -> None:
    site = ready_site(database)
    diff = site.services.registration.compare(SYSTEM, [spare(1)])
    imported(site, replace(spare(1), serial="AC-99999999"))
    with pytest.raises(ConflictError):
        site.services.registration.carry_out(SYSTEM, diff, done=lambda count: None)
    site.store.close()


def test_a_device_named_twice_is_refused_with_both_places(database: str) -> None:
    site = ready_site(database)
    with pytest.raises(InvalidRequestError, match="as number 1 and 3"):
        site.services.registration.compare(SYSTEM, [spare(1), spare(2), spare(1)])
    site.store.close()


def test_a_vendor_s_person_imports_nothing(database: str) -> None:
    site = ready_site(database)
    vendor = Principal(name="v", role=PersonRole.VENDOR, models=frozenset({"gw-200"}))
    with pytest.raises(ForbiddenError):
        site.services.registration.compare(vendor, [spare(1)])
    site.store.close()


def test_a_long_list_is_written_in_parts_that_are_told(tmp_path: Path) -> None:
    site = ready_site(f"sqlite:///{tmp_path / 'store.db'}")
    seen: list[int] = []
    diff = site.services.registration.compare(SYSTEM, [spare(number) for number in range(2 * CHUNK + 1)])
    site.services.registration.carry_out(SYSTEM, diff, done=seen.append)
    assert seen == [CHUNK, 2 * CHUNK, 2 * CHUNK + 1]
    site.store.close()


HEADER = b"id,vendor,model,serial,site,label:owner\r\n"


def test_a_table_reads_like_the_same_devices_in_json() -> None:
    """RFC 4180; an empty cell says that there is none, a column that is not there says nothing."""
    found = read_device_table(b"\xef\xbb\xbf" + HEADER + b'gw-1,vendor-acme,gw-200,AC-1,"plant, a",\r\n')
    unsaid = frozenset({"device_class", "hw_version", "zone", "criticality", "gateways"})
    device = NewDevice(id="gw-1", vendor="vendor-acme", model="gw-200", serial="AC-1", site="plant, a", labels={})
    assert found == (replace(device, omitted=unsaid, labels_gone=frozenset({"owner"})),)


KNOWN = NewDevice(
    id="spare-1",
    vendor="vendor-acme",
    model="gw-200",
    serial="AC-00000001",
    site="plant-a",
    zone="line-1",
    labels={"owner": "it", "ring": "first"},
)
IDENTITY = b"id,vendor,model,serial"
CELLS = b"spare-1,vendor-acme,gw-200,AC-00000001"


@pytest.mark.parametrize(
    ("table", "place", "labels"),
    [
        (IDENTITY + b"\n" + CELLS + b"\n", ("plant-a", "line-1"), {"owner": "it", "ring": "first"}),
        (IDENTITY + b",site\n" + CELLS + b",\n", (None, "line-1"), {"owner": "it", "ring": "first"}),
        (IDENTITY + b",zone\n" + CELLS + b",line-2\n", ("plant-a", "line-2"), {"owner": "it", "ring": "first"}),
        (IDENTITY + b",label:ring\n" + CELLS + b",\n", ("plant-a", "line-1"), {"owner": "it"}),
        (IDENTITY + b",label:line\n" + CELLS + b",7\n", ("plant-a", "line-1"), {**KNOWN.labels, "line": "7"}),
    ],
    ids=["identity-alone", "cell-empty", "other-column", "label-empty", "label-new"],
)
def test_what_a_table_leaves_out_stays(
    known: Site, table: bytes, place: tuple[str | None, str | None], labels: dict[str, str]
) -> None:
    imported(known, KNOWN)
    imported(known, *read_device_table(table))
    device = known.store.view("spare-1").device
    assert (device.site, device.zone, device.labels) == (*place, labels)


def test_what_a_list_in_json_leaves_out_stays_and_null_takes_it_away(known: Site) -> None:
    imported(known, KNOWN)
    said = {"id": "spare-1", "vendor": "vendor-acme", "model": "gw-200", "serial": "AC-00000001", "zone": None}
    imported(known, *read_devices(json.dumps([said]).encode()))
    device = known.store.view("spare-1").device
    assert (device.site, device.zone, device.labels) == ("plant-a", None, KNOWN.labels)


@pytest.mark.parametrize(
    ("table", "place"),
    [
        (b"", "line 1, column id"),
        (b"id;vendor;model;serial\n", "line 1, column id;vendor;model;serial"),
        (b"id,vendor,model\n", "line 1, column serial"),
        (b"id,vendor,model,serial,id\n", "line 1, column id"),
        (HEADER + b"gw-1,vendor-acme,gw-200\n", "line 2"),
        (HEADER + b"gw-1,vendor-acme,gw-200,AC-1,a,\n\ngw 2,vendor-acme,gw-200,AC-2,a,\n", "line 4, column id"),
        (HEADER + b"gw-1,vendor-acme,,AC-1,a,\n", "line 2, column model"),
        (HEADER + b'gw-1,"vendor"acme,gw-200,AC-1,a,\n', "line 2"),
        (HEADER + b"gw-1,vendor-acme,gw-200,AC-1,caf\xe9,\n", "byte 73"),
        (HEADER + b"gw-1,vendor-acme,gw-200,AC-1,a\x00,\n", "line 2, column site"),
    ],
    ids=[
        "empty",
        "semicolons",
        "column-missing",
        "column-twice",
        "short-row",
        "bad-id",
        "no-model",
        "quote",
        "latin-1",
        "nul",
    ],
)
def test_a_mistake_in_a_table_is_named_with_its_place(table: bytes, place: str) -> None:
    with pytest.raises(InvalidRequestError) as refused:
        read_device_table(table)
    assert refused.value.fields["field"] == place


def test_the_command_shows_the_difference_before_it_writes(tmp_path: Path) -> None:
    from policyengine.settings import Settings
    from policyengine.wiring import build

    build(Settings(data=tmp_path / "data")).close()
    (tmp_path / "fleet.csv").write_bytes(b"id,vendor,model,serial\nspare-1,vendor-acme,gw-200,AC-1\n")

    def run(*more: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-m", "policyengine", "device", "import", str(tmp_path / "fleet.csv"), *more]
        return subprocess.run([*command, "--data", str(tmp_path / "data")], capture_output=True, text=True, check=False)

    assert run("--dry-run").stdout == "1 new, 0 changed, 0 as they were; nothing was written (--dry-run)\n"
    assert json.loads(run("--output", "json").stdout)["added"] == 1
    assert run().stdout == "0 new, 0 changed, 1 as they were; imported\n"
    (tmp_path / "fleet.csv").write_bytes(b"id,vendor,model,serial\nspare-1,vendor-acme,gw-200,AC-2\n")
    refused = run()
    assert refused.returncode == 1
    assert refused.stdout.startswith("conflict: spare-1: serial AC-1 -> AC-2\n")
