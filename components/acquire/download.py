"""Files over HTTPS: from allowed hosts only, at the pace that the host asks for."""

from __future__ import annotations

import http.client
import re
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from email.message import Message
from email.utils import parsedate_to_datetime
from functools import partial
from pathlib import Path
from typing import Any
from urllib.parse import SplitResult, urlsplit

from components import __version__
from components.acquire.pace import Pace, pace_of
from components.acquire.public import PrivateAddressError, PublicHttps
from components.acquire.transfer import (
    LONGEST_WAIT_S,
    NotFetched,
    Open,
    Part,
    Readable,
    StartOver,
    Sums,
    Terms,
    TryAgain,
    hurried,
    transfer,
)

LOOPBACK = frozenset({"127.0.0.1", "::1"})
TRANSIENT = (OSError, http.client.HTTPException)
REASONS = {401: "refused", 403: "refused", 404: "not-found", 410: "not-found"}
MAX_PAGE_BYTES = 16 << 20
NUMBER = re.compile(r"[0-9]{1,18}")  # what fits 64 bits
CONTENT_RANGE = re.compile(r"bytes ([0-9]{1,18})-[0-9]{0,18}(?:/([0-9]{1,18}|\*))?")


def download(
    url: str,
    path: Path,
    *,
    hosts: frozenset[str],
    max_bytes: int,
    sha256: str = "",
    retries: int = 5,
    timeout_s: float = 60.0,
    allow_loopback: bool = False,
    sleep: Callable[[float], None] = time.sleep,
) -> Path:
    """Fetch one file to ``path``, as ``Web.fetch`` does, from one of the hosts.

    Raises NotFetched, a UserError, for a host outside ``hosts`` (redirects included), plain
    http, a file over ``max_bytes``, a refusal, or a wrong checksum. ``allow_loopback`` is for
    tests: http to this machine.
    """
    terms = Terms(max_bytes=max_bytes, retries=retries, timeout_s=timeout_s, sleep=sleep)
    pace = pace_of(_split(url).hostname or "")
    web = Web(hosts, terms, pace=pace, allow_loopback=allow_loopback)
    return web.fetch(url, path, Sums(sha256=sha256))


class Web:
    """The part of the web that may be asked, and how.

    Busy servers (429 and 5xx) and broken connections are tried again with growing pauses;
    Retry-After is kept to, up to a minute, and by all threads that share ``pace``.
    """

    def __init__(
        self,
        hosts: frozenset[str],
        terms: Terms,
        *,
        pace: Pace | None = None,
        allow_loopback: bool = False,
    ) -> None:
        self.terms, self.pace = terms, pace
        self._allowed = _Allowed(hosts, pace, allow_loopback)
        direct = [urllib.request.ProxyHandler({})] if allow_loopback else []
        self._opener = urllib.request.build_opener(self._allowed, PublicHttps(), *direct)

    def fetch(self, url: str, path: Path, sums: Sums = Sums()) -> Path:  # noqa: B008 (frozen)
        """The file at an address, under ``path``; one that is there and right is left as it is.

        Raises NotFetched; UserError where the budget is spent.
        """
        self._allowed.check(url)
        if sums.hold(path):
            return path
        return transfer(url, self._open(url), path, sums, self.terms)

    def read(self, url: str) -> bytes:
        """A page of at most MAX_PAGE_BYTES. Raises NotFetched."""
        self._allowed.check(url)
        terms = replace(self.terms, max_bytes=MAX_PAGE_BYTES)
        with tempfile.TemporaryDirectory() as folder:
            page = transfer(url, self._open(url), Path(folder, "page"), Sums(), terms)
            return page.read_bytes()

    def _open(self, url: str) -> Open:
        @contextmanager
        def opened(begin: int, tag: str) -> Iterator[Part]:
            headers = {"User-Agent": f"biomedgpt/{__version__}", "Accept-Encoding": "identity"}
            if begin:
                headers |= {"Range": f"bytes={begin}-", "If-Range": tag}
            request = urllib.request.Request(url, headers=headers)  # noqa: S310 (checked)
            if self.pace:
                self.pace.wait()
            try:
                response = hurried(partial(self._ask, request), self.terms.patience_s)
            except urllib.error.HTTPError as error:
                error.close()
                raise self._explain(url, error) from None
            except TRANSIENT as error:
                raise TryAgain(f"{type(error).__name__}: {error}") from None
            except PrivateAddressError as error:
                raise NotFetched(url, "host-not-allowed", str(error)) from None
            except ValueError as error:  # a redirect to an address that is none
                raise NotFetched(url, "broken-address", str(error)) from None
            with response:
                yield _read_head(url, response, begin)

        return opened

    def _ask(self, request: urllib.request.Request) -> Any:
        return self._opener.open(request, timeout=self.terms.timeout_s)

    def _explain(self, url: str, error: urllib.error.HTTPError) -> Exception:
        if error.code == 416:  # the partial file is no beginning of this file
            return StartOver("the partial file did not fit; starting over")
        if error.code != 429 and error.code < 500:
            reason = REASONS.get(error.code, f"answer-{error.code}")
            return NotFetched(url, reason, f"the server answers {error.code} {error.reason}")
        pause_s = _read_pause(error.headers)
        if self.pace and pause_s:
            self.pace.hold(pause_s)
        return TryAgain(f"{error.code} {error.reason}", pause_s)


class _Allowed(urllib.request.HTTPRedirectHandler):
    """Follows a redirect only where the address would have been allowed to begin with."""

    def __init__(self, hosts: frozenset[str], pace: Pace | None, allow_loopback: bool) -> None:
        self.hosts, self.pace, self.allow_loopback = hosts, pace, allow_loopback

    def check(self, url: str) -> None:
        """NotFetched for an address that may not be asked."""
        parts = _split(url)
        if self.allow_loopback and parts.scheme == "http" and parts.hostname in LOOPBACK:
            return
        if parts.scheme != "https" or parts.hostname not in self.hosts:
            allowed = ", ".join(sorted(self.hosts))
            why = f"only https and only these hosts are allowed: {allowed}"
            raise NotFetched(url, "host-not-allowed", why)

    def redirect_request(self, *answer: Any, **more: Any) -> urllib.request.Request | None:
        self.check(more["newurl"] if "newurl" in more else answer[-1])
        if self.pace:
            self.pace.wait()
        return super().redirect_request(*answer, **more)


def _split(url: str) -> SplitResult:
    """The parts of an address; NotFetched for one that is none."""
    try:
        return urlsplit(url)
    except ValueError as error:
        raise NotFetched(url, "broken-address", str(error)) from None


@dataclass(frozen=True, slots=True)
class _Answer:
    """The head of an answer, and its body."""

    body: Readable
    begin: int
    size: int | None
    tag: str
    md5: str = ""


@dataclass(frozen=True, slots=True)
class _Body:
    """Bytes as they come: a slow line gives what it has, and does not wait for a whole chunk."""

    response: Any

    def read(self, size: int, /) -> bytes:
        try:
            return bytes(self.response.read1(size))
        except TRANSIENT as error:
            raise TryAgain(f"{type(error).__name__}: {error}") from None


def _read_head(url: str, response: Any, begin: int) -> _Answer:
    headers, total = response.headers, None
    if response.status == 206:
        first, total = _read_range(headers)
        if first != begin:
            raise StartOver("the server sent another part than was asked for")
    elif response.status != 200:
        why = f"the server answers {response.status} {response.reason}, and sends no file"
        raise NotFetched(url, f"answer-{response.status}", why)
    else:
        begin = 0
    length = headers.get("Content-Length") or ""
    if total is None and NUMBER.fullmatch(length):
        total = begin + int(length)
    tag = headers.get("ETag") or headers.get("Last-Modified") or ""
    return _Answer(
        body=_Body(response),
        begin=begin,
        size=total,
        tag="" if tag.startswith("W/") else tag,  # only on a strong tag may be resumed
    )


def _read_range(headers: Message) -> tuple[int | None, int | None]:
    """The first byte of a part and the size of the whole; None for what is not stated."""
    found = CONTENT_RANGE.fullmatch((headers.get("Content-Range") or "").strip())
    if found is None:
        return None, None
    total = found.group(2) or "*"
    return int(found.group(1)), None if total == "*" else int(total)


def _read_pause(headers: Message) -> float:
    """Seconds of Retry-After, a number or a date, LONGEST_WAIT_S at most; 0 for neither."""
    stated = (headers.get("Retry-After") or "").strip()
    if stated.isascii() and stated.isdigit():
        return min(LONGEST_WAIT_S, float(stated))
    try:
        until = parsedate_to_datetime(stated)
        pause_s = (until.astimezone(UTC) - datetime.now(UTC)).total_seconds()
    except (ValueError, OverflowError):  # no date, or one beyond what a date can be
        return 0.0
    return min(LONGEST_WAIT_S, max(0.0, pause_s))
