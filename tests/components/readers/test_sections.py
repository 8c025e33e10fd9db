"""Sections of reports that a card asks for: a name that means none must not be passed over."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from components.cards import Card
from components.errors import UserError
from components.readers.registry import read_rows
from components.records import RawRow, Reject
from tests.components.readers.test_film_sets import write_mimic, write_openi

Cards = Callable[[str], Card]


def telling(card: Card, sections: str) -> Card:
    """The card, asking for these sections."""
    return card.model_copy(update={"options": {**card.options, "sections": sections}})


def captions(card: Card, root: Path) -> list[object]:
    return [row.fields["caption"] for row in read_rows(card, root) if isinstance(row, RawRow)]


def test_spaces_and_capitals_between_sections_lose_none(tmp_path: Path, card: Cards) -> None:
    write_openi(tmp_path / "a", [[1, "1_IM-0001-4001.dcm.png", "Frontal"]])
    told = telling(card("iu_xray"), "Findings, impression")
    assert captions(told, tmp_path / "a") == ["Clear, XXXX lungs. Normal."]
    write_mimic(tmp_path / "b", [["02aa804e", "50414267", "10000032", "train"]])
    told = telling(card("mimic_cxr_report"), "FINDINGS, impression")
    assert captions(told, tmp_path / "b") == ["Clear ___ lungs. Normal."]


def test_a_section_that_no_table_has_is_an_error(tmp_path: Path, card: Cards) -> None:
    write_openi(tmp_path / "a", [[1, "1_IM-0001-4001.dcm.png", "Frontal"]])
    with pytest.raises(UserError, match=r"has no column .*finding"):
        captions(telling(card("iu_xray"), "FINDING,IMPRESSION"), tmp_path / "a")
    write_mimic(tmp_path / "b", [["02aa804e", "50414267", "10000032", "train"]])
    with pytest.raises(UserError, match=r"mimic_cxr_report\.yaml: options\.sections is 'finding'"):
        captions(telling(card("mimic_cxr_report"), "finding"), tmp_path / "b")


def test_tables_without_their_other_half_say_so(tmp_path: Path, card: Cards) -> None:
    write_openi(tmp_path, [[1, "1_IM-0001-4001.dcm.png", "Frontal"]])
    files = {role: card("iu_xray").files[role] for role in ("reports", "images")}
    with pytest.raises(UserError, match="no projections file"):
        captions(card("iu_xray").model_copy(update={"files": files}), tmp_path)


def test_tables_without_any_image_name_what_is_missing(tmp_path: Path, card: Cards) -> None:
    write_openi(tmp_path, [[1, "1_IM-0001-4001.dcm.png", "Frontal"]])
    (tmp_path / "images/images_normalized/1_IM-0001-4001.dcm.png").unlink()
    whole = card("iu_xray")
    images = whole.files["images"].model_copy(update={"required": False})
    found = list(
        read_rows(whole.model_copy(update={"files": {**whole.files, "images": images}}), tmp_path)
    )
    assert [row.reason for row in found if isinstance(row, Reject)] == ["missing-image"]
    assert len(found) == 1
