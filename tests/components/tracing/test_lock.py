"""dvc.lock is read when DVC has written it, never while it writes."""

from __future__ import annotations

import errno
import fcntl
import os
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import NoReturn

import pytest
import yaml

from components.errors import UserError
from components.tracing import lock
from components.tracing.lock import DVC_LOCK, IN_USE, find_stage, read_lock

STAGES = {"one": {"cmd": "echo 1 > one", "outs": ["one"]}}
LOCKED = {"stages": {name: {"cmd": "x", "outs": [{"path": name}]} for name in ("one", "two")}}


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    IN_USE.parent.mkdir(parents=True)
    IN_USE.touch()


def test_a_reader_waits_until_dvc_has_written_it() -> None:
    whole = yaml.safe_dump(LOCKED)
    DVC_LOCK.write_text(whole[: whole.index("  two:")])  # so far it reads as a whole one
    found = list[set[str]]()
    reader = threading.Thread(target=lambda: found.append(set(read_lock())))
    with IN_USE.open() as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        reader.start()
        reader.join(0.3)
        DVC_LOCK.write_text(whole)
    reader.join()
    assert found == [{"one", "two"}]


def test_who_waited_long_is_told_why(monkeypatch: pytest.MonkeyPatch) -> None:
    DVC_LOCK.write_text(yaml.safe_dump(LOCKED))
    monkeypatch.setattr(lock, "LONGEST_WAIT_S", 0.2)
    with IN_USE.open() as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        with pytest.raises(UserError, match="a DVC command is writing it"):
            find_stage("two")
        fcntl.flock(held, fcntl.LOCK_SH)  # another reader is in nobody's way
        assert find_stage("two") is not None


def test_a_dvc_command_that_writes_something_else_keeps_nobody_waiting() -> None:
    """A push may hold DVC's lock for hours."""
    leave_alone(time.time() - 2 * lock.STILL_S)
    with IN_USE.open() as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        assert find_stage("two") is not None


@pytest.mark.parametrize("code", [errno.ENOLCK, errno.ENOSYS, errno.EOPNOTSUPP])
def test_a_file_system_without_such_locks_keeps_nobody_from_reading(
    code: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object) -> NoReturn:
        raise OSError(code, os.strerror(code))

    leave_alone()
    monkeypatch.setattr(fcntl, "flock", refuse)
    assert set(read_lock()) == {"one", "two"}


def test_a_lock_that_this_user_may_not_open_keeps_nobody_from_reading() -> None:
    leave_alone()
    IN_USE.unlink()
    IN_USE.mkdir()  # not even root opens it
    assert set(read_lock()) == {"one", "two"}


def test_a_file_server_s_clock_that_is_ahead_keeps_nobody_from_reading(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    leave_alone(time.time() + 3600)
    monkeypatch.setattr(lock, "STILL_S", 0.2)
    monkeypatch.setattr(lock, "LONGEST_WAIT_S", 20.0)
    with IN_USE.open() as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        assert find_stage("two") is not None


def leave_alone(since: float = 0.0) -> None:
    """A dvc.lock that DVC has written whole, and nobody has since."""
    DVC_LOCK.write_text(yaml.safe_dump(LOCKED))
    os.utime(DVC_LOCK, (since, since))


def test_dvc_itself_waits_for_a_reader(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DVC_SITE_CACHE_DIR", str(tmp_path.with_name("site")))
    Path("dvc.yaml").write_text(yaml.safe_dump({"stages": STAGES}))
    Path(".dvc/config").write_text(
        "[core]\nanalytics = false\ncheck_update = false\nno_scm = true\n"
    )
    command = [sys.executable, "-m", "dvc", "--wait-for-lock", "repro", "--quiet"]
    with subprocess.Popen(command) as writer:
        with lock.writing_held_off(tmp_path):
            with pytest.raises(subprocess.TimeoutExpired):
                writer.wait(5)
            assert not DVC_LOCK.exists()
        assert writer.wait() == 0
    assert set(read_lock()) == {"one"}
