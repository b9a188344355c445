"""TLS for the embedded server: our certificate, an optional client certificate, trust that can change while it runs."""

from __future__ import annotations

import logging
import ssl
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from policyengine.errors import PolicyEngineError

log = logging.getLogger("policyengine.tls")


@dataclass(frozen=True, slots=True, kw_only=True)
class Trust:
    """The CAs that a client certificate may come from; asking for the generation is cheap, reading them is not."""

    generation: Callable[[], int]  # asked in every handshake; changes whenever the authorities do
    authorities: Callable[[], str]  # PEM; read only when the generation has changed


@dataclass(frozen=True, slots=True, kw_only=True)
class ServerKeys:
    """The server's certificate chain and encrypted key, both PEM files."""

    chain: Path
    key: Path
    passphrase: bytes


class LiveContext:
    """A context that new handshakes take from: rebuilt when trust has changed, so that a removed CA is really gone.

    Adding to a living context would do for a new CA, but nothing takes one out of it again.
    """

    def __init__(self, keys: ServerKeys, trust: Trust) -> None:
        self._keys = keys
        self._trust = trust
        self._generation = trust.generation()
        self._current = self._build()
        self.context = self._build()
        self.context.sni_callback = self._choose  # called in every handshake, with or without a server name

    def _choose(self, connection: ssl.SSLObject | ssl.SSLSocket, _name: str | None, _context: ssl.SSLContext) -> None:
        generation = self._trust.generation()
        if generation != self._generation:
            self._follow(generation)
        connection.context = self._current

    def _follow(self, generation: int) -> None:
        """Trust what `generation` trusts; while that cannot be read, whom the policies still in force trust."""
        try:
            self._current = self._build()
        except (PolicyEngineError, ssl.SSLError):
            log.warning("trust cannot be renewed", extra={"generation": generation})
        self._generation = generation

    def _build(self) -> ssl.SSLContext:
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        context.load_cert_chain(self._keys.chain, self._keys.key, lambda: self._keys.passphrase)
        # Optional: a device without a certificate, or with an expired one it leaves out, still checks in by evidence.
        context.verify_mode = ssl.CERT_OPTIONAL
        context.load_verify_locations(cadata=self._trust.authorities())
        return context
