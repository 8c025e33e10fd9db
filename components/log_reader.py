"""A run's log, found by its id and read from all of its files in the order of time."""

from __future__ import annotations

import heapq
import json
import logging
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from components.errors import UserError
from components.logs import FOLDER
from components.redaction import visible

LEVELS = ("info", "warning", "error")
NUM_NAMED = 5
Record = dict[str, Any]


def find_run(begin: str = "", folder: Path = FOLDER) -> str:
    """The id that begins so; without a beginning the run that wrote last.

    UserError where there is none, or where several begin so.
    """
    runs = [path for path in folder.glob("*") if path.is_dir() and any(path.glob("*.jsonl"))]
    newest = [path.name for path in sorted(runs, key=_last_written, reverse=True)]
    found = [name for name in newest if name.startswith(begin)]
    if begin in found:
        return begin
    if len(found) == 1 or (found and not begin):
        return found[0]
    named = ", ".join((found or newest)[:NUM_NAMED])
    if found:
        raise UserError(f"{len(found)} runs have an id that begins with {begin}", why=named)
    raise UserError(
        f"no run has an id that begins with {begin}" if begin else f"{folder} holds no run's log",
        why=f"the newest are {named}" if newest else "no stage has run here, or logs were removed",
        next_command="biomedgpt logs, for the newest" if newest else "biomedgpt run",
    )


def _last_written(run: Path) -> float:
    return max(path.stat().st_mtime for path in run.glob("*.jsonl"))


def read_run(
    run: str, *, stage: str = "", level: str = "info", folder: Path = FOLDER
) -> Iterator[Record]:
    """The records of a run, merged by time.

    ``stage`` keeps those of one stage (finetune@debug-slake) or block (finetune); UserError where
    the run has no such one. ``level`` is the least that is kept. A line that a process which was
    killed left torn becomes a warning, with the text that there is.
    """
    paths = sorted((folder / run).glob("*.jsonl"))
    if stage:
        stages = {path: path.name.split(".")[0] for path in paths}
        paths = [path for path in paths if stage in (stages[path], stages[path].split("@")[0])]
        if not paths:
            raise UserError(
                f"run {run} has no stage {stage}",
                why=f"it has {', '.join(sorted(set(stages.values())))}",
                next_command=f"biomedgpt logs {run}, which shows them all",
            )
    least = logging.getLevelNamesMapping()[level.upper()]
    for record in heapq.merge(*map(_read_file, paths), key=lambda record: str(record["time"])):
        if logging.getLevelNamesMapping()[record["level"].upper()] >= least:
            yield record


def _read_file(path: Path) -> Iterator[Record]:
    stage, _, rank = path.stem.partition(".")
    last = {"time": "", "level": "warning", "id": path.parent.name, "stage": stage, "rank": rank}
    with path.open(encoding="utf-8", errors="replace") as lines:
        for number, line in enumerate(lines, 1):
            try:
                record = json.loads(line)
                last["time"] = record["time"]
                yield record
            except (ValueError, LookupError, TypeError):
                told = f"line {number} of {path.name} is torn: {line.rstrip()}"
                yield {**last, "message": told, "fields": {}}


def tell_record(record: Record) -> str:
    """A record as a line of text, with the traceback, if it has one, below."""
    source = ".".join(filter(None, [record["stage"], record["rank"]]))
    mark = "" if record["level"] == "info" else f"{record['level']}: "
    line = f"{record['time'][11:23]}  {source} | {mark}{record['message']}"
    return visible("\n".join(filter(None, [line, record["fields"].get("traceback", "")])))
