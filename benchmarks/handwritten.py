"""The 25 rule templates as a Python programmer would write them, without a thought for absent facts.

Each factory takes the template's constant. An absent fact is a KeyError, which the caller counts as unknown; that is
not CEL's meaning inside `&&` and `||`, so these are a speed reference, not an engine.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import timedelta
from types import ModuleType
from typing import Any

Rule = Callable[[dict[str, Any], Any], bool]
Factory = Callable[[int], Rule]


def factories(workload: ModuleType) -> list[Factory]:  # noqa: C901 - one small function per template
    """Return the templates in the workload's order."""
    ge, lt = workload.semver_ge, workload.semver_lt

    def secure_boot(n: int) -> Rule:
        return lambda d, now: d["boot"]["secure_boot"]

    def boot_mode(n: int) -> Rule:
        modes = {"production", "locked", f"m{n}"}
        return lambda d, now: d["boot"]["mode"] in modes

    def rollback(n: int) -> Rule:
        return lambda d, now: d["boot"]["rollback_counter"] >= n

    def key_strength(n: int) -> Rule:
        def rule(d: dict[str, Any], now: Any) -> bool:
            cert = d["cert"]
            return (cert["key_alg"] == "rsa" and cert["key_bits"] >= 2048) or (
                cert["key_alg"] == "ec" and cert["key_bits"] >= n
            )

        return rule

    def not_expired(n: int) -> Rule:
        return lambda d, now: d["cert"]["not_after"] > now

    def time_left(n: int) -> Rule:
        least = timedelta(hours=n)
        return lambda d, now: d["cert"]["not_after"] - now > least

    def issuer(n: int) -> Rule:
        prefix = f"CN=Fleet CA {n}"
        return lambda d, now: d["cert"]["issuer"].startswith(prefix)

    def self_signed(n: int) -> Rule:
        tenant = f"t{n}"
        return lambda d, now: not d["cert"]["self_signed"] or d["identity"]["tenant"] == tenant

    def all_signed(n: int) -> Rule:
        return lambda d, now: all(c["signed"] for c in d["firmware"]["components"])

    def bootloader(n: int) -> Rule:
        floor = f"2.{n}.0"
        return lambda d, now: any(
            c["name"] == "bootloader" and ge(c["version"], floor) for c in d["firmware"]["components"]
        )

    def openssl(n: int) -> Rule:
        floor = f"3.0.{n}"
        return lambda d, now: (
            not any(c["name"] == "openssl" and lt(c["version"], floor) for c in d["firmware"]["components"])
        )

    def measured(n: int) -> Rule:
        known = {"m0", "m1", f"m{n}"}
        return lambda d, now: all(
            c["name"] != "u-boot" or c["measurement"] in known for c in d["firmware"]["components"]
        )

    def ports(n: int) -> Rule:
        allowed = {22, 443, 8883, 5683, n}
        return lambda d, now: all(p in allowed for p in d["network"]["open_ports"])

    def no_telnet(n: int) -> Rule:
        return lambda d, now: 23 not in d["network"]["open_ports"]

    def no_low_ports(n: int) -> Rule:
        return lambda d, now: not any(p < 1024 and p != 22 and p != 443 for p in d["network"]["open_ports"])

    def ssh(n: int) -> Rule:
        def rule(d: dict[str, Any], now: Any) -> bool:
            config = d["config"]
            return not config["ssh_enabled"] or (config["ssh_root_login"] == "no" and not config["password_auth"])

        return rule

    def ntp(n: int) -> Rule:
        pattern = re.compile(rf"^([a-z0-9-]+[.])*corp{n}[.]example$")
        return lambda d, now: pattern.search(d["config"]["ntp_server"]) is not None

    def cves(n: int) -> Rule:
        return lambda d, now: d["sbom"]["critical_cves"] == 0 and d["sbom"]["high_cves"] <= n

    def cvss(n: int) -> Rule:
        return lambda d, now: d["sbom"]["max_cvss"] < 7.5

    def kev(n: int) -> Rule:
        return lambda d, now: "kev_count" not in d["sbom"] or d["sbom"]["kev_count"] == 0

    def selinux(n: int) -> Rule:
        return lambda d, now: "selinux" in d["os"] and d["os"]["selinux"] == "enforcing"

    def os_version(n: int) -> Rule:
        floor = f"5.{n}.1"
        return lambda d, now: ge(d["os"]["version"], floor)

    def fresh(n: int) -> Rule:
        limit = 3600 * n
        return lambda d, now: d["attest"]["age_s"] < limit and d["attest"]["nonce_fresh"]

    def updated(n: int) -> Rule:
        limit = timedelta(hours=n)
        return lambda d, now: d["os"]["last_update"] > now - limit

    def vlan(n: int) -> Rule:
        others = {10, 20, n}
        return lambda d, now: (
            d["network"]["vlan"] == 30 if d["identity"]["model"].startswith("cam-") else d["network"]["vlan"] in others
        )

    return [
        secure_boot,
        boot_mode,
        rollback,
        key_strength,
        not_expired,
        time_left,
        issuer,
        self_signed,
        all_signed,
        bootloader,
        openssl,
        measured,
        ports,
        no_telnet,
        no_low_ports,
        ssh,
        ntp,
        cves,
        cvss,
        kev,
        selinux,
        os_version,
        fresh,
        updated,
        vlan,
    ]


def rules(workload: ModuleType, count: int) -> list[Rule]:
    """Return `count` rules, the constants rising from template round to template round as in the workload."""
    made = factories(workload)
    return [made[at % len(made)](at // len(made) + 1) for at in range(count)]
