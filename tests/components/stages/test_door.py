"""What every stage's door does before and around its stage."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

from components.profiles.overlay import write_params

STAGE = """
import multiprocessing, os, time
from components.stages.door import enter

def work(params):
    with multiprocessing.Pool(2) as pool:
        pids = [worker.pid for worker in pool._pool]
        open("pids.partial", "w").write(" ".join(map(str, [os.getpid(), *pids])))
        os.replace("pids.partial", "pids")
        pool.map(time.sleep, [600, 600])

if __name__ == "__main__":
    enter("work", work)
"""
# Starts the stage as DVC does, and is killed as DVC may be.
CALLER = "import subprocess; subprocess.run({command!r}, check=False)"
PATIENCE_S = 60.0


def lives(pid: int) -> bool:
    """Whether a process runs."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    status = Path(f"/proc/{pid}/stat")
    return not status.is_file() or status.read_text().rpartition(")")[2].split()[0] != "Z"


def wait_until_gone(pids: list[int]) -> None:
    deadline = time.monotonic() + PATIENCE_S
    while left := [pid for pid in pids if lives(pid)]:
        assert time.monotonic() < deadline, left
        time.sleep(0.1)


def test_a_stage_and_its_workers_end_when_their_dvc_is_killed(
    tmp_path: Path, repository: Path
) -> None:
    write_params("demo", target=tmp_path / "params.yaml")
    (tmp_path / "work.py").write_text(STAGE)
    command = [sys.executable, str(tmp_path / "work.py")]
    environment = {**os.environ, "DVC_STAGE": "work", "PYTHONPATH": str(repository)}
    caller = subprocess.Popen(
        [sys.executable, "-c", CALLER.format(command=command)], cwd=tmp_path, env=environment
    )
    deadline = time.monotonic() + PATIENCE_S
    while not (tmp_path / "pids").is_file():
        assert caller.poll() is None and time.monotonic() < deadline
        time.sleep(0.1)
    pids = [int(word) for word in (tmp_path / "pids").read_text().split()]
    assert len(pids) == 3 and all(map(lives, pids))
    caller.kill()
    caller.wait()
    wait_until_gone(pids)
