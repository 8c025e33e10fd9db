"""A standard output that takes no more: its reader has gone, or its disk is full."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import IO

import pytest

from flows.cli import READER_GONE

LONG = [sys.executable, "-m", "flows.cli", "completion", "bash"]  # more than any buffer holds
SHORT = [sys.executable, "-m", "flows.cli", "completion", "--help"]


def run_into(output: IO[bytes] | int, command: list[str]) -> subprocess.CompletedProcess[bytes]:
    return subprocess.run(command, stdout=output, stderr=subprocess.PIPE, check=False)


def test_a_reader_that_has_gone_ends_a_command_without_a_word() -> None:
    reading, writing = os.pipe()
    os.close(reading)
    done = run_into(writing, LONG)
    os.close(writing)
    assert (done.returncode, done.stderr) == (READER_GONE, b"")


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs a device that is always full")
@pytest.mark.parametrize("command", [LONG, SHORT])
def test_a_full_disk_under_the_output_is_told_without_a_traceback(command: list[str]) -> None:
    with Path("/dev/full").open("wb") as full:
        done = run_into(full, command)
    told = done.stderr.decode()
    assert done.returncode == 2
    assert "No space left on device: '<stdout>'" in told
    assert "Traceback" not in told and "Exception ignored" not in told
