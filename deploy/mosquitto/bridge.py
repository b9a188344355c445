r"""Tells Mosquitto who may be there: follows the gate for one purpose, and makes and removes clients accordingly.

Mosquitto's dynamic-security plug-in closes the sessions of a client that is removed. A device that may pass is a client
with the right to its own topics below `devices/NAME`; any other is none, and may neither send nor subscribe. Standard
library and `mosquitto_pub` only.

    python3 bridge.py --server https://policyengine.example:8443 \
        --ca ca.pem --token gate.token --password bridge.password

When the server has not answered for `--shut-after` seconds, everyone is removed: a gate that cannot be asked is shut.
"""

from __future__ import annotations

import argparse
import http.client
import json
import ssl
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlencode, urlsplit

CONTROL = "$CONTROL/dynamic-security/v1"
EVERY_SECONDS = 1.0
PATIENCE_SECONDS = 5
PAGE = 500
MAX_ANSWER = 8 * 1024 * 1024


class Broker:
    """The plug-in's control topic, through one `mosquitto_pub` that stays connected."""

    def __init__(self, host: str, port: int, user: str, password: str) -> None:
        options = ["-h", host, "-p", str(port), "-u", user, "-P", password, "-q", "1", "-t", CONTROL, "-l"]
        self._process = subprocess.Popen(["mosquitto_pub", *options], stdin=subprocess.PIPE, text=True)
        self._open: set[str] = set()

    def admit(self, device: str) -> None:
        """Make the device a client; one that is there already stays as it is."""
        topics = f"devices/{device}/#"
        kinds = ("publishClientSend", "publishClientReceive", "subscribePattern", "unsubscribePattern")
        rights = [{"acltype": kind, "topic": topics, "allow": True} for kind in kinds]
        self._say(
            {"command": "createRole", "rolename": device, "acls": rights},
            {"command": "createClient", "username": device, "roles": [{"rolename": device}]},
        )
        self._open.add(device)

    def remove(self, device: str) -> None:
        """Make the device no client; its sessions are closed."""
        self._say({"command": "deleteClient", "username": device}, {"command": "deleteRole", "rolename": device})
        self._open.discard(device)

    def remove_everyone(self) -> None:
        """Remove every device that was admitted."""
        for device in sorted(self._open):
            self.remove(device)

    def _say(self, *commands: dict[str, object]) -> None:
        if self._process.stdin is None or self._process.poll() is not None:
            raise OSError("mosquitto_pub has ended")
        self._process.stdin.write(json.dumps({"commands": commands}) + "\n")
        self._process.stdin.flush()


class Server:
    """The gate's feed."""

    def __init__(self, address: str, *, ca: Path, token: str, purpose: str) -> None:
        parts = urlsplit(address)
        self._where = parts.hostname or "", parts.port or 443
        self._context = ssl.create_default_context(cafile=ca)
        self._headers = {"Authorization": f"Bearer {token}"}
        self._purpose = purpose
        self._connection: http.client.HTTPSConnection | None = None

    def moves(self, after: int | None) -> dict[str, object]:
        """Return what may have moved since a place; raises OSError when there is no answer."""
        query = {"for": self._purpose} | ({} if after is None else {"after": str(after)})
        document, _ = self._get(f"/v1/gate/moves?{urlencode(query)}")
        return document

    def everyone(self) -> Iterator[dict[str, object]]:
        """Yield every device's answer; raises OSError when there is no answer."""
        path: str | None = f"/v1/gate/devices?{urlencode({'for': self._purpose, 'limit': PAGE})}"
        while path is not None:
            document, path = self._get(path)
            yield from document

    def _get(self, path: str) -> tuple[object, str | None]:
        try:
            if self._connection is None:
                host, port = self._where
                self._connection = http.client.HTTPSConnection(
                    host, port, context=self._context, timeout=PATIENCE_SECONDS
                )
            self._connection.request("GET", path, headers=self._headers)
            answer = self._connection.getresponse()
            content = answer.read(MAX_ANSWER)
            document, link = _document(answer.status, content), answer.getheader("Link")
            return document, link.partition(">")[0].lstrip("<") if link else None
        except (http.client.HTTPException, OSError, ValueError) as cause:
            if self._connection is not None:
                self._connection.close()
                self._connection = None
            raise OSError(f"no answer from the server: {cause}") from cause


def _document(status: int, content: bytes) -> object:
    if status != 200:
        raise OSError(f"the server answers {status}: {content[:300]!r}")
    return json.loads(content)


def tell(broker: Broker, answer: dict[str, object]) -> None:
    """Make one device a client or none."""
    (broker.admit if answer["open"] else broker.remove)(str(answer["device_id"]))


def step(server: Server, broker: Broker, after: int | None) -> tuple[int, bool]:
    """Bring the broker up to date; return the place reached and whether there is more at once."""
    moved = server.moves(after)
    answers = server.everyone() if moved["everything"] else moved["devices"]
    for answer in answers:
        tell(broker, answer)
    return int(moved["next"]), bool(moved["more"])


def follow(server: Server, broker: Broker, *, shut_after: float) -> None:
    """Follow the gate until something ends it."""
    after: int | None = None
    heard = time.monotonic()
    while True:
        more = False
        try:
            after, more = step(server, broker, after)
            heard = time.monotonic()
        except OSError as cause:
            sys.stderr.write(f"{cause}\n")
            if time.monotonic() - heard > shut_after:
                broker.remove_everyone()
                after = None
        if not more:
            time.sleep(EVERY_SECONDS)


def main() -> None:
    """Read the arguments and follow."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--server", required=True, help="https address of policyengine")
    parser.add_argument("--ca", required=True, type=Path, help="CAs of the server, PEM")
    parser.add_argument("--token", required=True, type=Path, help="file with a token of role `gate`")
    parser.add_argument("--password", required=True, type=Path, help="file with the bridge's password at the broker")
    parser.add_argument("--user", default="bridge", help="the bridge's name at the broker")
    parser.add_argument("--for", dest="purpose", default="broker", help="what devices want to pass for")
    parser.add_argument("--broker", default="127.0.0.1:1883", help="the broker's listener for the bridge")
    parser.add_argument("--shut-after", type=float, default=60.0, help="seconds without an answer that end all")
    given = parser.parse_args()
    host, _, port = given.broker.rpartition(":")
    broker = Broker(host, int(port), given.user, given.password.read_text().strip())
    token = given.token.read_text().strip()
    server = Server(given.server, ca=given.ca, token=token, purpose=given.purpose)
    follow(server, broker, shut_after=given.shut_after)


if __name__ == "__main__":
    main()
