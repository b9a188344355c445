"""Composition root: settings to adapters to services.

`build` makes what is missing (keys, schema, admin token) and is for the server; `opened` works on what is there and is
for commands that run beside it.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import timedelta
from functools import partial
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec

from pki.certificates import thumbprint
from pki.reservation import Registrar
from policyengine.adapters.authority import (
    FleetNames,
    StoredAuthority,
    certificate_in,
    create_authority,
    open_authority,
    renew_services,
)
from policyengine.adapters.clock import SystemClock
from policyengine.adapters.entropy import SystemEntropy
from policyengine.adapters.evidence_plugins import installed_formats
from policyengine.adapters.examination import reading
from policyengine.adapters.export_folder import ExportFiles
from policyengine.adapters.groups import Group
from policyengine.adapters.jws import ResultKey
from policyengine.adapters.keyfile import read_or_create_passphrase, read_passphrase, write_private
from policyengine.adapters.log_files import CheckpointFile, found_log, open_log_key
from policyengine.adapters.nonce_file import found_nonce_key, read_nonce_key, replace_nonce_key
from policyengine.adapters.oidc_keys import OidcKeys
from policyengine.adapters.own_services import certified
from policyengine.adapters.rollover import issuers_ever
from policyengine.adapters.rollover_state import RolloverState, read_rollover
from policyengine.adapters.sql.ledger import SqlLedger
from policyengine.adapters.sql.migration import upgrade
from policyengine.adapters.sql.presence import Presence, join
from policyengine.adapters.sql.store import SqlStore, open_store
from policyengine.adapters.trust_bundle import make_trust_bundle
from policyengine.adapters.webhook_courier import WebhookCourier
from policyengine.attestation.verifier import BUILT_IN
from policyengine.errors import PolicyEngineError
from policyengine.language.bundle import decode
from policyengine.services.access.issuers import Issuer, read_issuers
from policyengine.services.actors import SYSTEM, PersonRole
from policyengine.services.assembling import assemble
from policyengine.services.catalogue import OtherIssuer, Outside, Services
from policyengine.services.certification.orphans import recover, recover_beside_others
from policyengine.services.checkins.attestation_result import Audience
from policyengine.services.events.webhooks import Webhook, read_webhooks
from policyengine.services.supply.terms import NO_FEEDS, FeedTerms, read_feed_terms
from policyengine.settings import Settings

ADMIN_LIFETIME = timedelta(days=30)  # long enough to make scoped tokens; `policyengine token create` makes another


class ResultKeyError(PolicyEngineError):
    """The key of attestation results is of a kind they cannot be signed with."""

    code = "fault.result-key"


class ServingError(PolicyEngineError):
    """Something that needs the server stopped, while it runs."""

    code = "serve.running"


class NoInstallationError(PolicyEngineError):
    """No server has ever started on the data directory."""

    code = "data.missing"


class KeysMissingError(PolicyEngineError):
    """The database has a history and its keys are gone: other keys would certify a fleet that trusts the lost ones."""

    code = "keys.missing"


@dataclass(frozen=True, slots=True, kw_only=True)
class Installation:
    """One server's services and what its TLS needs; close it when done."""

    services: Services
    clock: SystemClock
    entropy: SystemEntropy
    passphrase: bytes
    tls_chain: Path
    tls_key: Path
    store: SqlStore
    export_files: ExportFiles
    issuer: str  # the issuing CA's key identifier, hex: how its lists are addressed
    presence: Presence | None = None  # of a server; a command has none

    def generation(self) -> int:
        """Return a number that changes whenever `trusted` does."""
        active = self.services.bundles.active()
        return 0 if active is None else active.generation

    def trusted(self) -> str:
        """Return the CAs a client certificate may come from, PEM: ours, and the vendors' of the bundle in force.

        Of a damaged bundle no vendor's: the server must still start, so that a good one can be published.
        """
        active = self.services.bundles.active()
        ours = self.services.ca_bundle.decode("ascii")
        if active is None:
            return ours
        try:
            anchors = decode(self.services.bundles.show(active.digest)[1]).anchors
        except PolicyEngineError:
            return ours
        vendors = (anchor.certificate for anchor in anchors if anchor.use & {"idevid", "legacy"})
        return "\n".join([ours, *dict.fromkeys(vendors)])

    def close(self) -> None:
        """Commit what is queued and close the store."""
        self.export_files.close()
        self.store.close()
        if self.presence is not None:
            self.presence.close()


def build(settings: Settings) -> Installation:
    """Return a ready installation: keys, schema and the first admin token are made when they are missing.

    Raises what the adapters raise: KeyFileError, PassphraseError, UnavailableError, OSError; KeysMissingError.
    """
    settings.layout.root.mkdir(parents=True, exist_ok=True, mode=0o700)
    _demand_keys(settings)
    passphrase = _passphrase(settings)
    _found(settings, passphrase)
    upgrade(settings.storage_url)
    installation = _joined(settings, passphrase)
    installation.services.service_certificates.keep(certified(authority_directory(settings)))
    settings.layout.ca_bundle.write_bytes(installation.services.ca_bundle)
    _grant_first_admin(settings, installation.services)
    return installation


@contextmanager
def joined(settings: Settings) -> Iterator[Installation]:
    """Yield the installation that `build` left, for a worker that serves it beside others; makes nothing.

    Raises NoInstallationError where there is none, UnavailableError when the database is not this version's.
    """
    with _left(settings, _joined) as installation:
        yield installation


@contextmanager
def opened(settings: Settings) -> Iterator[Installation]:
    """Yield the installation that `build` left, for a command; makes nothing.

    Raises NoInstallationError where there is none, UnavailableError when the database is not this version's.
    """
    with _left(settings, _open) as installation:
        yield installation


@contextmanager
def _left(settings: Settings, assemble: Callable[[Settings, bytes], Installation]) -> Iterator[Installation]:
    demand_installation(settings)
    installation = assemble(settings, read_passphrase(_passphrase_file(settings)))
    try:
        yield installation
    finally:
        installation.close()


def end_nonces(settings: Settings) -> None:
    """End every nonce issued so far by a new epoch, durably; the servers must be stopped, for each keeps its epoch.

    Raises ServingError while the server of this data directory runs, NoInstallationError.
    """
    demand_installation(settings)
    demand_stopped(settings)
    key = read_nonce_key(_nonce_file(settings))
    replace_nonce_key(_nonce_file(settings), replace(key, epoch=key.epoch + 1))


def demand_stopped(settings: Settings) -> None:
    """Raise ServingError while the server of this data directory runs."""
    try:
        announced = json.loads(settings.layout.server.read_text(encoding="utf-8"))
        os.kill(announced["pid"], 0)
    except (FileNotFoundError, ProcessLookupError):
        return  # never announced, or killed and gone
    except PermissionError:
        pass  # it lives, as another user's
    raise ServingError("the server runs; stop it first", pid=announced["pid"])


def demand_installation(settings: Settings) -> None:
    """Raise NoInstallationError unless a server has started on the data directory before."""
    if not settings.layout.keys.is_dir():
        root = settings.layout.root
        if settings.database_url is None and settings.layout.database.exists():
            raise _keys_missing(settings)
        advice = f"start `policyengine serve --data {root}` first, or name another directory with --data"
        raise NoInstallationError(f"`{root}` is no data directory of a server; {advice}", path=str(root))


def _demand_keys(settings: Settings) -> None:
    """Raise KeysMissingError where new keys would be made for a database that others have written to."""
    if authority_directory(settings).exists():
        return
    upgrade(settings.storage_url)
    with reading(settings.storage_url) as store:
        if store.log_head().size:
            raise _keys_missing(settings)


def _keys_missing(settings: Settings) -> KeysMissingError:
    directory = authority_directory(settings)
    advice = "restore them from a backup, copy them from another server of this database, or begin with an empty one"
    return KeysMissingError(f"`{directory}` is missing and the database has a history: {advice}")


def _joined(settings: Settings, passphrase: bytes) -> Installation:
    """Return the installation of one more server, which has closed what a crash left open."""
    installation = _open(settings, passphrase)
    store, clock = installation.store, installation.clock
    presence = join(
        settings.storage_url,
        alone=partial(recover, store, clock, SystemEntropy()),
        in_company=partial(recover_beside_others, store, clock, SystemEntropy()),
    )
    return replace(installation, presence=presence)


def _open(settings: Settings, passphrase: bytes) -> Installation:
    clock, entropy, registrar = SystemClock(), SystemEntropy(), Registrar()
    stored = open_authority(
        authority_directory(settings), passphrase=passphrase, registrar=registrar, publish_at=settings.pki_url
    )
    store, results = open_store(settings.storage_url), _result_key(stored)
    files = ExportFiles(settings.layout.exports, clock)
    oidc = OidcKeys(relative_to=(settings.oidc_file or Path()).parent)
    outside = Outside(
        store=store,
        clock=clock,
        door=Group(),
        entropy=entropy,
        nonce_key=read_nonce_key(_nonce_file(settings)),
        authority=stored.authority,
        ledger=SqlLedger(store, registrar),
        chain=stored.chain,
        results=results,
        audience=Audience(issuer=settings.issuer, audience=settings.audience),
        log_key=open_log_key(settings.layout.keys, passphrase=passphrase),
        log_memory=CheckpointFile(settings.layout.checkpoint),
        export_folder=files,
        formats=BUILT_IN.extended(installed_formats()),
        issuers=_issuers(settings),
        key_source=oidc,
        provider=oidc,
        webhooks=_webhooks(settings),
        courier=WebhookCourier(relative_to=(settings.webhooks_file or Path()).parent),
        feeds=feed_terms(settings),
        lists=stored.lists,
        ocsp=stored.ocsp,
        others=tuple(OtherIssuer(lists=other.lists, ocsp=other.ocsp) for other in stored.others),
        trust=stored.trust,
        issuers_ever=issuers_ever(authority_directory(settings)),
        trust_bundle=make_trust_bundle(stored, results, issuer=settings.issuer),
    )
    return Installation(
        services=assemble(outside),
        clock=clock,
        entropy=entropy,
        passphrase=passphrase,
        tls_chain=stored.tls_chain,
        tls_key=stored.tls_key,
        store=store,
        export_files=files,
        issuer=stored.lists.issuer.key_identifier.hex(),
    )


def feed_terms(settings: Settings) -> FeedTerms:
    """Return whose feeds are believed, and for how long; raises FeedTermsError."""
    return NO_FEEDS if settings.feeds_file is None else read_feed_terms(settings.feeds_file.read_bytes())


def _passphrase(settings: Settings) -> bytes:
    """Return the passphrase, made on the first start only: of keys that were restored none can be made up."""
    if authority_directory(settings).exists():
        return read_passphrase(_passphrase_file(settings))
    return read_or_create_passphrase(_passphrase_file(settings), entropy=SystemEntropy().draw)


def _issuers(settings: Settings) -> tuple[Issuer, ...]:
    return () if settings.oidc_file is None else read_issuers(settings.oidc_file.read_bytes())


def _webhooks(settings: Settings) -> tuple[Webhook, ...]:
    return () if settings.webhooks_file is None else read_webhooks(settings.webhooks_file.read_bytes())


def _found(settings: Settings, passphrase: bytes) -> None:
    """Make keys and CA on the first start; on later ones renew the server's own certificates when half spent."""
    directory, now, draw = authority_directory(settings), SystemClock().now(), SystemEntropy().draw
    names = fleet_names(settings)
    if directory.exists():
        renew_services(
            directory, passphrase=passphrase, names=names, now=now, entropy=draw, publish_at=settings.pki_url
        )
    else:
        create_authority(directory, passphrase=passphrase, names=names, now=now, entropy=draw)
    found_log(settings.layout.keys, name=settings.log_origin, passphrase=passphrase, entropy=draw)
    found_nonce_key(_nonce_file(settings), SystemEntropy())


def _grant_first_admin(settings: Settings, services: Services) -> None:
    if services.tokens.list(SYSTEM):
        return
    made = services.tokens.create(SYSTEM, name="first admin", role=PersonRole.ADMIN, lifetime=ADMIN_LIFETIME)
    settings.layout.admin_token.unlink(missing_ok=True)  # of a database that is gone
    write_private(settings.layout.admin_token, made.secret.encode() + b"\n")


def _result_key(stored: StoredAuthority) -> ResultKey:
    if not isinstance(stored.results_key, ec.EllipticCurvePrivateKey):
        raise ResultKeyError("the key of attestation results is no P-256 key")
    return ResultKey(stored.results_key)


def passphrase_of(settings: Settings) -> bytes:
    """Return the passphrase that the key files open with; raises KeyFileError, NoInstallationError."""
    demand_installation(settings)
    return read_passphrase(_passphrase_file(settings))


def issuing_certificate(settings: Settings) -> x509.Certificate:
    """Return the certificate of the CA that issues; raises AuthorityMissingError, PathError, RolloverError."""
    directory = authority_directory(settings)
    return certificate_in(directory / read_rollover(directory).current / "issuing.pem")


def former_issuer(settings: Settings) -> str:
    """Return the thumbprint of the CA that issued before the last switch; raises RolloverError when there is none."""
    directory = authority_directory(settings)
    rollover = read_rollover(directory)
    rollover.demand(RolloverState.SWITCHED)
    return thumbprint(certificate_in(directory / str(rollover.other) / "issuing.pem"))


def fleet_names(settings: Settings) -> FleetNames:
    """Return whose hierarchy it is, and the names that its server is reached by."""
    return FleetNames(fleet=settings.fleet_name, domains=settings.device_domains, hosts=settings.public_names)


def authority_directory(settings: Settings) -> Path:
    """Return where the authority's files are."""
    return settings.layout.keys / "ca"


def _nonce_file(settings: Settings) -> Path:
    return settings.layout.keys / "nonce.json"


def _passphrase_file(settings: Settings) -> Path:
    return settings.passphrase_file or settings.layout.keys / "passphrase"
