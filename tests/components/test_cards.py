"""Cards: releases told apart by their numbers."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from components.cards import Release, load_card
from components.errors import UserError


@pytest.mark.parametrize(
    ("counts", "release"),
    [
        ({"train": 12975, "validation": 2392, "test": 8216}, "record 10519652, all sizes"),
        ({"train": 13000, "validation": 2392, "test": 8268}, "record 6496656, 28 px"),
        ({"train": 13000, "validation": 2392, "test": 8216}, ""),
        ({"train": 12975, "test": 8216}, ""),
        ({}, ""),
    ],
)
def test_a_release_is_known_by_its_numbers(
    repository: Path, counts: dict[str, int], release: str
) -> None:
    assert load_card("organcmnist", repository / "data/cards").name_release(counts) == release


@pytest.mark.parametrize("pattern", ["", ".", "/etc/*.json", "../*.json", "a/../../b", "**.json"])
@pytest.mark.parametrize("where", ["folders", "patterns"])
def test_a_path_that_is_none_or_leads_outside_is_a_bad_setting(
    tmp_path: Path, repository: Path, where: str, pattern: str
) -> None:
    values = yaml.safe_load((repository / "data/cards/mednli.yaml").read_text())
    if where == "folders":
        values["folders"] = [pattern]
    else:
        values["files"]["train"]["patterns"] = [pattern]
    (tmp_path / "mednli.yaml").write_text(yaml.safe_dump(values))
    with pytest.raises(UserError, match=r"mednli\.yaml: 1 bad setting") as caught:
        load_card("mednli", tmp_path)
    assert where in caught.value.why


def test_options_of_its_own_has_only_the_task_answer(tmp_path: Path, repository: Path) -> None:
    values = yaml.safe_load((repository / "data/cards/vqa_rad.yaml").read_text())
    (tmp_path / "vqa_rad.yaml").write_text(yaml.safe_dump({**values, "candidates": "options"}))
    with pytest.raises(UserError, match="bad setting") as caught:
        load_card("vqa_rad", tmp_path)
    assert "the task vqa has none of its own" in caught.value.why


def test_a_release_told_as_a_whole_is_compared_with_the_sum(repository: Path) -> None:
    card = load_card("iu_xray", repository / "data/cards")
    whole = Release(name="all", records={"all": 10}, evidence="[M] made up")
    told = card.model_copy(update={"releases": [whole]})
    assert told.name_release({"train": 6, "validation": 0, "unsplit": 4}) == "all"
    assert told.name_release({"unsplit": 11}) == ""


@pytest.mark.parametrize(("other", "is_bad"), [("Not sure", False), ("No, but", True)])
def test_no_answer_without_an_end_begins_with_another(
    tmp_path: Path, repository: Path, other: str, is_bad: bool
) -> None:
    values = yaml.safe_load((repository / "data/cards/mednli.yaml").read_text())
    answers = {**values["answers"], "neutral": other}
    (tmp_path / "mednli.yaml").write_text(yaml.safe_dump({**values, "answers": answers}))
    if not is_bad:
        assert load_card("mednli", tmp_path).answers == answers
        return
    with pytest.raises(UserError, match="bad setting") as caught:
        load_card("mednli", tmp_path)
    assert "'no, but' begins with 'no'" in caught.value.why


def test_the_files_of_pmc_are_all_that_ingestion_reads(tmp_path: Path, repository: Path) -> None:
    names = {
        "articles": ["a.nxml", "b.nxml.gz", "c.xml", "d.XML", "e.xml.gz"],
        "images": ["a.GIF", "b.jpeg", "c.jpg", "d.png", "e.tif", "f.tiff"],
    }
    (tmp_path / "PMC1.1").mkdir()
    for name in (*names["articles"], *names["images"], "g.pdf", "h.mp4", "i.txt", "j.docx"):
        (tmp_path / "PMC1.1" / name).touch()
    card = load_card("pmc_oa", repository / "data/cards")
    for role, wanted in names.items():
        assert [path.name for path in card.find(tmp_path, role)] == wanted
