"""What stands before every request: whose it is, how large it is, how long it takes to arrive.

A page of another site cannot read an answer here, as there is no CORS; the checks of Host and
Origin keep it from having this server work for it, also by a name that it points at this machine
(DNS rebinding, which needs a name: addresses in numbers are safe).
"""

from __future__ import annotations

import asyncio
import ipaddress
import time
import traceback
from collections.abc import Collection
from pathlib import PurePath
from urllib.parse import urlsplit

from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from components.logs import LOGGER
from components.web.limits import Limits
from components.web.refusals import Refusal, failed

POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data: blob:; "
    "connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
HEADERS = {
    "Content-Security-Policy": POLICY,
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), microphone=(), geolocation=()",
    "Cache-Control": "no-store",
}
SAFE_METHODS = ("GET", "HEAD")
OWN_NAMES = ("localhost",)


class Guard:
    """ASGI middleware. ``names``: those under which the server is reached beside its addresses."""

    def __init__(self, app: ASGIApp, names: Collection[str], limits: Limits) -> None:
        self.app, self.limits = app, limits
        self.names = frozenset(name.lower() for name in (*OWN_NAMES, *names))

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Let a request pass, or refuse it."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        body = _Body(receive, self.limits)
        exchange = _Exchange(scope, send, body)
        try:
            self._check_origin(scope["method"], Headers(scope=scope))
            self._check_length(Headers(scope=scope))
            await self.app(scope, body.receive, exchange.send)
        except Refusal as refusal:
            await refusal.response(scope, receive, exchange.send)
        except Exception as error:
            exchange.tell_fault(error)
            if not exchange.status:
                await failed().response(scope, receive, exchange.send)
        exchange.tell()

    def _check_origin(self, method: str, headers: Headers) -> None:
        host = headers.get("host", "")
        if not self._is_own(host):
            raise Refusal(
                "foreign", "This server is not known by the name that it was asked by.",
                "Open it by its address in numbers, or start it with --name NAME.",
            )  # fmt: skip
        origin = headers.get("origin")
        if origin is not None and method not in SAFE_METHODS and urlsplit(origin).netloc != host:
            raise Refusal(
                "foreign", "Another site's page may not ask this server.",
                "Open this server's own page, or ask it from a program.",
            )  # fmt: skip

    def _is_own(self, host: str) -> bool:
        try:
            name = urlsplit(f"//{host}").hostname or ""
            if name in self.names:
                return True
            ipaddress.ip_address(name)
        except ValueError:
            return False
        return True

    def _check_length(self, headers: Headers) -> None:
        told = headers.get("content-length", "0")
        if not (told.isascii() and told.isdigit()):
            raise Refusal("malformed", "The length of the body is no number.", "Send a true one.")
        if int(told) > self.limits.body_bytes:
            raise too_large(self.limits)


def too_large(limits: Limits) -> Refusal:
    """For a body of more bytes than are taken."""
    most = limits.image_bytes // 1_000_000
    return Refusal(
        "too-large", f"The request is too large: an image may have {most} MB.",
        "Send a smaller image, or a smaller part of it.",
    )  # fmt: skip


class _Body:
    """A request's body, counted and timed as it arrives."""

    def __init__(self, receive: Receive, limits: Limits) -> None:
        self.inner, self.limits = receive, limits
        self.num_bytes, self.is_whole = 0, False
        self.deadline = asyncio.get_running_loop().time() + limits.upload_s

    async def receive(self) -> Message:
        """The next part; Refusal where the body is too large or too slow."""
        if self.is_whole:
            return await self.inner()
        try:
            async with asyncio.timeout_at(self.deadline):
                message = await self.inner()
        except TimeoutError:
            self.is_whole = True  # nothing more is waited for
            raise Refusal(
                "slow-upload", f"The request did not arrive within {self.limits.upload_s:.0f} s.",
                "Try again, with a smaller image where the connection is slow.",
            ) from None  # fmt: skip
        self.num_bytes += len(message.get("body", b""))
        self.is_whole = message["type"] == "http.disconnect" or not message.get("more_body")
        if self.num_bytes > self.limits.body_bytes:
            raise too_large(self.limits)
        return message

    async def discard(self) -> None:
        """Read on for a while and keep nothing, so that a client that still sends hears why not."""
        most = self.num_bytes + 3 * self.limits.body_bytes
        try:
            async with asyncio.timeout_at(self.deadline):
                while not self.is_whole and self.num_bytes < most:
                    message = await self.inner()
                    self.num_bytes += len(message.get("body", b""))
                    self.is_whole = not message.get("more_body")
        except TimeoutError:
            self.is_whole = True


class _Exchange:
    """A request and its answer: headers that every answer has, and a line of it in the log.

    The log holds neither what was asked nor an unknown address; an error's message may hold it, so
    that only its kind and place are told.
    """

    def __init__(self, scope: Scope, send: Send, body: _Body) -> None:
        self.scope, self.inner, self.body = scope, send, body
        self.begun, self.status = time.monotonic(), 0

    async def send(self, message: Message) -> None:
        """Send on, once the client has had its say."""
        if message["type"] == "http.response.start":
            await self.body.discard()
            self.status = message["status"]
            headers = MutableHeaders(scope=message)
            for name, value in HEADERS.items():
                headers.setdefault(name, value)
        await self.inner(message)

    def tell(self) -> None:
        """The line in the log."""
        path = getattr(self.scope.get("route"), "path", "another address")
        seconds = time.monotonic() - self.begun
        LOGGER.info("%s %s %d %.3f s", self.scope["method"], path, self.status, seconds)

    @staticmethod
    def tell_fault(error: Exception) -> None:
        """Where in the code an error was raised, and of what kind it is."""
        place = traceback.extract_tb(error.__traceback__)[-1]
        where = f"{PurePath(place.filename).name}:{place.lineno}"
        LOGGER.error("a fault of the server: %s at %s", type(error).__name__, where)
