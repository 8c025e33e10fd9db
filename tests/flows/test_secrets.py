"""A real Prefect server: its database, the run's log and DVC's folders hold no secret."""

from __future__ import annotations

import os
import signal
import socket
import sqlite3
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
import yaml

from components.doctor_services import check_port, check_prefect
from components.log_reader import read_run
from components.profiles.overlay import write_params
from tests.canaries import ENVIRONMENT, TEXTS, find_canaries, planted

pytestmark = [pytest.mark.services, pytest.mark.timeout(600)]

LEAKY = "python -c 'from tests.canaries import *; say_all()'"
FAILING = "python -c 'from tests.canaries import *; raise ValueError(TEXTS[\"a signed query\"])'"
LOGGED = 'python -c \'import os; print("in run", os.environ["BIOMEDGPT_RUN"])\''
STAGES = {
    "leaky": {"cmd": f"{LEAKY} && {LOGGED} && echo 1 > leaky.txt", "outs": ["leaky.txt"]},
    "failing": {"cmd": FAILING, "deps": ["leaky.txt"], "outs": ["failing.txt"]},
}
SCRIPT = """
from flows.settings import settle_environment
settle_environment()
from prefect import flow
from flows import order
from tests.canaries import TEXTS

@flow(name="leaky")
def leaky(blocks, upstream):
    return order.run_stages(blocks, upstream)

state = leaky(["failing"], None, return_state=True)
print("STATE", state.type.value, state.message)

def fail(*_):
    raise ValueError(TEXTS["userinfo"])

order.run_in_order = fail
state = leaky(["failing"], {}, return_state=True)
print("STATE", state.type.value, state.message)
"""


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, repository: Path) -> dict[str, str]:
    """A DVC project of two stages, one that tells secrets and one that fails with one; the
    environment to run it in."""
    monkeypatch.chdir(tmp_path)
    inherited = {k: v for k, v in os.environ.items() if not k.startswith(("PREFECT_", "DVC_"))}
    own = {
        "DVC_NO_ANALYTICS": "1",
        "DVC_SITE_CACHE_DIR": str(tmp_path / "site"),
        "PREFECT_HOME": str(tmp_path / "prefect"),
        "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
        "DO_NOT_TRACK": "1",
        "PYTHONPATH": str(repository),
        "PATH": os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]]),
    }
    environment = {**inherited, **own}
    dvc = [sys.executable, "-m", "dvc", "init", "--no-scm", "--quiet"]
    subprocess.run(dvc, check=True, env=environment)
    (tmp_path / ".dvc" / "config").write_text("[core]\n    analytics = false\n    no_scm = true\n")
    (tmp_path / "dvc.yaml").write_text(yaml.safe_dump({"stages": STAGES}, sort_keys=False))
    write_params("demo")
    return environment


@pytest.fixture
def server(project: dict[str, str], tmp_path: Path) -> Iterator[subprocess.Popen[bytes]]:
    """A Prefect server on this machine; ``project`` names it from here on."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [sys.executable, "-m", "prefect", "server", "start", "--no-ui"]
    with (tmp_path / "server.txt").open("wb") as shown:
        process = subprocess.Popen(
            [*command, "--host", "127.0.0.1", "--port", str(port)],
            env=project,
            stdout=shown,
            stderr=shown,
            start_new_session=True,
        )
    project["PREFECT_API_URL"] = f"http://127.0.0.1:{port}/api"
    try:
        wait_for(f"{project['PREFECT_API_URL']}/health", process)
        assert check_prefect(project["PREFECT_API_URL"]).words.endswith(" answers")
        assert check_port(port).words == f"a Prefect server listens on {port}"
        yield process
    finally:
        stop(process)


def wait_for(url: str, process: subprocess.Popen[bytes], time_limit_s: float = 240.0) -> None:
    """Return when the address answers."""
    deadline = time.monotonic() + time_limit_s
    while time.monotonic() < deadline and process.poll() is None:
        try:
            with urllib.request.urlopen(url, timeout=5):
                return
        except OSError:
            time.sleep(0.5)
    raise AssertionError("the server did not start")


def stop(process: subprocess.Popen[bytes]) -> None:
    """End the server, so that its database is whole on the disk."""
    if process.poll() is None:
        os.killpg(process.pid, signal.SIGINT)
        try:
            process.wait(60)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()


def test_a_run_leaves_no_secret_on_a_server_nor_in_its_log(
    project: dict[str, str], server: subprocess.Popen[bytes], tmp_path: Path
) -> None:
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT],
        env=planted(project),
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
    )
    shown = done.stdout + done.stderr
    assert done.returncode == 0, shown
    stop(server)
    (tmp_path / "shown.txt").write_text(shown)
    assert find_canaries([tmp_path]) == []
    assert shown.count("STATE FAILED") == 2, shown
    with closing(sqlite3.connect(tmp_path / "prefect" / "prefect.db")) as database:
        (logs,) = database.execute("select count(*) from log where message like '%[hidden]%'")
        (states,) = database.execute(
            "select count(*) from flow_run_state where message like '%[hidden]%'"
        )
        runs = {run for (run,) in database.execute("select id from flow_run")}
    assert logs[0] > len(TEXTS) + len(ENVIRONMENT), "the server was told no line of the stage"
    assert states[0] >= 2
    logged = {path.name for path in (tmp_path / "logs").iterdir()}
    assert {run.replace("-", "") for run in logged} == {run.replace("-", "") for run in runs}
    (ran,) = (run for run in logged if f"in run {run}" in shown)
    told = {r["fields"].get("stage"): r["fields"] for r in read_run(ran, stage="flow")}
    assert told["leaky"]["status"] == "ran"
    assert told["failing"]["status"] == "failed"
    assert "ValueError" in told["failing"]["words"]
    assert f"biomedgpt logs {ran}" in shown
