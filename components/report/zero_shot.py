"""Zero-shot as the page shows it: the models side by side, and why a set counts as unseen.

A fine-tuned model has learnt the set's own training part: it stands here as what tuning gives.
"""

from __future__ import annotations

import csv
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from components.audit.kinds import KINDS
from components.config import Params
from components.dataset.left_out import MATERIALS
from components.evaluation.alignment import RULES, Agreement, Rule, measure_agreement
from components.evaluation.conditions import CHOSEN, OPEN
from components.evaluation.intervals import Interval
from components.evaluation.scaling import compare_sizes
from components.records import Prediction, read_records
from components.report.inputs import ModelGain, ReportInputs, Scores

LABELS = Path(__file__).parent / "alignment_labels.tsv"
PRETRAINED, INSTRUCTED, FINETUNED = "pretrained", "instructed", "finetuned"
MODEL_TITLES = {
    PRETRAINED: "pretrained",
    INSTRUCTED: "instructed",
    FINETUNED: "fine-tuned on its training part",
}
WAYS = {OPEN: "own words", CHOSEN: "out of the answer set"}
ITEMS_THEMSELVES = ("same_pair", "same_text", "same_image")  # so the set was trained on


@dataclass(frozen=True, slots=True)
class ModelRow:
    """A model's headline score (``of``: value, bounds, alignment), and what instructing gained."""

    title: str
    size: str
    answers: str
    model: str
    of: dict[str, Any]
    gain: Interval | None


@dataclass(frozen=True, slots=True)
class Exclusion:
    """What the audit found of a set's test items in what the instructed models were made of."""

    title: str
    num_items: int
    found: list[tuple[str, str, int, bool]]  # material, kind, test items, whether it was left out
    is_itself: bool  # its very items are among the instructions


@dataclass(frozen=True, slots=True)
class Unseen:
    """All that the section shows beside the scores."""

    rows: list[ModelRow]
    materials: list[str]
    exclusions: list[Exclusion]
    rules: tuple[Rule, ...]
    agreement: Agreement


def compare_models(root: Path, params: Params, zero_shot: dict[str, Scores]) -> list[ModelGain]:
    """The instructed models' gains over pretrained and fine-tuned ones, where both answered.

    ``root`` is the folder of predictions.
    """
    gains = []
    for size, scores in zero_shot.items():
        for name, summary in scores.items():
            for answers in WAYS:
                unseen = root / "zero_shot" / size / name
                ours = _read(unseen / f"{INSTRUCTED}_{answers}.parquet")
                others = {
                    PRETRAINED: unseen / f"{PRETRAINED}_{answers}.parquet",
                    FINETUNED: root / size / name / "predictions.parquet",
                }
                found = {model: _read(path) for model, path in others.items()}
                gains += [
                    ModelGain(name, size, answers, model, compare_sizes(
                        theirs, ours, summary["headline"], params.evaluate, params.seed
                    ).gain)
                    for model, theirs in found.items() if ours and theirs
                ]  # fmt: skip
    return gains


def _read(path: Path) -> list[Prediction]:
    return list(read_records(path, Prediction)) if path.is_file() else []


def view_zero_shot(inputs: ReportInputs) -> Unseen:
    """The models side by side, the audit's findings, and the rules with their agreement."""
    materials = list_materials(inputs.params)
    return Unseen(
        rows=list(_list_models(inputs)),
        materials=[inputs.title(name) for name in materials],
        exclusions=[_exclude(inputs, name, materials) for name in inputs.params.zero_shot_on]
        if inputs.audit
        else [],
        rules=RULES,
        agreement=measure_agreement(read_labels()),
    )


def list_materials(params: Params) -> list[str]:
    """What instructed models are made of, as the audit names it."""
    own = [*params.pretrained_on, *params.pretraining_sources]
    return [*MATERIALS["articles"], *own, *MATERIALS["instructions"]]


def read_labels(path: Path = LABELS) -> Iterator[tuple[str, str, bool]]:
    """Questions, answers, and whether a reader found that the answer addresses the question."""
    with path.open(newline="") as file:
        for row in csv.DictReader(file, delimiter="\t"):
            yield row["question"], row["answer"], row["aligned"] == "yes"


def _list_models(inputs: ReportInputs) -> Iterator[ModelRow]:
    gains = {(g.dataset, g.size, g.answers, g.model): g.gain for g in inputs.model_gains}
    for name in inputs.params.zero_shot_on:
        for size, scores in inputs.zero_shot.items():
            compared = scores.get(name, {}).get("compared", [])
            for answers in WAYS:
                rows = [of for of in compared if of["answers"] == answers]
                tuned = inputs.metrics.get(size, {}).get(name)
                if rows and tuned:
                    main = tuned["scores"][tuned["headline"]]["all"]
                    rows.append({**main, "model": FINETUNED, "alignment": None})
                for of in rows:
                    gain = gains.get((name, size, answers, of["model"]))
                    yield ModelRow(inputs.title(name), size, answers, of["model"], of, gain)


def _exclude(inputs: ReportInputs, name: str, materials: list[str]) -> Exclusion:
    rows = [
        row for row in inputs.audit["overlaps"] if row["test"] == name and row["train"] in materials
    ]
    dropped = inputs.audit["settings"]["drop"]
    instructions = MATERIALS["instructions"]
    return Exclusion(
        title=inputs.title(name),
        num_items=max((s[name]["scores"][s[name]["headline"]]["all"]["n"]
                       for s in inputs.zero_shot.values() if name in s), default=0),
        found=[
            (inputs.title(r["train"]), KINDS[r["kind"]].title, r["num_test"], r["kind"] in dropped)
            for r in rows
        ],
        is_itself=any(r["train"] in instructions and r["kind"] in ITEMS_THEMSELVES for r in rows),
    )  # fmt: skip


def list_zero_shot_worries(
    inputs: ReportInputs,
) -> Iterator[tuple[Literal["red", "note"], str, str]]:
    """A set whose items were instructed on, and models that instructing did not help."""
    view = view_zero_shot(inputs)
    if known := [exclusion.title for exclusion in view.exclusions if exclusion.is_itself]:
        yield "red", "Not zero-shot: test items are in the instruction data", "; ".join(known)
    flat = [
        f"{row.title} ({row.size}, {WAYS[row.answers]})"
        for row in view.rows
        if row.model == PRETRAINED and row.gain and not row.gain.above_zero
    ]
    if flat:
        title = "Zero-shot: instruction tuning is no significant gain over the pretrained model"
        yield "note", title, "; ".join(flat)
