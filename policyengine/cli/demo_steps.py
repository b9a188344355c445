"""The steps of the demo, each a plain function: make a site, start a server, publish, announce, watch, read back."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from policyengine.adapters.clock import SystemClock
from policyengine.adapters.demo_site import DemoSite, write_plan, write_policies, write_vendor
from policyengine.adapters.device_client import Answer, Connection
from policyengine.adapters.entropy import SystemEntropy
from policyengine.errors import PolicyEngineError
from policyengine.simulation.documents import registry_entry
from policyengine.simulation.fleet import found_vendor
from policyengine.simulation.plan import PlannedDevice, plan_fleet

FRESH_SECONDS = 20  # long enough to enrol 200 devices on a slow machine, short enough to watch one go stale
MODELS = ("gw-200", "plc-9", "sn-40")
SERIALS = {"vendor-acme": "AC-", "vendor-borealis": "BO-"}
START_SECONDS = 60  # a first start makes keys and a database; it takes about two seconds
STOP_SECONDS = 20
BUNDLE_TYPE = "application/vnd.policyengine.bundle+json"


class DemoFailedError(PolicyEngineError):
    """A step of the demo did not do what it should."""

    code = "fault.demo"


@dataclass(frozen=True, slots=True, kw_only=True)
class Server:
    """A running server of the demo, and a connection with its admin token."""

    url: str
    ca: Path
    token: str
    connection: Connection

    def get(self, path: str) -> Any:
        """Return the document or list at `path`; raises DemoFailedError unless the answer is 200."""
        return _expect(self.connection.get(path), 200, path)

    def post(self, path: str, document: Mapping[str, object]) -> Any:
        """Return the answer to `document`; raises DemoFailedError unless it is 200 or 201."""
        answer = self.connection.post(path, document)
        return _expect(answer, 201 if answer.status == 201 else 200, path)


def _expect(answer: Answer, status: int, path: str) -> Any:
    if answer.status != status:
        raise DemoFailedError(f"`{path}` answered {answer.status}: {json.dumps(answer.document)[:400]}")
    return answer.document.get("items", answer.document)


@dataclass(frozen=True, slots=True, kw_only=True)
class Ending:
    """Where one device ended: its tier (or `refused`) and the rules or checks that say why."""

    device_id: str
    model: str
    scenario: str
    tier: str
    reasons: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Published:
    """A bundle in force and the commit it was compiled from."""

    digest: str
    commit: str


def make_site(site: DemoSite, *, devices: int, fresh_seconds: int = FRESH_SECONDS) -> tuple[PlannedDevice, ...]:
    """Write policies, vendors' test CAs and the plan of `devices` devices below the site, and return the plan."""
    from policyengine.cli.compiled import compiled_bundle

    now, entropy = SystemClock().now(), SystemEntropy().draw
    vendors = {name: found_vendor(name, now=now, entropy=entropy) for name in SERIALS}
    for ca in vendors.values():
        write_vendor(site, ca)
    write_policies(site, vendors, fresh=f"{fresh_seconds}s")
    bundle, _ = compiled_bundle(site.policies)
    plan = plan_fleet(bundle.fleet, bundle.reference_values, models=MODELS, serial_prefixes=SERIALS, count=devices)
    write_plan(site, plan)
    return plan


@contextmanager
def running_server(site: DemoSite, *, port: int) -> Iterator[Server]:
    """Run a server over the site's data directory for the length of the block; raises DemoFailedError."""
    log = site.directory / "server.log"
    arguments = ["serve", "--data", str(site.data), "--port", str(port)]
    with log.open("wb") as output:
        process = _command(arguments, stdout=output, stderr=output)
        try:
            server = _server(site, process, log)
            try:
                yield server
            finally:
                server.connection.close()
        finally:
            _stop(process)


def _server(site: DemoSite, process: subprocess.Popen[bytes], log: Path) -> Server:
    announced = site.data / "server.json"
    deadline = time.monotonic() + START_SECONDS
    while not announced.is_file():
        if process.poll() is not None or time.monotonic() > deadline:
            raise DemoFailedError(f"the server did not start: {log.read_text(errors='replace')[-800:]}")
        time.sleep(0.05)
    url = json.loads(announced.read_text(encoding="utf-8"))["url"]
    ca = site.data / "ca.pem"
    token = (site.data / "admin.token").read_text(encoding="ascii").strip()
    connection = Connection(url, ca_pem=ca.read_text(encoding="ascii"), token=token)
    return Server(url=url, ca=ca, token=token, connection=connection)


def publish(server: Server, policies: Path) -> Published:
    """Compile the last commit of the policy repository, publish the bundle and put it in force.

    Raises DemoFailedError when the commit does not compile; the bundle before it then stays in force.
    """
    from policyengine.adapters.git import read_commit
    from policyengine.attestation.corim.states import read_endorsed
    from policyengine.language.bundle import BundleFile, encode_file
    from policyengine.language.compiler import compile_tree
    from policyengine.language.diagnostics import as_text, errors

    tree, now = read_commit(policies), SystemClock().now()
    compiled = compile_tree(tree.files, now=now, corims=read_endorsed)
    if compiled.bundle is None or compiled.digest is None:
        raise DemoFailedError(f"commit {tree.commit[:12]} does not compile: {as_text(errors(compiled.diagnostics)[0])}")
    file = BundleFile(bundle=compiled.bundle, digest=compiled.digest, commit=tree.commit, created_at=now)
    answer = server.connection.upload("/v1/bundles", encode_file(file), BUNDLE_TYPE)
    _expect(answer, 201, "/v1/bundles")
    active = server.connection.get("/v1/bundles/active")
    generation = active.document["generation"] if active.status == 200 else None
    server.post(f"/v1/bundles/{compiled.digest}/activate", {"expected_generation": generation})
    return Published(digest=compiled.digest, commit=tree.commit)


def announce(server: Server, plan: Sequence[PlannedDevice]) -> None:
    """Announce the planned devices to the registry, as operations would."""
    server.post("/v1/devices", {"devices": [registry_entry(planned) for planned in plan]})


@contextmanager
def running_devices(
    site: DemoSite, server: Server, *, quiet: float, rounds: int, every: float
) -> Iterator[Iterator[dict[str, Any]]]:
    """Run the devices in a process of their own and yield what they report, one dict a visit or round."""
    arguments = [
        *("simulate", "--site", str(site.directory), "--server", server.url, "--ca", str(server.ca)),
        *("--quiet", str(quiet), "--every", str(every), "--rounds", str(rounds)),
    ]
    with _command(arguments, stdout=subprocess.PIPE, stderr=None) as process:
        try:
            yield _reports(process)
        finally:
            _stop(process)


def _reports(process: subprocess.Popen[bytes]) -> Iterator[dict[str, Any]]:
    if process.stdout is None:
        return
    for line in process.stdout:
        yield json.loads(line)
    if process.wait() != 0:
        raise DemoFailedError(f"the simulated devices ended with exit code {process.returncode}")


def endings(server: Server, plan: Sequence[PlannedDevice], refusals: Mapping[str, str]) -> tuple[Ending, ...]:
    """Return where every device ended, as the API tells it; `refusals` is what refused devices were told."""
    return tuple(_ending(server, planned, refusals) for planned in plan)


def _ending(server: Server, planned: PlannedDevice, refusals: Mapping[str, str]) -> Ending:
    detail = server.get(f"/v1/devices/{planned.device_id}")
    state = detail["state"]
    if state is None:
        reasons: tuple[str, ...] = (refusals.get(planned.device_id, "never heard of"),)
    else:
        reasons = tuple(verdict["rule"] for verdict in _telling(detail["verdicts"]))
    return Ending(
        device_id=planned.device_id,
        model=planned.model,
        scenario=planned.scenario.value,
        tier="refused" if state is None else state["tier"],
        reasons=reasons,
    )


def _telling(verdicts: Sequence[Mapping[str, str]]) -> list[Mapping[str, str]]:
    """Return the enforced verdicts that are not passes and ask for more than a notice."""
    return [
        verdict
        for verdict in verdicts
        if verdict["mode"] == "enforce" and verdict["result"] in ("fail", "unknown") and verdict["action"] != "notify"
    ]


def _command(arguments: Sequence[str], **streams: Any) -> subprocess.Popen[bytes]:
    return subprocess.Popen(  # noqa: S603 - this program itself, no shell
        [sys.executable, "-m", "policyengine", *arguments], stdin=subprocess.DEVNULL, **streams
    )


def _stop(process: subprocess.Popen[bytes]) -> None:
    if process.poll() is None:
        process.terminate()
        try:
            process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
