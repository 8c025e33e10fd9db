"""Case listings of SEER*Stat, as they may be exported."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from components.cards import Card
from components.errors import UserError
from components.readers.registry import read_rows
from components.records import OUTSIDE, RawRow, Reject

COLUMNS = ("Patient ID", "Age", "Stage (2018+)", "Order")
DIC = "[Export Options]\r\nVariable format={form}\r\nField delimiter={delimiter}\r\n"


@pytest.fixture
def seer(card: Callable[[str], Card]) -> Card:
    """The card with few columns, two of them facts."""
    known = card("seer_treatment")
    options = {
        "facts": "Age|Age recode; Stage|Stage (2018+)", "label": "Order", "group": "Patient ID",
        "hypothesis": "Which order?", "outside": "Unclear;Not told", "attributes": "age=Age",
    }  # fmt: skip
    answers = {"Radiation first": "radiation first", "Surgery first": "surgery first"}
    return known.model_copy(update={"options": options, "answers": answers})


def write(root: Path, *rows: str, columns: tuple[str, ...] = COLUMNS, delimiter: str = ",") -> None:
    lines = (delimiter.join(f'"{cell}"' for cell in row.split("/")) for row in rows)
    content = "\r\n".join([delimiter.join(columns), *lines])
    (root / "seer_treatment.csv").write_text(content, newline="")


def read(seer: Card, root: Path) -> tuple[list[RawRow], list[Reject]]:
    found = list(read_rows(seer, root))
    rows = [item for item in found if isinstance(item, RawRow)]
    return rows, [item for item in found if isinstance(item, Reject)]


def test_a_case_in_words(tmp_path: Path, seer: Card) -> None:
    write(
        tmp_path,
        "7/60-64 years/Distant/Surgery first", "8/Unknown/Blank(s)/Surgery first",
        "9/50-54 years/Unknown/Radiation first", "10/50-54 years/Local/Unclear",
        "11/50-54 years/Local/Both", "/50-54 years/Local/Surgery first",
    )  # fmt: skip
    rows, rejects = read(seer, tmp_path)
    assert [(row.id, row.group, row.split) for row in rows] == [
        ("seer_treatment/1", "7", "unsplit"), ("seer_treatment/3", "9", "unsplit"),
    ]  # fmt: skip
    assert rows[0].fields == {
        "premise": "Age: 60-64 years; Stage: Distant", "hypothesis": "Which order?",
        "label": "surgery first",
    }  # fmt: skip
    assert rows[1].fields["premise"] == "Age: 50-54 years"
    assert [row.attributes for row in rows] == [{"age": "40 to 64"}] * 2
    assert [(r.origin, r.reason) for r in rejects] == [
        ("seer_treatment.csv#2", "empty-facts"),
        ("seer_treatment.csv#4", OUTSIDE),
        ("seer_treatment.csv#5", "unknown-label"),
        ("seer_treatment.csv#6", "empty-group"),
    ]


@pytest.mark.parametrize("told", [True, False])
@pytest.mark.parametrize(("word", "delimiter"), [("tab", "\t"), ("semicolon", ";"), ("comma", ",")])
def test_the_delimiter_is_the_dictionarys_or_the_headers(
    tmp_path: Path, seer: Card, told: bool, word: str, delimiter: str
) -> None:
    write(tmp_path, "7/60-64 years/Distant/Surgery first", delimiter=delimiter)
    if told:
        content = DIC.format(form="quotedlabels", delimiter=word)
        (tmp_path / "seer_treatment.dic").write_text(content)
    (row,), rejects = read(seer, tmp_path)
    assert (row.group, rejects) == ("7", [])


@pytest.mark.parametrize(
    ("content", "why"),
    [
        (DIC.format(form="numeric", delimiter="comma"), "codes in place of labels"),
        (DIC.format(form="labels", delimiter="space"), "space as field delimiter"),
        ("Variable names included=false\n", "without the names"),
    ],
)
def test_an_export_that_says_too_little_is_an_error(
    tmp_path: Path, seer: Card, content: str, why: str
) -> None:
    write(tmp_path, "7/60-64 years/Distant/Surgery first")
    (tmp_path / "seer_treatment.dic").write_text(content)
    with pytest.raises(UserError, match=why) as caught:
        read(seer, tmp_path)
    assert "export it anew" in caught.value.next_command


def test_a_fact_that_was_not_exported_is_an_error(tmp_path: Path, seer: Card) -> None:
    write(tmp_path, "7/60/x/Surgery first", columns=("Patient ID", "Age", "Grade", "Order"))
    with pytest.raises(UserError, match=r"no column .*Stage\|Stage \(2018\+\)"):
        read(seer, tmp_path)


def test_a_card_that_names_no_label_is_an_error(tmp_path: Path, seer: Card) -> None:
    write(tmp_path, "7/60/x/Surgery first")
    options = {key: value for key, value in seer.options.items() if key != "label"}
    with pytest.raises(UserError, match="lacks label"):
        read(seer.model_copy(update={"options": options}), tmp_path)


def test_folds_are_of_patients(tmp_path: Path, seer: Card) -> None:
    write(tmp_path, *(f"{number // 2}/60/x/Surgery first" for number in range(20)))
    chosen = seer.model_copy(update={"options": {**seer.options, "fold": "1/5"}})
    rows, _ = read(chosen, tmp_path)
    test = [row.group for row in rows if row.split == "test"]
    assert len(test) == 4 and len(set(test)) == 2
    assert not set(test) & {row.group for row in rows if row.split == "train"}
