"""The reference's definitions give what its scripts gave (tests/golden/reference_scripts.json)."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from components.evaluation.metrics import METRICS
from components.evaluation.reference_scripts import clean_caption, rewrite_summary

GOLDEN = json.loads(
    (Path(__file__).parents[2] / "golden/reference_scripts.json").read_text(encoding="utf-8")
)
ROUGE = {"rouge_1": "rouge1", "rouge_2": "rouge2", "rouge_l": "rougeL"}


def column(rows: list[dict[str, Any]], name: str) -> list[Any]:
    return [row[name] for row in rows]


@pytest.mark.parametrize(
    ("metric", "golden"), [("caption_rouge_l_paper", "rouge_l"), ("cider_paper", "cider")]
)
def test_captions_score_as_the_scripts_say(metric: str, golden: str) -> None:
    rows = GOLDEN["captions"]
    ours = METRICS[metric].score(column(rows, "said"), column(rows, "wanted"))
    assert ours.tolist() == pytest.approx(column(rows, golden), abs=1e-4)
    assert len(set(column(rows, golden))) > 4


@pytest.mark.parametrize("metric", sorted(ROUGE))
def test_summaries_score_as_the_scripts_say(metric: str) -> None:
    rows = GOLDEN["summaries"]
    wanted = [[text] for text in column(rows, "wanted")]
    said = column(rows, "said")
    ours = METRICS[f"{metric}_paper"].score(said, wanted)
    assert ours.tolist() == pytest.approx(column(rows, ROUGE[metric]), abs=1e-4)
    # a one in the answer, and a word for a sign, cost a right answer its full marks
    clean = METRICS[metric].score(said, wanted)
    assert clean[0] == clean[1] == 100
    assert ours[0] < 100 and ours[1] < ours[0]


@given(st.text("abn1 23'(&t-.", max_size=30))
def test_only_ones_and_signs_are_rewritten(text: str) -> None:
    rewritten = rewrite_summary(text)
    assert "1" not in rewritten
    assert len(rewritten.split()) <= len(text.split())
    if not set(text) & set("1(&'"):
        assert rewritten.split() == text.split()


def test_captions_lose_the_listed_signs_and_keep_the_hyphen() -> None:
    listed = 'A "b" c/d\\e\'f. g,h?i;j*k!l%m^n&o_p+q(r)s:t[u]v{w}x<y>z='
    assert clean_caption(listed) == "a b cdef ghijklmnopqrstuvwxyz"
    assert clean_caption(" left-sided #2 ") == "left-sided #2"
