"""A wire to PostgreSQL that can be cut in the worst instant: the server has committed and nobody hears of it."""

from __future__ import annotations

import selectors
import socket
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

SOCKET = ".s.PGSQL.5432"  # how clients call a server's socket in a folder
ANSWER = b"COMMIT\0"  # the tag of CommandComplete (PostgreSQL manual, "Message Formats")


@dataclass(slots=True)
class CutWire:
    """Passes on what both sides say; while `cuts` is above 0 the answer to a COMMIT ends the connection instead."""

    server: Path
    cuts: int = 0
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def follow(self, listener: socket.socket) -> None:
        """Serve connections until `listener` is shut down, and return once all have ended."""
        threads: list[threading.Thread] = []
        while True:
            try:
                client, _ = listener.accept()
            except OSError:
                break
            threads.append(threading.Thread(target=self._relay, args=(client,), daemon=True))
            threads[-1].start()
        for thread in threads:
            thread.join()

    def _relay(self, client: socket.socket) -> None:
        with client, socket.socket(socket.AF_UNIX) as server, selectors.DefaultSelector() as ready:
            server.connect(str(self.server))
            ready.register(client, selectors.EVENT_READ, server)
            ready.register(server, selectors.EVENT_READ, client)
            while True:
                for key, _ in ready.select():
                    said = key.fileobj.recv(65_536)  # type: ignore[union-attr]  # both are sockets
                    if not said or (key.fileobj is server and ANSWER in said and self._cuts_now()):
                        return
                    key.data.sendall(said)

    def _cuts_now(self) -> bool:
        with self._lock:
            cut = self.cuts > 0
            self.cuts -= cut
            return cut


@contextmanager
def cut_wire(address: str) -> Iterator[tuple[str, CutWire]]:
    """Yield the address of the database at `address` by way of a wire, and the wire."""
    before, _, folder = address.rpartition("?host=")
    with tempfile.TemporaryDirectory(prefix="policyengine-wire-") as own, socket.socket(socket.AF_UNIX) as listener:
        listener.bind(f"{own}/{SOCKET}")
        listener.listen()
        wire = CutWire(server=Path(folder) / SOCKET)
        thread = threading.Thread(target=wire.follow, args=(listener,), daemon=True)
        thread.start()
        yield f"{before}?host={own}", wire
        listener.shutdown(socket.SHUT_RDWR)
        thread.join()
