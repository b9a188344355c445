"""The server without us: the same uvicorn and protocol class, and an application that reads a body and answers bytes.

`python -m benchmarks.bare_server DATA ANNOUNCE TLS`
"""

from __future__ import annotations

import json
import socket
import ssl
import sys
from pathlib import Path

import uvicorn

from api.protocol import DeviceProtocol
from policyengine.adapters.keyfile import read_passphrase

ANSWER = b'{"tier":"full","padding":"' + b"x" * 8192 + b'"}'  # about the size of a reply with its findings
HEADERS = [(b"content-type", b"application/json"), (b"content-length", str(len(ANSWER)).encode())]


async def answer(scope, receive, send) -> None:
    while (await receive()).get("more_body"):
        pass
    await send({"type": "http.response.start", "status": 200, "headers": HEADERS})
    await send({"type": "http.response.body", "body": ANSWER})


def main() -> None:
    data, announce, tls = Path(sys.argv[1]), Path(sys.argv[2]), sys.argv[3] == "1"
    listener = socket.create_server(("127.0.0.1", 0), backlog=2048)

    def contexts(_config: object, _default: object) -> ssl.SSLContext:
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        passphrase = read_passphrase(data / "keys" / "passphrase")
        context.load_cert_chain(data / "keys" / "ca" / "tls.pem", data / "keys" / "ca" / "tls.key", passphrase)
        return context

    config = uvicorn.Config(
        answer,
        http=DeviceProtocol,
        ws="none",
        loop="uvloop",
        lifespan="off",
        log_config=None,
        access_log=False,
        ssl_context_factory=contexts if tls else None,
    )
    fresh = announce.with_suffix(".new")
    fresh.write_text(json.dumps({"port": listener.getsockname()[1]}))
    fresh.replace(announce)  # whole or not at all: the benchmark reads it as soon as it is there
    uvicorn.Server(config).run(sockets=[listener])


if __name__ == "__main__":
    main()
