"""A web server on the loopback interface that remembers what it was asked, and misbehaves as it is told."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

Answer = Callable[[BaseHTTPRequestHandler], None]


@dataclass
class Asked:
    """One request."""

    method: str
    path: str
    body: bytes


@dataclass
class Listener:
    """A server that runs."""

    port: int
    requests: list[Asked] = field(default_factory=list)
    over: threading.Event = field(default_factory=threading.Event)
    """Set when the test is over: what hangs ends."""

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def paths(self) -> list[str]:
        return [request.path for request in self.requests]


def status(code: int, location: str | None = None) -> Answer:
    """Answer with a status, and for a redirect with the place."""

    def answer(handler: BaseHTTPRequestHandler) -> None:
        handler.send_response(code)
        if location is not None:
            handler.send_header("Location", location)
        handler.send_header("Content-Length", "0")
        handler.end_headers()

    return answer


def hang(handler: BaseHTTPRequestHandler) -> None:
    """Answer nothing at all."""
    handler.server.over.wait(60)  # type: ignore[attr-defined]


def trickle(handler: BaseHTTPRequestHandler) -> None:
    """Answer one byte after the other, for ever: no timeout of a socket sees it."""
    with suppress(OSError):
        while not handler.server.over.is_set():  # type: ignore[attr-defined]
            handler.wfile.write(b"H")
            time.sleep(0.05)


@contextmanager
def listening(answer: Answer | None = None) -> Iterator[Listener]:
    """Run a server in a thread; `answer`: else it answers 200."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
            listener.requests.append(Asked(self.command, self.path, body))
            (answer or status(200))(self)

        def do_POST(self) -> None:
            self.do_GET()

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    listener = Listener(server.server_port)
    server.over = listener.over  # type: ignore[attr-defined]
    thread = threading.Thread(target=lambda: server.serve_forever(poll_interval=0.02))
    thread.start()
    try:
        yield listener
    finally:
        listener.over.set()
        server.shutdown()
        thread.join()
        server.server_close()
