"""Secrets are hidden where text leaves a process: log lines, printed lines, errors, records.

What counts as one: the value of an environment variable whose name says so, and text of a form
that its issuer documents (AWS, Hugging Face, GitHub, Prefect and others), or that stands where
secrets stand: before the host of a URL, in a signed query, after ``password=`` and the like.
"""

from __future__ import annotations

import json
import logging
import os
import re
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager, redirect_stderr, redirect_stdout
from functools import lru_cache
from typing import Any, TextIO, cast
from urllib.parse import quote

HIDDEN = "[hidden]"
SECRET_NAME = re.compile(
    r"(?:^|_)(?:[A-Z]*(?:SECRET|PASSWORD|PASSWD|PASSPHRASE)S?|(?:API|AUTH|ACCESS)?TOKENS?|PAT|PASS"
    r"|SSHPASS|(?:API|ACCESS|PRIVATE|SECRET)?KEYS?|CREDENTIALS?|CREDS|COOKIE|(?:CLI_|REDISCLI_)AUTH"
    r"|AUTH_STRING|CONNECTION_STRING)\d*(?:_|$)|_PWD$",
    re.IGNORECASE,
)
PLACES = ("_FILE", "_PATH", "_DIR", "_SOCK", "_URI")  # where a secret lies is none
# What commands a terminal, ends a line, or turns the order in which letters are shown; a line may
# end and have a tab.
UNSEEN = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ud800-\udfff]"
)
MIN_CHARS = 8  # shorter values (1, true, test) are everywhere
KEY_BEGINS = re.compile(r"-----BEGIN [A-Z ]*PRIVATE KEY-----")
KEY_GOES_ON = re.compile(r"\s*(?:[A-Za-z0-9+/=]*|[\w-]+: \S+)\s*")  # base64, or a header before it
FORMS = (
    r"-----BEGIN [A-Z ]*PRIVATE KEY-----[\s\S]*?(?:-----END [A-Z ]*PRIVATE KEY-----|\Z)",
    r"\b(?:AKIA|ASIA|ABIA|ACCA|AROA|AIDA|AGPA|ANPA)[A-Z0-9]{16}\b",
    r"\bhf_[A-Za-z0-9]{20,}",
    r"\bapi_org_[A-Za-z0-9]{20,}",
    r"\bpn[ub]_[A-Za-z0-9]{20,}",  # Prefect: of a user, of a bot
    r"\bgh[pousr]_[A-Za-z0-9]{20,}",
    r"\bgithub_pat_\w{20,}",
    r"\bglpat-[\w-]{20,}",
    r"\bxox[abeprs]-[\w-]{10,}",
    r"\bAIza[\w-]{35}",
    r"\bsk-[\w-]{20,}",
    r"\beyJ[\w-]{10,}\.[\w-]{10,}\.[\w-]*",  # JSON web token
    # forty characters of base64 with all kinds among them: AWS's secret keys have no other mark
    r"(?<![\w/+=.-])(?=[A-Za-z0-9/+]{40}(?![\w/+=.-]))(?=(?:[^a-z\s]*[a-z]){3})"
    r"(?=(?:[^A-Z\s]*[A-Z]){3})(?=(?:[^\d\s]*\d){2})[A-Za-z0-9/+]{40}",
)
# What stands between the two groups is hidden; no quote or backslash is, so that JSON stays JSON.
AROUND = (
    r"(\b[a-z][a-z0-9+.-]{0,20}://)[^\s/?#\"'<>\\]+(@)",
    r"([?&;](?:[a-z-]*(?:signature|credential|token|api[_-]?key|secret|password)|sig|key"
    r"|AWSAccessKeyId|GoogleAccessId)=)[^&\s\"'<>\\]+()",
    r"(authorization\\?[\"']?\s*[:=]\s*\\?[\"']?(?:[a-z]+ +)?)[^\s\"',\\]+()",
    r"(\b(?:bearer|basic)\s+)(?=[\w.~+/-]*\d)[\w.~+/-]{8,}=*()",
    r"((?:password|passwd|passphrase|secret|(?:api|account|private|secret[_-]?access|access)[_-]?key)"
    r"\\?[\"']?\s*[:=]\s*\\?[\"']?)(?!\[hidden\])[^\s\"',;&)}\]\\]{4,}()",
    # "token" is a word of this field, too: only what no count, name or sentence looks like
    r"(token\\?[\"']?\s*[:=]\s*\\?[\"']?)(?=[^\s\"']*\d)(?=[^\s\"']*[a-z])"
    r"[^\s\"',;&)}\]\\]{16,}()",
)


def visible(text: str) -> str:
    """The text with each letter that would not be seen, but act, written as its escape.

    What data says may stand in an error or a log; neither must colour, hide or forge a line.
    """
    return UNSEEN.sub(lambda found: f"\\u{ord(found[0]):04x}", text)


def redact(text: str) -> str:
    """The text with ``[hidden]`` where a secret stood."""
    own = _own_pattern(_own_secrets(os.environ))
    if own is not None:
        text = own.sub(HIDDEN, text)
    for pattern in _patterns():
        text = pattern.sub(_hide, text)
    return text


class LineRedactor:
    """``redact`` for lines that come one by one; remembers that it is inside of a private key."""

    def __init__(self) -> None:
        self._inside = False

    def redact(self, line: str) -> str:
        """The line without secrets."""
        if self._inside and "-----END " in line:
            self._inside = False
            return HIDDEN
        self._inside = (self._inside and bool(KEY_GOES_ON.fullmatch(line))) or bool(
            KEY_BEGINS.search(line) and "-----END " not in line
        )
        return HIDDEN if self._inside else redact(line)


def holds_secret(text: str) -> bool:
    """Whether ``redact`` would hide something."""
    return redact(text) != text


def is_secret_name(name: str) -> bool:
    """Whether a variable of this name holds a secret: AWS_SECRET_ACCESS_KEY, HF_TOKEN and such."""
    return bool(SECRET_NAME.search(name)) and not name.upper().endswith(PLACES)


def _hide(found: re.Match[str]) -> str:
    before, after = found.groups() or ("", "")
    return f"{before}{HIDDEN}{after}"


@lru_cache(maxsize=1)
def _patterns() -> tuple[re.Pattern[str], ...]:
    return (
        *(re.compile(pattern, re.IGNORECASE) for pattern in AROUND),
        *map(re.compile, FORMS),
    )


def _own_secrets(environment: Mapping[str, str]) -> frozenset[str]:
    """Values of secret variables, each line of them, also as URLs and JSON write them."""
    lines = {
        line.strip()
        for name, value in environment.items()
        if is_secret_name(name)
        for line in value.splitlines()
    }
    return frozenset(
        form
        for line in lines
        if len(line) >= MIN_CHARS
        for form in (line, quote(line, safe=""), json.dumps(line)[1:-1])
    )


@lru_cache(maxsize=8)
def _own_pattern(secrets: frozenset[str]) -> re.Pattern[str] | None:
    longest_first = sorted(secrets, key=lambda secret: (-len(secret), secret))
    return re.compile("|".join(map(re.escape, longest_first))) if secrets else None


class RedactingFormatter(logging.Formatter):
    """What another formatter makes of a record, with its traceback, without secrets."""

    def __init__(self, inner: logging.Formatter | None = None) -> None:
        super().__init__()
        self.inner = inner or logging.Formatter()

    def format(self, record: logging.LogRecord) -> str:
        """The record as text."""
        return redact(self.inner.format(record))


def redact_handlers() -> None:
    """Put a RedactingFormatter around that of every handler which this process has by now."""
    known = logging.root.manager.loggerDict.values()
    loggers = [logging.root, *(item for item in known if isinstance(item, logging.Logger))]
    for handler in {handler for logger in loggers for handler in logger.handlers}:
        # Ray Train's handler keeps its formatter for a file that it opens later
        inner = handler.formatter or getattr(handler, "_formatter", None)
        if not isinstance(inner, RedactingFormatter):
            handler.setFormatter(RedactingFormatter(inner))


class RedactedStream:
    """A text stream without secrets; ``hear`` is given each line, without them, when it is whole.

    Text is held until its line ends or is flushed, since a secret may come in several writes.
    """

    def __init__(self, stream: TextIO, hear: Callable[[str], None] = lambda _: None) -> None:
        self.stream, self.hear = stream, hear
        self._lines = LineRedactor()
        self._held = self._shown = ""  # of the line that has begun: not yet written, and written

    def write(self, text: str) -> int:
        """Take text; whole lines are written at once."""
        *lines, self._held = (self._held + text).split("\n")
        for line in lines:
            clean = self._lines.redact(line)
            with self._naming():
                self.stream.write(clean + "\n")
            self.hear(redact(self._shown + line) if self._shown else clean)
            self._shown = ""
        return len(text)

    def flush(self) -> None:
        """Write what there is of a line, and flush."""
        held, self._held = self._held, ""
        # what is drawn over is no part of a line
        self._shown = (self._shown + held).rpartition("\r")[2]
        with self._naming():
            self.stream.write(redact(held))
            self.stream.flush()

    @contextmanager
    def _naming(self) -> Iterator[None]:
        """Name the stream in an error that says that it takes no more, as one of a file does."""
        try:
            yield
        except OSError as error:
            error.filename = getattr(self.stream, "name", None)
            raise

    def __getattr__(self, name: str) -> Any:
        """All else (isatty, fileno, encoding) is the stream's own."""
        return getattr(self.stream, name)


@contextmanager
def output_redacted() -> Iterator[None]:
    """Hide secrets in what this process prints, and in errors that leave the block."""
    with ExitStack() as stack:
        for redirect, stream in ((redirect_stdout, sys.stdout), (redirect_stderr, sys.stderr)):
            wrapped = RedactedStream(stream)
            stack.enter_context(redirect(cast(TextIO, wrapped)))
            stack.callback(wrapped.flush)
        stack.enter_context(errors_redacted())
        yield


@contextmanager
def errors_redacted() -> Iterator[None]:
    """Hide secrets in the messages of errors that leave the block, and of their causes.

    For what others will write down: Ray its workers' errors, Prefect those of flows and tasks.
    Type and traceback stay; an error whose text cannot be mended becomes a RuntimeError.
    """
    try:
        yield
    except Exception as error:
        for link in _chain(error):
            _redact_error(link)
        if any(holds_secret(str(link)) for link in _chain(error)):
            words = f"{type(error).__name__}: {redact(str(error))}"
            raise RuntimeError(words).with_traceback(error.__traceback__) from None
        raise


def _chain(error: BaseException) -> list[BaseException]:
    found: list[BaseException] = []
    waiting: list[BaseException | None] = [error]
    while waiting:
        link = waiting.pop()
        if link is not None and link not in found:
            found.append(link)
            waiting += [link.__cause__, link.__context__]
    return found


def _redact_error(error: BaseException) -> None:
    error.args = tuple(redact(item) if isinstance(item, str) else item for item in error.args)
    for name, value in vars(error).items():
        if isinstance(value, str):
            setattr(error, name, redact(value))
    if isinstance(error, OSError) and isinstance(error.filename, str):
        error.filename = redact(error.filename)
    if hasattr(error, "__notes__"):
        error.__notes__ = [redact(note) for note in error.__notes__]
