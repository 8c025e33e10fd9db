"""The one error that a person is meant to read."""

from __future__ import annotations

import errno
import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

# What a machine refuses, and no code can mend: rights, a full disk or a limit on the size of files,
# a file where a folder must be or the other way round.
REFUSALS = frozenset(
    {errno.EACCES, errno.EPERM, errno.EROFS, errno.ENOSPC, errno.EDQUOT, errno.EFBIG}
    | {errno.ENOTDIR, errno.EISDIR}
)


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


def damaged(path: Path, why: str) -> UserError:
    """The error for a file of a product that is there and is not whole.

    It names the stage that made the file, which the manifest beside it or above it tells.
    """
    manifests = [m for folder in path.parents if (m := folder / "manifest.json").is_file()]
    try:
        manifest = json.loads(manifests[0].read_bytes())
        identity = manifest["identity"]
        parts = [identity[key] for key in ("size", "dataset", "source") if key in identity]
        stage = "@".join([manifest["stage"], *filter(None, ["-".join(parts)])])
        command = f"dvc repro --force --single-item {stage}"
    except (OSError, ValueError, LookupError, TypeError, RecursionError):  # of no stage, or damaged
        command = "make or fetch it again"
    return UserError(f"{path} is damaged", why=why, next_command=command)
