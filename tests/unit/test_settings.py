"""Settings: safe defaults, and no value that cannot be read passes silently."""

from __future__ import annotations

import ipaddress
from dataclasses import replace
from pathlib import Path

import pytest

from policyengine.settings import SettingError, Settings, cache_directory, from_environment


def test_without_variables_the_server_listens_to_this_machine_only_and_speaks_tls() -> None:
    found = from_environment({})
    assert (found.host, found.tls, found.trusted_proxies, found.data) == ("127.0.0.1", True, (), Path("data"))


def test_variables_override_the_defaults() -> None:
    found = from_environment(
        {
            "POLICYENGINE_DATA": "/srv/pe",
            "POLICYENGINE_PORT": "0",
            "POLICYENGINE_TLS": "0",
            "POLICYENGINE_PUBLIC_NAMES": "pe.example, 192.0.2.1",
            "POLICYENGINE_TRUSTED_PROXIES": "192.0.2.0/28",
            "OTHER": "x",
        }
    )
    assert (found.port, found.tls, found.public_names) == (0, False, ("pe.example", "192.0.2.1"))
    assert found.trusted_proxies == (ipaddress.ip_network("192.0.2.0/28"),)
    assert found.storage_url == "sqlite:////srv/pe/policyengine.db"


@pytest.mark.parametrize(
    ("variable", "text"),
    [
        ("PORT", "-1"),
        ("PORT", "65536"),
        ("PORT", "٣"),
        ("TLS", "yes"),
        ("TRUSTED_PROXIES", "10.0.0.1/8"),
        ("TRUSTED_PROXIES", "proxy.example"),
        ("PUBLIC_NAMES", " , "),
        ("MAX_BODY_BYTES", "1"),
        ("LOG_LEVEL", "loud"),
    ],
)
def test_a_value_that_cannot_be_read_names_its_variable(variable: str, text: str) -> None:
    with pytest.raises(SettingError) as refusal:
        from_environment({f"POLICYENGINE_{variable}": text})
    assert refusal.value.fields["variable"] == f"POLICYENGINE_{variable}"


def test_a_misspelt_variable_is_refused_and_not_ignored() -> None:
    with pytest.raises(SettingError, match="POLICYENGINE_TRUSTED_PROXY"):
        from_environment({"POLICYENGINE_TRUSTED_PROXY": "10.0.0.0/8"})


def test_the_layout_follows_the_data_directory() -> None:
    moved = replace(Settings(data=Path("a")), data=Path("b"))
    assert moved.layout.admin_token == Path("b/admin.token")


def test_the_cache_is_where_the_user_says(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("POLICYENGINE_CACHE", "/somewhere")
    assert cache_directory() == Path("/somewhere")


def test_the_cache_is_in_the_users_own_directory_unless_said(monkeypatch: pytest.MonkeyPatch) -> None:
    """XDG Base Directory Specification."""
    monkeypatch.delenv("POLICYENGINE_CACHE")
    monkeypatch.setenv("XDG_CACHE_HOME", "/home/one/.cache")
    assert cache_directory() == Path("/home/one/.cache/policyengine")


def test_a_relative_cache_home_is_ignored(monkeypatch: pytest.MonkeyPatch) -> None:
    """XDG Base Directory Specification: all paths must be absolute, others are to be ignored."""
    monkeypatch.delenv("POLICYENGINE_CACHE")
    monkeypatch.setenv("XDG_CACHE_HOME", "relative")
    monkeypatch.setenv("HOME", "/home/one")
    assert cache_directory() == Path("/home/one/.cache/policyengine")
