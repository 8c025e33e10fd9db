"""The audit as the page shows it: what is official, how sure a kind is, evidence side by side."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from components.audit.kinds import KINDS, Kind
from components.audit.wordruns import BEGIN, END
from components.report.inputs import ReportInputs

# The very test item, or its image, was learnt: its score says nothing of what is unseen.
LEAKS = ("same_pair", "same_image", "same_text")


@dataclass(frozen=True, slots=True)
class OverlapRow:
    """Test items of one set that share something with one material."""

    kind: Kind
    test: str
    train: str
    num_test: int
    of_test: int
    official: str  # why the set's own makers left it so; "" where it is none of their doing
    dropped: bool  # the training items are left out


@dataclass(frozen=True, slots=True)
class Evidence:
    """One finding: what the test item says, what stands in training, and their images."""

    test: str
    test_id: str
    train: str
    train_id: str
    told: str
    num_more: int
    withheld: bool  # one of both is of a set of which no record may be shown
    test_text: str
    passage: list[tuple[str, bool]]  # words, and whether they are shared
    images: list[tuple[str, bytes]]  # whose, and a JPEG


def list_overlaps(inputs: ReportInputs) -> list[OverlapRow]:
    """A row for each kind, test set and material, the gravest kinds first."""
    return [
        OverlapRow(
            kind=KINDS[row["kind"]],
            test=inputs.title(row["test"]),
            train=inputs.title(row["train"]),
            num_test=row["num_test"],
            of_test=row["of_test"],
            official=find_official(inputs, row),
            dropped=row["kind"] in inputs.audit["settings"]["drop"],
        )
        for row in inputs.audit.get("overlaps", [])
    ]


def find_leaks(inputs: ReportInputs) -> dict[str, list[OverlapRow]]:
    """The leaks of each data set's test split that training did not leave out, for its score."""
    pairs = zip(inputs.audit.get("overlaps", []), list_overlaps(inputs), strict=True)
    found: dict[str, list[OverlapRow]] = {}
    for told, row in pairs:
        if told["kind"] in LEAKS and not row.dropped:
            found.setdefault(told["test"], []).append(row)
    return found


def find_official(inputs: ReportInputs, row: Mapping[str, Any]) -> str:
    """What the card says of this overlap within its own set."""
    card = inputs.cards.get(row["test"])
    return card.overlaps.get(row["kind"], "") if card and row["test"] == row["train"] else ""


def list_evidence(inputs: ReportInputs) -> list[tuple[Kind, list[Evidence]]]:
    """The findings to look at by kind, the gravest first."""
    rows = inputs.audit.get("evidence", [])
    kinds = [name for name in KINDS if any(row["kind"] == name for row in rows)]
    return [(KINDS[name], _show(inputs, [r for r in rows if r["kind"] == name])) for name in kinds]


def _show(inputs: ReportInputs, rows: list[dict[str, Any]]) -> list[Evidence]:
    return [
        Evidence(
            test=inputs.title(row["test"]),
            test_id="" if withheld else row["test_id"],  # of one's own sets the name of a file
            train=inputs.title(row["train"]),
            train_id="" if withheld else row["train_id"],
            told=row["evidence"],
            num_more=row["num_items"] - 1,
            withheld=withheld,
            test_text="" if withheld else row["test_text"],
            passage=[] if withheld else split_passage(row["passage"]),
            images=[] if withheld else _find_images(inputs, row),
        )
        for row in rows
        for withheld in [inputs.withholds(row["test"]) or inputs.withholds(row["train"])]
    ]


def _find_images(inputs: ReportInputs, row: Mapping[str, Any]) -> list[tuple[str, bytes]]:
    return [
        (side, inputs.overlap_pictures[row[f"{side}_image"]])
        for side in ("test", "train")
        if row[f"{side}_image"] in inputs.overlap_pictures
    ]


def split_passage(passage: str) -> list[tuple[str, bool]]:
    """A quotation cut where the shared words begin and end."""
    before, begins, rest = passage.partition(BEGIN)
    shared, _, after = rest.partition(END)
    parts = [(before, False), (shared, True), (after, False)] if begins else [(passage, False)]
    return [(words.strip(), is_shared) for words, is_shared in parts if words.strip()]
