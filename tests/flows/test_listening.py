"""The server of ``make serve`` has no login: it listens on this machine alone."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest

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


def test_the_server_of_the_flows_listens_on_this_machine_alone(
    tmp_path: Path, repository: Path
) -> None:
    """Also where the environment would open it, as it may for another server."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    inherited = {k: v for k, v in os.environ.items() if not k.startswith("PREFECT_")}
    own = {"PREFECT_HOME": str(tmp_path / "prefect"), "PREFECT_SERVER_API_HOST": "0.0.0.0",
           "PYTHONPATH": str(repository)}  # fmt: skip
    done = subprocess.run(
        [sys.executable, "-c", SERVED, str(port)], cwd=tmp_path, check=False, capture_output=True,
        text=True, env={**inherited, **own},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    told = [line for line in done.stdout.splitlines() if line.startswith("listens")]
    assert f"listens 127.0.0.1 {port}" in told
    assert all(line.split()[1] in ("127.0.0.1", "::1") for line in told), told
