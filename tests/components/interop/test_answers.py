"""Answers of any model are scored by this project's definitions, or refused by name."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from components.cards import Card, load_card
from components.config import Params
from components.errors import UserError
from components.evaluation.examine import read_exam
from components.evaluation.passport import hash_items
from components.evaluation.scoring import score_predictions
from components.interop.answers import match_answers, read_answers, score_answers
from components.lineage import write_manifest
from components.profiles.overlay import read_profile
from components.records import Example, write_records
from components.schema import validate
from tests.components.evaluation.conftest import infer

PARAMS = validate(Params, read_profile("demo"), "profile demo")
NUM = 60


@pytest.fixture
def card(repository: Path) -> Card:
    return load_card("mednli", repository / "data/cards")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Text pairs, every third a test item, one group to two of them."""
    folder = tmp_path / "examples"
    examples = [replace(e, dataset="mednli", id=f"mednli/{i}") for i, e in enumerate(infer(NUM))]
    write_records(folder / "examples.parquet", Example, examples)
    write_manifest(folder, stage="prepare", identity={}, settings={}, inputs=[],
                   counts={"in": NUM, "out": NUM})  # fmt: skip
    return folder


@pytest.fixture
def write(tmp_path: Path) -> Callable[[list[Any]], Path]:
    def write(rows: list[Any]) -> Path:
        path = tmp_path / "answers.jsonl"
        path.write_text("\n".join(r if isinstance(r, str) else json.dumps(r) for r in rows))
        return path

    return write


def answer(folder: Path, card: Card) -> list[dict[str, Any]]:
    """Every test item, the first two answered wrongly, the third not at all."""
    test = read_exam(card, folder).test
    said = ["wrong", "Yes, it does", "", *[f" {e.target.upper()}." for e in test[3:]]]
    return [{"id": e.id, "prediction": text} for e, text in zip(test, said, strict=True)]


def test_scores_stand_with_interval_n_baseline_and_the_split_they_are_of(
    folder: Path, card: Card, write: Callable[[list[Any]], Path]
) -> None:
    path = write(answer(folder, card)[::-1])
    found = score_answers(path, card, folder, PARAMS)
    whole = found["scores"][card.metrics[0]]["all"]
    assert whole["value"] == pytest.approx(100 * 17 / 20) and whole["n"] == 20
    assert whole["low"] < whole["value"] < whole["high"] and "baseline" in whole
    assert found["num_empty"] == 1
    facts = {fact["name"]: fact for fact in found["passport"]}
    assert facts["test items"]["sha256"] == hash_items(read_exam(card, folder).test)


def test_the_same_answers_get_the_score_of_the_stage(
    folder: Path, card: Card, write: Callable[[list[Any]], Path]
) -> None:
    """What ``evaluate`` gives its own predictions, it gives another's."""
    from components.evaluation.summary import summarize
    from components.records import Prediction

    test, rows = read_exam(card, folder).test, answer(folder, card)
    own = [
        Prediction(
            id=e.id, dataset=e.dataset, size="micro", condition="full",
            prediction=row["prediction"].strip(), target=e.target.strip(),
            references=e.references, log_probability=0.0, baseline="no", category=e.category,
            group=e.group, image_id="", source=e.source,
        )
        for e, row in zip(test, rows, strict=True)
    ]  # fmt: skip
    ours = summarize(own, card, PARAMS.evaluate, PARAMS.seed)["scores"][card.metrics[0]]["all"]
    theirs = score_answers(write(rows), card, folder, PARAMS)["scores"][card.metrics[0]]["all"]
    assert {k: theirs[k] for k in ("value", "low", "high")} == {
        k: ours[k] for k in ("value", "low", "high")
    }
    assert len(score_predictions(own, card.metrics[0])) == 20


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (lambda rows: rows[1:], "1 not answered: mednli/0"),
        (lambda rows: [*rows, rows[4]], "1 answered more than once: mednli/12"),
        (lambda rows: [*rows, {"id": "slake/1", "prediction": "x"}], "1 not test items: slake/1"),
        (lambda rows: rows[8:], "mednli/0, mednli/12, mednli/15, mednli/18, mednli/21 and 3 more"),
    ],
)
def test_missing_doubled_and_foreign_ids_are_named(
    change: Callable[[list[Any]], list[Any]], told: str,
    folder: Path, card: Card, write: Callable[[list[Any]], Path],
) -> None:  # fmt: skip
    with pytest.raises(UserError) as caught:
        score_answers(write(change(answer(folder, card))), card, folder, PARAMS)
    assert told in str(caught.value)


@pytest.mark.parametrize(
    ("row", "told"),
    [
        ("{no json", "line 1 is no answer"),
        ([1], "no id"),
        ({"id": 7, "prediction": "x"}, "no id"),
        ({"id": "a", "prediction": None}, "the prediction of a is no text"),
        ({"id": "a", "prediction": "x", "options": {"x": float("nan")}}, "finite"),
        ({"id": "a", "prediction": "x", "options": {"x": True}}, "finite"),
        ({"id": "a", "prediction": "x", "options": {"x": 10**400}}, "finite"),
        ({"doc": {"id": "a"}, "filtered_resps": [["-3.5", "False"]]}, "harness"),
        ({"doc": "a", "filtered_resps": ["x"]}, "harness"),
        pytest.param("[" * 100_000, "line 1 is no answer", id="brackets"),
        ({"doc": {"id": "a", "choices": ["x"]}, "filtered_resps": [["no", "1"]]}, "is no answer"),
        ({"doc": {"id": "a", "choices": ["x"]}, "filtered_resps": [[10**400, "1"]]}, "too large"),
    ],
)
def test_a_row_that_is_none_is_named(
    row: Any, told: str, write: Callable[[list[Any]], Path]
) -> None:
    with pytest.raises(UserError) as caught:
        list(read_answers(write([row])))
    assert told in str(caught.value)


def test_logged_samples_of_the_harness_are_read(write: Callable[[list[Any]], Path]) -> None:
    path = write(
        [
            {"doc": {"id": "a"}, "filtered_resps": ["two ribs"]},
            {"doc": {"id": "b", "choices": [" yes", " no"]},
             "filtered_resps": [["-3.5", "False"], ["-0.5", "True"]]},
        ]
    )  # fmt: skip
    first, second = read_answers(path)
    assert (first.id, first.prediction) == ("a", "two ribs")
    assert (second.prediction, second.options) == ("no", {"yes": -3.5, "no": -0.5})


def test_samples_of_tasks_that_were_exported_of_other_data_are_refused(
    folder: Path, card: Card, write: Callable[[list[Any]], Path]
) -> None:
    test = read_exam(card, folder).test
    rows = [{"doc": {"id": e.id, "source": e.source}, "filtered_resps": [e.target]} for e in test]
    whole = score_answers(write(rows), card, folder, PARAMS)["scores"][card.metrics[0]]["all"]
    assert whole["value"] == 100
    own = [{"id": e.id, "prediction": e.target, "source": "our model"} for e in test]
    assert score_answers(write(own), card, folder, PARAMS)["num_empty"] == 0
    rows[2]["doc"]["source"] = "another question"
    with pytest.raises(UserError, match=f"1 asked otherwise: {test[2].id}"):
        score_answers(write(rows), card, folder, PARAMS)


def test_lines_end_where_json_lines_do_and_another_encoding_is_told(tmp_path: Path) -> None:
    path, said = tmp_path / "answers.jsonl", "one\u2028two\u0085three"
    row = json.dumps({"id": "a", "prediction": said}, ensure_ascii=False)
    path.write_bytes(f"\ufeff{row}\r\n".encode())
    assert [answer.prediction for answer in read_answers(path)] == [said]
    path.write_bytes(
        json.dumps({"id": "a", "prediction": "\u00e9"}, ensure_ascii=False).encode("latin-1")
    )
    with pytest.raises(UserError, match=r"line 1 is no answer(.|\n)*utf-8"):
        list(read_answers(path))


def test_an_absent_file_says_what_to_write(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="not there"):
        list(read_answers(tmp_path / "none.jsonl"))
    assert match_answers([], [], tmp_path, "nothing") == []


def test_metrics_that_need_probabilities_wait_for_rows_that_have_some(
    folder: Path, card: Card, write: Callable[[list[Any]], Path]
) -> None:
    both = card.model_copy(update={"metrics": ["accuracy", "auc"]})
    rows = answer(folder, card)
    bare = score_answers(write(rows), both, folder, PARAMS)
    assert bare["left_out"] == ["auc"] and list(bare["scores"]) == ["accuracy"]
    chances = {"yes": -0.2, "no": -2.0, "maybe": -3.0}
    told = score_answers(write([row | {"options": chances} for row in rows]), both, folder, PARAMS)
    assert told["left_out"] == [] and "auc" in told["scores"]
    some = [row | ({"options": chances} if i else {}) for i, row in enumerate(rows)]
    assert score_answers(write(some), both, folder, PARAMS)["left_out"] == ["auc"]


def test_probabilities_of_other_classes_than_the_set_has_are_refused(
    folder: Path, card: Card, write: Callable[[list[Any]], Path]
) -> None:
    """Else the class that is missing drops out of the mean of areas, and none sees it."""
    both = card.model_copy(update={"metrics": ["accuracy", "auc"]})
    rows = [row | {"options": {"yes": -0.2, "no": -2.0}} for row in answer(folder, card)]
    with pytest.raises(UserError, match=r"options of mednli/\d+ are(.|\n)*the classes are"):
        score_answers(write(rows), both, folder, PARAMS)
