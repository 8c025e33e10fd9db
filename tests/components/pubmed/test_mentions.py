"""Figures by name: what a label is called, and which figures a sentence speaks of."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from components.pubmed.mentions import name_figure, named_figures


@pytest.mark.parametrize(
    ("sentence", "numbers"),
    [
        ("As Fig. 1 shows.", "1"),
        ("(Figs 1 and 2)", "1 2"),
        ("Figure 1A-C is", "1"),
        ("Figures 2\u20134 are", "2 3 4"),
        ("Figs. 1A, B and 3C", "1 3"),
        ("figure 1a and b", "1"),
        ("Figures 1, 2, and 5", "1 2 5"),
        ("Fig 1(a)\u2013(c)", "1"),
        ("Fig. 1, 2B", "1 2"),
        ("FIG. 7", "7"),
        ("Figs 1 & 4; Fig. 6", "1 4 6"),
        ("Figures 1a\u20132c", "1 2"),
        ("Figures 3 to 5 and 7", "3 4 5 7"),
        ("Supplementary Figures S1\u2013S3", "S1 S2 S3"),
        ("Supplementary Fig. 2 and Fig. 2", "S2 2"),
        ("Fig. S1-3", "S1 S2 S3"),
        ("Extended Data Fig. 3a", "E3"),
        ("In Figure 1, 2 patients were shown", "1"),
        ("Figure 2 of ref. 7, Fig. 3 in Roe et al. and Fig. 4 from Roe and Doe", ""),
        ("Figures 12, Figure 1", "12 1"),
        ("Figure 3.5 mm, Figure 1000, configure 1, figured 2, figurine 3", ""),
        ("Figures 900\u2013100", "900 100"),
        ("(Figure 1A, Figure 2\u2014figure supplement 1)", "1"),
        ("no figures at all", ""),
    ],
)
def test_figures_of_a_sentence(sentence: str, numbers: str) -> None:
    assert named_figures(sentence) == {f"figure {number}" for number in numbers.split()}


@pytest.mark.parametrize(
    ("label", "name"),
    [
        ("Figure 1", "figure 1"),
        ("Fig. 2.", "figure 2"),
        ("FIGURE 3:", "figure 3"),
        ("Figure S4", "figure S4"),
        ("Supplementary Figure 4 |", "figure S4"),
        ("5.", "figure 5"),
        ("Scheme 1", "scheme 1"),
        ("Figure 1\u2014figure supplement 1.", ""),
        ("Figures 1 and 2", ""),
        ("A", ""),
        ("", ""),
    ],
)
def test_names_of_labels(label: str, name: str) -> None:
    assert name_figure(label, "Fig. 9 is a caption") == (name or "" if label else "figure 9")


def test_a_scheme_is_no_figure() -> None:
    assert named_figures("Scheme 1 and Figure 2") == {"scheme 1", "figure 2"}


@given(st.text("Figures. 123\u2013-,andSAB()", max_size=60))
def test_no_text_breaks_it(text: str) -> None:
    assert all(len(name) < 20 for name in named_figures(text))
