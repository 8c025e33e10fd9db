"""A bucket of one's own on this machine: a real S3 server, and a line that fails when told."""

from __future__ import annotations

import http.client
import socket
import struct
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import urlsplit

import pytest

from tests.components.acquire.s3 import s3_address

__all__ = ["Line", "line", "s3_address"]
BUCKET = "trained"
RESET = "reset"
CODES = {403: "AccessDenied", 500: "InternalError", 503: "SlowDown"}


@dataclass
class Fault:
    """What meets the next ``times`` requests of a method whose path ends so.

    An error with ``status`` and ``code``; without a status, the line is reset (code RESET), or the
    request is passed on after ``wait_s``.
    """

    status: int
    method: str
    ending: str
    times: int
    code: str = ""
    wait_s: float = 0.0


@dataclass
class Line:
    """What was asked, and what goes wrong next."""

    address: str
    client: Any
    faults: list[Fault] = field(default_factory=list)
    asked: list[str] = field(default_factory=list)
    watch: Callable[[str], object] = lambda _: None

    def fail(
        self, status: int, method: str, ending: str = "", times: int = 10**6, code: str = ""
    ) -> None:
        """Answer so many of the requests with an error instead of passing them on."""
        self.faults.append(Fault(status, method, ending, times, code or CODES[status]))

    def reset(self, method: str, ending: str = "", times: int = 10**6) -> None:
        """Reset the connections of so many requests."""
        self.faults.append(Fault(0, method, ending, times, RESET))

    def delay(self, wait_s: float, method: str, ending: str = "", times: int = 10**6) -> None:
        """Let so many of the requests wait."""
        self.faults.append(Fault(0, method, ending, times, wait_s=wait_s))

    def next_fault(self, method: str, path: str) -> Fault | None:
        """The fault that meets a request."""
        self.asked.append(f"{method} {path}")
        self.watch(self.asked[-1])
        for fault in self.faults:
            if fault.times and fault.method == method and path.endswith(fault.ending):
                fault.times -= 1
                return fault
        return None

    def held(self) -> list[str]:
        """What the bucket holds."""
        found = self.client.list_objects_v2(Bucket=BUCKET).get("Contents", [])
        return sorted(item["Key"] for item in found)


def make_handler(line: Line, server: str) -> type[BaseHTTPRequestHandler]:
    """A request handler that passes every request on, but for the faults of the line."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def pass_on(self) -> None:
            body = self.read_body()
            fault = line.next_fault(self.command, urlsplit(self.path).path)
            if fault is not None and fault.code == RESET:
                self.reset()
                return
            if fault is not None and not fault.status:
                time.sleep(fault.wait_s)
            elif fault is not None:
                text = f"<Error><Code>{fault.code}</Code></Error>".encode()
                self.answer(fault.status, {}, b"" if self.command == "HEAD" else text)
                return
            passed = http.client.HTTPConnection(urlsplit(server).netloc)
            # the host stays: it is signed
            dropped = ("expect", "transfer-encoding", "content-length", "connection")
            headers = {k: v for k, v in self.headers.items() if k.lower() not in dropped}
            passed.request(self.command, self.path, body=body, headers=headers)
            response = passed.getresponse()
            kept = {k: v for k, v in response.getheaders() if k.lower() not in dropped}
            if self.command == "HEAD":
                kept["Content-Length"] = response.getheader("Content-Length", "0")
            self.answer(response.status, kept, response.read())
            passed.close()

        do_GET = do_HEAD = do_PUT = do_POST = do_DELETE = pass_on

        def read_body(self) -> bytes:
            return self.rfile.read(int(self.headers.get("Content-Length", 0)))

        def answer(self, status: int, headers: dict[str, str], body: bytes) -> None:
            self.send_response(status)
            for name, value in {"Content-Length": str(len(body)), **headers}.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(body)

        def reset(self) -> None:
            # closed at once, so that the other side gets RST and not an end
            linger = struct.pack("ii", 1, 0)
            self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
            self.close_connection = True
            self.connection.close()

        def log_message(self, format: str, *args: object) -> None:
            """Say nothing."""

    return Handler


@contextmanager
def open_line(client: Any, server: str) -> Iterator[Line]:
    """A line to a server; ``client`` asks the server itself."""
    made = Line("", client)
    passing = ThreadingHTTPServer(("127.0.0.1", 0), make_handler(made, server))
    passing.daemon_threads = True
    made.address = f"http://127.0.0.1:{passing.server_address[1]}"
    thread = threading.Thread(target=passing.serve_forever, args=(0.01,), daemon=True)
    thread.start()
    yield made
    passing.shutdown()
    thread.join()
    passing.server_close()


@pytest.fixture
def line(s3_address: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[Line]:
    """An empty bucket, credentials for it in the environment, and a line to it."""
    import boto3

    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "any")
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    monkeypatch.delenv("AWS_PROFILE", raising=False)
    reset = http.client.HTTPConnection(urlsplit(s3_address).netloc)
    reset.request("POST", "/moto-api/reset")
    reset.getresponse().read()
    reset.close()
    client = boto3.client("s3", endpoint_url=s3_address)
    client.create_bucket(Bucket=BUCKET)
    with open_line(client, s3_address) as made:
        monkeypatch.setenv("AWS_ENDPOINT_URL_S3", made.address)
        yield made
