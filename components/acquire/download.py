"""One file over HTTPS: from allowed hosts only, resumed where it broke off, whole or not there."""

from __future__ import annotations

import http.client
import re
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from email.message import Message
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from components import __version__
from components.errors import UserError
from components.lineage import hash_file

CHUNK_BYTES = 1 << 20
LONGEST_WAIT_S = 60.0
LOOPBACK = frozenset({"127.0.0.1", "::1"})
TRANSIENT = (OSError, http.client.HTTPException)


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
    """Fetch a file to ``path``; it has this name only when it is whole and its sha256 is right.

    What was received before a break is kept as ``<name>.partial`` and continued, unless the
    server's file has changed since. Busy servers and broken connections are tried again with
    growing pauses. Raises UserError for a host outside ``hosts`` (redirects included), plain
    http, a file over ``max_bytes``, a refusal, or a wrong checksum. ``allow_loopback`` is for
    tests: http to this machine.
    """
    check = _Allowed(hosts, allow_loopback)
    check.check(url)
    direct = [urllib.request.ProxyHandler({})] if allow_loopback else []
    opener = urllib.request.build_opener(check, *direct)
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(path.name + ".partial")
    for attempt in range(retries + 1):
        try:
            _receive(opener, url, partial, max_bytes, timeout_s)
            break
        except urllib.error.HTTPError as error:
            if error.code != 429 and error.code < 500:
                raise _refused(url, f"the server answers {error.code} {error.reason}") from None
            cause, pause = f"{error.code} {error.reason}", _read_pause(error.headers)
        except TRANSIENT as error:
            cause, pause = f"{type(error).__name__}: {error}", 0.0
        if attempt == retries:
            raise _refused(url, f"{retries + 1} attempts failed, the last: {cause}")
        sleep(min(LONGEST_WAIT_S, max(pause, 2.0**attempt)))
    if sha256 and hash_file(partial) != sha256:
        found = hash_file(partial)
        _forget(partial)
        raise _refused(url, f"its sha256 is {found}, not {sha256}")
    partial.replace(path)
    _tag_file(partial).unlink(missing_ok=True)
    return path


class _Allowed(urllib.request.HTTPRedirectHandler):
    """Follows a redirect only where the address would have been allowed to begin with."""

    def __init__(self, hosts: frozenset[str], allow_loopback: bool) -> None:
        self.hosts, self.allow_loopback = hosts, allow_loopback

    def check(self, url: str) -> None:
        parts = urlsplit(url)
        if self.allow_loopback and parts.scheme == "http" and parts.hostname in LOOPBACK:
            return
        if parts.scheme != "https" or parts.hostname not in self.hosts:
            allowed = ", ".join(sorted(self.hosts))
            raise _refused(url, f"only https and only these hosts are allowed: {allowed}")

    def redirect_request(self, *answer: Any, **more: Any) -> urllib.request.Request | None:
        self.check(more["newurl"] if "newurl" in more else answer[-1])
        return super().redirect_request(*answer, **more)


def _receive(
    opener: urllib.request.OpenerDirector, url: str, partial: Path, max_bytes: int, timeout_s: float
) -> None:
    """Bring the partial file to its full length, or raise what stopped it."""
    tag_file = _tag_file(partial)
    begin = partial.stat().st_size if partial.is_file() and tag_file.is_file() else 0
    headers = {"User-Agent": f"biomedgpt/{__version__}", "Accept-Encoding": "identity"}
    if begin:
        headers |= {"Range": f"bytes={begin}-", "If-Range": tag_file.read_text()}
    request = urllib.request.Request(url, headers=headers)  # noqa: S310 (checked by _Allowed)
    try:
        response = opener.open(request, timeout=timeout_s)
    except urllib.error.HTTPError as error:
        if error.code == 416:  # the partial file is no beginning of this file
            _forget(partial)
            raise http.client.HTTPException("the partial file did not fit; starting over") from None
        raise
    with response:
        resumed = response.status == 206 and _starts_at(response, begin)
        begin = begin if resumed else 0
        length = response.headers.get("Content-Length")
        end = begin + int(length) if length else None
        _check_size(url, end or 0, max_bytes)
        tag = response.headers.get("ETag") or response.headers.get("Last-Modified") or ""
        tag_file.unlink(missing_ok=True)
        if tag and not tag.startswith("W/"):  # only a strong tag may be resumed on
            tag_file.write_text(tag)
        with partial.open("ab" if resumed else "wb") as file:
            while chunk := response.read(CHUNK_BYTES):
                file.write(chunk)
                _check_size(url, file.tell(), max_bytes)
            if end is not None and file.tell() != end:
                raise http.client.IncompleteRead(b"", end - file.tell())


def _starts_at(response: Any, begin: int) -> bool:
    found = re.match(r"bytes (\d+)-", response.headers.get("Content-Range") or "")
    return found is not None and int(found.group(1)) == begin


def _read_pause(headers: Message) -> float:
    stated = headers.get("Retry-After") or ""
    return float(stated) if stated.isdigit() else 0.0


def _check_size(url: str, num_bytes: int, max_bytes: int) -> None:
    if num_bytes > max_bytes:
        raise _refused(url, f"it is over the limit of {max_bytes} bytes")


def _tag_file(partial: Path) -> Path:
    return partial.with_name(partial.name + ".etag")


def _forget(partial: Path) -> None:
    partial.unlink(missing_ok=True)
    _tag_file(partial).unlink(missing_ok=True)


def _refused(url: str, why: str) -> UserError:
    return UserError(
        f"{url} was not downloaded",
        why=why,
        next_command="get the file yourself and set acquire.mode to local (see its card)",
    )
