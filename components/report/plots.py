"""What ``dvc plots`` draws of a run, and sets beside another: losses and scores, as rows.

dvc.yaml names the files and .dvc/plots their templates; a row holds all that a template reads.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from components.report.charts import read_held_out
from components.report.inputs import ReportInputs, Scores
from components.report.scores import list_scores

MOST_POINTS = 200  # of a curve: a plot is no wider
Row = dict[str, Any]


def write_plots(inputs: ReportInputs, folder: Path) -> None:
    """Write ``losses.json`` and ``scores.json``, a list of rows each."""
    folder.mkdir(parents=True, exist_ok=True)
    tables = {"losses": list_losses(inputs), "scores": list_headlines(inputs)}
    for name, rows in tables.items():
        lines = ",\n".join(json.dumps(row, sort_keys=True) for row in rows)
        (folder / f"{name}.json").write_text(f"[\n{lines}\n]\n", encoding="utf-8")


def list_losses(inputs: ReportInputs) -> Iterator[Row]:
    """The loss of each run by step, in nats a token, and of its held-out examples where measured.

    Of pretraining it is the sum of its parts' means (images with text, text, images, detection).
    A longer curve is thinned to every n-th logged step; its last step always stays.
    """
    for folder, log in inputs.logs.items():
        stage, size, dataset = [*folder.split("/"), ""][:3]
        curves = {
            "training": [(entry["step"], entry["loss"]) for entry in log],
            "held out": read_held_out(inputs, stage, size, dataset),
        }
        run = " ".join(filter(None, [stage, inputs.title(dataset) if dataset else ""]))
        for kind, points in curves.items():
            stride = -(-len(points) // MOST_POINTS) or 1
            for step, loss in points[::-1][::stride][::-1]:
                yield {"run": run, "size": size, "examples": kind, "step": step, "loss": loss}


def list_headlines(inputs: ReportInputs) -> Iterator[Row]:
    """The headline score of each data set and size, its interval and its baseline's score."""
    yield from _list_main(inputs, inputs.metrics, "fine-tuned")
    yield from _list_main(inputs, inputs.zero_shot, "zero-shot")


def _list_main(inputs: ReportInputs, by_size: dict[str, Scores], model: str) -> Iterator[Row]:
    for row in list_scores(inputs, by_size):
        if row.is_main:
            yield {
                "model": model,
                "data set": f"{row.title}, {row.metric}",
                "size": row.size,
                "score": row.of["value"],
                **{key: row.of[key] for key in ("low", "high", "baseline", "n")},
            }
