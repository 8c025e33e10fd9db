"""A run that is stopped, put to sleep, cancelled or begun twice: what Prefect then says of it."""

from __future__ import annotations

import os
import signal
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from prefect.settings import PREFECT_API_URL, temporary_settings

from flows.liveness import bury_dead
from flows.lock import find_holder
from flows.settings import address
from tests.flows.throwaway import Served, lives, make_project, wait_until

pytestmark = [
    pytest.mark.services,
    pytest.mark.slow,
    pytest.mark.timeout(600),
    pytest.mark.xdist_group("prefect"),
]


def start_from_page(served: Served) -> dict[str, Any]:
    """Start the deployment, as the page's form does."""
    started = f"/deployments/{served.wait_for_deployment()['id']}/create_flow_run"
    run: dict[str, Any] = served.ask(started, parameters={}, state={"type": "SCHEDULED"})
    return run


def cancel(served: Served, run: dict[str, Any]) -> None:
    """What the page's Cancel asks for."""
    state = {"type": "CANCELLING", "name": "Cancelling"}
    served.ask(f"/flow_runs/{run['id']}/set_state", state=state, force=False)


def end_long(served: Served) -> None:
    (served.folder / "go").touch()


def test_a_flow_that_is_asked_to_end_takes_its_children_along(served: Served) -> None:
    """As systemd does when a machine goes down."""
    flow = served.start()
    pids = served.wait_for_stage()
    run = served.newest_run()
    flow.terminate()
    flow.communicate(timeout=120)
    wait_until(lambda: not any(map(lives, pids)))
    wait_until(lambda: find_holder(served.folder) is None)
    wait_until(lambda: served.states(run)[""] == "Crashed")
    wait_until(lambda: served.states(run)["long"] not in ("Running", "Pending"))


def test_a_flow_that_sleeps_is_no_crash_however_long(served: Served) -> None:
    """A laptop's lid: the process stands still, and holds the project."""
    flow = served.start()
    served.wait_for_stage()
    run = served.newest_run()
    flow.send_signal(signal.SIGSTOP)
    try:
        with temporary_settings({PREFECT_API_URL: address(served.port)}):
            assert bury_dead(served.folder, now=datetime.now(UTC) + timedelta(days=1)) == []
        assert served.states(run) == {"": "Running", "quick": "Ran", "long": "Running"}
    finally:
        flow.send_signal(signal.SIGCONT)
    end_long(served)
    shown, _ = flow.communicate(timeout=200)
    assert "STATE Completed" in shown
    assert served.states(run) == {"": "Completed", "quick": "Ran", "long": "Ran"}


def test_a_cancelled_run_of_a_terminal_ends_with_its_children(served: Served) -> None:
    flow = served.start()
    pids = served.wait_for_stage()
    run = served.newest_run()
    cancel(served, run)
    shown, _ = flow.communicate(timeout=120)
    assert "STATE Cancelled" in shown
    assert served.states(run)[""] == "Cancelled"
    wait_until(lambda: not any(map(lives, pids)))
    wait_until(lambda: served.states(run)["long"] not in ("Running", "Pending"))


def test_a_cancelled_run_of_the_page_ends_with_its_children(served: Served) -> None:
    run = start_from_page(served)
    pids = served.wait_for_stage()
    cancel(served, run)
    wait_until(lambda: served.states(run)[""] == "Cancelled")
    wait_until(lambda: not any(map(lives, pids)))
    wait_until(lambda: find_holder(served.folder) is None)
    wait_until(lambda: served.states(run)["long"] not in ("Running", "Pending"))


def test_of_two_runs_started_at_once_one_works_and_one_is_refused(served: Served) -> None:
    runs = [start_from_page(served), start_from_page(served)]
    pids = served.wait_for_stage()

    def named() -> list[str]:
        return sorted(served.states(run)[""] for run in runs)

    wait_until(lambda: named() == ["Refused", "Running"])
    assert all(map(lives, pids))
    end_long(served)
    wait_until(lambda: named() == ["Completed", "Refused"])


def test_a_server_that_is_away_while_a_stage_ends_costs_no_truth(served: Served) -> None:
    flow = served.start()
    served.wait_for_stage()
    run = served.newest_run()
    for pid in served.server_processes():
        os.kill(pid, signal.SIGKILL)
    end_long(served)  # the stage ends before the server is back
    shown, _ = flow.communicate(timeout=300)
    assert "STATE Completed" in shown
    wait_until(lambda: served.states(run) == {"": "Completed", "quick": "Ran", "long": "Ran"})


def test_a_killed_flow_leaves_no_server_of_its_own(tmp_path: Path, repository: Path) -> None:
    """Without `make serve`, Prefect starts a server for the flow alone, as its child."""
    alone = Served(tmp_path, 0, make_project(tmp_path, repository))
    flow = alone.start()
    pids = alone.wait_for_stage()
    servers = find_children(flow.pid, b"prefect.server.api.server:create_app")
    assert len(servers) == 1
    flow.kill()
    flow.communicate(timeout=120)
    wait_until(lambda: not any(map(lives, [*pids, *servers])))


def find_children(parent: int, words: bytes) -> list[int]:
    """The children of a process with these words in their command line."""
    of_threads = Path(f"/proc/{parent}/task").glob("*/children")
    children = [pid for path in of_threads for pid in path.read_text().split()]
    named = {int(pid): Path(f"/proc/{pid}/cmdline").read_bytes() for pid in children}
    return [pid for pid, line in named.items() if words in line]
