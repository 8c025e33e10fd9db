"""What Prefect says of a run is true, whoever is killed. A real server, real runs, real signals."""

from __future__ import annotations

import os
import signal
import subprocess
from typing import Any

import pytest

from flows.lock import find_holder
from tests.flows.throwaway import Served, lives, wait_until

pytestmark = [pytest.mark.services, pytest.mark.slow, pytest.mark.xdist_group("prefect")]
UNMADE = {"quick", "long"}


def end(served: Served, run: subprocess.Popen[str]) -> str:
    """Let the long stage end, and the run; what the run printed."""
    (served.folder / "go").touch()
    shown, _ = run.communicate(timeout=200)
    return shown


def names(served: Served, run: dict[str, Any]) -> dict[str, str]:
    """The states by the names that stages have."""
    return served.states(run)


def test_a_killed_flow_is_crashed_its_children_are_gone_and_the_next_goes_on(
    served: Served,
) -> None:
    flow = served.start()
    pids = served.wait_for_stage()
    run = served.newest_run()
    assert names(served, run)[""] == "Running"
    assert find_holder(served.folder) == run["id"]
    flow.kill()
    flow.communicate()
    wait_until(lambda: find_holder(served.folder) is None)
    wait_until(lambda: not any(map(lives, pids)))
    wait_until(lambda: names(served, run) == {"": "Crashed", "quick": "Ran", "long": "Crashed"})
    again = served.start()
    assert "STATE Completed" in end(served, again)
    assert names(served, served.newest_run()) == {"": "Completed", "long": "Ran"}


def test_a_killed_stage_fails_the_run_in_its_own_words(served: Served) -> None:
    flow = served.start()
    pids = served.wait_for_stage()
    os.kill(pids[0], signal.SIGKILL)
    shown, _ = flow.communicate(timeout=120)
    assert "STATE Failed long failed" in shown
    assert names(served, served.newest_run()) == {"": "Failed", "quick": "Ran", "long": "Failed"}
    wait_until(lambda: not any(map(lives, pids)))


def test_a_run_outlives_a_killed_server_which_comes_back(served: Served) -> None:
    flow = served.start()
    served.wait_for_stage()
    run = served.newest_run()
    for pid in served.server_processes():
        os.kill(pid, signal.SIGKILL)
    shown = end(served, flow)
    assert "STATE Completed" in shown
    wait_until(lambda: names(served, run)[""] == "Completed")


def test_a_late_finish_does_not_turn_crashed_into_completed(served: Served) -> None:
    """The watch, or a person, called it crashed; it lives, is stopped, and stays crashed."""
    flow = served.start()
    pids = served.wait_for_stage()
    run = served.newest_run()
    crashed = {"type": "CRASHED", "name": "Crashed", "message": "said so"}
    served.ask(f"/flow_runs/{run['id']}/set_state", state=crashed, force=True)
    (served.folder / "go").touch()
    shown, _ = flow.communicate(timeout=120)
    assert "STATE Completed" not in shown
    assert names(served, run)[""] == "Crashed"
    wait_until(lambda: not any(map(lives, pids)))


def test_a_second_run_is_refused_and_told_of_the_first(served: Served) -> None:
    first = served.start()
    served.wait_for_stage()
    run = served.newest_run()
    shown, _ = served.start().communicate(timeout=120)
    assert "STATE Refused" in shown
    assert f"process {first.pid}, since 2" in shown
    assert f"flow run {run['name']}" in shown
    assert "STATE Completed" in end(served, first)


def test_a_deployment_is_started_with_parameters_and_its_schedule_is_paused(
    served: Served,
) -> None:
    deployment = served.wait_for_deployment()
    assert [schedule["active"] for schedule in deployment["schedules"]] == [False]
    fields = deployment["parameter_openapi_schema"]["properties"]
    assert "only tell what would run" in fields["dry_run"]["description"]
    started = f"/deployments/{deployment['id']}/create_flow_run"
    run = served.ask(started, parameters={"dry_run": True}, state={"type": "SCHEDULED"})
    wait_until(lambda: names(served, run)[""] == "Completed")
    artifacts = served.ask("/artifacts/filter", artifacts={"key": {"any_": ["plan"]}})
    assert '"stage": "long"' in artifacts[0]["data"]
    assert not (served.folder / "quick.txt").exists()


def test_a_killed_flow_of_a_deployment_is_crashed(served: Served) -> None:
    deployment = served.wait_for_deployment()
    started = f"/deployments/{deployment['id']}/create_flow_run"
    run = served.ask(started, parameters={}, state={"type": "SCHEDULED"})
    pids = served.wait_for_stage()
    holder = (served.folder / ".dvc/tmp/biomedgpt.holder").read_text()
    os.kill(int(holder.split()[1].rstrip(",")), signal.SIGKILL)
    wait_until(lambda: names(served, run) == {"": "Crashed", "quick": "Ran", "long": "Crashed"})
    wait_until(lambda: not any(map(lives, pids)))
