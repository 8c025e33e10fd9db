"""A web server on this machine that breaks off, refuses and lies as real ones do."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from tests.components.acquire.s3 import BucketSite, bucket_site, s3_address

__all__ = ["Answer", "BucketSite", "Site", "bucket_site", "s3_address"]


@dataclass
class Answer:
    """How one request is answered: ``cut`` bytes are sent of the body, then the line goes dead.

    ``tag`` is the ETag; a range is served only with ``ranges``, and where If-Range fits the tag;
    the length is only told with ``length``, and is a lie by ``lie`` bytes; with ``stall`` the line
    does not go dead but silent; with ``drip`` the body comes byte by byte, and with ``slow_head``
    the head, in its own time.
    """

    body: bytes = b""
    status: int = 200
    cut: int | None = None
    tag: str = '"one"'
    ranges: bool = True
    length: bool = True
    lie: int = 0
    stall: bool = False
    drip: bool = False
    slow_head: bool = False
    headers: dict[str, str] = field(default_factory=dict)


@dataclass
class Site:
    """Answers by path, in order, the last one again and again; and the ranges asked for."""

    url: str
    answers: dict[str, list[Answer]] = field(default_factory=dict)
    asked: list[tuple[str, str]] = field(default_factory=list)
    closing: threading.Event = field(default_factory=threading.Event)

    def serve(self, path: str, *answers: Answer) -> str:
        """Set the answers of a path; returns its address."""
        self.answers[path] = list(answers)
        return self.url + path

    def next_answer(self, path: str, wanted: str) -> Answer:
        """The answer to the next request for a path."""
        self.asked.append((path, wanted))
        answers = self.answers.get(path, [Answer(status=404)])
        return answers.pop(0) if len(answers) > 1 else answers[0]


def make_handler(site: Site) -> type[BaseHTTPRequestHandler]:
    """A request handler that speaks for a site."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            wanted = self.headers.get("Range", "")
            answer = site.next_answer(self.path, wanted)
            status, body = answer.status, answer.body
            headers = {"ETag": answer.tag} if answer.tag else {}
            if status == 200 and wanted and answer.ranges:
                status, body = self.cut_range(answer, wanted, headers)
            if answer.slow_head:
                self.drip(b"HTTP/1.0 200 OK\r\nX: " + b"y" * 1000)
                return
            self.send_response(status)
            for name, value in (headers | answer.headers).items():
                self.send_header(name, value)
            if answer.length:
                self.send_header("Content-Length", str(len(body) + answer.lie))
            self.end_headers()
            if answer.drip:
                self.drip(body)
                return
            self.wfile.write(body[: answer.cut])
            if answer.stall:
                self.wfile.flush()
                site.closing.wait(20)

        def drip(self, content: bytes) -> None:
            for byte in content:
                if site.closing.wait(0.05):
                    return
                try:
                    self.wfile.write(bytes([byte]))
                    self.wfile.flush()
                except OSError:
                    return

        def cut_range(
            self, answer: Answer, wanted: str, headers: dict[str, str]
        ) -> tuple[int, bytes]:
            begin, size = int(wanted.removeprefix("bytes=").rstrip("-")), len(answer.body)
            if self.headers.get("If-Range", answer.tag) != answer.tag:
                return 200, answer.body
            if begin >= size:
                headers["Content-Range"] = f"bytes */{size}"
                return 416, b""
            headers["Content-Range"] = f"bytes {begin}-{size - 1}/{size}"
            return 206, answer.body[begin:]

        def log_message(self, format: str, *args: object) -> None:
            """Say nothing."""

    return Handler


@pytest.fixture
def site() -> Iterator[Site]:
    """A server on a free port of 127.0.0.1, gone when the test ends."""
    made = Site("")
    server = ThreadingHTTPServer(("127.0.0.1", 0), make_handler(made))
    made.url = f"http://127.0.0.1:{server.server_address[1]}"
    thread = threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True)
    thread.start()
    yield made
    made.closing.set()
    server.shutdown()
    thread.join()
    server.server_close()
