"""A summary says what was measured, on how many, against what."""

from __future__ import annotations

import json
import math
import random
from dataclasses import replace

import pytest

from components.cards import Card, Files, Source
from components.config import EvaluateParams
from components.errors import UserError
from components.evaluation.scoring import score_predictions
from components.evaluation.summary import summarize
from components.records import Prediction

PARAMS = EvaluateParams(
    batch=4, beam=1, length_penalty=1.0, no_repeat_ngram=3, max_target_tokens=8,
    conditions=["full", "blank"], bootstrap=300, confidence=0.95,
)  # fmt: skip


def make_card(*metrics: str) -> Card:
    source = Source(
        url="u",
        version="1",
        licence="CC0",
        access="open",
        how_to_get="h",
        citation="c",
        downloads=[],
    )
    return Card(
        name="toy", title="Toy", task="vqa", benchmark=True, source=source, folders=["toy"],
        files={"rows": Files(patterns=["*.json"])}, reader="json_rows", official_splits=["test"],
        candidates="train", metrics=list(metrics), options={},
        answers={}, modality="", recipe={},
    )  # fmt: skip


def predict(
    i: int, answer: str, target: str, condition: str = "full", size: str = "debug"
) -> Prediction:
    return Prediction(
        id=f"toy/{i:03d}", dataset="toy", size=size, condition=condition, prediction=answer,
        target=target, references=[target], log_probability=-1.0, baseline="yes",
        category="closed" if target in ("yes", "no") else "open", group=f"image{i // 3}",
        image_id="", source="q",
    )  # fmt: skip


def world(right: float, blank_right: float, num: int = 120, size: str = "debug"):  # type: ignore[no-untyped-def]
    """Predictions that are right with the given chances, with and without image."""
    generator = random.Random(size)
    made = []
    for i in range(num):
        target = ["yes", "no", "left", "right"][i % 4]
        for condition, chance in (("full", right), ("blank", blank_right)):
            answer = target if generator.random() < chance else "wrong"
            made.append(predict(i, answer, target, condition, size))
    generator.shuffle(made)
    return made


def test_scores_come_by_subset_with_their_numbers() -> None:
    summary = summarize(world(0.9, 0.2), make_card("vqa_accuracy", "token_f1"), PARAMS, 1)
    scores = summary["scores"]["vqa_accuracy"]
    assert list(scores) == ["all", "closed", "open"]
    assert [scores[name]["n"] for name in scores] == [120, 60, 60]
    assert scores["all"]["groups"] == 40
    recomputed = (scores["closed"]["value"] * 60 + scores["open"]["value"] * 60) / 120
    assert scores["all"]["value"] == pytest.approx(recomputed, abs=1e-3)
    assert scores["all"]["low"] < scores["all"]["value"] < scores["all"]["high"]
    assert scores["all"]["baseline"] == 25 and scores["closed"]["baseline"] == 50
    assert summary["headline"] == "vqa_accuracy"
    named = [metric["name"] for metric in summary["metrics"]]
    assert named == ["vqa_accuracy", "token_f1", "vqa_accuracy_paper"]
    assert all(metric["definition"] and metric["version"] for metric in summary["metrics"])


@pytest.mark.parametrize(
    ("right", "blank", "beats", "falls"),
    [(0.9, 0.2, True, True), (0.9, 0.9, True, False), (0.1, 0.1, False, False)],
)
def test_flags(right: float, blank: float, beats: bool, falls: bool) -> None:
    scores = summarize(world(right, blank), make_card("accuracy"), PARAMS, 1)["scores"]
    whole = scores["accuracy"]["all"]
    assert (whole["beats_baseline"], whole["falls_when_blank"]) == (beats, falls)
    assert whole["visual_gain"] == pytest.approx(whole["value"] - whole["blank"], abs=1e-3)
    assert whole["visual_gain_low"] <= whole["visual_gain"] <= whole["visual_gain_high"]


def test_is_json_and_repeats() -> None:
    card = make_card("balanced_accuracy", "cider", "rouge_l")
    first, second = (summarize(world(0.6, 0.5), card, PARAMS, 7) for _ in range(2))
    assert json.dumps(first, allow_nan=False) == json.dumps(second, allow_nan=False)


def test_without_blank_images_there_is_no_visual_gain() -> None:
    only_full = [p for p in world(0.9, 0.2) if p.condition == "full"]
    whole = summarize(only_full, make_card("accuracy"), PARAMS, 1)["scores"]["accuracy"]["all"]
    assert "blank" not in whole and "falls_when_blank" not in whole


def test_one_image_gives_no_bounds() -> None:
    rows = [predict(i, "yes", "yes") for i in range(3)]
    whole = summarize(rows, make_card("accuracy"), PARAMS, 1)["scores"]["accuracy"]["all"]
    assert whole["value"] == 100 and whole["low"] is None and not whole["beats_baseline"]


def test_refuses_unpaired_conditions_and_nothing() -> None:
    rows = [predict(0, "a", "a"), predict(1, "a", "a", "blank")]
    with pytest.raises(UserError, match="answered but not asked: 1 items, as toy/001"):
        summarize(rows, make_card("accuracy"), PARAMS, 1)
    with pytest.raises(UserError, match="no prediction"):
        summarize([], make_card("accuracy"), PARAMS, 1)


def test_scores_per_prediction_keep_their_order() -> None:
    rows = [predict(0, "no", "yes"), predict(1, "Yes.", "yes")]
    assert score_predictions(rows, "vqa_accuracy") == [0, 100]


def test_repeats_from_other_seeds_give_mean_and_interval() -> None:
    runs = [world(right, 0.3, size="debug") for right in (0.5, 0.7, 0.9)]
    summary = summarize(runs[0], make_card("accuracy"), PARAMS, 1, runs[1:])
    whole = summary["scores"]["accuracy"]["all"]
    assert whole["seeds"]["values"][0] == pytest.approx(whole["value"], abs=1e-3)
    assert whole["seeds"]["n"] == 3
    alone = [summarize(run, make_card("accuracy"), PARAMS, 1) for run in runs]
    values = [one["scores"]["accuracy"]["all"]["value"] for one in alone]
    assert whole["seeds"]["values"] == pytest.approx(values, abs=1e-3)
    assert whole["seeds"]["low"] < whole["seeds"]["value"] < whole["seeds"]["high"]
    assert "seeds" not in alone[0]["scores"]["accuracy"]["all"]
    json.dumps(summary)


def test_the_paper_s_score_stands_beside_the_clean_one() -> None:
    rows = [predict(i, "Yes." if i % 2 else "yes", "yes") for i in range(12)]
    summary = summarize(rows, make_card("vqa_accuracy", "token_f1"), PARAMS, 1)
    whole = summary["scores"]["vqa_accuracy"]["all"]
    assert (whole["value"], whole["paper"]) == (100, 50)
    assert whole["paper_low"] <= 50 <= whole["paper_high"]
    assert "paper" not in summary["scores"]["token_f1"]["all"]
    about = {metric["name"]: metric for metric in summary["metrics"]}
    assert about["vqa_accuracy"]["paper"] == "vqa_accuracy_paper"
    assert about["vqa_accuracy_paper"]["differs"] and not about["token_f1"]["paper"]


def test_open_closed_and_all_are_one_count() -> None:
    summary = summarize(world(0.6, 0.3), make_card("vqa_accuracy"), PARAMS, 1)
    scores = summary["scores"]["vqa_accuracy"]
    for value in ("value", "paper", "baseline", "blank"):
        parts = sum(scores[name][value] * scores[name]["n"] for name in ("open", "closed"))
        assert scores["all"][value] == pytest.approx(parts / scores["all"]["n"], abs=1e-3)


def test_an_empty_answer_is_wrong_and_counted() -> None:
    rows = [predict(i, " " if i < 2 else "yes", "yes") for i in range(8)]
    card = make_card("vqa_accuracy", "token_f1", "rouge_l", "weighted_f1", "bleu_1")
    summary = summarize(rows, card, PARAMS, 1)
    assert summary["empty_answers"] == 2
    assert summary["scores"]["vqa_accuracy"]["all"]["value"] == 75
    assert all(of["all"]["value"] < 100 for of in summary["scores"].values())


def rank(i: int, target: str, chance: float) -> Prediction:
    """An answer with the probabilities of two classes."""
    said = "yes" if chance > 0.5 else "no"
    logs = {"yes": math.log(chance), "no": math.log(1 - chance)}
    best = dict(sorted(logs.items(), key=lambda item: -item[1]))
    return replace(
        predict(i, said, target), options=list(best), option_log_probabilities=list(best.values())
    )


def test_auc_ranks_and_its_baseline_does_not() -> None:
    rows = [rank(i, "yes" if i % 2 else "no", 0.4 if i % 2 else 0.1) for i in range(40)]
    scores = summarize(rows, make_card("accuracy", "auc"), PARAMS, 1)["scores"]
    assert scores["accuracy"]["all"]["value"] == 50  # all "no", and yet
    whole = scores["auc"]["all"]
    assert (whole["value"], whole["baseline"], whole["baseline_gain"]) == (100, 50, 50)
    assert whole["beats_baseline"]


def test_one_class_gives_no_area_and_says_so_by_null() -> None:
    rows = [rank(i, "yes", 0.7) for i in range(9)]
    summary = summarize(rows, make_card("accuracy", "auc", "macro_f1"), PARAMS, 1)
    whole = summary["scores"]["auc"]["all"]
    assert (whole["value"], whole["low"], whole["baseline_gain"]) == (None, None, None)
    assert not whole["beats_baseline"]
    assert summary["scores"]["macro_f1"]["all"]["value"] == 100
    json.dumps(summary, allow_nan=False)


def test_what_needs_probabilities_is_left_out_where_answers_are_free() -> None:
    card = make_card("accuracy", "auc")
    free = world(0.8, 0.4)
    summary = summarize(free, card, PARAMS, 1)
    assert summary["left_out"] == ["auc"] and list(summary["scores"]) == ["accuracy"]
    chances = {"yes": -0.5, "no": -1.5, "left": -3.0, "right": -4.0, "wrong": -5.0}
    chosen = [
        replace(p, options=list(chances), option_log_probabilities=list(chances.values()))
        for p in free
    ]
    told = summarize(chosen, card, PARAMS, 1)
    assert told["left_out"] == [] and list(told["scores"]) == ["accuracy", "auc"]
    assert summarize([*chosen[:-1], free[-1]], card, PARAMS, 1)["left_out"] == ["auc"]
    with pytest.raises(UserError, match="needs the log-probability"):
        summarize(free, make_card("auc"), PARAMS, 1)


def test_bounds_of_what_is_all_right_rest_on_the_classes_that_there_are() -> None:
    """Three of a class, all right, say little of it, whatever lies beside them."""
    chances = {True: {"yes": -0.1, "no": -2.5}, False: {"yes": -2.5, "no": -0.1}}
    rows = [
        replace(
            predict(i, target, target), group=str(i), options=list(chances[target == "yes"]),
            option_log_probabilities=list(chances[target == "yes"].values()),
        )
        for i, target in enumerate(["no"] * 3 + ["yes"] * 97)
    ]  # fmt: skip
    card = make_card("accuracy", "balanced_accuracy", "macro_f1", "weighted_f1", "auc")
    scores = summarize(rows, card, PARAMS, 1)["scores"]
    assert {scores[name]["all"]["value"] for name in card.metrics} == {100}
    least = {num: 100 * 0.025 ** (1 / num) for num in (3, 97, 100)}  # by the exact interval
    both = (least[3] + least[97]) / 2
    wanted = [least[100], both, both, least[100], least[3]]
    for name, low in zip(card.metrics, wanted, strict=True):
        assert scores[name]["all"]["low"] == pytest.approx(low, abs=1e-3), name
        assert scores[name]["all"]["high"] == 100
