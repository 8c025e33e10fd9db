"""The tables that `dvc plots` draws: a row holds what a template reads."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from components.report.charts import plot_losses
from components.report.inputs import ReportInputs
from components.report.plots import MOST_POINTS, list_losses, write_plots

TEMPLATES = Path(__file__).resolve().parents[3] / ".dvc/plots"


@pytest.fixture
def tables(inputs: ReportInputs, tmp_path: Path) -> dict[str, list[dict[str, Any]]]:
    write_plots(inputs, tmp_path / "plots")
    return {path.stem: json.loads(path.read_text()) for path in (tmp_path / "plots").iterdir()}


def test_each_run_has_its_curve(
    tables: dict[str, list[dict[str, Any]]], inputs: ReportInputs
) -> None:
    rows = [row for row in tables["losses"] if row["examples"] == "training"]
    assert len({(row["run"], row["size"]) for row in rows}) == len(inputs.logs)
    own = [row for row in rows if (row["run"], row["size"]) == ("pretrained", "debug")]
    log = inputs.logs["pretrained/debug"]
    assert (own[-1]["step"], own[-1]["loss"]) == (log[-1]["step"], log[-1]["loss"])


def test_a_long_curve_is_thinned_and_keeps_its_end(inputs: ReportInputs) -> None:
    log = [{"step": step, "loss": 1 / step} for step in range(1, 10_001)]
    rows = list(list_losses(replace(inputs, logs={"pretrained/debug": log}, manifests={})))
    assert MOST_POINTS / 2 < len(rows) <= MOST_POINTS
    assert rows[-1]["step"] == 10_000
    assert [row["step"] for row in rows] == sorted(row["step"] for row in rows)


def test_a_look_at_held_out_examples_that_gave_no_number_is_no_point(inputs: ReportInputs) -> None:
    looks = [{"step": 1, "nll": None}, {"step": 2, "nll": 0.5}]
    name = "data/models/pretrained/debug"
    manifest = inputs.manifests[name] | {"notes": {"validation": {"validations": looks}}}
    changed = replace(inputs, manifests={name: manifest})
    rows = [row for row in list_losses(changed) if row["examples"] == "held out"]
    assert [(row["step"], row["loss"]) for row in rows] == [(2, 0.5)]
    assert any(
        line.held_out for panel in plot_losses(changed)["pretrained"] for line in panel.lines
    )


def test_each_headline_has_its_interval(
    tables: dict[str, list[dict[str, Any]]], inputs: ReportInputs
) -> None:
    scored = sum(map(len, [*inputs.metrics.values(), *inputs.zero_shot.values()]))
    assert len(tables["scores"]) == scored
    assert all(row["low"] <= row["score"] <= row["high"] for row in tables["scores"])
    assert {row["model"] for row in tables["scores"]} == {"fine-tuned", "zero-shot"}


@pytest.mark.parametrize("name", ["losses", "scores"])
def test_a_template_reads_fields_that_rows_have(
    name: str, tables: dict[str, list[dict[str, Any]]]
) -> None:
    template = (TEMPLATES / f"{name}.json").read_text()
    made = set(re.findall(r'"as": "([^"]+)"', template)) | {"rev"}  # the last is DVC's own
    fields = set(re.findall(r'"field": "([^"]+)"', template)) - made
    assert fields <= set(tables[name][0])
    assert '"<DVC_METRIC_DATA>"' in template
