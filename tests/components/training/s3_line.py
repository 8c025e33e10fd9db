"""A bucket of one's own on this machine: a real S3 server, and a line that fails when told."""

from __future__ import annotations

import http.client
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import urlsplit

import pytest

from tests.components.acquire.s3 import s3_address

__all__ = ["Line", "line", "s3_address"]
BUCKET = "trained"
CODES = {403: "AccessDenied", 500: "InternalError", 503: "SlowDown"}


@dataclass
class Fault:
    """The answer to the next ``times`` requests of a method whose path ends so."""

    status: int
    method: str
    ending: str
    times: int


@dataclass
class Line:
    """What was asked, and what goes wrong next."""

    address: str
    client: Any
    faults: list[Fault] = field(default_factory=list)
    asked: list[str] = field(default_factory=list)

    def fail(self, status: int, method: str, ending: str = "", times: int = 10**6) -> None:
        """Answer so many of the requests with an error instead of passing them on."""
        self.faults.append(Fault(status, method, ending, times))

    def next_fault(self, method: str, path: str) -> Fault | None:
        """The fault that meets a request."""
        self.asked.append(f"{method} {path}")
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
            if fault is not None:
                text = f"<Error><Code>{CODES[fault.status]}</Code></Error>".encode()
                self.answer(fault.status, {}, b"" if self.command == "HEAD" else text)
                return
            passed = http.client.HTTPConnection(urlsplit(server).netloc)
            dropped = ("host", "expect", "transfer-encoding", "content-length", "connection")
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

        def log_message(self, format: str, *args: object) -> None:
            """Say nothing."""

    return Handler


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
    made = Line("", client)
    server = ThreadingHTTPServer(("127.0.0.1", 0), make_handler(made, s3_address))
    server.daemon_threads = True
    made.address = f"http://127.0.0.1:{server.server_address[1]}"
    monkeypatch.setenv("AWS_ENDPOINT_URL_S3", made.address)
    thread = threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True)
    thread.start()
    yield made
    server.shutdown()
    thread.join()
    server.server_close()
