"""The command ``biomedgpt logs``."""

from __future__ import annotations

import argparse
import json

from components.cli import check_project, show
from components.log_reader import LEVELS, find_run, read_run, tell_record


def add_log_command(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the command with the function that it calls."""
    logs = commands.add_parser("logs", help="all that a run said, by time")
    logs.add_argument("id", nargs="?", default="", help="its id or the beginning; else the newest")
    logs.add_argument("--stage", default="", help="of this stage alone: finetune, evaluate@x-y")
    logs.add_argument("--level", choices=LEVELS, default=LEVELS[0], help="no less than this")
    logs.add_argument("--json", action="store_true", help="records as they are, one a line")
    logs.set_defaults(call=show_log)


def show_log(arguments: argparse.Namespace) -> int:
    """Print the records of a run."""
    check_project()
    run = find_run(arguments.id)
    records = read_run(run, stage=arguments.stage, level=arguments.level)
    if not arguments.json:
        show(f"run {run}")
    for record in records:
        show(json.dumps(record, ensure_ascii=False) if arguments.json else tell_record(record))
    return 0
