"""A small project, served as the real one is: a Prefect server, a deployment, the watch."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import httpx
import yaml

from components.profiles.overlay import write_params
from flows.settings import address

STAGES = {
    "quick": {"cmd": "echo 1 > quick.txt", "outs": ["quick.txt"]},
    "long": {
        # A stage with a child of its own, which goes on until somebody lets it end.
        "cmd": "sh -c 'sleep 1000 & echo $$ $! > pids; until [ -e go ]; do sleep 0.1; done; "
        "kill $!; echo 1 > long.txt'",
        "deps": ["quick.txt"],
        "outs": ["long.txt"],
    },
}
FLOW = """
from prefect import flow
from flows.choice import described, read_choice
from flows.order import run_stages

@flow(name="throw_away")
@described
def throw_away(force: bool = False, dry_run: bool = False):
    "Both stages."
    return run_stages([], read_choice(None, None, "", force, dry_run))
"""
SCRIPT = """
from flows.settings import settle_environment
settle_environment()
from throw_away import throw_away
state = throw_away(return_state=True)
print("STATE", state.name, state.message)
"""
DEPLOYMENTS = {
    "deployments": [
        {
            "name": "small",
            "entrypoint": "throw_away.py:throw_away",
            "description": "both stages",
            "schedules": [{"cron": "0 2 * * *", "slug": "nightly", "active": False}],
        }
    ]
}
PATIENCE_S = 120.0  # what the truth may take


def make_project(folder: Path, repository: Path, stages: dict[str, Any] = STAGES) -> dict[str, str]:
    """Write the project; the environment of its commands."""
    environment = {k: v for k, v in os.environ.items() if not k.startswith("PREFECT_")}
    environment |= {"DVC_NO_ANALYTICS": "1", "DVC_SITE_CACHE_DIR": str(folder / "site")}
    environment |= {
        "PYTHONPATH": f"{repository}:{folder}",
        "PREFECT_HOME": str(folder / ".prefect"),
    }
    environment |= {"PYTHONUNBUFFERED": "1"}
    subprocess.run(
        [sys.executable, "-m", "dvc", "init", "--no-scm", "--quiet"],
        cwd=folder, env=environment, check=True,
    )  # fmt: skip
    (folder / ".dvc/config").write_text("[core]\n    analytics = false\n    no_scm = true\n")
    (folder / "dvc.yaml").write_text(yaml.safe_dump({"stages": stages}, sort_keys=False))
    (folder / "throw_away.py").write_text(FLOW)
    (folder / "flows").mkdir()
    (folder / "flows/prefect.yaml").write_text(yaml.safe_dump(DEPLOYMENTS))
    write_params("demo", target=folder / "params.yaml")
    return environment


class Served:
    """A project that is being served."""

    def __init__(self, folder: Path, port: int, environment: dict[str, str]) -> None:
        self.folder, self.port, self.environment = folder, port, environment

    def ask(self, path: str, **body: Any) -> Any:
        """Post to the API; its answer. Asked again while its database is busy, as clients do."""
        begun = time.monotonic()
        while (answer := self._post(path, body)).is_server_error:
            assert time.monotonic() - begun < PATIENCE_S
            time.sleep(0.5)
        answer.raise_for_status()
        return answer.json()

    def _post(self, path: str, body: dict[str, Any]) -> httpx.Response:
        with httpx.Client(base_url=address(self.port), timeout=30) as client:
            # The server wants a token of whoever writes to it, as it does of browsers.
            given = client.get("/csrf-token", params={"client": "test"})
            if given.is_server_error:
                return given
            token = given.json()["token"]
            headers = {"Prefect-Csrf-Token": token, "Prefect-Csrf-Client": "test"}
            return client.post(path, json=body, headers=headers)

    def newest_run(self) -> dict[str, Any]:
        """The flow run that was made last."""
        run: dict[str, Any] = self.ask("/flow_runs/filter", sort="START_TIME_DESC", limit=1)[0]
        return run

    def states(self, run: dict[str, Any]) -> dict[str, str]:
        """Of the run itself, under "", and of its stages by their names."""
        (told,) = self.ask("/flow_runs/filter", flow_runs={"id": {"any_": [run["id"]]}})
        stages = self.ask("/task_runs/filter", flow_runs={"id": {"any_": [run["id"]]}})
        return {"": told["state_name"]} | {stage["name"]: stage["state_name"] for stage in stages}

    def start(self) -> subprocess.Popen[str]:
        """Begin the flow, as `biomedgpt run` does."""
        return subprocess.Popen(
            [sys.executable, "-c", SCRIPT], cwd=self.folder, env=self.environment,
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
        )  # fmt: skip

    def reset(self) -> None:
        """Forget what the stages made."""
        for name in ("quick.txt", "long.txt", "go", "pids", "dvc.lock"):
            (self.folder / name).unlink(missing_ok=True)
        shutil.rmtree(self.folder / ".dvc/cache", ignore_errors=True)  # DVC knows runs from there

    def wait_for_deployment(self) -> dict[str, Any]:
        """The project's one deployment, once it is registered: some time after the server is up."""
        wait_until(lambda: bool(self.ask("/deployments/filter")))
        (deployment,) = self.ask("/deployments/filter")
        return dict(deployment)

    def server_processes(self) -> list[int]:
        """The processes of the project's server, by the port in their environment."""
        found = []
        for path in Path("/proc").glob("[0-9]*/environ"):
            try:
                words = (path.parent / "cmdline").read_text()
                told = path.read_text(errors="replace")
            except OSError:  # it ended since it was listed, or is another user's
                continue
            ours = f"PREFECT_SERVER_API_PORT={self.port}\0" in told
            if ours and ("uvicorn" in words or "server\0start" in words):
                found.append(int(path.parent.name))
        assert found
        return found

    def wait_for_stage(self) -> list[int]:
        """The numbers of the long stage's processes, once it runs."""
        wait_until(lambda: bool(self._pids()))
        return self._pids()

    def _pids(self) -> list[int]:
        path = self.folder / "pids"
        return [int(word) for word in path.read_text().split()] if path.is_file() else []


def wait_until(true: Callable[[], bool], patience_s: float = PATIENCE_S) -> float:
    """Seconds until something is true."""
    begun = time.monotonic()
    while not true():
        assert time.monotonic() - begun < patience_s
        time.sleep(0.2)
    return time.monotonic() - begun


def lives(pid: int) -> bool:
    """Whether a process runs; one that has ended and is not waited for does not."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


def descendants(pid: int) -> list[int]:
    """The processes that a process began, and that these began, by whose children they are now."""
    parents: dict[int, list[int]] = {}
    for path in Path("/proc").glob("[0-9]*/stat"):
        with suppress(OSError):  # it ended since it was listed
            parent = int(path.read_text().rpartition(")")[2].split()[1])
            parents.setdefault(parent, []).append(int(path.parent.name))
    found = [pid]
    for one in found:
        found += parents.get(one, [])
    return found[1:]


def title(pid: int) -> str:
    """The command line of a process; empty where it is gone."""
    try:
        return Path(f"/proc/{pid}/cmdline").read_text(errors="replace").replace("\0", " ").strip()
    except OSError:
        return ""


def free_port() -> int:
    """A port on which nobody listens."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@contextmanager
def serve(folder: Path, port: int, environment: dict[str, str]) -> Iterator[Served]:
    """Serve the project, as `make serve` does, until the block ends."""
    log = folder / "serve.log"
    with log.open("w") as out:
        process = subprocess.Popen(
            [sys.executable, "-m", "flows.serve", "--port", str(port)],
            cwd=folder, env=environment, stdout=out, stderr=subprocess.STDOUT,
        )  # fmt: skip
        try:
            wait_until(lambda: "page:" in log.read_text() or process.poll() is not None, 280)
            assert process.poll() is None, log.read_text()
            yield Served(folder, port, environment)
        finally:
            process.send_signal(signal.SIGINT)
            process.wait(timeout=60)
