"""Zero-shot beside other models, and what the audit says of having been unseen."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from components.evaluation.intervals import Interval
from components.records import Prediction, write_records
from components.report.flags import find_flags
from components.report.inputs import ModelGain, ReportInputs
from components.report.page import build_report
from components.report.scores import list_scores
from components.report.zero_shot import compare_models, view_zero_shot


def compared(model: str, answers: str, value: float) -> dict[str, Any]:
    alignment = {"value": 90.0, "low": 85.0, "high": 95.0, "n": 80, "kinds": {}}
    return {"model": model, "answers": answers, "value": value, "low": value - 5,
            "high": value + 5, "n": 100, "alignment": alignment}  # fmt: skip


@pytest.fixture
def seen(inputs: ReportInputs) -> ReportInputs:
    """A run with both models on VQA-RAD, where instructing gained 20 and then nothing."""
    rows = [compared(model, answers, 30) for answers in ("open", "chosen")
            for model in ("pretrained", "instructed")]  # fmt: skip
    zero_shot = {
        size: {name: of | {"compared": rows} for name, of in scores.items()}
        for size, scores in inputs.zero_shot.items()
    }
    gains = [
        ModelGain("vqa_rad", "debug", "open", "pretrained", Interval(20, 15, 25, 100, 50)),
        ModelGain("vqa_rad", "debug", "chosen", "pretrained", Interval(1, -4, 6, 100, 50)),
        ModelGain("vqa_rad", "debug", "open", "finetuned", Interval(-30, -35, -25, 100, 50)),
    ]
    return replace(inputs, zero_shot=zero_shot, model_gains=gains)


def flags_of(inputs: ReportInputs) -> dict[str, tuple[str, str]]:
    scores = list_scores(inputs, inputs.metrics)
    found = find_flags(inputs, scores, [])
    return {flag.title: (flag.level, flag.detail) for flag in found if flag.section == "zero-shot"}


def overlap(kind: str, train: str, num: int = 3) -> dict[str, Any]:
    return {"kind": kind, "test": "vqa_rad", "train": train, "num_test": num, "of_test": 250,
            "strength": 1.0}  # fmt: skip


def with_overlaps(inputs: ReportInputs, *rows: dict[str, Any], drop: list[str]) -> ReportInputs:
    settings = inputs.audit["settings"] | {"drop": drop}
    return replace(inputs, audit=inputs.audit | {"overlaps": list(rows), "settings": settings})


def test_models_stand_beside_each_other(seen: ReportInputs) -> None:
    rows = [row for row in view_zero_shot(seen).rows if row.title == "VQA-RAD"]
    models = [(row.answers, row.model) for row in rows if row.size == "debug"]
    assert models == [(answers, model) for answers in ("open", "chosen")
                      for model in ("pretrained", "instructed", "finetuned")]  # fmt: skip
    gains = {(r.answers, r.model): r.gain.value for r in rows if r.gain and r.size == "debug"}
    assert gains == {("open", "pretrained"): 20, ("chosen", "pretrained"): 1,
                     ("open", "finetuned"): -30}  # fmt: skip
    page = build_report(seen)
    assert "Before and after" in page
    assert "of 80 with a rule" in page
    assert "kappa" in page


def test_no_gain_from_instructing_is_a_note(seen: ReportInputs) -> None:
    ((title, (level, detail)),) = flags_of(seen).items()
    assert (level, detail) == ("note", "VQA-RAD (debug, out of the answer set)")
    assert "no significant gain over the pretrained model" in title
    assert flags_of(replace(seen, model_gains=seen.model_gains[:1])) == {}


def test_what_was_found_in_what_the_model_is_made_of_stands_there(seen: ReportInputs) -> None:
    rows = [overlap("similar_image", "pmc_oa"), overlap("same_image", "slake"),
            overlap("same_pair", "iu_xray"), overlap("shared_text", "biomed_vital")]  # fmt: skip
    changed = with_overlaps(seen, *rows, drop=["similar_image"])
    assert "slake" in seen.params.pretrained_on and "iu_xray" in seen.params.pretrained_on
    (found,) = [e for e in view_zero_shot(changed).exclusions if e.title == "VQA-RAD"]
    assert [(num, dropped) for _, _, num, dropped in found.found] == [
        (3, True), (3, False), (3, False), (3, False),
    ]  # fmt: skip
    assert not found.is_itself
    own = with_overlaps(seen, overlap("same_image", "vqa_rad"), drop=[])
    assert view_zero_shot(own).exclusions[0].found == []  # its own training part was not learnt
    assert "none of them in any of these" in build_report(own)


def test_a_set_that_was_instructed_on_is_a_red_flag(seen: ReportInputs) -> None:
    changed = with_overlaps(seen, overlap("same_pair", "biomed_vital"), drop=[])
    assert flags_of(changed)["Not zero-shot: test items are in the instruction data"] == (
        "red", "VQA-RAD",
    )  # fmt: skip
    assert "this is no zero-shot score" in build_report(changed)


def test_without_an_audit_nothing_is_proved(seen: ReportInputs) -> None:
    assert "nothing proves that these sets were unseen" in build_report(replace(seen, audit={}))


def test_gains_are_paired_over_what_both_answered(tmp_path: Path, inputs: ReportInputs) -> None:
    def answer(path: str, right: int) -> None:
        rows = [
            Prediction(
                id=f"{n}", dataset="vqa_rad", size="debug", condition="full",
                prediction="yes" if n < right else "no", target="yes", references=["yes"],
                log_probability=-1.0, baseline="no", category="", group=f"g{n}", image_id="",
                source="is it?",
            )
            for n in range(40)
        ]  # fmt: skip
        write_records(tmp_path / path, Prediction, rows)

    answer("zero_shot/debug/vqa_rad/instructed_open.parquet", 30)
    answer("zero_shot/debug/vqa_rad/pretrained_open.parquet", 10)
    answer("debug/vqa_rad/predictions.parquet", 36)
    zero_shot = {"debug": {"vqa_rad": {"headline": "vqa_accuracy"}}}
    gains = compare_models(tmp_path, inputs.params, zero_shot)
    assert [(g.answers, g.model, g.gain.value) for g in gains] == [
        ("open", "pretrained", 50.0), ("open", "finetuned", -15.0),
    ]  # fmt: skip
    assert gains[0].gain.above_zero and gains[1].gain.below_zero
