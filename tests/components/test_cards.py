"""Cards: releases told apart by their numbers."""

from __future__ import annotations

from pathlib import Path

import pytest

from components.cards import Release, load_card


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


def test_a_release_told_as_a_whole_is_compared_with_the_sum(repository: Path) -> None:
    card = load_card("iu_xray", repository / "data/cards")
    whole = Release(name="all", records={"all": 10}, evidence="[M] made up")
    told = card.model_copy(update={"releases": [whole]})
    assert told.name_release({"train": 6, "validation": 0, "unsplit": 4}) == "all"
    assert told.name_release({"unsplit": 11}) == ""
