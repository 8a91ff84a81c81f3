"""A wire on loopback to another server, which breaks or goes silent after so many bytes of answers."""

import contextlib
import socket
import threading
from collections.abc import Iterator, Sequence


class Wire:
    """Passes bytes on. Each connection in turn passes as many bytes of answers as `passes` says.

    Connections beyond those pass all. `stalls` is to go silent there in place of breaking.
    """

    def __init__(self, port: int, passes: Sequence[int], *, stalls: bool = False) -> None:
        self.connections = 0
        self._target = ("127.0.0.1", port)
        self._passes = list(passes)
        self._stalls = stalls
        self._over = threading.Event()
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]

    @contextlib.contextmanager
    def open(self) -> Iterator["Wire"]:
        thread = threading.Thread(target=self._accept, daemon=True)
        thread.start()
        try:
            yield self
        finally:
            self._over.set()
            # Wakes the thread that waits for the next connection.
            socket.create_connection(("127.0.0.1", self.port)).close()
            thread.join(10)
            self._listener.close()

    def _accept(self) -> None:
        while not self._over.is_set():
            client, _ = self._listener.accept()
            if self._over.is_set():
                client.close()
                return
            passes = self._passes[self.connections] if self.connections < len(self._passes) else None
            self.connections += 1
            threading.Thread(target=self._serve, args=(client, passes), daemon=True).start()

    def _serve(self, client: socket.socket, passes: int | None) -> None:
        with client, socket.create_connection(self._target) as server, contextlib.suppress(OSError):
            threading.Thread(target=_pump, args=(client, server), daemon=True).start()
            passed = 0
            while data := server.recv(4096):
                part = data if passes is None else data[: max(0, passes - passed)]
                client.sendall(part)
                passed += len(part)
                if len(part) < len(data):
                    self._over.wait(30 if self._stalls else 0)
                    # Closing alone would leave it open: the other thread still reads from it.
                    client.shutdown(socket.SHUT_RDWR)
                    return


def _pump(source: socket.socket, target: socket.socket) -> None:
    with contextlib.suppress(OSError):
        while data := source.recv(65_536):
            target.sendall(data)
