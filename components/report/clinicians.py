"""What clinicians found, as rows of a table (components/rating)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from components.report.inputs import ReportInputs


@dataclass(frozen=True, slots=True)
class RatedRow:
    """One source on one scale."""

    scale: str
    levels: int
    source: str
    of: dict[str, Any]


@dataclass(frozen=True, slots=True)
class Rated:
    """An unblinded study."""

    key_sha256: str
    raters: int
    questions: int
    rows: list[RatedRow]
    agreement: dict[str, Any]


def view_rated(inputs: ReportInputs) -> Rated | None:
    """The results of the study, the reference first; None where none was unblinded."""
    found = inputs.rating
    if not found:
        return None
    order = ["reference", *inputs.params.sizes, "baseline"]
    rows = [
        RatedRow(scale, found["levels"][scale], source, found["scales"][scale][source])
        for scale in found["levels"]
        for source in sorted(found["scales"][scale], key=lambda name: (name not in order,
                             order.index(name) if name in order else 0))
    ]  # fmt: skip
    return Rated(found["key_sha256"], found["raters"], found["questions"], rows, found["agreement"])
