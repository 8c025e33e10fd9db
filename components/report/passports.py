"""What each score rests on, as the page shows it: one passport per data set and size."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from components.report.inputs import ReportInputs, Scores
from components.report.scores import ScoreRow, list_scores

SHOWN_HASH = 16  # characters; the whole stands in the metrics JSON


@dataclass(frozen=True, slots=True)
class FactRow:
    """A fact in words; ``sha256`` is shortened, and empty where the fact is no content."""

    name: str
    words: str
    sha256: str
    path: str


@dataclass(frozen=True, slots=True)
class Passport:
    """The headline score, and what it and the other scores of its data set rest on."""

    score: ScoreRow
    zero_shot: bool
    metrics: str
    facts: list[FactRow]


def list_passports(inputs: ReportInputs) -> list[Passport]:
    """Those of fine-tuned scores, then of zero-shot ones; a run without any has none."""
    return [*_read(inputs, inputs.metrics, False), *_read(inputs, inputs.zero_shot, True)]


def _read(inputs: ReportInputs, by_size: dict[str, Scores], zero_shot: bool) -> list[Passport]:
    main = [row for row in list_scores(inputs, by_size) if row.is_main]
    found = [(row, by_size[row.size][row.dataset]) for row in main]
    return [
        Passport(
            row,
            zero_shot,
            ", ".join(f"{metric['name']} {metric['version']}" for metric in summary["metrics"]),
            [_lay_out(fact) for fact in summary["passport"]],
        )
        for row, summary in found
        if "passport" in summary
    ]


def _lay_out(fact: dict[str, Any]) -> FactRow:
    words = ", ".join(
        f"{key.replace('_', ' ')} {_print(value)}"
        for key, value in fact["value"].items()
        if value not in ("", None)
    )
    return FactRow(fact["name"], words, fact.get("sha256", "")[:SHOWN_HASH], fact.get("path", ""))


def _print(value: Any) -> str:
    return ", ".join(map(str, value)) if isinstance(value, list) else str(value)
