"""How Prefect behaves: quiet, quick to start where no server runs, with nothing sent anywhere.

What holds with and without a server stands under ``[tool.prefect]`` in pyproject.toml.
"""

from __future__ import annotations

import http.client
import os
import sys
from pathlib import Path

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
HOST, PORT = "127.0.0.1", 4200  # this machine alone: the server has no login
LINE = "%(asctime)s  "
# What each library asks before it tells its makers anything; who sets one otherwise is left alone.
NO_TELEMETRY = {
    "DO_NOT_TRACK": "1",  # Prefect's client, Hugging Face
    "DVC_NO_ANALYTICS": "1",
    "HF_HUB_DISABLE_TELEMETRY": "1",
    "RAY_USAGE_STATS_ENABLED": "0",
}
QUIET = {
    "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
    "PREFECT_LOGGING_LOGGERS_PREFECT_LEVEL": "WARNING",
    "PREFECT_LOGGING_LOGGERS_PREFECT_FLOW_RUNS_LEVEL": "INFO",
    "PREFECT_LOGGING_LOGGERS_PREFECT_TASK_RUNS_LEVEL": "INFO",
    "PREFECT_LOGGING_FORMATTERS_STANDARD_FLOW_RUN_FMT": LINE + "%(message)s",
    "PREFECT_LOGGING_FORMATTERS_STANDARD_TASK_RUN_FMT": LINE + "%(task_run_name)s | %(message)s",
}
TEMPORARY = {
    "PREFECT_LOGGING_TO_API_ENABLED": "false",
    "PREFECT_SERVER_EPHEMERAL_STARTUP_TIMEOUT_SECONDS": "180",
    "PREFECT_SERVER_EVENTS_STREAM_OUT_ENABLED": "false",
    "PREFECT_SERVER_REGISTER_BLOCKS_ON_START": "false",
    "PREFECT_SERVER_UI_ENABLED": "false",
    **{f"PREFECT_SERVER_SERVICES_{name}_ENABLED": "false" for name in IDLE_SERVICES},
}


def settle_environment() -> None:
    """Set Prefect's environment; call it before prefect is imported.

    Where PREFECT_API_URL names a server, that server decides, and only telemetry is off. Where this
    project's own server runs (flows/serve.py), runs are told to it and seen on its page; else
    Prefect starts one for as long as the flow takes.
    """
    silence_telemetry()
    if "PREFECT_API_URL" in os.environ:
        return
    port = find_server()
    chosen = {"PREFECT_API_URL": address(port)} if port else TEMPORARY
    for name, value in {**QUIET, **chosen}.items():
        os.environ.setdefault(name, value)


def silence_telemetry() -> None:
    """Tell the makers of the libraries nothing, in this process and its children."""
    for name, value in NO_TELEMETRY.items():
        os.environ.setdefault(name, value)


def find_temporary_server() -> int | None:
    """The process of the server that Prefect started for this flow; None where another serves."""
    module = sys.modules.get("prefect.server.api.server")  # loaded where Prefect starts one
    process = module.SubprocessASGIServer().server_process if module else None
    return process.pid if process else None


def address(port: int) -> str:
    """Of the API of a server on this machine."""
    return f"http://{HOST}:{port}/api"


def port_file() -> Path:
    """Holds the port of the project's own server, for as long as that runs."""
    return Path(os.environ.get("PREFECT_HOME", ".prefect")) / "port"


def find_server() -> int:
    """The port of the project's own server; 0 where none answers."""
    try:
        port = int(port_file().read_text())
    except (FileNotFoundError, ValueError):
        return 0
    return port if is_healthy(port) else 0


def is_healthy(port: int) -> bool:
    """Whether a Prefect server answers on this machine's port."""
    asked = http.client.HTTPConnection(HOST, port, timeout=5)
    try:
        asked.request("GET", "/api/health")
        return asked.getresponse().read() == b"true"
    except (OSError, http.client.HTTPException):
        return False
    finally:
        asked.close()
