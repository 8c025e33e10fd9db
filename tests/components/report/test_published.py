"""Beside the paper: only what evidence supports, and reasons that follow from the run."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from components.cards import Card, Release
from components.report.inputs import ReportInputs
from components.report.page import build_report
from components.report.published import Comparison, find_measure, list_comparisons
from tests.components.report.conftest import make_card


def find(inputs: ReportInputs, title: str, measure: str) -> Comparison:
    (found,) = [c for c in list_comparisons(inputs) if (c.title, c.measure) == (title, measure)]
    return found


def change_card(inputs: ReportInputs, name: str, **changes: Any) -> ReportInputs:
    card: Card = inputs.cards[name].model_copy(update=changes)
    return replace(inputs, cards=inputs.cards | {name: card})


def change_notes(inputs: ReportInputs, folder: str, **notes: Any) -> ReportInputs:
    manifest = inputs.manifests[folder] | {"notes": notes}
    return replace(inputs, manifests=inputs.manifests | {folder: manifest})


@pytest.fixture
def real(inputs: ReportInputs) -> ReportInputs:
    acquire = inputs.params.acquire.model_copy(update={"mode": "local"})
    return replace(inputs, params=inputs.params.model_copy(update={"acquire": acquire}))


def test_a_figure_without_evidence_is_never_printed(inputs: ReportInputs) -> None:
    assert [(c.title, c.measure) for c in list_comparisons(inputs)] == [
        ("VQA-RAD", "accuracy, closed"),
        ("VQA-RAD", "accuracy, zero-shot"),
        ("IU X-ray", "CIDEr"),
    ]
    page = build_report(inputs)
    assert "81.5" in page and "[D: a figure] read off it" in page
    assert "someone remembers" not in page and "by hearsay" not in page


def test_the_subset_that_was_published_is_compared(inputs: ReportInputs) -> None:
    found = find(inputs, "VQA-RAD", "accuracy, closed")
    sizes = inputs.params.sizes
    assert [size for size, _ in found.ours] == sizes
    for size, of in found.ours:
        assert of is inputs.metrics[size]["vqa_rad"]["scores"]["vqa_accuracy"]["closed"]
    assert [figure.value for figure in found.published] == [81.5]
    assert found.metric == "Accuracy 1.1"


def test_a_zero_shot_figure_stands_beside_zero_shot_scores(inputs: ReportInputs) -> None:
    found = find(inputs, "VQA-RAD", "accuracy, zero-shot")
    for size, of in found.ours:
        assert of is inputs.zero_shot[size]["vqa_rad"]["scores"]["vqa_accuracy"]["all"]
    assert not [c for c in list_comparisons(replace(inputs, zero_shot={})) if "zero" in c.measure]


def test_made_up_data_is_the_first_reason(inputs: ReportInputs, real: ReportInputs) -> None:
    assert find(inputs, "IU X-ray", "CIDEr").reasons[0].startswith("made-up data")
    assert not any("made-up" in reason for c in list_comparisons(real) for reason in c.reasons)


def test_a_split_of_our_own_is_told(real: ReportInputs) -> None:
    words = "the test split was drawn by this project"
    assert words not in find(real, "IU X-ray", "CIDEr").reasons
    drawn = change_notes(real, "data/examples/iu_xray", derived_splits=["test"])
    assert words in find(drawn, "IU X-ray", "CIDEr").reasons


def test_a_test_split_of_another_size_is_told(real: ReportInputs) -> None:
    known = Release(name="official", records={"train": 1793, "test": 451}, evidence="[F: a] b")
    other = change_card(real, "vqa_rad", releases=[known])
    assert "250 test items; releases have 451" in find(other, "VQA-RAD", "accuracy, closed").reasons
    same = known.model_copy(update={"records": {"test": 250}})
    told = find(change_card(real, "vqa_rad", releases=[same]), "VQA-RAD", "accuracy, closed")
    assert "the number of records is that of no known release" in told.reasons


def test_the_answers_to_choose_from_are_told(real: ReportInputs) -> None:
    reasons = find(real, "VQA-RAD", "accuracy, closed").reasons
    words = "chosen among answers of train and validation: 12.5 % of the test items lack theirs"
    assert words in reasons
    assert not any("chosen" in reason for reason in find(real, "IU X-ray", "CIDEr").reasons)


def test_the_models_are_told(real: ReportInputs) -> None:
    size = real.params.sizes[0]
    folder = f"data/models/finetuned/{size}/iu_xray"
    told = find(change_notes(real, folder, parameters=2_400_000), "IU X-ray", "CIDEr").reasons
    assert f"{size} has 2.4 million parameters" in told
    assert "pretrained from scratch, for 19,200 steps" in told
    given = dict(real.manifests)
    for name in real.params.sizes:
        folder = f"data/models/pretrained/{name}"
        given[folder] = given[folder] | {"settings": {"steps": 5, "start_from": "weights"}}
    told = find(replace(real, manifests=given), "IU X-ray", "CIDEr").reasons
    assert "pretraining went on from given weights" in told
    assert not any("from scratch" in reason for reason in told)


def test_the_other_definition_is_told_and_its_score_printed(real: ReportInputs) -> None:
    found = find(real, "IU X-ray", "CIDEr")
    assert any("the paper's way is another definition" in reason for reason in found.reasons)
    page = build_report(real).replace("&#39;", "'")
    assert f"paper's way {found.ours[0][1]['paper']:.1f}" in page


def test_measures_go_by_the_task() -> None:
    assert find_measure(make_card("vqa_rad"), "accuracy, open") == ("vqa_accuracy", "open")
    assert find_measure(make_card("mednli"), "accuracy") == ("accuracy", "all")


def test_a_measure_that_is_not_known_here_is_left_out(inputs: ReportInputs) -> None:
    card = inputs.cards["vqa_rad"]
    odd = [one.model_copy(update={"metric": "a measure of their own"}) for one in card.published]
    changed = change_card(inputs, "vqa_rad", published=odd)
    assert {found.title for found in list_comparisons(changed)} == {"IU X-ray"}
