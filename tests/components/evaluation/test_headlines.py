"""DVC's tables show the headline; the summary has all of it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from components.evaluation.headlines import METRICS, write_scores
from components.evaluation.summary import summarize
from flows.artifacts import read_headlines
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


def test_scores_are_read_while_others_are_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    summary = {**summarize(world(0.9, 0.2), make_card("vqa_accuracy"), PARAMS, 1), "size": "debug"}
    for name in ("toy", "gone"):
        write_scores(summary, f"debug/{name}")
    read, write_text = Path.read_bytes, Path.write_text

    def remove_first(path: Path) -> bytes:
        if path.name == "gone.json":
            path.unlink()  # as DVC does before the stage that makes it anew
        return read(path)

    def write_half(path: Path, text: str) -> int:
        write_text(path, text[:9])
        assert len(read_headlines(METRICS)) == 1
        return write_text(path, text)

    monkeypatch.setattr(Path, "read_bytes", remove_first)
    monkeypatch.setattr(Path, "write_text", write_half)
    write_scores(summary, "debug/toy")
    assert len(read_headlines(METRICS)) == 1
