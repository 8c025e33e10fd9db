"""Raw files that may not be copied: a reference to them, and what becomes of it."""

from __future__ import annotations

from pathlib import Path

import pytest

from components.cards import RESTRICTED, Card, Files, load_card
from components.errors import UserError
from components.raw_files import REFERENCE, find_raw_folder, refer_to


@pytest.fixture
def card(repository: Path) -> Card:
    files = {"notes": Files(patterns=["*.txt"])}
    return load_card("mednli", repository / "data/cards").model_copy(update={"files": files})


def refer(folder: Path, texts: dict[str, str]) -> Path:
    origin = folder / "user/p10000032"
    origin.mkdir(parents=True)
    for name, text in texts.items():
        (origin / name).write_text(text)
    refer_to(sorted(origin.iterdir()), origin, folder / "raw")
    return origin


def test_files_are_found_where_they_are_and_no_name_is_written(tmp_path: Path, card: Card) -> None:
    assert card.source.access in RESTRICTED
    origin = refer(tmp_path, {"s1.txt": "a note", "s2.txt": "another"})
    assert find_raw_folder(card, tmp_path / "raw") == origin
    assert [path.name for path in (tmp_path / "raw").iterdir()] == [REFERENCE]
    assert "s1" not in (tmp_path / "raw" / REFERENCE).read_text()
    assert find_raw_folder(card, tmp_path) == tmp_path  # copied ones need no reference


def test_the_reference_says_what_the_files_hold(tmp_path: Path) -> None:
    texts = [{"a.txt": "x"}, {"a.txt": "y"}, {"b.txt": "x"}]
    told = set()
    for number, files in enumerate(texts):
        refer(tmp_path / str(number), files)
        written = (tmp_path / f"{number}/raw" / REFERENCE).read_text()
        told.add(written.partition('"sha256"')[2])
    assert len(told) == len(texts)


def test_a_file_of_that_name_among_open_data_leads_nowhere(tmp_path: Path, card: Card) -> None:
    source = card.source.model_copy(update={"access": "open"})
    refer(tmp_path, {"s1.txt": "a note"})  # as whoever packed the data would write it
    opened = card.model_copy(update={"source": source})
    assert find_raw_folder(opened, tmp_path / "raw") == tmp_path / "raw"


@pytest.mark.parametrize("length", [0, 1, 20, -3])
def test_a_reference_that_was_cut_off_is_damaged(tmp_path: Path, card: Card, length: int) -> None:
    refer(tmp_path, {"s1.txt": "a note"})
    reference = tmp_path / "raw" / REFERENCE
    reference.write_bytes(reference.read_bytes()[:length])
    with pytest.raises(UserError, match=r"origin.json is damaged"):
        find_raw_folder(card, tmp_path / "raw")


@pytest.mark.parametrize("content", ["[]", "7", '{"folder": "x"}'])
def test_a_reference_that_says_something_else_is_damaged(
    tmp_path: Path, card: Card, content: str
) -> None:
    (tmp_path / REFERENCE).write_text(content)
    with pytest.raises(UserError, match=r"origin.json is damaged"):
        find_raw_folder(card, tmp_path)


@pytest.mark.parametrize("change", ["more", "longer", "gone"])
def test_other_files_than_those_are_an_error(tmp_path: Path, card: Card, change: str) -> None:
    origin = refer(tmp_path, {"s1.txt": "a note", "s2.txt": "another"})
    if change == "more":
        (origin / "s3.txt").write_text("")
    elif change == "longer":
        (origin / "s1.txt").write_text("a note, changed")
    else:
        (origin / "s1.txt").unlink()
    with pytest.raises(UserError, match=r"mednli in .* are not those") as caught:
        find_raw_folder(card, tmp_path / "raw")
    assert "it found 2 files of 13 bytes" in caught.value.why
