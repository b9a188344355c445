"""Check-ins per second of two workers on PostgreSQL behind nginx, saturated and at half load, with nothing lost.

`python -m benchmarks.checkins_postgres [SECONDS]` prints a table.

`policyengine serve --workers 2`, PostgreSQL with its own durable commits, nginx and the devices share the processors.
Beside them in the same run stand the same requests through the same nginx to a server that only answers bytes, and bare
ECDSA P-256 verification. CPU is counted for each program, so that `free cores` can say what two processors give that
neither devices nor anybody else use. Every check-in that was acknowledged must be in the database at the end: each one
raises its device's version by one, and the decision acknowledged last is the one that the device stands under.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from http.client import HTTPConnection
from pathlib import Path

from sqlalchemy import create_engine, text

from benchmarks.checkins_http import Seat, ask_nonces, caller, enrolled, process, serving, verification
from benchmarks.http_load import Caller, Load, run
from policyengine.adapters.demo_site import DemoSite
from tests.support import postgres
from tests.support.ports import free_port

WORKERS = 2
CONNECTIONS = 64  # as in research: fewer do not fill two workers
WARM_UP = 2.0  # seconds: each worker compiles the bundle at its first check-in
TARGET = 2300
HALF_LOAD_P99 = 20.0  # ms
NGINX = """
daemon off; error_log stderr warn; pid {folder}/nginx.pid; worker_processes 1;
events {{ worker_connections 1024; }}
http {{
    access_log off; keepalive_requests 1000000;
    client_body_temp_path {folder}/body; proxy_temp_path {folder}/proxy; fastcgi_temp_path {folder}/fastcgi;
    uwsgi_temp_path {folder}/uwsgi; scgi_temp_path {folder}/scgi;
    upstream workers {{ server 127.0.0.1:{upstream} max_fails=0; keepalive 128; keepalive_requests 1000000; }}
    server {{
        listen 127.0.0.1:{port} backlog=2048;
        location / {{ proxy_pass http://workers; proxy_http_version 1.1; proxy_set_header Connection ""; }}
    }}
}}
"""


@dataclass(slots=True)
class Ledger:
    """What devices were told is recorded: how many check-ins, and the last decision, of each device."""

    counts: dict[str, int] = field(default_factory=dict)
    last: dict[str, str] = field(default_factory=dict)

    def note(self, device: str, answer: bytes) -> None:
        """Note an acknowledged check-in."""
        self.counts[device] = self.counts.get(device, 0) + 1
        self.last[device] = answer.partition(b'"decision_id":"sha256:')[2][:64].decode()


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One measure; CPU microseconds a request of each program."""

    load: Load
    cpu: dict[str, float]

    @property
    def free_cores(self) -> float:
        """Requests a second that WORKERS processors would give to these programs alone."""
        return WORKERS * 1e6 / sum(self.cpu.values())


def main() -> None:
    seconds = float(sys.argv[1]) if len(sys.argv) > 1 else 10.0
    programs, nginx = postgres.programs(), shutil.which("nginx", path=f"{os.environ['PATH']}:/usr/sbin")
    if programs is None or nginx is None:
        sys.exit("this needs PostgreSQL and nginx (tests/system-packages.txt)")
    cpus = os.sched_getaffinity(0)
    verify = verification()
    os.sched_setaffinity(0, cpus)
    with tempfile.TemporaryDirectory(prefix="policyengine-bench-") as folder, postgres.server(programs) as address:
        os.environ["POLICYENGINE_DATABASE_URL"] = url = postgres.new_database(address)
        site = DemoSite(directory=Path(folder))
        with serving(site, tls=True) as server:
            seats = enrolled(site, server)
        met = report(measured(site, seats, url, nginx, seconds), verify)
    sys.exit(0 if met else 1)


def measured(site: DemoSite, seats: list[Seat], url: str, nginx: str, seconds: float) -> dict[str, Row]:
    """Return the measures; raises SystemExit when an acknowledged check-in is not in the database."""
    every, rows = f"0-{(os.cpu_count() or 1) - 1}", dict[str, Row]()
    serve = ["-m", "policyengine", "serve", "--data", str(site.data), "--port", "0", "--workers", str(WORKERS)]
    quiet = {**os.environ, "POLICYENGINE_TLS": "0", "POLICYENGINE_LOG_LEVEL": "warning"}
    database = postmaster(url)
    with process(serve, quiet, site.data / "server.json", cpus=every) as ours, proxy(nginx, ours.port) as (port, front):
        pids = {"workers": ours.pid, "PostgreSQL": database, "nginx": front}
        ledger, before = Ledger(), versions(url)
        ask_nonces(seats, port, None)
        callers = [noting(seats[at::CONNECTIONS], ledger) for at in range(CONNECTIONS)]
        run(callers, port=port, path="/v1/checkins", seconds=WARM_UP, tls=None)
        rows["check-ins, saturated"] = full = row(callers, port, "/v1/checkins", seconds, pids)
        pause = CONNECTIONS / (full.load.rate / 2)
        slow = [replace(each, every=pause) for each in callers]
        rows["check-ins, half load"] = row(slow, port, "/v1/checkins", seconds, pids)
        demand_nothing_lost(ledger, before, url, seats)
    bare = ["-m", "benchmarks.bare_server", str(site.data), str(site.data / "bare.json"), "0"]
    with (
        process(bare, quiet, site.data / "bare.json", cpus=every) as server,
        proxy(nginx, server.port) as (port, front),
    ):
        callers = [caller(seats[at::CONNECTIONS], spends=False) for at in range(CONNECTIONS)]
        run(callers, port=port, path="/bare", seconds=WARM_UP, tls=None)
        rows["bare server"] = row(callers, port, "/bare", seconds, {"server": server.pid, "nginx": front})
    return rows


def noting(seats: list[Seat], ledger: Ledger) -> Caller:
    """Return a connection's devices as a caller that keeps what it was acknowledged."""
    plain, turn = caller(seats, spends=True), [0]

    def reply(status: int, content: bytes) -> None:
        if status == 200:
            ledger.note(seats[turn[0] % len(seats)].device.planned.device_id, content)
        turn[0] += 1
        plain.reply(status, content)

    return Caller(request=plain.request, reply=reply)


def row(callers: list[Caller], port: int, path: str, seconds: float, pids: dict[str, int]) -> Row:
    before = {name: family_seconds(pid) for name, pid in pids.items()}
    load = run(callers, port=port, path=path, seconds=seconds, tls=None)
    cpu = {name: (family_seconds(pid) - before[name]) / load.answered * 1e6 for name, pid in pids.items()}
    return Row(load=load, cpu=cpu)


@contextmanager
def proxy(nginx: str, upstream: int) -> Iterator[tuple[int, int]]:
    """Run nginx before a port; yield its own port and its process."""
    port = free_port()
    with tempfile.TemporaryDirectory(prefix="policyengine-nginx-") as folder:
        file = Path(folder) / "nginx.conf"
        file.write_text(NGINX.format(folder=folder, upstream=upstream, port=port))
        started = subprocess.Popen([nginx, "-c", str(file)], stderr=subprocess.DEVNULL)
        try:
            while not answers(port):
                if started.poll() is not None:
                    raise SystemExit("nginx did not start")
                time.sleep(0.05)
            yield port, started.pid
        finally:
            started.terminate()
            started.wait(timeout=30)


def answers(port: int) -> bool:
    wire = HTTPConnection("localhost", port, timeout=1)
    try:
        wire.connect()
    except OSError:
        return False
    wire.close()
    return True


def family_seconds(pid: int) -> float:
    """Return the CPU seconds of a process and of those it started, also of those that have ended."""
    ticks, parents = dict[int, int](), dict[int, int]()
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = stat.read_text().rpartition(") ")[2].split()  # proc(5), from the third field on
        except OSError:
            continue  # it ended meanwhile
        own = int(stat.parent.name)
        ticks[own], parents[own] = sum(map(int, fields[11:15])), int(fields[1])
    family = {pid}
    while more := {child for child, parent in parents.items() if parent in family} - family:
        family |= more
    return sum(ticks.get(each, 0) for each in family) / os.sysconf("SC_CLK_TCK")


def postmaster(url: str) -> int:
    folder = Path(url.partition("host=")[2])
    return int((folder / "cluster" / "postmaster.pid").read_text().split()[0])


def versions(url: str) -> dict[str, tuple[int, str]]:
    """Return each device's version and the decision it stands under."""
    engine = create_engine(url)
    with engine.connect() as connection:
        found = connection.execute(text("SELECT device_id, version, decision_id FROM device_state")).all()
    engine.dispose()
    return {device: (version, bytes(decision).hex()) for device, version, decision in found}


def demand_nothing_lost(ledger: Ledger, before: dict[str, tuple[int, str]], url: str, seats: list[Seat]) -> None:
    refused, after = sum(seat.refused for seat in seats), versions(url)
    lost = [
        device
        for device, count in ledger.counts.items()
        if after[device][0] - before[device][0] < count or after[device][1] != ledger.last[device]
    ]
    if refused or lost:
        raise SystemExit(f"{refused} check-ins were refused; acknowledged ones of {lost} are not in the database")
    print(f"{sum(ledger.counts.values()):,} check-ins of {len(ledger.counts)} devices acknowledged, none lost")


def report(rows: dict[str, Row], verify: float) -> bool:
    """Print the figures; return whether the targets were met."""
    for name, found in rows.items():
        cpu = ", ".join(f"{program} {spent:.0f}" for program, spent in found.cpu.items())
        load, of_verify = found.load, sum(found.cpu.values()) / verify
        print(
            f"{name:22}{load.rate:7,.0f}/s  p50 {load.p50:5.1f} ms  p99 {load.p99:6.1f} ms  CPU us: {cpu}; "
            f"{of_verify:.1f} verifications; {WORKERS} free cores {found.free_cores:,.0f}/s"
        )
    print(f"bare ECDSA verify {verify:.1f} us CPU; {WORKERS} cores verify {WORKERS * 1e6 / verify:,.0f}/s")
    full, half = rows["check-ins, saturated"], rows["check-ins, half load"]
    print(f"targets: {TARGET:,}/s of {WORKERS} cores, p99 at half load under {HALF_LOAD_P99:.0f} ms")
    return full.load.rate >= TARGET and half.load.p99 < HALF_LOAD_P99


if __name__ == "__main__":
    main()
