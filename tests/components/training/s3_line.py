"""A bucket of one's own on this machine: a real S3 server, and a line that fails when told."""

from __future__ import annotations

import http.client
import os
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
ELSEWHERE = "BIOMEDGPT_TEST_S3"  # address of another server, with credentials in AWS's variables
BUCKET = "biomedgpt-tests"  # emptied before each test, on a server of one's own as well
RESET = "reset"
CODES = {403: "AccessDenied", 500: "InternalError", 503: "SlowDown"}


@dataclass
class Fault:
    """What meets the next ``times`` requests of a method (any, where "") whose path ends so.

    An error with ``status`` and ``code``; without a status, the line is reset (code RESET), or is
    after half of what is sent (``half``; what sends nothing is passed on), or the request is passed
    on after ``wait_s``, and of the answer's body ``cut`` bytes come back, or all with one byte
    turned over (``flip``), or the line is reset instead of an answer (``lost``). The first ``skip``
    requests are spared.
    """

    status: int
    method: str
    ending: str
    times: int
    code: str = ""
    wait_s: float = 0.0
    cut: int | None = None
    flip: bool = False
    half: bool = False
    lost: bool = False
    skip: int = 0

    def meets(self, method: str, path: str) -> bool:
        """Whether it befalls a request; it is counted then."""
        if self.method not in ("", method) or not path.endswith(self.ending) or not self.times:
            return False
        if self.skip:
            self.skip -= 1
            return False
        self.times -= 1
        return True


@dataclass
class Line:
    """What was asked, and what goes wrong next."""

    address: str
    client: Any
    faults: list[Fault] = field(default_factory=list)
    asked: list[str] = field(default_factory=list)
    ranges: list[str] = field(default_factory=list)
    watch: Callable[[str], object] = lambda _: None
    turn: threading.Lock = field(default_factory=threading.Lock)

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

    def cut(self, num_bytes: int, ending: str = "", times: int = 1) -> None:
        """Break so many answers to GET off after some bytes."""
        self.faults.append(Fault(0, "GET", ending, times, cut=num_bytes))

    def flip(self, ending: str = "", times: int = 1) -> None:
        """Damage what so many answers to GET hold; their heads stay as they are."""
        self.faults.append(Fault(0, "GET", ending, times, flip=True))

    def next_fault(self, method: str, path: str) -> Fault | None:
        """The fault that meets a request."""
        self.asked.append(f"{method} {path}")
        self.watch(self.asked[-1])
        whole = (fault for fault in self.faults if not fault.half)
        with self.turn:  # requests come side by side
            return next((fault for fault in whole if fault.meets(method, path)), None)

    def breaks_off(self, method: str, path: str) -> bool:
        """Whether the line breaks while a request is sent."""
        halves = (fault for fault in self.faults if fault.half)
        with self.turn:
            return any(fault.meets(method, path) for fault in halves)

    def held(self) -> list[str]:
        """What the bucket holds."""
        found = self.client.list_objects_v2(Bucket=BUCKET).get("Contents", [])
        return sorted(item["Key"] for item in found)


def make_handler(line: Line, server: str) -> type[BaseHTTPRequestHandler]:
    """A request handler that passes every request on, but for the faults of the line."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def pass_on(self) -> None:
            length, path = int(self.headers.get("Content-Length", 0)), urlsplit(self.path).path
            body = self.rfile.read(length // 2)
            if not line.breaks_off(self.command, path):
                body += self.rfile.read(length - len(body))
            if len(body) < length:  # or whoever sent it has died: a server keeps no part of it
                self.reset()
                return
            fault = line.next_fault(self.command, path)
            if fault is not None and fault.code == RESET:
                self.reset()
                return
            if fault is not None and not fault.status:
                time.sleep(fault.wait_s)
            elif fault is not None:
                text = f"<Error><Code>{fault.code}</Code></Error>".encode()
                self.answer(fault.status, {}, b"" if self.command == "HEAD" else text)
                return
            line.ranges += [self.headers["Range"]] * ("Range" in self.headers)
            passed = http.client.HTTPConnection(urlsplit(server).netloc)
            # the host stays: it is signed
            dropped = ("expect", "transfer-encoding", "content-length", "connection")
            headers = {k: v for k, v in self.headers.items() if k.lower() not in dropped}
            passed.request(self.command, self.path, body=body, headers=headers)
            response = passed.getresponse()
            kept = {k: v for k, v in response.getheaders() if k.lower() not in dropped}
            if self.command == "HEAD":
                kept["Content-Length"] = response.getheader("Content-Length", "0")
            told = response.read()
            passed.close()
            if fault is not None and fault.lost:
                self.reset()
                return
            self.answer(response.status, kept, told, fault)

        do_GET = do_HEAD = do_PUT = do_POST = do_DELETE = pass_on

        def answer(
            self, status: int, headers: dict[str, str], body: bytes, fault: Fault | None = None
        ) -> None:
            self.send_response(status)
            for name, value in {"Content-Length": str(len(body)), **headers}.items():
                self.send_header(name, value)
            self.end_headers()
            if fault is not None and fault.flip and body:
                middle = len(body) // 2
                body = body[:middle] + bytes([body[middle] ^ 1]) + body[middle + 1 :]
            self.wfile.write(body if fault is None else body[: fault.cut])
            self.close_connection |= fault is not None and fault.cut is not None

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


def empty_bucket(client: Any, name: str) -> None:
    """Remove all that a bucket holds."""
    for page in client.get_paginator("list_objects_v2").paginate(Bucket=name):
        for item in page.get("Contents", []):
            client.delete_object(Bucket=name, Key=item["Key"])


def renew_bucket(client: Any) -> None:
    """The tests' bucket, empty; nobody else's has this name."""
    known = {bucket["Name"] for bucket in client.list_buckets()["Buckets"]}
    if BUCKET in known:
        empty_bucket(client, BUCKET)
    else:
        client.create_bucket(Bucket=BUCKET)


@pytest.fixture
def line(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[Line]:
    """An empty bucket, credentials for it in the environment, and a line to it.

    It is moto's, or that of the server that BIOMEDGPT_TEST_S3 names.
    """
    import boto3

    address = os.environ.get(ELSEWHERE) or request.getfixturevalue("s3_address")
    if ELSEWHERE not in os.environ:
        for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
            monkeypatch.setenv(name, "any")
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    monkeypatch.delenv("AWS_PROFILE", raising=False)
    client = boto3.client("s3", endpoint_url=address)
    renew_bucket(client)
    with open_line(client, address) as made:
        monkeypatch.setenv("AWS_ENDPOINT_URL_S3", made.address)
        yield made
