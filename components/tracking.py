"""The one door to DVCLive and TensorBoard: a run's curves while it runs.

``data/live/<run>`` holds a table per curve, which ``dvc plots`` and editors read, and
``data/tensorboard/<run>`` event files. They hold times, so they are no product of a stage: what is
the same for the same run is in the model's folder (``log.jsonl``, and ``curves.tsv`` for DVC).
A run that goes on from a checkpoint goes on in them; what it does again is cut first.
"""

from __future__ import annotations

import csv
import os
import shutil
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Protocol

LIVE, EVENTS = Path("data/live"), Path("data/tensorboard")
FLUSH_S = 10
CURVES = "curves.tsv"

Write = Callable[[int, Mapping[str, float]], None]


class Tracker(Protocol):
    """Takes the numbers of a step."""

    def write(self, step: int, values: Mapping[str, float]) -> None:
        """Append them to the run's curves."""
        ...

    def close(self) -> None:
        """Bring to the disk what is not there yet."""
        ...


class LiveTables:
    """DVCLive: a table of step and value for each name, and the newest values in metrics.json.

    It saves no experiment, writes no dvc.yaml and posts nothing, wherever a token may lie.
    """

    def __init__(self, run: str, first_step: int) -> None:
        os.environ["DVC_STUDIO_OFFLINE"] = "true"
        from dvclive.live import Live

        folder = LIVE / run
        cut_tables(folder, first_step)
        self.live: Any = Live(  # half of its methods are typed
            str(folder), resume=first_step > 1, save_dvc_exp=False, dvcyaml=None
        )

    def write(self, step: int, values: Mapping[str, float]) -> None:
        """Append a line to each table."""
        self.live.step = step
        for name, value in values.items():
            self.live.log_metric(name, value)
        self.live.make_summary()

    def close(self) -> None:
        """Nothing: each line is on the disk when it is written."""


class EventFiles:
    """TensorBoard's event files, by tensorboardX: TensorBoard itself is only needed to look."""

    def __init__(self, run: str, first_step: int) -> None:
        from tensorboardX import SummaryWriter

        folder = EVENTS / run
        if first_step == 1:
            shutil.rmtree(folder, ignore_errors=True)
        self.writer = SummaryWriter(
            str(folder),
            purge_step=first_step,
            flush_secs=FLUSH_S,
            filename_suffix=f".{first_step}",  # a name otherwise holds no more than the second
        )

    def write(self, step: int, values: Mapping[str, float]) -> None:
        """Add a scalar for each name."""
        for name, value in values.items():
            self.writer.add_scalar(name, value, step)

    def close(self) -> None:
        """Flush and close the file."""
        self.writer.close()


TRACKERS: dict[str, Callable[[str, int], Tracker]] = {
    "dvclive": LiveTables,
    "tensorboard": EventFiles,
}


@contextmanager
def track_run(names: Sequence[str], run: str) -> Iterator[Write]:
    """Yield a function that hands the numbers of a step to each tracker named.

    They are opened by the first call, whose step says what an earlier process wrote in vain.
    """
    trackers: list[Tracker] = []

    def write(step: int, values: Mapping[str, float]) -> None:
        if not trackers:
            trackers.extend(TRACKERS[name](run, step) for name in names)
        for tracker in trackers:
            tracker.write(step, values)

    try:
        yield write
    finally:
        for tracker in trackers:
            tracker.close()


def cut_tables(folder: Path, first_step: int) -> None:
    """Drop from a run's tables the lines of ``first_step`` and later, and a torn last line."""
    for path in folder.rglob("*.tsv"):
        header, *lines = path.read_text().splitlines(keepends=True) or [""]
        kept = [line for line in lines if line.endswith("\n") and _step(line) < first_step]
        path.write_text("".join([header, *kept]))


def _step(line: str) -> int:
    return int(line.split("\t", 1)[0])


def write_curves(log: Iterable[Mapping[str, Any]], path: Path) -> None:
    """The log as a table that ``dvc plots`` reads: a line per logged step, a column per number.

    What stands under a key has the column ``key/name``; a number that a step lacks is empty.
    """
    rows = [_flatten(entry) for entry in log]
    names = list(dict.fromkeys(name for row in rows for name in row))
    with path.open("w", newline="") as file:
        table = csv.DictWriter(file, names, delimiter="\t", lineterminator="\n")
        table.writeheader()
        table.writerows(rows)


def _flatten(entry: Mapping[str, Any]) -> dict[str, Any]:
    flat: dict[str, Any] = {}
    for key, value in entry.items():
        if isinstance(value, Mapping):
            flat.update({f"{key}/{name}": number for name, number in value.items()})
        else:
            flat[key] = value
    return flat
