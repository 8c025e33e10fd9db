"""TREC's topics, judgements and trials, in archives and in folders, whole and broken."""

from __future__ import annotations

import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest

from components.cards import Card
from components.errors import UserError
from components.readers.registry import read_rows
from components.readers.trec_trials import LONGEST_TRIAL
from components.records import SPLITS, UNSPLIT, RawRow
from tests.components.readers.conftest import Split

Read = Callable[[str, Path], Split]
TRIAL = """<?xml version="1.0"?><clinical_study><brief_title>Trial of X</brief_title>
<brief_summary><textblock>Summary.</textblock></brief_summary>
<condition>Asthma</condition><condition>Cough</condition>
<eligibility><criteria><textblock>
  Inclusion Criteria:
    -  Wheezing
</textblock></criteria><gender>All</gender><minimum_age>18 Years</minimum_age>
<maximum_age>N/A</maximum_age></eligibility></clinical_study>"""
WORDED = (
    "Trial of X. conditions: Asthma, Cough. sex All, from 18 Years. "
    "Inclusion Criteria: - Wheezing. Summary."
)


def write(root: Path, judgements: str, trials: dict[str, str] | None = None) -> None:
    topics = "".join(f'<topic number="{n}">\n Patient\n {n}. </topic>' for n in range(1, 21))
    (root / "topics2022.xml").write_text(f"<topics>{topics}</topics>")
    (root / "qrels2022.txt").write_text(judgements)
    with zipfile.ZipFile(root / "ClinicalTrials.2021-04-27.part1.zip", "w") as archive:
        for number, text in (trials or {"NCT00000001": TRIAL}).items():
            archive.writestr(f"part1/NCT0000xxxx/{number}.xml", text)
        archive.writestr("../../NCT99999999.xml", "never read")


def test_a_row_per_judgement(tmp_path: Path, read: Read) -> None:
    write(tmp_path, "1 0 NCT00000001 2\n2\t0\tNCT00000001\t1\n\n3 0 NCT00000001 0\n")
    rows, rejects = read("trec_ct", tmp_path)
    assert rejects == []
    assert [(row.id, row.group, row.fields["label"]) for row in rows] == [
        ("1/NCT00000001", "1", "yes"),
        ("2/NCT00000001", "2", "no"),
        ("3/NCT00000001", "3", "maybe"),
    ]
    assert rows[0].fields["premise"] == "Patient 1."
    assert rows[0].fields["hypothesis"] == WORDED
    assert rows[1].origin == "qrels2022.txt#2"


def test_trials_in_folders_read_the_same(tmp_path: Path, read: Read) -> None:
    write(tmp_path, "1 0 NCT00000001 2\n")
    (tmp_path / "ClinicalTrials.2021-04-27.part1.zip").unlink()
    (tmp_path / "part1/NCT0000xxxx").mkdir(parents=True)
    (tmp_path / "part1/NCT0000xxxx/NCT00000001.xml").write_text(TRIAL)
    rows, rejects = read("trec_ct", tmp_path)
    assert (rows[0].fields["hypothesis"], rejects) == (WORDED, [])


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        ("99 0 NCT00000001 2", "missing-topic"),
        ("2 0 NCT00000002 2", "missing-trial"),
        ("2 0 NCT00000003 2", "broken-xml"),
        ("2 0 NCT00000004 2", "missing-brief_title"),
        ("2 0 NCT00000005 2", "trial-too-long"),
        ("2 0 NCT00000001 3", "unknown-label"),
        ("1 0 NCT00000001 0", "judged-twice"),
        ("2 NCT00000001 2", "wrong-number-of-cells"),
    ],
)
def test_a_judgement_that_cannot_be_used_is_named(
    tmp_path: Path, read: Read, line: str, reason: str
) -> None:
    trials = {
        "NCT00000001": TRIAL,
        "NCT00000003": "<clinical_study><cut",
        "NCT00000004": "<clinical_study/>",
        "NCT00000005": " " * (LONGEST_TRIAL + 1),
    }
    write(tmp_path, f"1 0 NCT00000001 2\n{line}\n", trials)
    rows, rejects = read("trec_ct", tmp_path)
    assert [row.id for row in rows] == ["1/NCT00000001"]
    assert [(r.origin, r.reason.replace("empty", "missing")) for r in rejects] == [
        ("qrels2022.txt#2", reason)
    ]


def test_entities_are_never_resolved(tmp_path: Path, read: Read) -> None:
    evil = TRIAL.replace(
        "<clinical_study>",
        '<!DOCTYPE x [<!ENTITY f SYSTEM "file:///etc/hostname">]><clinical_study>',
    ).replace("Wheezing", "&f;")
    write(tmp_path, "1 0 NCT00000001 2\n", {"NCT00000001": evil})
    rows, _ = read("trec_ct", tmp_path)
    assert "Inclusion Criteria: - &f;" in str(rows[0].fields["hypothesis"])


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("topics2022.xml", b"<topics><cut"),
        ("topics2022.xml", b"<topics/>"),
        ("ClinicalTrials.2021-04-27.part1.zip", b"PK and then nothing"),
    ],
)
def test_files_that_cannot_be_read_are_errors(
    tmp_path: Path, read: Read, name: str, content: bytes
) -> None:
    write(tmp_path, "1 0 NCT00000001 2\n")
    (tmp_path / name).write_bytes(content)
    with pytest.raises(UserError, match=name):
        read("trec_ct", tmp_path)


def test_each_topic_is_tested_in_one_of_the_folds(
    tmp_path: Path, card: Callable[[str], Card]
) -> None:
    write(tmp_path, "".join(f"{topic} 0 NCT00000001 2\n" for topic in range(1, 21)))
    tested: list[str] = []
    checked: list[str] = []
    for number in range(1, 11):
        chosen = card("trec_ct").model_copy(update={"options": {"fold": f"{number}/10"}})
        rows = [row for row in read_rows(chosen, tmp_path) if isinstance(row, RawRow)]
        splits = {s: [row.group for row in rows if row.split == s] for s in SPLITS}
        assert [len(splits[split]) for split in SPLITS] == [16, 2, 2]
        tested += splits["test"]
        checked += splits["validation"]
    assert tested == [*checked[-2:], *checked[:-2]]
    assert sorted(tested, key=int) == [str(topic) for topic in range(1, 21)]


def test_without_a_fold_no_split_is_made(tmp_path: Path, card: Callable[[str], Card]) -> None:
    write(tmp_path, "1 0 NCT00000001 2\n")
    (row,) = read_rows(card("trec_ct").model_copy(update={"options": {}}), tmp_path)
    assert isinstance(row, RawRow) and row.split == UNSPLIT


@pytest.mark.parametrize("fold", ["11/10", "0/10", "3", "a/b", "-1/10", "1/2"])
def test_a_fold_that_is_none_is_an_error(
    tmp_path: Path, card: Callable[[str], Card], fold: str
) -> None:
    write(tmp_path, "1 0 NCT00000001 2\n")
    chosen = card("trec_ct").model_copy(update={"options": {"fold": fold}})
    with pytest.raises(UserError, match=r"trec_ct\.yaml: fold is") as caught:
        list(read_rows(chosen, tmp_path))
    assert "3/10" in caught.value.why
