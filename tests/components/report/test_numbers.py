"""How numbers are printed on the page."""

from __future__ import annotations

import pytest

from components.report.numbers import print_gain


@pytest.mark.parametrize(
    ("value", "printed"),
    [(3.24, "+3.2"), (-3.25, "\u22123.2"), (0.0, "+0.0"), (-0.0, "+0.0"), (-0.04, "+0.0")],
)
def test_a_gain_has_its_sign_unless_it_is_none(value: float, printed: str) -> None:
    assert print_gain(value) == printed
