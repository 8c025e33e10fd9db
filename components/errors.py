"""The one error that a person is meant to read."""

from __future__ import annotations

import errno
import json
import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

# What a machine refuses, and no code can mend: rights, a full disk or a limit on the size of files,
# a file where a folder must be or the other way round.
REFUSALS = frozenset(
    {errno.EACCES, errno.EPERM, errno.EROFS, errno.ENOSPC, errno.EDQUOT, errno.EFBIG}
    | {errno.ENOTDIR, errno.EISDIR}
)
# The key under which a file says of which version its layout is; one without it is of version 1.
FORMAT = "format"
METADATA = {f"biomedgpt.{FORMAT}": "1"}  # the same of a Parquet file, in its footer


class UserError(Exception):
    """What happened, where, why, and the next command, in words that need no traceback.

    Command-line doors print it and exit with status 2; everything else is a bug and keeps its
    traceback.
    """

    def __init__(self, what: str, *, why: str = "", next_command: str = "") -> None:
        self.what, self.why, self.next_command = what, why, next_command
        lines = [what]
        if why:
            lines.append(f"  why:  {why}")
        if next_command:
            lines.append(f"  next: {next_command}")
        super().__init__("\n".join(lines))


class NewerFormatError(UserError):
    """A file is of a format that only a newer package reads."""


@contextmanager
def refusals_told() -> Iterator[None]:
    """Turn what the machine refuses (REFUSALS) into a UserError with the path and the reason."""
    try:
        yield
    except OSError as error:
        if error.errno not in REFUSALS:
            raise
        raise UserError(
            f"{error.filename or 'a file'} cannot be read or written",
            why=error.strerror or str(error),
            next_command="biomedgpt doctor, which looks at rights and free space",
        ) from error


@contextmanager
def refusals_numbered(path: Path, *kinds: type[Exception]) -> Iterator[None]:
    """Turn what a library raises where the machine refuses to write ``path`` into an OSError.

    safetensors tells of a full disk in words alone; torch hides the error of the file that it was
    given behind one of its own.
    """
    try:
        yield
    except kinds as error:
        hidden, number = error.__context__, re.search(r"\(os error (\d+)\)", str(error))
        code = hidden.errno if isinstance(hidden, OSError) else int(number[1]) if number else None
        if code is None:
            raise
        raise OSError(code, os.strerror(code), str(path)) from None


def check_folder_name() -> None:
    """UserError where the name of the current folder is no text, which Ray's workers need it to be.

    So are letters beyond ASCII in a locale that does not know them.
    """
    here = str(Path.cwd())
    try:
        here.encode()
    except UnicodeEncodeError:
        raise UserError(
            f"workers cannot be started in {here.encode(errors='replace').decode()}",
            why="in this locale its name is no text, and they are told it as UTF-8",
            next_command="PYTHONUTF8=1 before the command, or a folder of another name",
        ) from None


def damaged(path: Path, why: str) -> UserError:
    """The error for a file of a product that is there and is not whole.

    It names the stage that made the file, which the manifest beside it or above it tells.
    """
    return UserError(f"{path} is damaged", why=why, next_command=_remake(path))


@contextmanager
def damage_told(path: Path, *kinds: type[Exception]) -> Iterator[None]:
    """Turn what a library raises on a file of a product that is not whole into ``damaged``.

    An OSError with a number is the machine's fault and stays; of a broken page Arrow tells by one
    without.
    """
    try:
        yield
    except kinds as error:
        if isinstance(error, OSError) and error.errno:
            raise
        raise damaged(path, str(error)) from None


def load_object(path: Path) -> dict[str, Any]:
    """A JSON object that this project wrote; UserError where it is not whole, or another thing.

    Raw files of others have their own (readers/json_rows.py): they are got again, not made again.
    """
    try:
        values = json.loads(path.read_bytes())
    except (ValueError, RecursionError) as error:
        raise damaged(path, f"it is no JSON: {error}") from None
    if not isinstance(values, dict):
        raise damaged(path, f"it holds a JSON {type(values).__name__}, not an object")
    return values


def check_format(told: Any, path: Path | str, newest: int = 1) -> Any:
    """What a file of JSON tells, without the version of its layout.

    UserError where that is later than the ``newest`` that the caller reads, or no version at all.
    What is no object is left as it is, to whoever says what is wrong with it.
    """
    if not isinstance(told, dict):
        return told
    rest = dict(told)
    found = rest.pop(FORMAT, 1)
    if type(found) is int and 1 <= found <= newest:
        return rest
    if type(found) is not int or found < 1:
        raise damaged(Path(path), f"its {FORMAT} is {found!r}")
    raise NewerFormatError(
        f"{path} is of format {found}, and this biomedgpt reads formats up to {newest}",
        why="a newer biomedgpt wrote it",
        next_command=f"upgrade biomedgpt; or, for one that can be read: {_remake(Path(path))}",
    )


def check_metadata(told: dict[bytes, bytes] | None, path: Path) -> None:
    """UserError where a newer package wrote a Parquet file of ours, by what its footer tells."""
    (key,) = METADATA
    found = (told or {}).get(key.encode(), b"1")
    check_format({FORMAT: int(found) if found.isdigit() else found}, path)


def _remake(path: Path) -> str:
    """The command that makes a file again, as the manifest beside it or above it tells."""
    manifests = [m for folder in path.parents if (m := folder / "manifest.json").is_file()]
    try:
        manifest = json.loads(manifests[0].read_bytes())
        identity = manifest["identity"]
        parts = [identity[key] for key in ("size", "dataset", "source") if key in identity]
        stage = "@".join([manifest["stage"], *filter(None, ["-".join(parts)])])
    except (OSError, ValueError, LookupError, TypeError, RecursionError):  # of no stage, or damaged
        return "make or fetch it again"
    return f"dvc repro --force --single-item {stage}"
