"""What an answer rests on, in words."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from components.serving.looking import Look
from components.serving.served import Reply
from components.web.telling import name_place, tell_blank


@pytest.mark.parametrize("rows", [1, 2, 3, 4, 8, 24])
def test_a_corner_is_called_by_its_name(rows: int) -> None:
    cells = [[0.0] * rows for _ in range(rows)]
    cells[0][0] = 1.0
    assert name_place(cells) == ("the centre" if rows == 1 else "the upper left")
    cells[0][0], cells[-1][-1] = 0.0, 1.0
    assert name_place(cells) == ("the centre" if rows == 1 else "the lower right")


@given(st.integers(1, 30), st.integers(0, 899))
def test_the_hottest_cell_lies_in_the_place_that_is_named(rows: int, place: int) -> None:
    row, column = divmod(place % (rows * rows), rows)
    cells = [[0.0] * rows for _ in range(rows)]
    cells[row][column] = 1.0
    words = name_place(cells)
    middle = (row + 0.5) / rows
    if middle < 0.3:
        assert "upper" in words
    if middle > 0.7:
        assert "lower" in words


@pytest.mark.parametrize(
    ("said", "blank", "shift", "words"),
    [
        (("yes", -0.1), ("no", -0.2), 0.9, "the image changed the answer"),
        (("yes", -0.1), ("yes", -0.1), 0.01, "do not take this answer as seen"),
        (("yes", -0.1), ("yes", -0.1), None, "do not take this answer as seen"),
        (("yes", -0.1), ("yes", -0.6), 0.3, "the image had a part"),
        (("yes", -0.6), ("yes", -0.1), 0.3, "the image spoke against"),
    ],
)
def test_the_sentence_on_the_blank_image_says_what_the_numbers_say(
    said: tuple[str, float], blank: tuple[str, float], shift: float | None, words: str
) -> None:
    told = tell_blank(Look(Reply(*said), Reply(*blank), shift))
    assert told is not None and words in told.words
    assert told.is_same is (said[0] == blank[0])


def test_without_an_image_nothing_is_said_of_it() -> None:
    assert tell_blank(Look(Reply("yes", -0.1))) is None
