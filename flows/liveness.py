"""The truth about state: a run that Prefect calls running is one whose process lives.

A process that is killed tells nobody. The proof that it lives is the project's lock, of which the
operating system lets go (flows/lock.py): a run of this project that does not hold it is over, and
is marked as crashed, with its stages. Prefect itself would let a crashed run become completed, so a
run asks what is known of it before it says how it ended.
"""

from __future__ import annotations

import logging
import socket
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
from prefect.client.orchestration import SyncPrefectClient, get_client
from prefect.client.schemas.filters import FlowRunFilter, TaskRunFilter
from prefect.client.schemas.objects import FlowRun, State, StateType
from prefect.runtime import flow_run
from prefect.states import Cancelled, Crashed

from flows.lock import find_holder, find_released

LOOK_EVERY_S = 5.0
# A run that is about to hold the project, or has just let go of it, does not hold it either.
GRACE = {
    StateType.RUNNING: timedelta(seconds=30),
    StateType.CANCELLING: timedelta(seconds=30),
    StateType.PENDING: timedelta(seconds=90),  # its process is being started
}
FINAL = [StateType.COMPLETED, StateType.FAILED, StateType.CRASHED, StateType.CANCELLED]
DEAD = "its process is gone, and so is what it had begun; the next run goes on from here"


def name_project(root: Path = Path()) -> str:
    """The tag of every run in this project: one server may know of several, on several machines."""
    return f"{socket.gethostname()}:{root.resolve()}"


def claim_run() -> None:
    """Tag this flow run as one of this project's, however it was started."""
    if (tag := name_project()) not in flow_run.tags:
        with get_client(sync_client=True) as client:
            client.update_flow_run(flow_run.id, tags=[*flow_run.tags, tag])


def bury_dead(root: Path = Path(), *, now: datetime | None = None) -> list[str]:
    """Mark the runs of this project as crashed whose process is gone; returns their names.

    One that was being cancelled is marked as cancelled. Their stages are marked as crashed.
    """
    buried = []
    with get_client(sync_client=True) as client:
        for run in client.read_flow_runs(flow_run_filter=_ours(root, list(GRACE))):
            if _is_dead(run, root, now or datetime.now(UTC)):
                cancelled = run.state_type == StateType.CANCELLING
                state: State[Any] = (Cancelled if cancelled else Crashed)(message=DEAD)
                client.set_flow_run_state(run.id, state, force=True)
                buried.append(run.name)
        _bury_stages(client, _ours(root, FINAL))
    return buried


def _ours(root: Path, types: list[StateType]) -> FlowRunFilter:
    return FlowRunFilter.model_validate(
        {"tags": {"all_": [name_project(root)]}, "state": {"type": {"any_": types}}}
    )


def _is_dead(run: FlowRun, root: Path, now: datetime) -> bool:
    """Whether it should hold the project, and does not.

    A run that let go by itself is given time from then on: how it ended is still on its way.
    """
    if run.state is None or str(run.id) == find_holder(root):
        return False
    since, released = run.state.timestamp, find_released(root)
    if released and released[0] == str(run.id):
        since = max(since, released[1])
    return now - since > GRACE[run.state.type]


def _bury_stages(client: SyncPrefectClient, ended: FlowRunFilter) -> None:
    """Of a run that has ended, no stage is running."""
    going = TaskRunFilter.model_validate({"state": {"type": {"any_": ["RUNNING", "PENDING"]}}})
    for stage in client.read_task_runs(flow_run_filter=ended, task_run_filter=going):
        client.set_task_run_state(stage.id, Crashed(message=DEAD), force=True)


def read_verdict(patience_s: float = 0.0) -> State[Any] | None:
    """What others made of this flow run: a final state, or that it is being cancelled.

    None where it is simply running. A server that does not answer is waited for, as it may be
    starting again; None, too, when the patience is at its end.
    """
    deadline = time.monotonic() + patience_s
    while True:
        try:
            with get_client(sync_client=True) as client:
                state = client.read_flow_run(flow_run.id).state
        except httpx.HTTPError:
            if time.monotonic() >= deadline:
                return None
            time.sleep(LOOK_EVERY_S)
            continue
        if state is None or not (state.is_final() or state.type == StateType.CANCELLING):
            return None
        if state.type == StateType.CANCELLING:
            return Cancelled(message="cancelled")
        # Made anew: one that names its run is taken for the state of some run within this one.
        return State(type=state.type, name=state.name, message=state.message)


def watch_project(root: Path = Path()) -> None:
    """Look after the runs of this project, for ever."""
    logger = logging.getLogger(__name__)
    while True:
        try:
            for name in bury_dead(root):
                logger.warning(f"{name}: {DEAD}")
        except httpx.HTTPError as error:
            logger.warning(f"Prefect's server does not answer ({type(error).__name__})")
        time.sleep(2 * LOOK_EVERY_S)


if __name__ == "__main__":
    watch_project()
