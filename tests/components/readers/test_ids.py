"""An id means one record, whatever the files of a folder are called."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from components.cards import Card
from components.readers.files import name_apart
from components.readers.registry import read_rows
from components.records import RawRow, Reject
from tests.components.readers.conftest import Split
from tests.components.readers.test_film_sets import draw
from tests.components.readers.test_pretraining_sources import annotate, write_voc
from tests.components.readers.test_reports_and_answers import write_report
from tests.components.readers.test_table import question, write_vqa_rad

Read = Callable[[str, Path], Split]
Cards = Callable[[str], Card]


def ids_of(rows: list[RawRow]) -> list[str]:
    ids = [row.id for row in rows]
    assert len(set(ids)) == len(ids)
    return ids


def with_files(card: Card, role: str, *patterns: str) -> Card:
    files = card.files[role].model_copy(update={"patterns": list(patterns)})
    return card.model_copy(update={"files": {**card.files, role: files}})


@given(st.dictionaries(st.sampled_from(["a", "a.b", "b/a", "b/a.c", "c"]), st.sampled_from("ab")))
def test_names_are_apart_and_short_where_they_can_be(short: dict[str, str]) -> None:
    called = name_apart(short)
    assert called.keys() == short.keys() and len(set(called.values())) == len(called)
    if len(set(short.values())) == len(short):
        assert called == short


def test_parts_of_one_text_have_ids_of_their_own(tmp_path: Path, read: Read) -> None:
    for number in range(2):
        (tmp_path / f"pubmed_sentence_nltk.{number:02}").write_text(f"text {number}\n")
    rows, _ = read("blue_pubmed", tmp_path)
    assert ids_of(rows) == ["pubmed_sentence_nltk.00/1", "pubmed_sentence_nltk.01/1"]
    (tmp_path / "pubmed_sentence_nltk.01").unlink()
    rows, _ = read("blue_pubmed", tmp_path)
    assert ids_of(rows) == ["pubmed_sentence_nltk/1"]


def test_tables_of_one_name_in_two_formats_have_ids_of_their_own(
    tmp_path: Path, card: Cards
) -> None:
    write_vqa_rad(tmp_path, [question()])
    (tmp_path / "trainset.jsonl").write_text(json.dumps(question(answer="No")))
    both = with_files(card("vqa_rad"), "train", "trainset.json*")
    rows = [row for row in read_rows(both, tmp_path) if isinstance(row, RawRow)]
    assert ids_of(rows) == ["trainset.json/1", "trainset.jsonl/1", "testset.json/1"]


def test_films_of_one_name_in_two_formats_stay_on_one_side(tmp_path: Path, card: Cards) -> None:
    films = with_files(card("sz_cxr"), "images", "CXR_png/*")
    for name in ("CHNCXR_0001_0.png", "CHNCXR_0001_0.jpg", "CHNCXR_0002_1.png"):
        draw(tmp_path / "CXR_png" / name)
    rows = [row for row in read_rows(films, tmp_path) if isinstance(row, RawRow)]
    assert ids_of(rows) == [
        "CXR_png/CHNCXR_0001_0.jpg", "CXR_png/CHNCXR_0001_0.png", "CXR_png/CHNCXR_0002_1.png",
    ]  # fmt: skip
    assert [row.group for row in rows] == ["CHNCXR_0001_0", "CHNCXR_0001_0", "CHNCXR_0002_1"]
    (tmp_path / "CXR_png/CHNCXR_0001_0.jpg").unlink()
    rows = [row for row in read_rows(films, tmp_path) if isinstance(row, RawRow)]
    assert ids_of(rows) == ["CHNCXR_0001_0", "CHNCXR_0002_1"]


def test_of_two_images_of_the_name_in_a_file_none_is_guessed(tmp_path: Path, card: Cards) -> None:
    write_report(tmp_path / "a", "1.xml", images=("CXR1_a", "CXR1_b"))
    draw(tmp_path / "a/NLMCXR_png/CXR1_a.jpg")
    openi = with_files(card("iu_xray"), "images", "NLMCXR_png/*")
    write_voc(tmp_path / "b", "x", annotate(("ma", "1,2,3,4")))
    draw(tmp_path / "b/lesion_segmentation/valid/image/x.jpg")
    for known, root, left in ((openi, "a", ["1/CXR1_b"]), (card("oia_ddr"), "b", [])):
        found = list(read_rows(known, tmp_path / root))
        assert [row.id for row in found if isinstance(row, RawRow)] == left
        (reject,) = [item for item in found if isinstance(item, Reject)]
        assert reject.reason == "ambiguous-image" and reject.detail.startswith("2 files are called")


def test_reports_of_one_name_in_two_folders_are_two_groups(tmp_path: Path, card: Cards) -> None:
    write_report(tmp_path, "1.xml", images=("a",))
    shutil.copytree(tmp_path / "ecgen-radiology", tmp_path / "more")
    both = with_files(card("iu_xray"), "reports", "*/1.xml")
    rows = [row for row in read_rows(both, tmp_path) if isinstance(row, RawRow)]
    assert ids_of(rows) == ["ecgen-radiology/1.xml/a", "more/1.xml/a"]
    assert len({row.group for row in rows}) == 2


def test_a_report_that_names_an_image_twice_gives_it_once(tmp_path: Path, read: Read) -> None:
    write_report(tmp_path, "1.xml", images=("a", "a"))
    rows, rejects = read("iu_xray", tmp_path)
    assert ids_of(rows) == ["1/a"]
    assert [(r.origin.rpartition("/")[2], r.reason) for r in rejects] == [("1.xml#a", "same-id")]


@pytest.mark.parametrize("again", [{}, {"idx": "x-9"}])
def test_images_of_one_name_in_two_classes_have_ids_of_their_own(
    tmp_path: Path, read: Read, again: dict[str, Any]
) -> None:
    lines = ["path,filename,label,idx"]
    for place in ("human", "mouse"):
        draw(tmp_path / f"cytoimagenet/{place}/one.png")
        lines.append(f"cytoimagenet/{place},one.png,{place},{place}-1")
    lines.append(f"cytoimagenet/human,one.png,human,{again.get('idx', 'human-1')}")
    (tmp_path / "metadata.csv").write_text("\n".join(lines))
    rows, rejects = read("cytoimagenet", tmp_path)
    assert ids_of(rows) == ["one", "mouse/one.png", "human/one.png"]
    assert rejects == []
