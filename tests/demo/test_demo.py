"""The demo is the product's main job on real input: these tests run it, whole, against a real server."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from policyengine.adapters.demo_site import DemoSite
from policyengine.adapters.git_history import Author, commit
from policyengine.cli.demo_steps import Server, announce, endings, make_site, publish, running_devices, running_server

ROOT = Path(__file__).resolve().parents[2]
FLOOR = "engineering/gateway-firmware.yaml"

pytestmark = pytest.mark.xdist_group("demo")


def _documented() -> dict[str, tuple[int, str, str]]:
    rows = re.findall(r"^\| ([a-z-]+) \| (\d+) \|[^|]*\| (\w+) \| ?([^ |]*)", _page(), re.MULTILINE)
    return {scenario: (int(count), tier, why) for scenario, count, tier, why in rows}


def _page() -> str:
    return (ROOT / "docs" / "demo.md").read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def outcome() -> dict[str, Any]:
    """What `policyengine demo --once --output json` prints."""
    command = [sys.executable, "-m", "policyengine", "demo", "--once", "--output", "json"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False, timeout=300)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def test_every_scenario_ends_as_the_documentation_says(outcome: dict[str, Any]) -> None:
    seen = {scenario: Counter[str]() for scenario in _documented()}
    for device in outcome["devices"]:
        seen[device["scenario"]][device["tier"]] += 1
    assert seen == {scenario: Counter({tier: count}) for scenario, (count, tier, _) in _documented().items()}


def test_every_reason_in_the_documentation_is_given(outcome: dict[str, Any]) -> None:
    missing = [
        device["device_id"]
        for device in outcome["devices"]
        if (why := _documented()[device["scenario"]][2]) and why not in device["reasons"]
    ]
    assert missing == []


def test_a_healthy_device_has_nothing_held_against_it(outcome: dict[str, Any]) -> None:
    assert [d for d in outcome["devices"] if d["scenario"] == "healthy" and d["reasons"]] == []


def test_the_totals_are_those_of_the_documentation(outcome: dict[str, Any]) -> None:
    assert outcome["totals"] == json.loads(re.findall(r"^\{.*\}$", _page(), re.MULTILINE)[-1])


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> DemoSite:
    return DemoSite(directory=tmp_path_factory.mktemp("site"))


def _round(site: DemoSite, server: Server) -> None:
    with running_devices(site, server, quiet=0, rounds=1, every=0) as reports:
        for _ in reports:
            pass


def test_one_changed_threshold_limits_the_older_release_and_history_replays(site: DemoSite) -> None:
    plan = make_site(site, devices=30, fresh_seconds=3600)
    policy = site.policies / FLOOR
    policy.write_text(policy.read_text().replace("default: 7", "default: 8"))
    commit(site.policies, [FLOOR], message="Raise the floor", author=Author(name="e", email="e@example.com"))
    with running_server(site, port=0) as server:
        publish(server, site.policies)
        announce(server, plan)
        _round(site, server)
        old = {d.device_id for d in plan if d.model == "gw-200" and d.release.svn == 7}
        limited = {e.device_id for e in endings(server, plan, {}) if e.reasons == (FLOOR_RULE,)}
        assert old and limited == old
        events = server.get("/v1/security-events")
        assert sorted(event["check"] for event in events) == ["binding.csr-key", "binding.evidence-key", "nonce.spent"]
        _refused_devices_have_nothing(server, [d.device_id for d in plan if d.scenario.value in REFUSED])
    replayed = subprocess.run(
        [sys.executable, "-m", "policyengine", "replay", "--data", str(site.data), "--output", "json"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    assert replayed.returncode == 0, replayed.stdout + replayed.stderr


FLOOR_RULE = "engineering/gateway-firmware#firmware-floor"
REFUSED = {"replay", "wrong-key", "foreign-csr"}


def _refused_devices_have_nothing(server: Server, names: list[str]) -> None:
    for name in names:
        shown = server.get(f"/v1/devices/{name}")
        assert (shown["lifecycle"], shown["state"], shown["certificate"]) == ("expected", None, None)
