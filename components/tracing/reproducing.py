"""Run again what made a number, in a folder of its own, and say whether it is the same.

dvc.lock says which stage wrote the file, by which command and from which contents. The stage runs
beside the project: its inputs are linked there, nothing that it once wrote is, and nothing of the
project is changed. Kept answers are out of its reach, so that every one is computed.
"""

from __future__ import annotations

import json
import os
import shlex
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from components.errors import UserError
from components.tracing.lock import LockedStage, find_stage
from components.tracing.products import DATA

METRICS = DATA / "metrics"
CODE = ("passport",)  # of a summary: it names the code, which a comment changes
ALSO = ("params.yaml", "data/cards")  # read by every stage
LAST_LINES = 15


@dataclass(frozen=True, slots=True)
class Reproduced:
    """A metrics file that was made again. ``differing``: the place of a number, then and now."""

    path: Path
    stage: str
    num_numbers: int
    differing: list[tuple[str, Any, Any]]
    changed_code: list[str]

    @property
    def is_equal(self) -> bool:
        """Whether every number is the same, to the last digit."""
        return not self.differing

    def tell(self) -> Iterator[str]:
        """In words, a line each."""
        if self.is_equal:
            yield f"equal: all {self.num_numbers} values of {self.path}, to the last digit"
        else:
            yield f"not equal: {len(self.differing)} of {self.num_numbers} values of {self.path}"
        for place, then, now in self.differing[:10]:
            yield f"  {place}: {then} then, {now} now"
        if self.changed_code:
            yield f"  the code has changed since: {', '.join(self.changed_code)}"


def reproduce(metric: str, tell: Callable[[str], None] = lambda _: None) -> Reproduced:
    """Make a metrics file again and compare every value but the passport's.

    UserError where no such file is there, where dvc.lock does not know it, where what it rests on
    is not what it was made of, or where the stage fails.
    """
    path = find_metrics(metric)
    stage = find_stage(path.as_posix())
    if stage is None:
        raise UserError(
            f"{path} is in no stage of dvc.lock", why="dvc.lock says what made a number",
            next_command="dvc repro",
        )  # fmt: skip
    changed = [dep for dep, md5 in stage.deps.items() if md5 != hash_like_dvc(Path(dep), md5)]
    data = [dep for dep in changed if dep.startswith("data/")]
    if data:
        raise UserError(
            f"{path} cannot be made again: {', '.join(data)} is not what it was made of",
            why="the same number needs the same inputs",
            next_command=f"dvc pull {data[0]}, or dvc repro {stage.name} for the present number",
        )
    tell(f"runs {stage.name} in a folder of its own")
    with tempfile.TemporaryDirectory(prefix="reproduce-") as name:
        then, now = _read(path), _run(stage, Path(name), path)
    numbers = dict(flatten(then))
    again = dict(flatten(now))
    places = sorted(numbers.keys() | again.keys())
    differing = [
        (place, numbers.get(place), again.get(place))
        for place in places
        if numbers.get(place, ...) != again.get(place, ...)
    ]
    return Reproduced(path, stage.name, len(places), differing, changed)


def find_metrics(metric: str) -> Path:
    """The file of a metric's name; UserError with those that are there."""
    direct = Path(metric)
    path = direct if direct.is_file() else METRICS / f"{metric}.json"
    inside = path.resolve().is_relative_to(METRICS.resolve())
    if not inside or not path.is_file():
        known = [p.relative_to(METRICS).with_suffix("") for p in sorted(METRICS.rglob("*.json"))]
        raise UserError(
            f"there is no metric {metric}",
            why="known: " + (", ".join(p.as_posix() for p in known) or f"none, {METRICS} is empty"),
            next_command="biomedgpt reproduce SIZE/DATASET",
        )
    return path if not path.is_absolute() else DATA / path.resolve().relative_to(DATA.resolve())


def hash_like_dvc(path: Path, known: str) -> str:
    """DVC's md5 of a file, or of a folder as its cache keeps it; "" where nothing is there."""
    import hashlib

    def md5(file: Path) -> str:
        with file.open("rb") as content:
            return hashlib.file_digest(
                content, lambda: hashlib.md5(usedforsecurity=False)
            ).hexdigest()

    if path.is_file():
        return md5(path)
    if not path.is_dir():
        return ""
    skipped = "__pycache__"
    entries = [
        {"md5": md5(file), "relpath": file.relative_to(path).as_posix()}
        for file in path.rglob("*")
        if file.is_file() and skipped not in file.parts and file.suffix != ".pyc"
    ]
    entries.sort(key=lambda entry: entry["relpath"])
    listed = json.dumps(entries, sort_keys=True).encode()
    suffix = ".dir" * known.endswith(".dir")
    return hashlib.md5(listed, usedforsecurity=False).hexdigest() + suffix


def _read(path: Path) -> Any:
    return json.loads(path.read_bytes())


def _run(stage: LockedStage, folder: Path, path: Path) -> Any:
    """What the stage writes for a metrics file, run in a folder that links its inputs."""
    for dep in [*stage.deps, *ALSO]:
        if Path(dep).exists() and not dep.startswith("components"):
            target = folder / dep
            target.parent.mkdir(parents=True, exist_ok=True)
            if not target.exists():
                target.symlink_to(Path(dep).resolve())
    words = [sys.executable, *shlex.split(stage.cmd)[1:]]
    paths = [str(Path.cwd()), os.environ.get("PYTHONPATH", "")]
    around = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, paths))}
    done = subprocess.run(
        words, cwd=folder, env=around, capture_output=True, text=True, check=False
    )
    made = folder / path
    if done.returncode or not made.is_file():
        last = (done.stderr or done.stdout).strip().splitlines()[-LAST_LINES:]
        raise UserError(
            f"{stage.name} failed when it was run again", why="\n        ".join(last),
            next_command=f"dvc repro --force --single-item {stage.name}, which shows all of it",
        )  # fmt: skip
    return _read(made)


def flatten(value: Any, at: str = "") -> Iterator[tuple[str, Any]]:
    """Every value of a JSON document but the passports, with the keys that lead there."""
    if isinstance(value, Mapping):
        for key, inner in value.items():
            if key not in CODE:
                yield from flatten(inner, f"{at}.{key}" if at else key)
    elif isinstance(value, list):
        for number, inner in enumerate(value):
            yield from flatten(inner, f"{at}[{number}]")
    else:
        yield at, value
