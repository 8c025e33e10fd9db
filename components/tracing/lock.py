"""dvc.lock, read: which stage made a path, by which command, from which contents.

DVC writes it; it is plain YAML of a documented form (schema 2.0), and reading it takes a tenth of
the time of opening DVC.
"""

from __future__ import annotations

import fcntl
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

from components.errors import UserError
from components.schema import parse_yaml

DVC_LOCK = Path("dvc.lock")
IN_USE = Path(".dvc/tmp/lock")  # beside dvc.lock; DVC holds it but while a stage's own command runs
STILL_S = 5.0  # after which it is not being written
LONGEST_WAIT_S, PAUSE_S = 60.0, 0.1


@dataclass(frozen=True, slots=True)
class LockedStage:
    """A stage that ran: ``deps`` and ``outs`` map paths to DVC's md5 (``.dir`` for a folder)."""

    name: str
    cmd: str
    deps: Mapping[str, str]
    outs: Mapping[str, str]
    params: Mapping[str, Any]

    @property
    def hashes(self) -> dict[str, str]:
        """Of deps and outs together."""
        return {**self.deps, **self.outs}


def _read_whole(path: Path) -> bytes:
    """What dvc.lock holds while no DVC command writes it; UserError where one is long about it.

    DVC writes it in place, for a second or more: read meanwhile it is torn, or lacks stages. A
    command that keeps DVC's lock for hours, as push may, has left the file alone for a while.
    """
    begun = since = time.monotonic()
    seen = 0
    while True:
        with writing_held_off(path.parent) as is_held_off:
            changed, content = path.stat().st_mtime_ns, path.read_bytes()
        now = time.monotonic()
        if changed != seen:
            seen, since = changed, now
        # a file server's clock may be ahead of this machine's: then as long as this has looked
        still_s = max(time.time() - changed / 1e9, now - since)
        if is_held_off or (still_s > STILL_S and path.stat().st_mtime_ns == changed):
            return content
        if now - begun > LONGEST_WAIT_S:
            raise UserError(
                f"{path} cannot be read: a DVC command is writing it",
                why=f"it has changed again and again for {LONGEST_WAIT_S:.0f} s",
                next_command="wait until that command has ended, then the same again",
            )
        time.sleep(PAUSE_S)


@contextmanager
def writing_held_off(folder: Path) -> Iterator[bool]:
    """Let no DVC command write dvc.lock until the block ends; False where one may be about it.

    So it may where DVC's lock cannot be asked: where it is another user's alone, or the file system
    has no locks. The block must be short: a DVC command itself waits for three seconds.
    """
    try:
        file = (folder / IN_USE).open("rb")
    except FileNotFoundError:  # no DVC command has worked here
        yield True
        return
    except OSError:
        yield False
        return
    with file:
        yield _try_share(file)


def _try_share(file: BinaryIO) -> bool:
    """Take a lock that several readers share, until the file is closed; False where none is had."""
    try:
        fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except OSError:
        return False
    return True


def read_lock(path: Path = DVC_LOCK) -> dict[str, LockedStage]:
    """Every stage of dvc.lock by name; none where the file is not there."""
    if not path.is_file():
        return {}
    found = _read_whole(path)
    try:
        content = parse_yaml(found, path)
        return {name: _read_stage(name, of) for name, of in content["stages"].items()}
    except (UserError, LookupError, TypeError, AttributeError) as error:
        raise UserError(
            f"{path} cannot be read", why=getattr(error, "why", repr(error)),
            next_command="git checkout dvc.lock, or dvc repro, which writes it anew",
        ) from None  # fmt: skip


def _read_stage(name: str, entry: dict[str, Any]) -> LockedStage:
    deps, outs = (
        {item["path"]: str(item.get("md5", "")) for item in entry.get(kind, [])}
        for kind in ("deps", "outs")
    )
    return LockedStage(name, entry["cmd"], deps, outs, entry.get("params", {}))


def find_stage(path: str, lock: Path = DVC_LOCK) -> LockedStage | None:
    """The stage whose out is this path, or holds it."""
    for stage in read_lock(lock).values():
        for out in stage.outs:
            if path == out or path.startswith(f"{out}/"):
                return stage
    return None
