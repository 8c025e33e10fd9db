"""Schedules: the flows as deployments of a Prefect server on this machine.

Start ``prefect server start`` and, beside it, ``python -m flows.serve``. Every schedule begins
paused: switch it on in the Prefect page.
"""

from __future__ import annotations

import os

from flows.settings import SERVER_URL


def serve_flows() -> None:
    """Register the deployments and wait for work, until interrupted."""
    os.environ.setdefault("PREFECT_API_URL", SERVER_URL)
    from prefect import serve
    from prefect.deployments.runner import RunnerDeployment

    from flows.data import data
    from flows.evaluation import evaluation
    from flows.pipeline import pipeline

    plan = RunnerDeployment.from_flow
    serve(
        plan(pipeline, "nightly", cron="0 2 * * *", paused=True),
        plan(data, "new-articles", cron="0 1 * * 6", paused=True),
        plan(evaluation, "on-demand"),
    )


if __name__ == "__main__":
    serve_flows()
