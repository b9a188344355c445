"""The way to others' servers: signed, over guarded HTTPS, with secrets read from their files each time."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path

from policyengine.adapters.guarded_https import FetchError, GuardedHttps
from policyengine.services.events.ports import UndeliveredError
from policyengine.services.events.signing import MAX_FILE, SecretError, read_secrets, signed_headers
from policyengine.services.events.webhooks import Webhook

MEDIA_TYPE = "application/cloudevents+json"  # CloudEvents 1.0 HTTP binding section 3.2, structured mode


class WebhookCourier:
    """Implements the Courier port; files are named from `relative_to` on."""

    def __init__(self, *, relative_to: Path) -> None:
        self._folder = relative_to

    def send(self, webhook: Webhook, body: bytes, *, message: str, at: datetime) -> int:
        """Return the HTTP status that the signed `body` was answered with; raises UndeliveredError."""
        try:
            keys = self._keys(webhook)
            signed = signed_headers(keys, message=message, at=int(at.timestamp()), body=body)
            return self._way(webhook).tell(webhook.url, body, {"Content-Type": MEDIA_TYPE, **signed})
        except (SecretError, FetchError) as cause:
            raise UndeliveredError(cause.message) from cause
        except OSError as cause:  # of the files: what the exchange meets is a FetchError
            raise UndeliveredError("the secret or CA file cannot be read") from cause

    def _keys(self, webhook: Webhook) -> tuple[bytes, ...]:
        with (self._folder / webhook.secret_file).open("rb") as file:
            return read_secrets(file.read(MAX_FILE))

    def _way(self, webhook: Webhook) -> GuardedHttps:
        ca_file = None if webhook.ca_file is None else self._folder / webhook.ca_file
        return GuardedHttps(ca_file=ca_file, private_network=webhook.private_network)
