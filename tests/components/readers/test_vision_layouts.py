"""Official layouts of image sets beside those that the sample world makes."""

from __future__ import annotations

import json
import pickle
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pytest
from PIL import Image

from components.cards import Card
from components.errors import UserError
from components.readers.registry import read_rows
from components.records import RawRow
from components.tasks.vqa import render
from tests.components.readers.conftest import Split

Read = Callable[[str, Path], Split]


def draw(path: Path, shade: int = 5) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("L", (4, 4), shade).save(path)


def test_the_osf_master_is_split_by_the_phrase_type(tmp_path: Path, read: Read) -> None:
    draw(tmp_path / "VQA_RAD Image Folder/synpic1.jpg")
    record = {
        "qid": 1, "qid_linked_id": "03f451ca-de62-4617-9679-e836026a7642",
        "image_case_url": "https://medpix.nlm.nih.gov/case?id=0", "image_name": "synpic1.jpg",
        "image_organ": "HEAD", "evaluation": "not evaluated", "question": "Is it large?",
        "question_rephrase": "NULL", "question_relation": "NULL", "question_frame": "NULL",
        "question_type": "SIZE, PRES", "answer": 2, "answer_type": "CLOSED ",
    }  # fmt: skip
    kinds = ("freeform", "para", "frame", "test_freeform", "test_para")
    path = tmp_path / "VQA_RAD Dataset Public.json"
    path.write_text(json.dumps([record | {"phrase_type": kind} for kind in kinds]))
    rows, rejects = read("vqa_rad", tmp_path)
    assert rejects == []
    assert [row.split for row in rows] == ["train"] * 3 + ["test"] * 2
    assert {(row.fields["answer"], row.category) for row in rows} == {("2", "closed")}
    (tmp_path / "trainset.json").write_text(json.dumps([record]))  # the split layout goes first
    (tmp_path / "images").mkdir()
    (tmp_path / "VQA_RAD Image Folder/synpic1.jpg").rename(tmp_path / "images/synpic1.jpg")
    assert [row.origin for row in read("vqa_rad", tmp_path)[0]] == ["trainset.json#1"]


def test_a_master_without_the_column_of_its_split_is_an_error(tmp_path: Path, read: Read) -> None:
    draw(tmp_path / "VQA_RAD Image Folder/a.jpg")
    record = {"image_name": "a.jpg", "question": "?", "answer": "x", "answer_type": "OPEN"}
    (tmp_path / "VQA_RAD Dataset Public.json").write_text(json.dumps([record]))
    with pytest.raises(UserError, match=r"\(test: phrase_type\)"):
        read("vqa_rad", tmp_path)


def write_pathvqa(root: Path) -> None:
    (root / "qas").mkdir(parents=True)
    for split, name in (("train", "train_0422"), ("val", "val_0001"), ("test", "test_0007")):
        draw(root / f"images/{split}/{name}.jpg", len(split))
        records = [
            {
                "answer_type": "other", "img_id": name, "label": {"in the canals of hering": 1},
                "question_id": 100422000, "question_type": "where", "sent": "Where are cells?",
            },
            {
                "answer_type": "yes/no", "img_id": name, "label": {"yes": 1}, "question_id": 1,
                "question_type": "is", "sent": "Is bile duct seen?",
            },
        ]  # fmt: skip
        (root / f"qas/{split}_vqa.pkl").write_bytes(pickle.dumps(records, 3))


def test_the_original_pickles_of_pathvqa(tmp_path: Path, read: Read) -> None:
    write_pathvqa(tmp_path)
    rows, rejects = read("pathvqa", tmp_path)
    assert rejects == []
    assert Counter(row.split for row in rows) == {"train": 2, "validation": 2, "test": 2}
    assert [row.category for row in rows[:2]] == ["open", "closed"]
    assert rows[0].fields == {"question": "Where are cells?", "answer": "in the canals of hering"}
    assert [Path(str(row.image)).stem for row in rows[::2]] == [
        "train_0422",
        "val_0001",
        "test_0007",
    ]
    assert len({row.group for row in rows}) == 3


def test_a_pickle_that_calls_is_refused_with_its_name(tmp_path: Path, read: Read) -> None:
    write_pathvqa(tmp_path)
    (tmp_path / "qas/train_vqa.pkl").write_bytes(b"cos\nsystem\n(S'true'\ntR.")
    with pytest.raises(UserError, match=r"train_vqa\.pkl is refused: it wants GLOBAL os system"):
        read("pathvqa", tmp_path)


def write_vqa_med(root: Path, lines: str) -> None:
    part = root / "VQAMed2019Test"
    draw(part / "VQAMed2019_Test_Images/synpic1.jpg")
    (part / "VQAMed2019_Test_Questions_w_Ref_Answers.txt").write_bytes(lines.encode())
    for name, file in (("Training", "train"), ("Validation", "val")):
        folder = root / f"ImageClef-2019-VQA-Med-{name}"
        draw(folder / f"{file.title()}_images/synpic2.jpg")
        (folder / f"All_QA_Pairs_{file}.txt").write_text("synpic2|what is it?|a|b\n")


def test_vqa_med_has_several_right_answers_and_uneven_lines(tmp_path: Path, read: Read) -> None:
    lines = (
        "synpic1|abnormality|what?|nodule#mass \r\n\r\nsynpic1|plane\r\nsynpic9|plane|is?|no\r\n"
    )
    write_vqa_med(tmp_path, lines)
    rows, rejects = read("vqa_med_2019", tmp_path)
    assert [(r.origin.partition("/")[2].partition("#")[2], r.reason) for r in rejects] == [
        ("3", "wrong-number-of-fields"), ("4", "missing-image"),
    ]  # fmt: skip
    assert [row.fields["answer"] for row in rows] == ["a|b", "a|b", ["nodule", "mass"]]
    rendered = render(rows[-1].fields)
    assert (rendered.target, rendered.references) == (" nodule", ["nodule", "mass"])


def test_paths_that_leave_the_folder_are_refused(tmp_path: Path, read: Read) -> None:
    draw(tmp_path / "secret.jpg")
    root = tmp_path / "raw"
    write_vqa_med(root, "../../../secret|plane|what?|no\n/etc/passwd|plane|what?|no\n")
    _, rejects = read("vqa_med_2019", root)
    assert [reject.reason for reject in rejects] == ["path-outside", "path-outside"]


def test_peir_captions_keep_what_follows_a_tab(tmp_path: Path, read: Read) -> None:
    draw(tmp_path / "peir_gross_images/1.jpg")
    (tmp_path / "train_images.tsv").write_text("1.jpg\tGROSS:\tliver, 'cut\n\n2.jpg\n")
    (tmp_path / "test_images.tsv").write_text('1.jpg\tHEART: "quoted\n')
    rows, rejects = read("peir_gross", tmp_path)
    assert [row.fields["caption"] for row in rows] == ["GROSS:\tliver, 'cut", 'HEART: "quoted']
    assert [(reject.origin, reject.reason) for reject in rejects] == [
        ("train_images.tsv#3", "wrong-number-of-fields")
    ]
    (tmp_path / "test_images.tsv").write_bytes(b"1.jpg\t\xff\xfe\n")
    with pytest.raises(UserError, match=r"test_images\.tsv cannot be read"):
        read("peir_gross", tmp_path)


def test_a_delimiter_that_is_none_is_an_error(tmp_path: Path, card: Callable[[str], Card]) -> None:
    (tmp_path / "train_images.tsv").write_text("1.jpg\tx\n")
    (tmp_path / "test_images.tsv").write_text("1.jpg\tx\n")
    options = card("peir_gross").options | {"delimiter": "pipe"}
    told = card("peir_gross").model_copy(update={"options": options})
    with pytest.raises(UserError, match=r"options\.delimiter is 'pipe'"):
        list(read_rows(told, tmp_path))


def test_both_parts_of_slake_read_one_set_of_files(shared_data: Path, read: Read) -> None:
    parts = {name: read(name, shared_data / "slake")[1] for name in ("slake", "slake_zh")}
    records = json.loads((shared_data / "slake/train.json").read_text())
    for name, language in (("slake", "en"), ("slake_zh", "zh")):
        found = [
            reject
            for reject in parts[name]
            if reject.origin.startswith("train.json") and reject.reason == "missing-image"
        ]
        assert len(found) == sum(record["q_lang"] == language for record in records)


def test_chinese_questions_keep_their_own_mark() -> None:
    fields = {"question": "病变在哪一侧\uff1f", "answer": "左侧"}
    row = RawRow(id="1", split="train", fields=fields, origin="a#1")
    assert render(row.fields).source == " 病变在哪一侧\uff1f"
