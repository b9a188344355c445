"""The only reader of the environment: where data lives, where the server listens, whom it believes.

Every value has a default that is safe on a laptop; `POLICYENGINE_*` variables override it, and a value that cannot be
read is an error, never a silent default.
"""

from __future__ import annotations

import ipaddress
import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeVar

from policyengine.errors import PolicyEngineError

PREFIX = "POLICYENGINE_"

MAX_BODY_BYTES = 512 * 1024  # evidence (64 KiB), chain, CSR and reported facts fit several times over
MAX_UPLOAD_BYTES = 32 * 1024 * 1024  # a bundle of 10,000 rules is about 15 MB of JSON
MAX_IN_FLIGHT = 256  # beyond it waiting costs more than a retry: one core answers about 1,000 check-ins a second
MAX_CONNECTIONS = 8192  # idle keep-alive connections cost about 60 KiB each with TLS
KEEP_ALIVE_SECONDS = 75  # longer than the 60 s at which common proxies close, so that they close first
RATE_PER_SECOND = 200  # of one API token, and five seconds of it at once; a dashboard or a pipeline makes a few
DRAIN_SECONDS = 20  # a check-in takes milliseconds; an upload may take seconds
MAX_WORKERS = 64  # each holds up to 19 connections to the database; more cores than that want several machines

Network = ipaddress.IPv4Network | ipaddress.IPv6Network
T = TypeVar("T")


class SettingError(PolicyEngineError):
    """A setting that cannot be read; names the variable."""

    code = "settings.invalid"


@dataclass(frozen=True, slots=True, kw_only=True)
class DataLayout:
    """What stands where below the data directory."""

    root: Path

    @property
    def database(self) -> Path:
        """The embedded database."""
        return self.root / "policyengine.db"

    @property
    def keys(self) -> Path:
        """Private keys, 0700."""
        return self.root / "keys"

    @property
    def admin_token(self) -> Path:
        """The token of the first run, 0600."""
        return self.root / "admin.token"

    @property
    def checkpoint(self) -> Path:
        """The last checkpoint of the transparency log that was signed."""
        return self.root / "log.checkpoint"

    @property
    def exports(self) -> Path:
        """Evidence exports that were asked for over HTTP."""
        return self.root / "exports"

    @property
    def counts(self) -> Path:
        """What each of several workers has counted."""
        return self.root / "counts"

    @property
    def server(self) -> Path:
        """Where the running server can be reached: JSON with `url`, `port`, `pid`, `ca`."""
        return self.root / "server.json"

    @property
    def ca_bundle(self) -> Path:
        """The certificates a client must trust to talk to this server, PEM."""
        return self.root / "ca.pem"


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """Everything that differs between two installations."""

    data: Path
    database_url: str | None = None  # None: SQLite below `data`
    host: str = "127.0.0.1"
    port: int = 8443
    workers: int = 1  # processes that answer; more need PostgreSQL
    tls: bool = True  # off only behind a proxy that ends TLS, or in a benchmark
    public_names: tuple[str, ...] = ("localhost", "127.0.0.1", "::1")
    fleet_name: str = "fleet"  # in every CA's subject; read once, when the authority is founded
    device_domains: tuple[str, ...] = ("devices.example",)  # name constraint of the issuing CA; read once as well
    issuer: str = "policyengine"  # `iss` of attestation results
    audience: str = "policyengine"  # `aud` of attestation results: who relies on them
    log_name: str | None = None  # the transparency log's origin; None: the first public name. Read once, like the CA's
    pki_url: str | None = None  # where relying parties reach `/pki`, e.g. http://pki.example/pki; in certificates
    trusted_proxies: tuple[Network, ...] = ()  # whose `Client-Cert` header is believed (RFC 9440)
    oidc_file: Path | None = None  # issuers whose tokens are believed (docs/operator.md); None: nobody's
    webhooks_file: Path | None = None  # servers that are told what changes (docs/events.md); None: nobody's
    feeds_file: Path | None = None  # whose feeds of vulnerabilities are believed (docs/supplies.md); None: nobody's
    passphrase_file: Path | None = None  # None: a random one is kept beside the keys
    max_body_bytes: int = MAX_BODY_BYTES
    max_upload_bytes: int = MAX_UPLOAD_BYTES
    max_in_flight: int = MAX_IN_FLIGHT
    max_connections: int = MAX_CONNECTIONS
    rate_per_second: int = RATE_PER_SECOND  # of one API token; 0: no limit
    keep_alive_seconds: int = KEEP_ALIVE_SECONDS
    drain_seconds: int = DRAIN_SECONDS
    archive_after_days: int = 0  # older decisions are due to be archived, says `doctor`; 0: none ever is
    log_level: str = "info"
    layout: DataLayout = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "layout", DataLayout(root=self.data))

    @property
    def storage_url(self) -> str:
        """The SQLAlchemy URL of the database."""
        return self.database_url or f"sqlite:///{self.layout.database}"

    @property
    def log_origin(self) -> str:
        """What the transparency log is called: its address without scheme (C2SP tlog-tiles)."""
        return self.log_name or f"{self.public_names[0]}:{self.port}/log"


def from_environment(environment: Mapping[str, str] | None = None) -> Settings:
    """Return the settings that `environment` (the process's own when None) asks for.

    Raises SettingError for a variable that cannot be read and for a `POLICYENGINE_` variable nobody knows.
    """
    given = {
        name: text
        for name, text in (os.environ if environment is None else environment).items()
        if name.startswith(PREFIX) and name not in _ELSEWHERE
    }
    unknown = sorted(given.keys() - {PREFIX + key.upper() for key in _READERS})
    if unknown:
        raise SettingError(f"unknown setting `{unknown[0]}`", variable=unknown[0])
    values = {
        key: _read(PREFIX + key.upper(), given, read) for key, read in _READERS.items() if PREFIX + key.upper() in given
    }
    return Settings(**{"data": Path("data"), **values})  # type: ignore[arg-type]  # each reader gives its field's type


def debugging() -> bool:
    """Return whether tracebacks are wanted (`POLICYENGINE_DEBUG=1`)."""
    return os.environ.get(PREFIX + "DEBUG") == "1"


def cache_directory() -> Path:
    """Return where what can be computed again is kept: `POLICYENGINE_CACHE`, or below the user's cache directory."""
    own = os.environ.get(PREFIX + "CACHE")
    if own:
        return Path(own)
    shared = os.environ.get("XDG_CACHE_HOME", "")  # XDG Base Directory: a relative path is to be ignored
    return (Path(shared) if shared.startswith("/") else Path.home() / ".cache") / "policyengine"


def traces_wanted(environment: Mapping[str, str] | None = None) -> bool:
    """Return whether OpenTelemetry's own variables ask for traces to be sent; where to, its SDK reads."""
    given = os.environ if environment is None else environment
    exporter = given.get("OTEL_TRACES_EXPORTER", "")
    if given.get("OTEL_SDK_DISABLED", "").lower() == "true" or exporter not in {"", "otlp"}:
        return False
    named = (given.get(f"OTEL_EXPORTER_OTLP_{which}ENDPOINT") for which in ("", "TRACES_"))
    return exporter == "otlp" or any(named)


def traces_protocol(environment: Mapping[str, str] | None = None) -> str:
    """Return the protocol that OpenTelemetry's own variables ask for."""
    given = os.environ if environment is None else environment
    general = given.get("OTEL_EXPORTER_OTLP_PROTOCOL") or "http/protobuf"
    return given.get("OTEL_EXPORTER_OTLP_TRACES_PROTOCOL") or general


def _read(variable: str, given: Mapping[str, str], read: Callable[[str], object]) -> object:
    try:
        return read(given[variable])
    except ValueError as cause:
        raise SettingError(f"`{variable}` cannot be read: {cause}", variable=variable) from cause


def _switch(text: str) -> bool:
    if text not in {"0", "1"}:
        raise ValueError("say 0 or 1")
    return text == "1"


def _between(low: int, high: int) -> Callable[[str], int]:
    def read(text: str) -> int:
        if not (text.isascii() and text.isdigit() and low <= int(text) <= high):
            raise ValueError(f"say a whole number from {low} to {high}")
        return int(text)

    return read


def _names(text: str) -> tuple[str, ...]:
    names = tuple(name.strip() for name in text.split(",") if name.strip())
    if not names:
        raise ValueError("say at least one name, separated by commas")
    return names


def _networks(text: str) -> tuple[Network, ...]:
    return tuple(ipaddress.ip_network(part.strip()) for part in text.split(",") if part.strip())


def _level(text: str) -> str:
    if text not in {"debug", "info", "warning", "error"}:
        raise ValueError("say debug, info, warning or error")
    return text


# Read by the command line before there are settings, by tests, or by benchmarks.
_ELSEWHERE = frozenset(PREFIX + name for name in ("CACHE", "DEBUG", "VECTORS", "SHARED"))

_READERS: dict[str, Callable[[str], object]] = {
    "data": Path,
    "database_url": str,
    "host": str,
    "port": _between(0, 65535),
    "workers": _between(1, MAX_WORKERS),
    "tls": _switch,
    "public_names": _names,
    "fleet_name": str,
    "device_domains": _names,
    "issuer": str,
    "audience": str,
    "log_name": str,
    "pki_url": str,
    "trusted_proxies": _networks,
    "oidc_file": Path,
    "webhooks_file": Path,
    "feeds_file": Path,
    "passphrase_file": Path,
    "max_body_bytes": _between(1024, 2**30),
    "max_upload_bytes": _between(1024, 2**30),
    "max_in_flight": _between(1, 100_000),
    "max_connections": _between(1, 1_000_000),
    "rate_per_second": _between(0, 1_000_000),
    "keep_alive_seconds": _between(1, 3600),
    "drain_seconds": _between(0, 3600),
    "archive_after_days": _between(0, 36_500),
    "log_level": _level,
}
