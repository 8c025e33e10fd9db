"""Values by which the table reader groups, chooses and parts records: of any type that JSON has."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from components.cards import Card
from components.readers.registry import read_rows
from components.records import OUTSIDE, RawRow, Reject


@pytest.fixture
def read_own(
    tmp_path: Path, card: Callable[[str], Card]
) -> Callable[[list[dict[str, Any]], dict[str, str]], list[RawRow | Reject]]:
    """Records of a file without splits, read as summaries by a card with these options."""

    def read(records: list[dict[str, Any]], options: dict[str, str]) -> list[RawRow | Reject]:
        (tmp_path / "rows.jsonl").write_text("".join(f"{json.dumps(r)}\n" for r in records))
        meqsum = card("meqsum")
        files = {"all": meqsum.files["all"].model_copy(update={"patterns": ["rows.jsonl"]})}
        own = meqsum.model_copy(update={"files": files, "options": options})
        return list(read_rows(own, tmp_path))

    return read


Read = Callable[[list[dict[str, Any]], dict[str, str]], list[RawRow | Reject]]


def record(**changes: Any) -> dict[str, Any]:
    return {"text": "t", "summary": "s", **changes}


def groups(found: list[RawRow | Reject]) -> list[str]:
    return [row.group for row in found if isinstance(row, RawRow)]


def test_the_patient_of_number_0_is_a_group(read_own: Read) -> None:
    found = read_own(
        [record(patient=0), record(patient=0), record(patient=1)], {"group": "patient"}
    )
    assert groups(found) == ["0", "0", "1"]


def test_a_kind_of_number_0_is_a_category(read_own: Read) -> None:
    (row,) = read_own([record(kind=0)], {"category": "kind"})
    assert isinstance(row, RawRow)
    assert row.category == "0"


def test_records_are_chosen_by_numbers_as_by_words(read_own: Read) -> None:
    rows = [record(fold=1), record(fold=2), record(fold=" 1 ")]
    found = read_own(rows, {"test": "fold=1|3"})
    assert [row.split for row in found if isinstance(row, RawRow)] == ["test", "train", "test"]
    kept = read_own(rows, {"keep": "fold=1"})
    assert [row.reason if isinstance(row, Reject) else "" for row in kept] == ["", OUTSIDE, ""]


def test_a_column_may_have_a_dot_in_its_name(read_own: Read) -> None:
    found = read_own([{"a.text": "t", "summary": "s", "patient.id": 3}],
                     {"text": "a.text", "group": "patient.id"})  # fmt: skip
    assert groups(found) == ["3"]
