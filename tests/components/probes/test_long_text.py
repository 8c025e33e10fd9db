"""Scores by length, and a text that is read in windows."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import torch

from components.cards import Card
from components.config import ProbeParams
from components.dataset.collate import pad
from components.evaluation.examine import Exam
from components.evaluation.predict import Answerer
from components.model.model import UnifiedModel
from components.model.specials import BOS, EOS
from components.probes.lengths import probe_lengths
from components.probes.measure import Sampling
from components.probes.windowed import (
    CUT,
    WINDOWED,
    WindowedModel,
    can_be_windowed,
    cut_windows,
    probe_windows,
)
from components.schema import validate
from components.tasks.registry import TASKS
from components.tokenization.vocabulary import Vocabulary
from tests.components.evaluation.conftest import choose, make_example
from tests.components.probes.conftest import answer, predict

PARAMS = ProbeParams(max_items=6, window_tokens=10)


def test_scores_stand_by_length_with_what_is_cut(
    card: Card, vocabulary: Vocabulary, sampling: Sampling
) -> None:
    """Long questions are answered wrongly, as was planted."""
    told = [
        predict(i, "yes" if i % 2 else "no", source="rib " * (40 if i % 2 == 0 else 4))
        for i in range(40)
    ]
    found = probe_lengths(answer(told, card), vocabulary, 30, sampling)
    assert found is not None and found["over"] == 50.0
    assert [bin_["value"] for bin_ in found["bins"]] == [100.0, 0.0]
    assert [bin_["n"] for bin_ in found["bins"]] == [20, 20]
    assert found["bins"][0]["up_to"] < 30 < found["longest"] <= found["bins"][1]["up_to"]
    same = answer([predict(i, "yes", source="rib") for i in range(9)], card)
    assert probe_lengths(same, vocabulary, 30, sampling) is None


def test_windows_hold_every_token_once() -> None:
    source = [BOS, *range(10, 33), EOS]
    windows = cut_windows(source, 10)
    assert [len(window) for window in windows] == [10, 10, 9]
    assert [token for window in windows for token in window[1:-1]] == source[1:-1]
    assert all(window[0] == BOS and window[-1] == EOS for window in windows)
    assert cut_windows([BOS, EOS], 10) == [[BOS, EOS]]


@torch.no_grad()
def test_one_window_is_what_the_model_reads(model: UnifiedModel) -> None:
    reader = WindowedModel(model, 12).eval()
    source_BS = pad([[BOS, *range(10, 20), EOS], [BOS, 11, EOS]])
    plain, windowed = model.encode(source_BS), reader.encode(source_BS)
    assert torch.equal(plain.states, windowed.states)
    assert torch.equal(plain.positions, windowed.positions)
    assert plain.padding is not None and windowed.padding is not None
    assert torch.equal(plain.padding, windowed.padding)
    with pytest.raises(ValueError, match="images"):
        reader.encode(source_BS, torch.zeros(2, 3, 32, 32))


@torch.no_grad()
def test_what_others_read_changes_nothing_and_the_last_window_counts(model: UnifiedModel) -> None:
    reader = WindowedModel(model, 6).eval()
    long, short = [BOS, *range(10, 24), EOS], [BOS, 12, 13, EOS]
    prev = torch.tensor([[BOS, 15]])

    def say(rows: list[list[int]], row: int) -> torch.Tensor:
        encoded = reader.encode(pad(rows))
        return model.decode(prev.expand(len(rows), -1), encoded)[row]

    assert torch.allclose(say([long, short], 1), say([short], 0), atol=1e-5)
    assert torch.allclose(say([long, short], 0), say([long], 0), atol=1e-5)
    other = [*long[:-2], 30, EOS]
    assert not torch.allclose(say([other], 0), say([long], 0), atol=1e-4)


def exam_of(card: Card, task: str, num_words: int) -> Exam:
    values = {**card.model_dump(), "name": "toy", "task": task, "metrics": ["rouge_l"]}
    toy = validate(type(card), values, "toy")
    fields = {"text": "the left rib is normal " * num_words, "summary": "normal rib"}
    test = [make_example(task, number, fields) for number in range(9)]
    return Exam(toy, TASKS[task], [], test, [[] for _ in test], Path(), "text")


def test_both_ways_are_asked_over_the_same_items(
    card: Card, answerer: Answerer, sampling: Sampling
) -> None:
    found, said = probe_windows(exam_of(card, "summarize", 3), answerer, PARAMS, "debug", sampling)
    assert found is not None and (found["window"], found["longer"]) == (10, 9)
    assert found["cut"]["n"] == found["windowed"]["n"] == 6
    assert [p.condition for p in said] == [CUT] * 6 + [WINDOWED] * 6
    assert [p.id for p in said[:6]] == [p.id for p in said[6:]]
    gain = found["windowed"]["value"] - found["cut"]["value"]
    assert found["gain"]["value"] == pytest.approx(gain, abs=1e-3)
    assert [p.prediction for p in said[:6]] != [p.prediction for p in said[6:]]


def test_texts_that_fit_and_prompts_that_cannot_be_cut_are_left_alone(
    card: Card, answerer: Answerer, sampling: Sampling
) -> None:
    roomy = replace(answerer, max_source_tokens=200)
    whole = ProbeParams(max_items=6, window_tokens=0)
    assert probe_windows(exam_of(card, "summarize", 1), roomy, whole, "debug", sampling)[0] is None
    readable = {name for name, task in TASKS.items() if can_be_windowed(task)}
    assert {"summarize", "answer"} <= readable and not {"understand", "vqa"} & readable


def test_options_are_chosen_from_all_windows(
    card: Card, answerer: Answerer, sampling: Sampling
) -> None:
    test = choose(6)
    values = {**card.model_dump(), "name": "toy", "task": "answer", "metrics": ["accuracy"]}
    toy = validate(type(card), values, "toy")
    exam = Exam(
        toy,
        TASKS["answer"],
        [],
        test,
        [one.candidates for one in test],
        Path(),
        "options",
    )
    found, said = probe_windows(exam, answerer, PARAMS, "debug", sampling)
    assert found is not None and all(p.prediction in p.options for p in said)
