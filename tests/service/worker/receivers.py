"""Receivers of webhooks, each on a socket of its own: good ones, and such as no library would make."""

import socket
import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress

GOOD = (b"HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\nthanks",)


class Receiver:
    """Answers every request with the pieces that it is told, and remembers what it was sent."""

    def __init__(self) -> None:
        self._socket = socket.create_server(("127.0.0.1", 0))
        self.port = int(self._socket.getsockname()[1])
        self.url = f"http://127.0.0.1:{self.port}/hook?a=1"
        self.answer: Callable[[], Iterable[bytes]] = lambda: GOOD
        self.heard: list[tuple[dict[str, str], str]] = []
        self.over = threading.Event()
        self.cut = threading.Event()  # a client has hung up in the middle
        threading.Thread(target=self._accept, daemon=True).start()

    def close(self) -> None:
        """Takes no more, and ends whatever still drips."""
        self.over.set()
        self._socket.close()

    def tells(self, status: int, *headers: str) -> None:
        """Answers with a status and nothing more."""
        lines = (f"HTTP/1.1 {status} So", *headers, "Content-Length: 0", "", "")
        self.answer = lambda: ["\r\n".join(lines).encode()]

    def drips(self, begin: bytes, drop: bytes, *, every: float = 0.05) -> None:
        """Answers with a begin and then, without an end, a drop now and then, each in time for a socket."""

        def pieces() -> Iterator[bytes]:
            yield begin
            while not self.over.wait(every):
                yield drop

        self.answer = pieces

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                wire, _ = self._socket.accept()
                threading.Thread(target=self._serve, args=(wire,), daemon=True).start()

    def _serve(self, wire: socket.socket) -> None:
        try:
            with wire, wire.makefile("rb") as stream:
                stream.readline()
                head = [line.decode().strip() for line in iter(stream.readline, b"\r\n")]
                headers = dict(line.split(": ", 1) for line in head)
                self.heard.append((headers, stream.read(int(headers["Content-Length"])).decode()))
                for piece in self.answer():
                    wire.sendall(piece)
        except OSError:
            self.cut.set()
