"""Work spread over processes: the same result, and nothing lost when a worker dies."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from components import scale
from components.errors import UserError
from components.scale import open_workers
from components.training.launch import Group, launch

pytestmark = pytest.mark.services


def double(number: int) -> int:
    if number < 0:
        raise UserError("a negative number", why="of the test")
    return 2 * number


def double_or_die(item: tuple[int, str]) -> int:
    """Dies by a signal the first time that it meets 3."""
    number, mark = item
    if number == 3 and not Path(mark).exists():
        Path(mark).touch()
        os.kill(os.getpid(), signal.SIGKILL)
    return 2 * number


@pytest.mark.parametrize("workers", [0, 2])
def test_results_come_in_the_order_of_the_items(workers: int) -> None:
    with open_workers(workers) as pool:
        assert pool.map(double, range(7), "doubling") == [0, 2, 4, 6, 8, 10, 12]
        with pytest.raises(UserError, match="a negative number"):
            pool.map(double, [1, -1], "doubling")


@pytest.mark.slow
def test_a_worker_that_dies_is_replaced(tmp_path: Path) -> None:
    items = [(number, str(tmp_path / "died")) for number in range(6)]
    with open_workers(2) as pool:
        assert pool.map(double_or_die, items, "doubling") == [0, 2, 4, 6, 8, 10]
    assert (tmp_path / "died").exists()


def open_for_units() -> None:
    with open_workers(2):
        pass


def open_for_training() -> None:
    launch(print, {}, group=Group(2), device="cpu", storage="x", name="x")


@pytest.mark.parametrize("start", [open_for_units, open_for_training])
def test_a_folder_whose_name_is_no_text_is_told(
    start: Callable[[], None], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = os.fsdecode(os.fsencode(tmp_path) + b"/Z\xff")
    Path(folder).mkdir()
    monkeypatch.chdir(folder)
    with pytest.raises(UserError, match=r"workers cannot be started in .*/Z\?") as caught:
        start()
    assert "PYTHONUTF8=1" in str(caught.value)


def die(_: int) -> int:
    os.kill(os.getpid(), signal.SIGKILL)
    return 0


def test_an_item_that_kills_every_worker_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(scale, "RETRIES", 0)
    with open_workers(1) as pool, pytest.raises(UserError, match=r"reading: .* item 1 of 2 was"):
        pool.map(die, [1, 2], "reading")


LISTENING = """
import json, os, sys
import psutil
from components.scale import open_workers
from components.training.launch import Group, launch

NEAR = ("127.0.0.1", "::1", "::ffff:127.0.0.1")

def tell(settings):
    run = psutil.Process(settings["driver"])
    open_to = {}
    for process in (run, *run.children(recursive=True)):
        for socket in process.net_connections("inet"):
            if socket.status == "LISTEN" and socket.laddr.ip not in NEAR:
                open_to.setdefault(process.pid, socket.laddr.ip)
    own = os.getpid() if os.getpid() != settings["driver"] else 0
    open_to.pop(own, None)  # torch's own meeting point, which knows no address to listen at
    with open("told.json", "w") as file:
        json.dump([len(run.children(recursive=True)), open_to], file)

here = {"driver": os.getpid()}
if sys.argv[1] == "units":
    with open_workers(1):
        tell(here)
else:
    launch(tell, here, group=Group(1), device="cpu", storage="storage", name="x")
"""


@pytest.mark.slow
@pytest.mark.timeout(600)
@pytest.mark.parametrize("work", ["units", "training"])
def test_workers_of_this_machine_listen_on_loopback_alone(
    work: str, tmp_path: Path, repository: Path
) -> None:
    """Ray has no login of its own, and whoever reaches it runs code here."""
    inherited = {k: v for k, v in os.environ.items() if not k.startswith("RAY_")}
    done = subprocess.run(
        [sys.executable, "-c", LISTENING, work], cwd=tmp_path, check=False, capture_output=True,
        text=True, env={**inherited, "PYTHONPATH": str(repository)},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    num, open_to = json.loads((tmp_path / "told.json").read_text())
    assert num > 2 and open_to == {}, done.stderr
