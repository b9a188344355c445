"""The offline ceremony: everything once, written down, resumed after any step, and never over what is there."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography.x509.oid import ExtensionOID

from pki.certificates import load_certificate, split_certificates
from pki.chain import ANY_LEAF, validate_path
from pki.crl_lists import load_crl
from pki.errors import NameRefusedError
from pki.keys import KeyType
from policyengine.adapters.keyfile import PassphraseError
from policyengine.adapters.offline_ceremony import CeremonyError, CeremonyPlan, OfflineCeremony
from tests.unit.pki.making import entropy

Zones = tuple[tuple[str, tuple[str, ...]], ...]

_NAME_CONSTRAINTS = ExtensionOID.NAME_CONSTRAINTS
NOW = datetime(2026, 11, 23, tzinfo=UTC)
PLAN = CeremonyPlan(
    fleet="Plant A",
    issuing=(("line-1", ("line-1.devices.example",)), ("line-2", ("line-2.devices.example",))),
    key=KeyType.P256,
)
SECRET = b"correct horse battery"
FILES = [
    "root/root.key",
    "root/root.pem",
    *(f"line-{line}/{name}" for line in (1, 2) for name in ("issuing.key", "issuing.pem", "ocsp.key", "ocsp.pem")),
    "root/root.crl",
]


def draws(label: str) -> Callable[[int], bytes]:
    numbers = iter(range(10_000))
    return lambda size: entropy(f"{label} {next(numbers)}", size)


def ceremony(
    directory: Path, *, label: str = "first", plan: CeremonyPlan = PLAN, secret: bytes = SECRET
) -> OfflineCeremony:
    return OfflineCeremony(directory, plan, passphrase=secret, now=NOW, entropy=draws(label))


@pytest.fixture(scope="module")
def held(tmp_path_factory: pytest.TempPathFactory) -> Path:
    directory = tmp_path_factory.mktemp("safe") / "ceremony"
    assert list(ceremony(directory).run()) == [(file, "made") for file in FILES]
    return directory


def certificate(directory: Path, name: str) -> object:
    return load_certificate(split_certificates((directory / name).read_bytes())[0])


@pytest.mark.parametrize("zone", ["line-1", "line-2"])
def test_each_zone_has_a_path_to_the_root_that_its_list_keeps_free(held: Path, zone: str) -> None:
    root, issuing = certificate(held, "root/root.pem"), certificate(held, f"{zone}/issuing.pem")
    lists = [load_crl((held / "root/root.crl").read_bytes())]
    assert validate_path(issuing, intermediates=(), anchors=[root], at=NOW, rules=ANY_LEAF, crls=lists)
    responder = certificate(held, f"{zone}/ocsp.pem")
    assert validate_path(responder, intermediates=[issuing], anchors=[root], at=NOW)


def test_a_zone_is_bound_to_its_own_domain(held: Path) -> None:
    names = [
        certificate(held, f"line-{line}/issuing.pem").extensions.get_extension_for_oid(_NAME_CONSTRAINTS).value
        for line in (1, 2)
    ]
    assert [found.permitted_subtrees[0].value for found in names] == [
        "line-1.devices.example",
        "line-2.devices.example",
    ]


def test_the_transcript_holds_the_digest_of_everything(held: Path) -> None:
    lines = [json.loads(line) for line in (held / "transcript.jsonl").read_text().splitlines()]
    digests = {line["step"]: line["sha256"] for line in lines if "step" in line}
    assert digests.pop("plan") == PLAN.digest
    assert digests == {file: "sha256:" + hashlib.sha256((held / file).read_bytes()).hexdigest() for file in FILES}


def test_keys_are_the_owners_alone(held: Path) -> None:
    assert {(held / file).stat().st_mode & 0o777 for file in FILES if file.endswith(".key")} == {0o600}


def test_running_again_changes_nothing(held: Path) -> None:
    before = {file: (held / file).read_bytes() for file in FILES}
    assert list(ceremony(held, label="second").run()) == [(file, "was there") for file in FILES]
    assert {file: (held / file).read_bytes() for file in FILES} == before


@pytest.mark.parametrize("steps", [1, 4, len(FILES) - 1])
def test_an_interrupted_ceremony_goes_on_where_it_stopped(tmp_path: Path, steps: int) -> None:
    run = ceremony(tmp_path / "c").run()
    for _ in range(steps):
        next(run)
    seen = [state for _, state in ceremony(tmp_path / "c", label="second").run()]
    assert seen == ["was there"] * steps + ["made"] * (len(FILES) - steps)


def test_what_a_step_left_before_it_was_written_down_is_kept(tmp_path: Path) -> None:
    directory = tmp_path / "c"
    run = ceremony(directory).run()
    next(run)
    transcript = directory / "transcript.jsonl"
    transcript.write_text("".join(transcript.read_text().splitlines(keepends=True)[:-1]))
    key = (directory / "root/root.key").read_bytes()
    next(ceremony(directory, label="second").run())
    assert (directory / "root/root.key").read_bytes() == key


def refused(directory: Path, **changes: object) -> str:
    with pytest.raises(CeremonyError) as error:
        list(ceremony(directory, label="second", **changes).run())
    return error.value.message


def test_another_plan_is_refused(held: Path) -> None:
    assert "another plan" in refused(held, plan=replace(PLAN, fleet="Plant B"))


def test_a_file_that_changed_is_refused(tmp_path: Path) -> None:
    directory = tmp_path / "c"
    list(ceremony(directory).run())
    (directory / "line-1/issuing.pem").write_text("something else")
    assert "not what the transcript says" in refused(directory)


def test_a_file_that_nobody_made_here_is_not_overwritten(tmp_path: Path) -> None:
    directory = tmp_path / "c"
    (directory / "root").mkdir(parents=True)
    (directory / "root" / "root.key").write_text("somebody's")
    assert "does not know it" in refused(directory)
    assert (directory / "root" / "root.key").read_text() == "somebody's"


def test_another_passphrase_stops_it(tmp_path: Path) -> None:
    run = ceremony(tmp_path / "c").run()
    next(run)
    with pytest.raises(PassphraseError):
        list(ceremony(tmp_path / "c", label="second", secret=b"another passphrase").run())


def test_the_roots_list_is_current_for_a_year(held: Path) -> None:
    found = load_crl((held / "root/root.crl").read_bytes())
    assert found.next_update_utc == NOW + timedelta(days=366)


@pytest.mark.parametrize(
    ("issuing", "code"),
    [
        ((("a", ("a.example",)), ("A", ("b.example",))), "ceremony.plan"),
        ((("a", ("a_b",)),), "name.dns"),
        ((("a", ("a.example.",)),), "name.dns"),
        ((("a" * 40, ("a.example",)),), "name.too-long"),
    ],
)
def test_a_plan_that_could_not_be_finished_is_refused_before_it_begins(issuing: Zones, code: str) -> None:
    """A half-made ceremony cannot be continued with a better plan."""
    with pytest.raises((CeremonyError, NameRefusedError)) as refused:
        CeremonyPlan(fleet="The plant in the north", issuing=issuing, key=KeyType.P256)
    assert refused.value.code == code
