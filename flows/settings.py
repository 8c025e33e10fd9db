"""How Prefect behaves where no server runs: quick to start, quiet, with nothing sent anywhere.

What holds with and without a server stands under ``[tool.prefect]`` in pyproject.toml.
"""

from __future__ import annotations

import os

# A temporary server lives as long as one flow: it needs no schedules, triggers or clean-up. With
# them, it leaves a page of database errors behind when it stops.
IDLE_SERVICES = (
    "CANCELLATION_CLEANUP",
    "CLEANUP_RECONCILER",
    "DB_VACUUM",
    "EVENT_PERSISTER",
    "FOREMAN",
    "LATE_RUNS",
    "PAUSE_EXPIRATIONS",
    "REPOSSESSOR",
    "SCHEDULER",
    "TRIGGERS",
)
SERVER_URL = "http://127.0.0.1:4200/api"  # this machine alone: the server has no login
LINE = "%(asctime)s  "
QUIET = {
    "DO_NOT_TRACK": "1",
    "PREFECT_LOGGING_TO_API_ENABLED": "false",
    "PREFECT_LOGGING_LOGGERS_PREFECT_LEVEL": "WARNING",
    "PREFECT_LOGGING_LOGGERS_PREFECT_FLOW_RUNS_LEVEL": "INFO",
    "PREFECT_LOGGING_LOGGERS_PREFECT_TASK_RUNS_LEVEL": "INFO",
    "PREFECT_LOGGING_FORMATTERS_STANDARD_FLOW_RUN_FMT": LINE + "%(message)s",
    "PREFECT_LOGGING_FORMATTERS_STANDARD_TASK_RUN_FMT": LINE + "%(task_run_name)s | %(message)s",
    "PREFECT_SERVER_EPHEMERAL_STARTUP_TIMEOUT_SECONDS": "180",
    "PREFECT_SERVER_EVENTS_STREAM_OUT_ENABLED": "false",
    "PREFECT_SERVER_REGISTER_BLOCKS_ON_START": "false",
    "PREFECT_SERVER_UI_ENABLED": "false",
    **{f"PREFECT_SERVER_SERVICES_{name}_ENABLED": "false" for name in IDLE_SERVICES},
}


def settle_environment() -> None:
    """Set Prefect's environment; call it before prefect is imported.

    Where PREFECT_API_URL names a server, that server decides and nothing is set.
    """
    if "PREFECT_API_URL" not in os.environ:
        for name, value in QUIET.items():
            os.environ.setdefault(name, value)
