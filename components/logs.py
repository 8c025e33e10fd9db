"""The log of a run: a line of JSON for whatever its processes say, under one id.

``logs/<id>/<stage>.jsonl`` is written by a stage's own process, ``<stage>.<rank>.jsonl`` by each of
its workers, ``flow.jsonl`` by the flow. The id is that of the Prefect run, or the one that
``BIOMEDGPT_RUN`` names, or a new one; children find it in the environment. A record holds time,
level, id, stage, rank, message and fields, and never a host. Neither git nor DVC follows the
folder: times are no product.
"""

from __future__ import annotations

import json
import logging
import os
import re
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager, redirect_stderr, redirect_stdout, suppress
from contextvars import ContextVar
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, TextIO

from components.errors import UserError
from components.redaction import (
    RedactedStream,
    RedactingFormatter,
    errors_redacted,
    redact,
    redact_handlers,
    visible,
)

FOLDER = Path("logs")
RUN, STAGE = "BIOMEDGPT_RUN", "BIOMEDGPT_STAGE"  # environment, for children
DVC_STAGE = "DVC_STAGE"  # environment: DVC tells a stage its name
FLOW = "flow"
RUN_ID = re.compile(r"\w[\w.-]{0,79}")
DRAWN = re.compile(r"\x1b\[[\d;?]*[A-Za-ln-z]")  # moves a terminal's cursor: part of a drawing
COLOUR = re.compile(r"\x1b\[[\d;]*m")

LOGGER = logging.getLogger("biomedgpt")
_fields: ContextVar[Mapping[str, Any]] = ContextVar("fields", default={})  # noqa: B039 (never changed)
_unheard: ContextVar[bool] = ContextVar("unheard", default=False)


@dataclass(frozen=True)
class Log:
    """Which log a process writes: of which run, stage and rank ("": the stage's own process)."""

    run: str
    stage: str
    rank: str = ""

    @property
    def path(self) -> Path:
        """The file, relative to the project's root."""
        name = ".".join(filter(None, [self.stage, self.rank]))
        return FOLDER / self.run / f"{name}.jsonl"


def name_log(stage: str, identity: Mapping[str, str]) -> Log:
    """The log of a stage in this process; UserError where the environment names no usable id."""
    item = "-".join(identity[key] for key in identity)
    name = os.environ.get(DVC_STAGE) or "@".join(filter(None, [stage, item]))
    run = os.environ.get(RUN) or make_run_id()
    if not RUN_ID.fullmatch(run):
        raise UserError(
            f"{RUN} is {run!r}",
            why="it names a folder of logs: letters, digits, - and _, at most 80",
            next_command=f"unset {RUN}, or give it such a name",
        )
    return Log(run, re.sub(r"[^\w@-]", "_", name))


def make_run_id() -> str:
    """A new id: the time, so that ids sort, and six random digits."""
    return f"{datetime.now(UTC):%Y%m%dT%H%M%S}-{os.urandom(3).hex()}"


def inherited_log() -> Log | None:
    """The log of the stage whose process, or whose child, this is; None outside of a stage."""
    run, stage = os.environ.get(RUN), os.environ.get(STAGE)
    return Log(run, stage) if run and stage else None


@contextmanager
def log_fields(fields: Mapping[str, Any]) -> Iterator[None]:
    """What is printed in the block is logged with these fields."""
    token = _fields.set({**_fields.get(), **fields})
    try:
        yield
    finally:
        _fields.reset(token)


class JsonFormatter(RedactingFormatter):
    """A record as one line of JSON, without secrets."""

    def __init__(self, log: Log) -> None:
        super().__init__()
        self.log = log

    def format(self, record: logging.LogRecord) -> str:
        """Time (UTC), level, id, stage, rank, message and fields; a traceback is among these."""
        fields = {**_fields.get(), **getattr(record, "fields", {})}
        if record.name != LOGGER.name:
            fields["logger"] = record.name
        if record.exc_info:
            fields["traceback"] = self.formatException(record.exc_info)
        line = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "id": self.log.run,
            "stage": self.log.stage,
            "rank": self.log.rank,
            "message": redact(record.getMessage()),
            "fields": _redact_all(fields),
        }
        written = json.dumps(line, ensure_ascii=False, default=lambda value: redact(str(value)))
        return visible(written)  # in JSON, an escape is the letter itself


def _redact_all(value: Any) -> Any:
    if isinstance(value, str):
        return redact(value)
    if isinstance(value, Mapping):
        return {str(key): _redact_all(item) for key, item in value.items()}
    return [_redact_all(item) for item in value] if isinstance(value, list | tuple) else value


@contextmanager
def open_log(log: Log, *loggers: str) -> Iterator[None]:
    """Log what this process prints and warns of until the block ends, and hide secrets in it.

    Lines of stdout are of level info, those of stderr warnings. Of ``loggers`` all is taken that
    they let through, of any other warnings and worse. Children find id and stage in the
    environment. An error that leaves the block is logged and gets a note that says where.
    """
    log.path.parent.mkdir(parents=True, exist_ok=True)
    with ExitStack() as stack:
        stack.enter_context(_environment_set({RUN: log.run, STAGE: log.stage}))
        out, err = sys.stdout, sys.stderr
        redact_handlers()
        for name in ("biomedgpt", *loggers):
            stack.enter_context(_attached(name, _LogFile(log, logging.INFO)))
        stack.enter_context(_printing_unheard())
        if not logging.root.handlers:  # Python's own last resort falls silent beside any other
            stack.enter_context(_attached("", _terminal(err)))
        stack.enter_context(_attached("", _LogFile(log, logging.WARNING)))
        stack.enter_context(_heard(out, redirect_stdout, logging.INFO))
        stack.enter_context(_heard(err, redirect_stderr, logging.WARNING))
        logging.captureWarnings(True)
        stack.callback(logging.captureWarnings, False)
        stack.enter_context(_errors_logged(log))
        yield


@contextmanager
def log_rank(log: Log | None, rank: object) -> Iterator[None]:
    """In a worker: the block's own file of the run's log. Without a log secrets are hidden still:
    what a worker raises, Ray writes down."""
    with open_log(replace(log, rank=str(rank))) if log else errors_redacted():
        yield


@contextmanager
def _errors_logged(log: Log) -> Iterator[None]:
    LOGGER.setLevel(logging.INFO)
    LOGGER.propagate = False  # what a terminal shows of it was printed
    begun = time.monotonic()
    try:
        with errors_redacted():
            yield
    except Exception as error:
        is_bug = not isinstance(error, UserError)
        LOGGER.error("%s", error or type(error).__name__, exc_info=is_bug)
        error.add_note(f"  log:  {log.path}")
        raise
    LOGGER.info("ended", extra={"fields": {"seconds": round(time.monotonic() - begun, 3)}})


class _LogFile(logging.FileHandler):
    """Appends lines to a log's file; a disk that is full ends the log, and not the run."""

    def __init__(self, log: Log, level: int) -> None:
        super().__init__(log.path, encoding="utf-8")
        self.path = log.path
        self.setFormatter(JsonFormatter(log))
        self.setLevel(level)

    def handleError(self, record: logging.LogRecord) -> None:  # noqa: ARG002, N802 (logging's)
        """Say once, beside the streams that are logged, that the log ends here."""
        self.setLevel(logging.CRITICAL + 1)
        if sys.__stderr__ is not None:
            why = sys.exc_info()[1]
            sys.__stderr__.write(f"{self.path} ends here: it cannot be written ({why})\n")

    def close(self) -> None:
        """Close the file; what a full disk did not take has been told."""
        with suppress(OSError):
            super().close()


class _Unheard(logging.Handler):
    """Another's handler; where it prints a record, that is not logged a second time."""

    def __init__(self, inner: logging.Handler) -> None:
        super().__init__(inner.level)
        self.inner = inner

    def emit(self, record: logging.LogRecord) -> None:
        """Let the other handle the record."""
        token = _unheard.set(True)
        try:
            self.inner.handle(record)
        finally:
            _unheard.reset(token)


@contextmanager
def _printing_unheard() -> Iterator[None]:
    """Of the root's handlers, as Ray's workers have them: they print to what stderr is by then."""
    others = logging.root.handlers
    logging.root.handlers = [_Unheard(handler) for handler in others]
    try:
        yield
    finally:
        logging.root.handlers = others


def _terminal(stream: TextIO) -> logging.Handler:
    handler = logging.StreamHandler(stream)
    handler.setFormatter(RedactingFormatter())
    handler.setLevel(logging.WARNING)
    return handler


@contextmanager
def _attached(name: str, handler: logging.Handler) -> Iterator[None]:
    logger = logging.getLogger(name)
    logger.addHandler(handler)
    try:
        yield
    finally:
        logger.removeHandler(handler)
        handler.close()


@contextmanager
def _heard(stream: TextIO, redirect: Callable[..., Any], level: int) -> Iterator[None]:
    """Log each line of a stream, but what draws a terminal's bars."""

    def hear(line: str) -> None:
        text = COLOUR.sub("", line).rpartition("\r")[2].rstrip()
        if text and not DRAWN.search(line) and not _unheard.get():
            LOGGER.log(level, "%s", text)

    wrapped = RedactedStream(stream, hear)
    with redirect(wrapped):
        try:
            yield
        finally:
            wrapped.flush()


@contextmanager
def _environment_set(values: Mapping[str, str]) -> Iterator[None]:
    before = {name: os.environ.get(name) for name in values}
    os.environ.update(values)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value
