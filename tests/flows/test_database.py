"""Prefect's and DVC's databases on a full disk, cut off, or written by a newer release."""

from __future__ import annotations

import os
import re
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest

from components.errors import UserError, refusals_told
from flows.database import (
    NO_START,
    ROOM_BYTES,
    check_database,
    explain_ends,
    explain_no_start,
)
from flows.serve import NUM_STARTS
from tests.components.training.test_checkpoints import no_room
from tests.flows.throwaway import free_port, make_project

REPOSITORY = Path(__file__).resolve().parents[2]


@pytest.fixture
def database(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """One such as Prefect keeps, and with other tables: some pages long."""
    monkeypatch.setenv("PREFECT_HOME", str(tmp_path / "home"))
    check_database()  # makes the folder, and finds nothing amiss where no database is
    path = tmp_path / "home/prefect.db"
    with closing(sqlite3.connect(path)) as made:
        made.execute("PRAGMA journal_mode=WAL")
        made.execute("CREATE TABLE alembic_version (version_num VARCHAR)")
        made.execute("INSERT INTO alembic_version VALUES ('a')")
        made.execute("CREATE TABLE log (words VARCHAR)")
        made.executemany("INSERT INTO log VALUES (?)", [("word " * 200,)] * 200)
        made.commit()
    return path


def test_a_whole_one_is_taken(database: Path) -> None:
    check_database()
    assert database.parent.stat().st_mode & 0o777 == 0o700
    assert [path.name for path in database.parent.iterdir()] == ["prefect.db"]


@pytest.mark.parametrize("num_bytes", [0, 4096])
def test_one_that_was_only_begun_is_taken(database: Path, num_bytes: int) -> None:
    """Prefect goes on with it."""
    database.unlink()
    with closing(sqlite3.connect(database)) as begun:
        if num_bytes:
            begun.execute("CREATE TABLE other (words VARCHAR)")
    check_database()


@pytest.mark.parametrize("num_bytes", [100, 5000, 9000])
def test_one_that_was_cut_off_is_told(database: Path, num_bytes: int) -> None:
    whole = database.read_bytes()
    database.write_bytes(whole[:num_bytes])
    with pytest.raises(UserError, match=r"prefect\.db is damaged") as told:
        check_database()
    assert "malformed" in told.value.why
    assert "prefect.db* away" in told.value.next_command


@pytest.mark.parametrize("what", ["folder", "dangling link", "no rights", "no right to write"])
def test_one_that_cannot_be_used_is_told(database: Path, what: str) -> None:
    """Prefect's server would end and be started again for minutes."""
    if what.startswith("no"):
        if os.geteuid() == 0:
            pytest.skip("root may read and write everything")
        database.chmod(0 if what == "no rights" else 0o444)
    else:
        database.unlink()
        if what == "folder":
            database.mkdir()
        else:
            database.symlink_to(database.parent / "nowhere/prefect.db")
    with pytest.raises(UserError, match=r"prefect\.db cannot be"), refusals_told():
        check_database()


@pytest.mark.parametrize("target", ["nowhere", "file"])
def test_a_home_that_is_no_folder_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, target: str
) -> None:
    (tmp_path / "file").touch()
    (tmp_path / "home").symlink_to(tmp_path / target)
    monkeypatch.setenv("PREFECT_HOME", str(tmp_path / "home"))
    with pytest.raises(UserError, match="cannot be opened"), refusals_told():
        check_database()


def test_a_busy_one_is_taken(database: Path) -> None:
    with closing(sqlite3.connect(database, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        check_database()


@pytest.mark.parametrize("part", ["API", "SERVER"])  # Prefect knows it by both names
def test_another_database_is_not_looked_at(
    database: Path, monkeypatch: pytest.MonkeyPatch, part: str
) -> None:
    database.write_bytes(b"damaged")
    monkeypatch.setenv(f"PREFECT_{part}_DATABASE_CONNECTION_URL", "postgresql+asyncpg://somewhere")
    check_database()


@pytest.mark.parametrize("num_bytes", [0, 4096, ROOM_BYTES - 1])
def test_a_full_disk_is_told(database: Path, num_bytes: int) -> None:
    words = f"{database.parent} cannot be read or written"
    with pytest.raises(UserError, match=re.escape(words)), refusals_told(), no_room(num_bytes):
        check_database()


def test_a_server_that_did_not_start_is_told() -> None:
    told = explain_no_start(RuntimeError(f"{NO_START} Prefect API server."))
    assert told is not None
    assert "away" in told.next_command
    assert explain_no_start(RuntimeError("another")) is None


def test_a_server_that_ends_again_and_again_is_told_in_its_own_last_words() -> None:
    assert explain_ends(["a", "port 4200 is in use", "", "Server stopped!\n"]).why == (
        "a port 4200 is in use Server stopped!"
    )
    assert explain_ends([]).why == "it ended without a word"
    newer = explain_ends(
        ["Traceback", "Can't locate revision identified by 'a'", "Server stopped!"]
    )
    assert newer.why.startswith("a newer Prefect wrote its database (Can't locate revision")
    assert "prefect.db* away" in newer.next_command


@pytest.mark.slow
@pytest.mark.parametrize("room", [1000, 20_000, 200_000])
def test_a_run_that_finds_a_full_disk_ends_at_once_and_goes_on_later(
    tmp_path: Path, room: int
) -> None:
    """It waited three minutes for a server that could not start, and DVC's error was no words."""
    environment = make_stale(tmp_path)
    full = run(tmp_path, environment, "prlimit", f"--fsize={room}")
    assert full.returncode == 2, full.stderr
    assert "Traceback" not in full.stderr
    assert "biomedgpt doctor" in full.stderr
    assert "startup failed" not in full.stdout + full.stderr
    again = run(tmp_path, environment)
    assert again.returncode == 0, again.stderr


@pytest.mark.slow
def test_a_run_over_a_database_of_a_newer_prefect_says_so(database: Path) -> None:
    """In Prefect's own words of today: they are what `explain_no_start` goes by."""
    tries = {"PREFECT_SERVER_EPHEMERAL_STARTUP_TIMEOUT_SECONDS": "3"}
    folder = database.parents[1]
    ended = run(folder, make_stale(folder) | {"PREFECT_HOME": str(database.parent)} | tries)
    assert ended.returncode == 2, ended.stderr
    assert "error: Prefect's server did not start" in ended.stderr


@pytest.mark.slow
def test_serving_over_a_database_of_a_newer_prefect_says_so(database: Path) -> None:
    ended = subprocess.run(
        [sys.executable, "-m", "flows.serve", "--port", str(free_port())],
        env=os.environ | {"PREFECT_HOME": str(database.parent)},
        cwd=REPOSITORY, check=False, capture_output=True, text=True, timeout=300,
    )  # fmt: skip
    assert ended.returncode == 1, ended.stderr
    assert ended.stderr.count("starting it again") <= NUM_STARTS
    told = ended.stderr.partition("error: Prefect's server did not start")[2]
    assert "a newer Prefect wrote its database" in told
    assert f"move {database}* away" in told


def make_stale(folder: Path) -> dict[str, str]:
    """A project with one stage to run; the environment of its commands."""
    environment = make_project(folder, REPOSITORY, {"one": {"cmd": "true"}})
    (folder / "data").mkdir()
    (folder / "data/cards").symlink_to(REPOSITORY / "data/cards")
    return environment


def run(folder: Path, environment: dict[str, str], *limit: str) -> subprocess.CompletedProcess[str]:
    """What `biomedgpt run` came to."""
    return subprocess.run(
        [*limit, sys.executable, "-m", "flows.cli", "run"],
        cwd=folder, env=environment, check=False, capture_output=True, text=True, timeout=300,
    )  # fmt: skip
