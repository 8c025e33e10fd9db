"""DVC's tables show the headline; the summary has all of it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from components.evaluation.headlines import write_scores
from components.evaluation.summary import summarize
from tests.components.evaluation.test_summary import PARAMS, make_card, world


def test_a_headline_is_what_the_summary_says(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    summary = summarize(world(0.9, 0.2), make_card("vqa_accuracy", "token_f1"), PARAMS, 1)
    write_scores(summary, "zero_shot/debug/toy")
    assert json.loads(Path("data/metrics/zero_shot/debug/toy.json").read_text()) == summary
    headline = json.loads(Path("data/headlines/zero_shot/debug/toy.json").read_text())
    assert headline.pop("metric") == "vqa_accuracy"
    main = summary["scores"]["vqa_accuracy"]["all"]
    assert headline.pop("score") == main["value"]
    assert headline == {key: main[key] for key in ("low", "high", "baseline", "blank", "n")}
