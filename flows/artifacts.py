"""What a flow run leaves on Prefect's page: how far it is, its stages, the metrics, where to look.

They are for show: a server that is away does not stop a run, so its silence is told and passed by.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any
from uuid import UUID

import httpx
from prefect import get_run_logger
from prefect.artifacts import (
    create_link_artifact,
    create_progress_artifact,
    create_table_artifact,
    update_progress_artifact,
)

from flows.pages import FOLDERS, find_pages

METRICS = Path("data/metrics")


@contextmanager
def _for_show() -> Iterator[None]:
    try:
        yield
    except httpx.HTTPError as error:
        get_run_logger().warning(f"nothing can be shown: {type(error).__name__}")


class ProgressBar:
    """The share of a run's stages that have ended."""

    def __init__(self, num_stages: int) -> None:
        self.num_stages = max(num_stages, 1)
        self._id: UUID | None = None
        with _for_show():
            made = create_progress_artifact(0.0, "progress", f"of {num_stages} stages")
            self._id = made if isinstance(made, UUID) else None  # Prefect types it for both worlds

    def move(self, num_ended: int) -> None:
        """So many have ended."""
        with _for_show():
            if self._id:
                update_progress_artifact(self._id, 100.0 * num_ended / self.num_stages)


def show_table(key: str, rows: Sequence[Mapping[str, Any]], title: str) -> None:
    """A table; a row is a mapping from column to value."""
    with _for_show():
        create_table_artifact([dict(row) for row in rows], key, title)


def show_metrics(folder: Path = METRICS) -> None:
    """The headline score of each size and data set beside its baseline."""
    if rows := read_headlines(folder):
        show_table("metrics", rows, "Headline scores of fine-tuned models, with their baselines")


def read_headlines(folder: Path) -> list[dict[str, Any]]:
    """A row for each metrics file of a fine-tuned model: a folder per size, a file per data set."""
    rows = []
    for path in sorted(folder.glob("*/*.json")):
        found: dict[str, Any] = {}
        with suppress(FileNotFoundError):  # another command has just begun to make it anew
            found = json.loads(path.read_bytes())
        if "headline" not in found:  # zero-shot scores and probes have files of their own kind
            continue
        score = found["scores"][found["headline"]]["all"]
        names = {"size": found["size"], "data set": found["dataset"], "metric": found["headline"]}
        kept = {key: score[key] for key in ("value", "low", "high", "baseline", "n")}
        rows.append({**names, **kept})
    return rows


def show_links() -> None:
    """Where report, plots and curves are seen: while `make serve` runs, pages; else their files.

    Browsers follow no link from a page of http to a file: a file's address is to be copied.
    """
    served = find_pages()
    for key, folder in FOLDERS.items():
        if folder.exists():
            address = f"{served}/{key}/" if served else _find_file(folder).resolve().as_uri()
            with _for_show():
                create_link_artifact(address, folder.as_posix(), key)


def _find_file(folder: Path) -> Path:
    index = folder / "index.html"
    return index if index.is_file() else folder
