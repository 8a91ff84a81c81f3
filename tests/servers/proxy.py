"""A proxy on loopback that passes requests on, then cuts the answer or goes silent in the middle of it."""

import socket
import threading
from types import TracebackType
from typing import Self
from urllib.parse import urlsplit


class Proxy:
    """Passes the first `passes` bytes of each streamed answer on; then it cuts the connection, or stalls.

    Answers that are no streams pass whole. `url` takes the place of the server's.
    """

    def __init__(self, url: str, *, passes: int, stalls: bool = False) -> None:
        parts = urlsplit(url)
        self._target = (parts.hostname or "", parts.port or 80)
        self._passes = passes
        self._stalls = stalls
        self._stopping = threading.Event()
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self._listener.getsockname()[1]}{parts.path}"
        self._thread = threading.Thread(target=self._accept, daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stopping.set()
        # Wakes the thread that waits for the next connection.
        socket.create_connection(self._listener.getsockname()).close()
        self._thread.join(10)
        self._listener.close()

    def _accept(self) -> None:
        while not self._stopping.is_set():
            client, _ = self._listener.accept()
            threading.Thread(target=self._serve, args=(client,), daemon=True).start()

    def _serve(self, client: socket.socket) -> None:
        with client, socket.create_connection(self._target) as server:
            threading.Thread(target=_pump, args=(client, server), daemon=True).start()
            passed, streamed = 0, False
            while data := server.recv(512):
                streamed = streamed or b"text/event-stream" in data
                client.sendall(data)
                passed += len(data)
                if streamed and passed >= self._passes:
                    if self._stalls:
                        self._stopping.wait(30)
                    # Closing alone would leave it open: the other thread still reads from it.
                    client.shutdown(socket.SHUT_RDWR)
                    return


def _pump(source: socket.socket, target: socket.socket) -> None:
    try:
        while data := source.recv(65_536):
            target.sendall(data)
    except OSError:
        return  # the other side was closed: that is what the proxy is for
