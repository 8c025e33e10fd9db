"""A Prefect server for this machine alone, with the flows as deployments: ``make serve``.

One command keeps four things going until it is interrupted: the server (started again when it
dies), the deployments of flows/prefect.yaml, whose runs begin when they are due or are asked for on
the page, the watch over what runs (flows/liveness.py), and report and plots at the next port
(flows/pages.py). Every schedule begins paused; what is switched on in the page stays so.
"""

from __future__ import annotations

import argparse
import os
import socket
import sys
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import httpx
import psutil
import yaml

from components.errors import UserError, refusals_told
from flows.database import check_database, explain_ends
from flows.pages import find_pages, pages_served
from flows.process import Finished, run_command, stop_commands
from flows.settings import HOST, PORT, address, is_healthy, port_file

DEPLOYMENTS = Path("flows/prefect.yaml")
START_S = 180.0  # a server on a busy machine takes half a minute
NUM_STARTS = 3  # that came to nothing are enough: it will not answer
LAST_PORT = 65_535
FOR_EVER_S = threading.TIMEOUT_MAX
QUIET_START_S = 2.0  # before a server that died is started again


def settings_of(port: int) -> dict[str, str]:
    """The environment of the server and of all that talks to it: nothing leaves this machine.

    Pages of other origins may not read from the server, nor write to it.
    """
    return {
        "DO_NOT_TRACK": "1",
        "PREFECT_API_URL": address(port),
        "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
        "PREFECT_SERVER_API_HOST": HOST,
        "PREFECT_SERVER_API_PORT": str(port),
        "PREFECT_SERVER_CORS_ALLOWED_ORIGINS": f"http://{HOST}:{port}",
        "PREFECT_SERVER_CSRF_PROTECTION_ENABLED": "true",
        "PREFECT_SERVER_UI_SHOW_PROMOTIONAL_CONTENT": "false",
    }


def serve_flows(port: int = PORT) -> None:
    """Serve the deployments until interrupted. UserError where the port is taken."""
    os.environ.update(settings_of(port))
    check_database()
    with server_running(port), pages_served(port + 1):
        try:
            serve_deployments(port)
        except httpx.TransportError as error:  # later it is waited for, but not at the start
            raise UserError(
                "Prefect's server died before it knew the deployments",
                why=str(error) or type(error).__name__,
                next_command="start it again, as before",
            ) from None


def serve_deployments(port: int) -> None:
    """Tell the server of the deployments, and begin their runs until interrupted."""
    from prefect import serve

    from flows.liveness import watch_project

    make_gpu_limit()
    deployments = [make_deployment(entry) for entry in read_deployments()]
    threading.Thread(target=watch_project, daemon=True).start()
    sys.stdout.write(f"the pipeline's page: http://{HOST}:{port}  (Ctrl-C ends it)\n")
    if served := find_pages():
        sys.stdout.write(f"report and plots: {served}/report/ and {served}/plots/\n")
    sys.stdout.flush()
    serve(*deployments, pause_on_shutdown=False, print_starting_message=False)


@contextmanager
def server_running(port: int) -> Iterator[None]:
    """A server that is started again when it dies, until the block ends.

    UserError where the port is taken, and where the server does not come to answer.
    """
    _check_port(port)
    ending, ends = threading.Event(), deque[Finished](maxlen=NUM_STARTS)
    threading.Thread(target=_keep_server, args=(ending, ends.append), daemon=True).start()
    try:
        _wait_until_healthy(port, ends)
        port_file().parent.mkdir(parents=True, exist_ok=True)
        port_file().write_text(str(port))
        try:
            yield
        finally:
            port_file().unlink(missing_ok=True)
    finally:
        ending.set()
        stop_commands()


def _check_port(port: int) -> None:
    if not 0 < port < LAST_PORT:
        raise UserError(
            f"there is no port {port} with another after it, for report and plots",
            next_command=f"python -m flows.serve --port {PORT}, or another of 1 to {LAST_PORT - 1}",
        )
    with socket.socket() as probe:
        if probe.connect_ex((HOST, port)) == 0:
            raise UserError(
                f"port {port} is taken",
                why="a Prefect server, or something else, listens there already",
                next_command=f"python -m flows.serve --port {port + 1}",
            )


def _keep_server(ending: threading.Event, note: Callable[[Finished], None]) -> None:
    command = [sys.executable, "-m", "prefect", "server", "start"]
    while not ending.is_set():
        try:
            finished = run_command(command, lambda _: None, time_limit_s=FOR_EVER_S)
        except OSError as error:  # no room for a process: there may be, a while later
            finished = Finished(error.errno or 1, [str(error)], timed_out=False)
        note(finished)
        if not ending.wait(QUIET_START_S):
            words = "\n".join(finished.lines[-5:])
            with suppress(OSError):  # whoever read this is gone, or the disk of the log is full
                sys.stderr.write(
                    f"the server ended ({finished.status}); starting it again\n{words}\n"
                )


def _wait_until_healthy(port: int, ends: Sequence[Finished]) -> None:
    """Return when the server answers; UserError where it ends again and again, or takes too long.

    ``ends`` grows while this waits.
    """
    deadline = time.monotonic() + START_S
    while not (is_healthy(port) and _is_own(port)):
        if len(ends) == NUM_STARTS:
            _check_port(port)  # another took it since
            raise explain_ends(ends[-1].lines)
        if time.monotonic() > deadline:
            raise UserError(
                f"Prefect's server does not answer after {START_S:.0f} s",
                next_command="prefect server start, which says why",
            )
        time.sleep(0.2)


def _is_own(port: int) -> bool:
    """Whether it is a child of this process that listens there, and no other project's server."""
    with suppress(psutil.Error):  # it ended since it was listed
        for process in psutil.Process().children(recursive=True):
            for one in process.net_connections("tcp4"):
                if one.status == psutil.CONN_LISTEN and one.laddr.port == port:
                    return True
    return False


def make_gpu_limit() -> None:
    """One stage at a time on the GPU, until somebody sets another number in the page."""
    from prefect.client.orchestration import get_client
    from prefect.exceptions import ObjectNotFound

    from flows.order import GPU_TAG

    with get_client(sync_client=True) as client:
        try:
            client.read_concurrency_limit_by_tag(GPU_TAG)
        except ObjectNotFound:
            client.create_concurrency_limit(GPU_TAG, 1)


def read_deployments() -> list[dict[str, Any]]:
    """The entries of flows/prefect.yaml."""
    deployments: list[dict[str, Any]] = yaml.safe_load(DEPLOYMENTS.read_text())["deployments"]
    return deployments


def make_deployment(entry: dict[str, Any]) -> Any:
    """A deployment to serve. A schedule that was switched on in the page stays on."""
    from prefect.deployments.runner import RunnerDeployment
    from prefect.schedules import Cron

    from flows.liveness import name_project

    flow = entry["entrypoint"].partition(":")[2]
    active = _active_schedules(f"{flow}/{entry['name']}")
    schedules = [
        Cron(schedule["cron"], slug=schedule["slug"], active=schedule["slug"] in active)
        for schedule in entry.get("schedules", [])
    ]
    return RunnerDeployment.from_entrypoint(
        entry["entrypoint"],
        entry["name"],
        schedules=schedules,
        description=entry["description"],
        tags=[name_project()],
    )


def _active_schedules(deployment: str) -> set[str | None]:
    from prefect.client.orchestration import get_client
    from prefect.exceptions import ObjectNotFound

    with get_client(sync_client=True) as client:
        try:
            known = client.read_deployment_by_name(deployment)
        except ObjectNotFound:
            return set()
    return {schedule.slug for schedule in known.schedules if schedule.active}


def main() -> None:
    """Serve, on a port of one's choice."""
    parser = argparse.ArgumentParser(prog="python -m flows.serve", description=__doc__)
    parser.add_argument("--port", type=int, default=PORT)
    try:
        with refusals_told():
            serve_flows(parser.parse_args().port)
    except UserError as error:
        sys.exit(f"error: {error}")


if __name__ == "__main__":
    main()
