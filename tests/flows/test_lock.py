"""One flow at a time: a second one is told who holds the project."""

from __future__ import annotations

import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path
from uuid import uuid4

import pytest
from filelock import Timeout
from prefect.client.schemas.objects import FlowRun
from prefect.states import Running

from components.errors import UserError
from flows.liveness import _is_dead
from flows.lock import HOLDER, LOCK, RELEASED, find_holder, find_released, hold_project

HOLD = """
from pathlib import Path
import sys
from flows.lock import hold_project
with hold_project(Path(sys.argv[1]), "swift-owl", "the-id"):
    print("held", flush=True)
    sys.stdin.read()
"""


def test_a_second_one_is_told_of_the_first(tmp_path: Path) -> None:
    first = subprocess.Popen(
        [sys.executable, "-c", HOLD, str(tmp_path)],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
    )  # fmt: skip
    try:
        assert first.stdout is not None and first.stdout.readline() == "held\n"
        with (
            pytest.raises(UserError, match="another `biomedgpt run`") as caught,
            hold_project(tmp_path),
        ):
            pytest.fail("two hold the project")
        assert caught.value.why.startswith(f"process {first.pid}, since 2")
        assert caught.value.why.endswith(", flow run swift-owl")
        assert find_holder(tmp_path) == "the-id"
        for unreadable in (b"", b"\xff\xfe"):  # a full disk leaves such a file
            (tmp_path / HOLDER).write_bytes(unreadable)
            with pytest.raises(UserError, match="another `biomedgpt run`"), hold_project(tmp_path):
                pytest.fail("two hold the project")
            assert find_holder(tmp_path) == ""
    finally:
        first.kill()
        first.communicate()
    assert find_holder(tmp_path) is None
    with hold_project(tmp_path):  # nothing is left behind by one that was killed
        assert (tmp_path / LOCK).exists()


def test_an_error_within_lets_go(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="other"), hold_project(tmp_path):
        raise UserError("other")
    assert find_holder(tmp_path) is None  # this process could hold it twice


def test_a_lock_that_another_waits_for_in_vain_is_not_taken_for_this_one(tmp_path: Path) -> None:
    with pytest.raises(Timeout), hold_project(tmp_path):
        raise Timeout("another file")


def test_a_run_that_has_just_let_go_is_not_dead(tmp_path: Path) -> None:
    """Its server may take a while to hear how it ended."""
    began = datetime.now(UTC) - timedelta(hours=1)
    run = FlowRun(flow_id=uuid4(), state=Running(timestamp=began))
    with hold_project(tmp_path, "swift-owl", str(run.id)):
        pass
    now = datetime.now(UTC)
    assert find_released(tmp_path) is not None
    assert not _is_dead(run, tmp_path, now)
    assert _is_dead(run, tmp_path, now + timedelta(minutes=1))
    (tmp_path / RELEASED).write_text("another")
    assert _is_dead(run, tmp_path, now)


def test_a_full_disk_keeps_no_lock(tmp_path: Path) -> None:
    with hold_project(tmp_path):
        (tmp_path / RELEASED).mkdir()  # which cannot be written to
    assert find_holder(tmp_path) is None


def test_a_command_and_the_flow_that_it_starts_hold_it_together(tmp_path: Path) -> None:
    with hold_project(tmp_path):
        with hold_project(tmp_path, "swift-owl", "the-id"):
            pass
        assert find_holder(tmp_path) == "the-id"  # still held, by the command
    assert find_holder(tmp_path) is None
