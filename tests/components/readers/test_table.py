"""The table reader over each of its cards' official layouts, whole and broken."""

from __future__ import annotations

import json
import re
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from openpyxl import Workbook

from components.cards import Card, load_card
from components.errors import UserError
from components.readers.registry import check_reader, read_rows
from components.records import OUTSIDE, RawRow
from tests.components.readers.conftest import Split

Read = Callable[[str, Path], Split]


def write_json(path: Path, value: Any) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(value))


def write_lines(path: Path, values: list[Any]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(json.dumps(value) + "\n" for value in values))


def touch(path: Path, content: bytes = b"picture") -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    return path


def question(**changes: Any) -> dict[str, Any]:
    record = {
        "qid": 1,
        "image_name": "a.jpg",
        "answer": "Yes",
        "answer_type": "CLOSED ",
        "question": "Is it?\tReally?",
    }
    return record | changes


def write_vqa_rad(root: Path, train: list[Any], prefix: str = "") -> None:
    write_json(root / prefix / "trainset.json", train)
    write_json(root / prefix / "testset.json", [question(answer=3, answer_type="OPEN")])
    touch(root / prefix / "images/a.jpg")


@pytest.mark.parametrize("prefix", ["", "data_RAD"])
def test_vqa_rad(tmp_path: Path, read: Read, prefix: str) -> None:
    write_vqa_rad(tmp_path, [question()], prefix)
    rows, rejects = read("vqa_rad", tmp_path)
    assert not rejects
    train, test = rows
    assert (train.split, test.split) == ("train", "test")
    assert train.fields == {"question": "Is it?\tReally?", "answer": "Yes"}
    assert (train.category, test.category, test.fields["answer"]) == ("closed", "open", "3")
    assert train.image == tmp_path / prefix / "images/a.jpg"
    assert train.group == "a.jpg"
    assert train.origin == f"{prefix + '/' if prefix else ''}trainset.json#1"
    assert train.id != test.id


@pytest.mark.parametrize(
    ("record", "reason"),
    [
        (question(question=""), "empty-question"),
        (question(answer=None), "missing-answer"),
        (question(answer=["Yes"]), "wrong-type"),
        (question(image_name="b.jpg"), "missing-image"),
        (question(image_name=""), "missing-image"),
        (question(image_name=7), "missing-image"),
        (question(image_name="x" * 300 + ".jpg"), "missing-image"),
        (question(image_name="../secret.jpg"), "path-outside"),
        (question(image_name="..\\secret.jpg"), "path-outside"),
        (question(image_name="/etc/passwd"), "path-outside"),
        (question(image_name="C:\\a.jpg"), "path-outside"),
        (question(image_name="a\0.jpg"), "path-outside"),
        (question(image_name="link.jpg"), "path-outside"),
        ("text", "not-an-object"),
    ],
)
def test_broken_questions_are_named_and_the_rest_is_read(
    tmp_path: Path, read: Read, record: Any, reason: str
) -> None:
    root = tmp_path / "raw"
    write_vqa_rad(root, [question(), record, question()])
    touch(root / "secret.jpg")
    touch(tmp_path / "outside.jpg")
    (root / "images/link.jpg").symlink_to(tmp_path / "outside.jpg")
    rows, rejects = read("vqa_rad", root)
    assert len(rows) == 3
    assert [(r.origin, r.reason) for r in rejects] == [("trainset.json#2", reason)]


def test_missing_file_names_path_licence_and_way(tmp_path: Path, read: Read) -> None:
    with pytest.raises(UserError) as raised:
        read("vqa_rad", tmp_path)
    for part in (str(tmp_path / "trainset.json"), "CC0", "open", "acquire.mode"):
        assert part in str(raised.value)


def test_slake_keeps_english_only(tmp_path: Path, read: Read) -> None:
    base = {
        "img_name": "xmlab1/source.jpg", "question": "Which organ?", "answer": "Lung",
        "answer_type": "OPEN", "modality": "X-Ray", "q_lang": "en",
    }  # fmt: skip
    no_language = {key: value for key, value in base.items() if key != "q_lang"}
    write_json(tmp_path / "train.json", [base, base | {"q_lang": "zh"}, no_language])
    write_json(tmp_path / "validate.json", [base | {"modality": "MRI"}])
    write_json(tmp_path / "test.json", [base | {"modality": "CT"}])
    touch(tmp_path / "imgs/xmlab1/source.jpg")
    rows, rejects = read("slake", tmp_path)
    assert [(row.split, row.modality) for row in rows] == [
        ("train", "xray"), ("validation", "mr"), ("test", "ct"),
    ]  # fmt: skip
    assert [(r.origin, r.reason) for r in rejects] == [
        ("train.json#2", OUTSIDE), ("train.json#3", "missing-q_lang"),
    ]  # fmt: skip


def test_pathvqa_json_groups_by_content(tmp_path: Path, read: Read) -> None:
    touch(tmp_path / "images/train/1.jpg", b"same")
    touch(tmp_path / "images/train/2.jpg", b"same")
    touch(tmp_path / "images/test/3.jpg", b"other")
    base = {"question": "what is it?", "answer": "liver"}
    write_json(
        tmp_path / "train.json",
        [base | {"image_path": f"images\\train\\{n}.jpg"} for n in (1, 2)],
    )
    write_json(
        tmp_path / "test.json", [base | {"image_path": "images\\test\\3.jpg", "answer": "no"}]
    )
    rows, rejects = read("pathvqa", tmp_path)
    assert not rejects
    assert rows[0].group == rows[1].group != rows[2].group
    assert [row.category for row in rows] == ["open", "open", "closed"]
    assert rows[0].modality == "histology"


def test_pathvqa_parquet(tmp_path: Path, read: Read) -> None:
    records = [
        {"image": {"bytes": b"same", "path": None}, "question": "what?", "answer": "liver"},
        {"image": {"bytes": b"same", "path": None}, "question": "is it?", "answer": "yes"},
        {"image": None, "question": "what?", "answer": "liver"},
    ]
    for split in ("train", "validation", "test"):
        path = tmp_path / "data" / f"{split}-00000-of-00001-abc.parquet"
        path.parent.mkdir(exist_ok=True)
        pq.write_table(pa.Table.from_pylist(records), path)
    rows, rejects = read("pathvqa", tmp_path)
    assert [row.split for row in rows] == ["train"] * 2 + ["validation"] * 2 + ["test"] * 2
    assert rows[0].image == b"same" and rows[0].group == rows[1].group
    assert {r.reason for r in rejects} == {"missing-image"} and len(rejects) == 3


def test_medpix(tmp_path: Path, read: Read) -> None:
    base = {
        "Type": "CT", "U_id": "MPX1", "image": "MPX1_a", "Description": {"Caption": "A mass."},
        "Location Category": "Thorax",
    }  # fmt: skip
    empty = base | {"Description": {"Caption": None}}
    folder = tmp_path / "MedPix-2-0"
    for name in ("train", "dev", "test"):
        write_lines(folder / f"splitted_dataset/descriptions_{name}.jsonl", [base, empty])
    touch(folder / "images/MPX1_a.png")
    rows, rejects = read("medpix", tmp_path)
    assert [row.split for row in rows] == ["train", "validation", "test"]
    row = rows[0]
    assert (row.fields["caption"], row.modality, row.group, row.category) == (
        "A mass.", "ct", "MPX1", "Thorax",
    )  # fmt: skip
    assert isinstance(row.image, Path) and row.image.is_file()
    assert {r.reason for r in rejects} == {"missing-caption"}


def test_mednli(tmp_path: Path, read: Read) -> None:
    labels = {"entailment": "yes", "contradiction": "no", "neutral": "maybe"}
    base = {"sentence1": "He has fever. " * 20, "sentence2": "He is ill."}
    for name in ("train", "dev", "test"):
        records = [base | {"gold_label": label} for label in (*labels, "-")]
        write_lines(tmp_path / f"mli_{name}_v1.jsonl", records)
    rows, rejects = read("mednli", tmp_path)
    assert [row.fields["label"] for row in rows] == list(labels.values()) * 3
    assert len({row.group for row in rows}) == 1
    assert [r.reason for r in rejects] == ["unknown-label"] * 3


def write_workbook(path: Path, rows: list[list[Any]]) -> None:
    workbook = Workbook()
    sheet = workbook.active
    assert sheet is not None
    sheet.title = "QS"
    for row in rows:
        sheet.append(row)
    workbook.save(path)


def test_meqsum(tmp_path: Path, read: Read) -> None:
    write_workbook(
        tmp_path / "MeQSum_ACL2019_BenAbacha_Demner-Fushman.xlsx",
        [
            ["File", "CHQ", "Summary", None],
            ["1.txt", "SUBJECT: x\nMESSAGE: who makes it", "Who makes x?", None],
            [None, None, None, None],
            ["2.txt", "who", None, None],
            ["3.txt", 12, "Twelve?", None],
        ],
    )
    rows, rejects = read("meqsum", tmp_path)
    assert [(row.split, row.group, row.fields["text"]) for row in rows] == [
        ("unsplit", "1.txt", "SUBJECT: x\nMESSAGE: who makes it"),
        ("unsplit", "3.txt", "12"),
    ]
    assert [r.reason for r in rejects] == ["missing-summary"]


def test_a_row_of_a_workbook_with_more_cells_than_the_header_is_told(
    tmp_path: Path, read: Read
) -> None:
    """A comma too many when it was pasted shifts what stands right of it: none of it is trusted."""
    write_workbook(
        tmp_path / "MeQSum.xlsx",
        [
            ["File", "CHQ", "Summary"],
            ["1.txt", "who", "Who?"],
            ["2.txt", "who", "and what", "Who and what?"],
            ["3.txt", "who", "Who?", " "],
        ],
    )
    rows, rejects = read("meqsum", tmp_path)
    assert [row.group for row in rows] == ["1.txt", "3.txt"]
    assert [(r.origin, r.reason) for r in rejects] == [("MeQSum.xlsx#2", "wrong-number-of-cells")]
    assert rejects[0].detail == "4 cells under 3 columns"


def test_a_workbook_without_a_header_is_an_error(tmp_path: Path, read: Read) -> None:
    write_workbook(tmp_path / "MeQSum.xlsx", [[None, None], ["File", "CHQ"]])
    with pytest.raises(UserError, match=r"MeQSum\.xlsx") as caught:
        read("meqsum", tmp_path)
    assert "no header row" in caught.value.why


def test_a_workbook_without_the_sheet_names_those_that_it_has(tmp_path: Path, read: Read) -> None:
    book = Workbook()
    book.create_sheet("Notes")
    book.save(tmp_path / "MeQSum.xlsx")
    with pytest.raises(UserError, match=r"MeQSum\.xlsx") as caught:
        read("meqsum", tmp_path)
    assert "no sheet QS; its sheets are Sheet, Notes" in caught.value.why


def test_a_workbook_that_names_a_column_twice_is_an_error(tmp_path: Path, read: Read) -> None:
    book = Workbook()
    assert book.active is not None
    book.active.title = "QS"
    for row in (["CHQ", "Summary", "CHQ"], ["long", "short", "another"]):
        book.active.append(row)
    book.save(tmp_path / "MeQSum.xlsx")
    with pytest.raises(UserError, match=r"MeQSum\.xlsx") as caught:
        read("meqsum", tmp_path)
    assert "names CHQ twice" in caught.value.why


@pytest.mark.parametrize(
    ("changes", "what"),
    [
        ({"task": "answer"}, "the reader table reads no records of the task answer"),
        ({"options": {"keep": "q_lang"}}, "options.keep is 'q_lang'"),
        ({"options": {"test": "phrase_type"}}, "options.test is 'phrase_type'"),
    ],
)
def test_a_card_that_does_not_fit_its_reader_is_an_error(
    repository: Path, changes: dict[str, Any], what: str
) -> None:
    card = load_card("vqa_rad", repository / "data/cards").model_copy(update=changes)
    with pytest.raises(UserError, match=re.escape(what)):
        check_reader(card)


@pytest.mark.parametrize("keep", [0, 10, 500])
def test_a_broken_workbook_is_an_error(tmp_path: Path, read: Read, keep: int) -> None:
    path = tmp_path / "MeQSum.xlsx"
    write_workbook(path, [["File", "CHQ", "Summary"], ["1", "a", "b"]])
    path.write_bytes(path.read_bytes()[:keep])
    with pytest.raises(UserError, match=r"MeQSum\.xlsx"):
        read("meqsum", tmp_path)


def test_broken_parquet_is_an_error(tmp_path: Path, read: Read) -> None:
    for split in ("train", "test"):
        (tmp_path / f"{split}-0.parquet").write_bytes(b"PAR1 and then nothing")
    with pytest.raises(UserError, match=r"train-0\.parquet"):
        read("pathvqa", tmp_path)


def test_an_unknown_format_or_reader_is_an_error(
    tmp_path: Path, card: Callable[[str], Card]
) -> None:
    meqsum = card("meqsum")
    odd = meqsum.files["all"].model_copy(update={"patterns": ["*.odd"]})
    (tmp_path / "a.odd").write_text("x")
    with pytest.raises(UserError, match=r"\.xlsx"):
        list(read_rows(meqsum.model_copy(update={"files": {"all": odd}}), tmp_path))
    with pytest.raises(UserError, match="no reader named"):
        read_rows(meqsum.model_copy(update={"reader": "none"}), tmp_path)


def test_ids_are_unique_over_files(tmp_path: Path, read: Read) -> None:
    write_vqa_rad(tmp_path, [question() for _ in range(5)])
    rows, _ = read("vqa_rad", tmp_path)
    assert len({row.id for row in rows}) == len(rows) == 6
    assert all(isinstance(row, RawRow) for row in rows)


@pytest.mark.parametrize("part", ["xl/workbook.xml", "[Content_Types].xml", "xl/styles.xml"])
def test_a_workbook_with_a_damaged_part_is_an_error_that_names_it(
    part: str, tmp_path: Path, read: Read
) -> None:
    book = Workbook()
    book.active.append(["File", "CHQ", "Summary"])  # type: ignore[union-attr]
    book.save(tmp_path / "whole.xlsx")
    damaged = tmp_path / "MeQSum_ACL2019_BenAbacha_Demner-Fushman.xlsx"
    with zipfile.ZipFile(tmp_path / "whole.xlsx") as old, zipfile.ZipFile(damaged, "w") as new:
        for name in old.namelist():
            new.writestr(name, b"<broken" if name == part else old.read(name))
    (tmp_path / "whole.xlsx").unlink()
    with pytest.raises(UserError, match="MeQSum_ACL2019"):
        read("meqsum", tmp_path)


@pytest.mark.parametrize(
    ("option", "column"), [("group", "imag_nam"), ("category", "answer_typ"), ("answer", "anser")]
)
def test_a_column_that_no_record_has_is_named(
    tmp_path: Path, card: Callable[[str], Card], option: str, column: str
) -> None:
    write_vqa_rad(tmp_path, [question(), question()])
    known = card("vqa_rad")
    mistyped = known.model_copy(update={"options": {**known.options, option: column}})
    with pytest.raises(UserError, match=rf"trainset\.json has no column .*{option}: {column}") as e:
        list(read_rows(mistyped, tmp_path))
    assert "answer, answer_type, image_name, qid, question" in e.value.why


def test_a_column_that_some_record_has_may_be_missing_in_others(tmp_path: Path, read: Read) -> None:
    bare = {k: v for k, v in question().items() if k != "answer_type"}
    write_vqa_rad(tmp_path, [bare, question(answer_type=None)])
    rows, rejects = read("vqa_rad", tmp_path)
    assert len(rows) == 3 and not rejects


def test_json_in_another_encoding_says_so(tmp_path: Path, read: Read) -> None:
    write_vqa_rad(tmp_path, [question()])
    path = tmp_path / "trainset.json"
    path.write_text(path.read_text(), encoding="utf-16")
    with pytest.raises(UserError, match=r"trainset\.json cannot be read") as caught:
        read("vqa_rad", tmp_path)
    assert "UTF-16" in caught.value.why


def test_frames_and_signals_are_read_or_told(tmp_path: Path, read: Read) -> None:
    asked = {"question": "does it grow?", "answer": "no", "group": "a"}
    rows = [
        asked | {"frames": ["1.png", "2.png"]},
        asked | {"frames": ["1.png", "gone.png"]},
        asked | {"frames": []},
        asked | {"frames": "1.png"},
        asked | {"frames": ["../../1.png"]},
    ]
    for split in ("train", "test"):
        write_lines(tmp_path / f"{split}.jsonl", rows)
    touch(tmp_path / "images/1.png")
    touch(tmp_path / "images/2.png")
    found, rejects = read("cine", tmp_path)
    assert [[path.name for path in row.frames] for row in found] == [["1.png", "2.png"]] * 2
    assert [(r.origin, r.reason) for r in rejects[:4]] == [
        ("train.jsonl#2", "missing-image"),
        ("train.jsonl#3", "missing-image"),
        ("train.jsonl#4", "wrong-type"),
        ("train.jsonl#5", "path-outside"),
    ]


@pytest.mark.parametrize(
    ("signal", "reason"),
    [
        ([1, 2.5, -3], ""),
        ([], "missing-signal"),
        (None, "missing-signal"),
        ("1 2 3", "wrong-type"),
        ([1, "2"], "bad-signal"),
        ([1, True], "bad-signal"),
        ([1, float("nan")], "bad-signal"),
        ([float("inf")], "bad-signal"),
    ],
)
def test_a_signal_is_a_list_of_numbers(
    tmp_path: Path, read: Read, signal: Any, reason: str
) -> None:
    row = {"question": "how does it go?", "answer": "up", "group": "a", "signal": signal}
    good = row | {"signal": [0, 1]}
    write_lines(tmp_path / "train.jsonl", [row, good])
    write_lines(tmp_path / "test.jsonl", [good])
    found, rejects = read("vital_signs", tmp_path)
    assert [r.reason for r in rejects] == ([reason] if reason else [])
    assert len(found) == (2 if reason else 3)
    if not reason:
        assert found[0].signal == [1.0, 2.5, -3.0]
