"""The server of ``make serve``: who reaches it, who gets its port, and what its log costs it.

It has no login: it listens on this machine alone.
"""

from __future__ import annotations

import os
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest

from tests.flows.throwaway import free_port, wait_until

pytestmark = [pytest.mark.services, pytest.mark.slow, pytest.mark.timeout(600)]

SERVED = """
import os, sys
import psutil
from flows.serve import server_running, settings_of

port = int(sys.argv[1])
os.environ.update(settings_of(port))
with server_running(port):
    run = psutil.Process()
    for process in (run, *run.children(recursive=True)):
        for socket in process.net_connections("inet"):
            if socket.status == "LISTEN":
                print("listens", socket.laddr.ip, socket.laddr.port)
"""

HELD = """
import os, sys
from components.errors import UserError
from flows.serve import server_running, settings_of

port = int(sys.argv[1])
os.environ.update(settings_of(port))
try:
    with server_running(port):
        print("serves", flush=True)
        sys.stdin.read()
except UserError as error:
    print(error, flush=True)
"""


DIED = """
import sys
from contextlib import nullcontext
from components.errors import UserError
from flows import serve

serve.server_running = serve.pages_served = lambda port: nullcontext()
try:
    serve.serve_flows(int(sys.argv[1]))
except UserError as error:
    print(error)
"""


def test_the_server_of_the_flows_listens_on_this_machine_alone(
    tmp_path: Path, repository: Path
) -> None:
    """Also where the environment would open it, as it may for another server."""
    port = free_port()
    environment = make_environment(tmp_path, repository) | {"PREFECT_SERVER_API_HOST": "0.0.0.0"}
    done = subprocess.run(
        [sys.executable, "-c", SERVED, str(port)], cwd=tmp_path, check=False, capture_output=True,
        text=True, env=environment,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    told = [line for line in done.stdout.splitlines() if line.startswith("listens")]
    assert f"listens 127.0.0.1 {port}" in told
    assert all(line.split()[1] in ("127.0.0.1", "::1") for line in told), told


def test_of_two_that_begin_at_once_one_is_told_that_the_port_is_taken(
    tmp_path: Path, repository: Path
) -> None:
    """Neither finds the port taken; it took the other's server for its own and began for ever."""
    port, environment = free_port(), make_environment(tmp_path, repository)
    with (tmp_path / "log").open("w") as log:
        both = [
            subprocess.Popen(
                [sys.executable, "-c", HELD, str(port)], cwd=tmp_path, env=environment,
                stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=log, text=True,
            )
            for _ in range(2)
        ]  # fmt: skip
    try:
        wait_until(lambda: any(one.poll() is not None for one in both), 280)
        lost, held = sorted(both, key=lambda one: one.poll() is None)
        assert f"port {port} is taken" in lost.communicate()[0]
        assert held.poll() is None
        assert (tmp_path / "prefect/port").read_text() == str(port)
        assert held.communicate("")[0] == "serves\n"
        assert not (tmp_path / "prefect/port").exists()
    finally:
        for one in both:
            one.kill()


def test_a_log_that_takes_no_more_keeps_no_server_from_being_started_again(
    tmp_path: Path, repository: Path
) -> None:
    """The thread that starts it ended at the first word on a full disk."""
    (tmp_path / "prefect").mkdir()
    with closing(sqlite3.connect(tmp_path / "prefect/prefect.db")) as newer:
        newer.execute("CREATE TABLE alembic_version (version_num VARCHAR)")
        newer.execute("INSERT INTO alembic_version VALUES ('a')")
        newer.commit()
    with Path("/dev/full").open("w") as full:
        done = subprocess.run(
            [sys.executable, "-c", HELD, str(free_port())], cwd=tmp_path, check=False,
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=full, text=True,
            env=make_environment(tmp_path, repository),
        )  # fmt: skip
    assert "a newer Prefect wrote its database" in done.stdout


def test_a_server_that_dies_before_it_knows_the_deployments_is_told(
    tmp_path: Path, repository: Path
) -> None:
    done = subprocess.run(
        [sys.executable, "-c", DIED, str(free_port())], cwd=repository, check=False,
        capture_output=True, text=True, env=make_environment(tmp_path, repository),
    )  # fmt: skip
    assert "Prefect's server died before it knew the deployments" in done.stdout, done.stderr


def make_environment(folder: Path, repository: Path) -> dict[str, str]:
    """Of a process with a Prefect of its own."""
    inherited = {k: v for k, v in os.environ.items() if not k.startswith("PREFECT_")}
    return inherited | {"PREFECT_HOME": str(folder / "prefect"), "PYTHONPATH": str(repository)}
