"""Whether an answer addresses its question: the rules, and how far they agree with a reader."""

from __future__ import annotations

import pytest

from components.config import Params
from components.evaluation.alignment import (
    RULES,
    alternatives,
    find_rule,
    measure_agreement,
    score_alignment,
)
from components.profiles.overlay import read_profile
from components.records import Prediction
from components.report.zero_shot import read_labels
from components.schema import validate


def says(question: str, answer: str, image: str = "i") -> Prediction:
    return Prediction(
        id=f"{image}/{question}/{answer}", dataset="toy", size="debug", condition="full",
        prediction=answer, target="x", references=["x"], log_probability=-1.0, baseline="x",
        category="", group="", image_id=image, source=question,
    )  # fmt: skip


@pytest.mark.parametrize(
    ("kind", "question", "aligned", "astray"),
    [
        ("yes or no", "is there a lesion?", "no, it is normal", "normal"),
        ("choice", "is the lesion small or large?", "the lesion is small.", "yes"),
        ("choice", "are the opacities on the left, right, or both sides?", "right", "the heart"),
        ("yes or no", "does this image use contrast or not?", "not", "the aorta"),
        ("how many", "how many lesions are there?", "there are 3", "left lung"),
        ("modality", "what type of image is this?", "an x ray", "chest"),
        ("modality", "what modality was used?", "t2 mri", "axial"),
        ("plane", "in what plane is this image?", "axial", "ct"),
        ("which side", "on which side is the lesion?", "left", "yes"),
        ("where", "where is the mass located?", "left upper lobe", "yes"),
        ("which organ", "what organ is this image of?", "the liver", "mri"),
        ("size", "how big is the mass?", "3.4 cm", "left"),
        ("shape", "what is the shape of the lesion?", "round", "two"),
        ("shade", "what is the signal intensity of the csf?", "hyperintense", "brain"),
    ],
)
def test_a_question_has_its_rule_and_an_answer_meets_it(
    kind: str, question: str, aligned: str, astray: str
) -> None:
    rule = find_rule(f" {question.capitalize()}")
    assert rule is not None and rule.kind == kind
    assert rule.is_met(question, aligned) and rule.is_met(question, aligned.upper())
    assert not rule.is_met(question, astray)
    assert not rule.is_met(question, "")


def test_no_in_normal_is_no_answer_and_an_open_question_has_no_rule() -> None:
    assert find_rule("what is the most likely diagnosis?") is None
    rule = find_rule("is it normal?")
    assert rule is not None and not rule.is_met("", "abnormal")


def test_alternatives_are_the_words_beside_or() -> None:
    assert set(alternatives("is it small or large?")) == {"small", "large"}
    assert {"left", "right", "both"} <= set(alternatives("is it left, right, or both?"))


def test_the_rules_agree_with_the_reader() -> None:
    """161 pairs; agreement of the rules with themselves would be 1, chance 0."""
    labelled = list(read_labels())
    assert 150 <= len(labelled) <= 200
    assert 0.4 < sum(aligned for *_, aligned in labelled) / len(labelled) < 0.6
    found = measure_agreement(labelled)
    assert found.num == len(labelled)
    assert 0.85 < found.kappa < 1
    assert len(found.differ) == round(found.num * (1 - found.share))


def test_kappa_is_cohen_s() -> None:
    """The example of a 2 x 2 table 20, 5, 10, 15: agreement 0.7, chance 0.5, kappa 0.4."""
    rows = [("is it?", "yes", True)] * 20 + [("is it?", "yes", False)] * 5
    rows += [("is it?", "round", True)] * 10 + [("is it?", "round", False)] * 15
    found = measure_agreement([*rows, ("what is this?", "a rib", True)])
    assert (found.num, found.num_without_rule) == (50, 1)
    assert found.share == pytest.approx(0.7)
    assert found.kappa == pytest.approx(0.4)
    assert measure_agreement(rows[:20]).kappa == 1
    with pytest.raises(ValueError, match="no labelled pair"):
        measure_agreement([("what is this?", "a rib", True)])


def test_the_score_counts_what_has_a_rule() -> None:
    params = validate(Params, read_profile("demo"), "demo").evaluate
    asked = [says("is it?", "yes", f"i{n}") for n in range(6)]
    asked += [says("how many?", "left", f"i{n}") for n in range(2)]
    found = score_alignment([*asked, says("what is this?", "a rib")], params, seed=1)
    assert (found["n"], found["value"]) == (8, 75.0)
    assert found["low"] < 75 < found["high"]
    assert found["kinds"] == {"how many": [2, 0.0], "yes or no": [6, 100.0]}
    bare = score_alignment([says("what is this?", "a rib")], params, seed=1)
    assert (bare["n"], bare["value"], bare["kinds"]) == (0, None, {})


def test_kinds_are_named_once() -> None:
    assert len({rule.kind for rule in RULES}) == len(RULES)
