"""A process pool and its worker, as docs/operations.md says: deployed, and run in the project."""

from __future__ import annotations

import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import yaml

from flows.settings import address
from tests.flows.throwaway import DEPLOYMENTS, Served, free_port, make_project, serve, wait_until

pytestmark = [
    pytest.mark.services,
    pytest.mark.slow,
    pytest.mark.timeout(900),
    pytest.mark.xdist_group("prefect"),
]
POOL = "biomedgpt"


@pytest.fixture
def served(tmp_path: Path, repository: Path) -> Iterator[Served]:
    environment = make_project(tmp_path, repository)
    with serve(tmp_path, free_port(), environment) as served:
        environment["PREFECT_API_URL"] = address(served.port)
        yield served


def prefect(served: Served, *words: str) -> None:
    """A command of Prefect's, in the project's root, with nobody to answer questions."""
    done = subprocess.run(
        [sys.executable, "-m", "prefect", "--no-prompt", *words],
        cwd=served.folder, env=served.environment, capture_output=True, text=True, check=False,
        timeout=300,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr


@contextmanager
def working(served: Served) -> Iterator[None]:
    """A worker of the pool, until the block ends."""
    with (served.folder / "worker.log").open("w") as log:
        worker = subprocess.Popen(
            [sys.executable, "-m", "prefect", "worker", "start", "--pool", POOL],
            cwd=served.folder, env=served.environment, stdout=log, stderr=subprocess.STDOUT,
        )  # fmt: skip
        try:
            yield
        finally:
            worker.send_signal(signal.SIGINT)
            worker.wait(timeout=120)


def run_pooled(served: Served, **parameters: Any) -> dict[str, str]:
    """Start the pool's deployment, and wait for its end: the states."""
    (deployment,) = served.ask("/deployments/filter", deployments={"name": {"any_": ["pooled"]}})
    assert deployment["work_pool_name"] == POOL
    assert [schedule["active"] for schedule in deployment["schedules"]] == [False]
    started = f"/deployments/{deployment['id']}/create_flow_run"
    run = served.ask(started, parameters=parameters, state={"type": "SCHEDULED"})
    over = {"Completed", "Failed", "Crashed", "Refused"}
    wait_until(lambda: served.states(run)[""] in over, 300)
    return served.states(run)


def test_a_worker_runs_what_is_deployed_in_the_project(served: Served) -> None:
    (small,) = DEPLOYMENTS["deployments"]
    pooled = {**small, "name": "pooled", "work_pool": {"name": POOL}}
    deployments = {"name": "throw-away", "deployments": [pooled]}
    (served.folder / "flows/prefect.yaml").write_text(yaml.safe_dump(deployments))
    prefect(served, "work-pool", "create", POOL, "--type", "process")
    prefect(served, "deploy", "--all", "--prefect-file", "flows/prefect.yaml")
    with working(served):
        assert run_pooled(served, dry_run=True) == {"": "Completed"}
        assert not (served.folder / "quick.txt").exists()
        (served.folder / "go").touch()  # the long stage need not wait
        assert run_pooled(served) == {"": "Completed", "quick": "Ran", "long": "Ran"}
    assert (served.folder / "long.txt").exists()
