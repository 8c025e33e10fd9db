"""A training run on Ray's workers, begun by a flow: who is killed, and what is said of it."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.flows.small_training import CHECKPOINTS, OUT, STAGES, set_limits, write_material
from tests.flows.throwaway import (
    Served,
    descendants,
    free_port,
    lives,
    make_project,
    serve,
    title,
    wait_until,
)

pytestmark = [
    pytest.mark.services,
    pytest.mark.slow,
    pytest.mark.xdist_group("prefect"),
    pytest.mark.timeout(1500),
]
START_S = 500.0  # Prefect, torch and Ray, on a busy machine
RAY = ("gcs_server", "raylet", "ray::", "/ray/")


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    folder = tmp_path_factory.mktemp("trained")
    repository = Path(__file__).resolve().parents[2]
    environment = make_project(folder, repository, STAGES)
    write_material(folder, repository)
    with serve(folder, free_port(), environment) as served:
        yield served


@pytest.fixture
def served(server: Served) -> Served:
    """The project, which knows nothing of an earlier run."""
    server.reset()
    for product in (OUT, CHECKPOINTS.parent):
        shutil.rmtree(server.folder / product, ignore_errors=True)
    return server


def has_saved(served: Served) -> bool:
    return any((served.folder / CHECKPOINTS).glob("**/step-*/manifest.json"))


def find(pids: list[int], words: str) -> list[int]:
    """Those whose title holds these words."""
    return [pid for pid in pids if words in title(pid)]


def train_until_saved(served: Served) -> tuple[subprocess.Popen[str], list[int]]:
    """Start the flow; it, and the processes that it began, once there is a checkpoint."""
    flow = served.start()
    wait_until(lambda: has_saved(served) or flow.poll() is not None, START_S)
    assert flow.poll() is None, flow.communicate()
    pids = descendants(flow.pid)
    assert len(find(pids, "TrainWorker")) == 2
    assert find(pids, "raylet") and find(pids, "gcs_server")
    return flow, pids


def states(served: Served) -> dict[str, str]:
    return served.states(served.newest_run())


def steps(served: Served) -> list[int]:
    log = (served.folder / OUT / "log.jsonl").read_text().splitlines()
    return [json.loads(line)["step"] for line in log]


def test_a_killed_worker_is_survived_and_the_run_completes(served: Served) -> None:
    set_limits(served.folder, steps=40, save_every=2, max_failures=1)
    flow, pids = train_until_saved(served)
    os.kill(find(pids, "TrainWorker")[0], signal.SIGKILL)
    shown, _ = flow.communicate(timeout=START_S)
    assert "STATE Completed" in shown
    assert "is whole and loaded" in shown  # a checkpoint, from which it went on
    assert states(served) == {"": "Completed", "finetune": "Ran"}
    assert steps(served) == list(range(1, 41))
    wait_until(lambda: not any(map(lives, pids)))


def test_a_worker_too_many_fails_the_run_in_plain_words(served: Served) -> None:
    set_limits(served.folder, steps=4000, save_every=2, max_failures=0)
    flow, pids = train_until_saved(served)
    os.kill(find(pids, "TrainWorker")[0], signal.SIGKILL)
    shown, _ = flow.communicate(timeout=120)
    words = "STATE Failed finetune failed\nerror in stage finetune: a worker of the run was lost"
    assert words in shown
    assert "Traceback" not in shown.partition("STATE Failed")[2]
    assert states(served) == {"": "Failed", "finetune": "Failed"}
    wait_until(lambda: not any(map(lives, pids)))
    assert not (served.folder / OUT / "manifest.json").exists()


@pytest.mark.parametrize("victim", ["flow", "stage"])
def test_what_ray_began_ends_with_whoever_began_it(served: Served, victim: str) -> None:
    set_limits(served.folder, steps=4000, save_every=2, max_failures=3)
    flow, pids = train_until_saved(served)
    stage = find(pids, "components.stages.finetune")[-1]  # the first is the shell that began it
    os.kill(flow.pid if victim == "flow" else stage, signal.SIGKILL)
    flow.communicate(timeout=120)
    wait_until(lambda: not any(map(lives, pids)))
    ended = "Crashed" if victim == "flow" else "Failed"
    wait_until(lambda: states(served) == {"": ended, "finetune": ended})
