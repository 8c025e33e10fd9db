"""CIDEr-D agrees with the scorer that captioning papers use.

The golden numbers come from running that scorer (pycocoevalcap 1.2, class Cider) on these texts.
"""

from __future__ import annotations

import pytest

from components.evaluation.cider import cider_scores, split_words

PREDICTIONS = [
    "the heart is normal in size",
    "no acute disease",
    "small left pleural effusion",
    "a gallbladder with stones",
]
REFERENCES = [
    ["heart size is normal", "the heart is normal in size and contour"],
    ["no acute cardiopulmonary disease"],
    ["a small left pleural effusion is seen"],
    ["opened gallbladder with many stones"],
]


def test_golden_numbers() -> None:
    expected = [512.261308, 314.174446, 582.351391, 236.56533]
    assert cider_scores(PREDICTIONS, REFERENCES).tolist() == pytest.approx(expected, abs=1e-5)


def test_the_reference_itself_scores_1000_and_unrelated_text_0() -> None:
    references = [["a b c d e"], ["f g h i j"], ["k l m n o"]]
    values = cider_scores(["a b c d e", "x y z", ""], references)
    assert values.tolist() == pytest.approx([1000, 0, 0])


def test_repeating_a_word_does_not_pay() -> None:
    references = [["effusion on the left"], ["no acute disease"], ["clear lungs"]]
    once, often = (
        cider_scores([text, "", ""], references)[0]
        for text in ("effusion on the left", "effusion effusion effusion on the left")
    )
    assert often < once


def test_one_item_alone_has_no_rare_words() -> None:
    assert cider_scores(["a b c d"], [["a b c d"]]).tolist() == [0]


def test_words_lose_punctuation_and_keep_hyphens() -> None:
    assert split_words("No air-space disease; heart's SIZE: normal.") == (
        ["no", "air-space", "disease", "heart's", "size", "normal"]
    )
