"""Prefect's database, looked at before its server starts.

Where the disk is full or the file is damaged, that server would end and be started again for
minutes, with a page of errors each time.
"""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path
from tempfile import TemporaryFile

from components.errors import UserError
from flows.settings import port_file

ROOM_BYTES = 16 << 20  # a new database takes 5 MB, with its log of writes
MOVE_AWAY = "move {} away; it holds the history of runs that Prefect's page shows, and no product"
# Prefect knows the address of another database by two names.
ELSEWHERE = ("PREFECT_API_DATABASE_CONNECTION_URL", "PREFECT_SERVER_DATABASE_CONNECTION_URL")
PATIENCE_S = 0.5  # with who writes to it
UNKNOWN = "Can't locate revision"  # how Alembic tells of a newer release's tables
NUM_TOLD = 5  # of its last lines
NOT_STARTED = "Prefect's server did not start"
NO_START = "Timed out while attempting to connect to ephemeral"  # how Prefect tells of it


def check_database() -> None:
    """UserError where it is damaged, OSError where it or its folder cannot be written."""
    if any(name in os.environ for name in ELSEWHERE):
        return
    home = port_file().parent
    path = home / "prefect.db"
    try:
        _check_room(home)
        _check_file(path)
    except (FileExistsError, FileNotFoundError, NotADirectoryError) as error:
        raise UserError(  # a link that leads nowhere, or a file in the place of the folder
            f"Prefect's database {path} cannot be opened",
            why=f"{error.filename}: {error.strerror}",
            next_command=f"ls -ld {home} {path}, and move away what is no folder or leads nowhere",
        ) from None


def _check_file(path: Path) -> None:
    if not os.path.lexists(path):  # a link that leads nowhere is there
        return
    try:
        path.open("r+b").close()  # SQLite would take one that may not be written
        with closing(sqlite3.connect(path, PATIENCE_S)) as database:
            database.execute("SELECT version_num FROM alembic_version").fetchall()
    except sqlite3.OperationalError:  # a new one has no table yet; a busy one is whole
        return
    except sqlite3.DatabaseError as error:
        raise UserError(
            f"Prefect's database {path} is damaged",
            why=str(error),
            next_command=MOVE_AWAY.format(f"{path}*"),
        ) from None


def _check_room(home: Path) -> None:
    try:
        home.mkdir(0o700, parents=True, exist_ok=True)  # as Prefect makes it
        with TemporaryFile(dir=home, buffering=0) as room:
            left = memoryview(bytes(ROOM_BYTES))
            while left:
                left = left[room.write(left) :]
    except OSError as error:  # of a write, it does not say where
        raise OSError(error.errno, error.strerror, str(home)) from None


def explain_no_start(error: RuntimeError) -> UserError | None:
    """What a person is told where Prefect's server did not start; None of any other error."""
    if not str(error).startswith(NO_START):
        return None
    return UserError(
        NOT_STARTED,
        why="it says so itself, above; a database that a newer Prefect wrote is one reason",
        next_command=f"for that one: {_move_away()}",
    )


def explain_ends(lines: Sequence[str]) -> UserError:
    """What a person is told where Prefect's server ends whenever it is started, by its lines."""
    told = [line.strip() for line in lines if line.strip()]
    unknown = [line for line in told if UNKNOWN in line]
    return UserError(
        NOT_STARTED,
        why=f"a newer Prefect wrote its database ({unknown[-1]})" if unknown
        else " ".join(told[-NUM_TOLD:]) or "it ended without a word",
        next_command=_move_away() if unknown else "prefect server start, which says more",
    )  # fmt: skip


def _move_away() -> str:
    return MOVE_AWAY.format(port_file().with_name("prefect.db*"))
