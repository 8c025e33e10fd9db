"""Answers: from which set, and the same one whatever else is in the batch."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from torch import Tensor

from components.config import Params
from components.dataset.collate import pad
from components.dataset.images import ImageStore
from components.errors import UserError
from components.evaluation.cache import Answer
from components.evaluation.conditions import BLANK, FULL, show
from components.evaluation.predict import Answerer, answer_all, load_answerer
from components.generation.candidates import score_candidates
from components.lineage import write_manifest
from components.model.weights import save_model
from components.profiles.overlay import read_profile
from components.records import Example, ImageRecord, write_records
from components.schema import validate
from components.tasks.encoding import encode_example
from components.tasks.registry import TASKS
from tests.components.evaluation.conftest import (
    IMAGE_PX,
    MAX_SOURCE_TOKENS,
    ask,
    choose,
    infer,
    make_example,
)

FREE: list[str] = []


@pytest.fixture
def store(tmp_path: Path, images: list[ImageRecord]) -> ImageStore:
    write_records(tmp_path / "images.parquet", ImageRecord, images)
    return ImageStore([tmp_path / "images.parquet"], IMAGE_PX)


@pytest.fixture
def questions(images: list[ImageRecord]) -> list[Example]:
    return ask(images)


def answers_of(
    answerer: Answerer,
    examples: Sequence[Example],
    sets: Sequence[list[str]],
    store: ImageStore | None = None,
    condition: str = FULL,
) -> list[Answer]:
    task = TASKS[examples[0].task]
    return answer_all(answerer, task, show(examples, condition, seed=1), sets, store=store)


def assert_same(ours: Sequence[Answer], theirs: Sequence[Answer]) -> None:
    assert [answer.text for answer in ours] == [answer.text for answer in theirs]
    values = [answer.log_probability for answer in theirs]
    assert [answer.log_probability for answer in ours] == pytest.approx(values, abs=1e-4)


def kinds(images: list[ImageRecord]) -> dict[str, tuple[list[Example], list[list[str]]]]:
    """Examples of every way to answer, with what they may be answered."""
    asked, chosen, inferred = ask(images), choose(), infer()
    told = [make_example("instruct", i, {"question": "is it a rib" * i, "answer": "no"}) for i in
            range(1, 6)]  # fmt: skip
    shared = sorted({example.target for example in asked})
    return {
        "candidates": (asked, [shared] * len(asked)),
        "options": (chosen, [example.candidates for example in chosen]),
        "whole source as prompt": (inferred, [[" maybe", " no", " yes"]] * len(inferred)),
        "text": (told, [FREE] * len(told)),
        "text after a question": (asked, [FREE] * len(asked)),
        "some with images": (
            [replace(e, image_id="" if i % 2 else e.image_id) for i, e in enumerate(asked)],
            [shared] * len(asked),
        ),
        "sets of other sizes": (chosen, [e.candidates[: 2 + i % 3] for i, e in enumerate(chosen)]),
    }


@pytest.mark.parametrize("kind", kinds([ImageRecord("", b"", "", 1, 1, "", "")]))
def test_batch_and_order_change_nothing(
    answerer: Answerer, store: ImageStore, images: list[ImageRecord], kind: str
) -> None:
    examples, sets = kinds(images)[kind]
    expected = answers_of(answerer, examples, sets, store)
    assert len({answer.log_probability for answer in expected}) > 1
    for batch in (1, 3, 64):
        assert_same(answers_of(replace(answerer, batch=batch), examples, sets, store), expected)
    order = random.Random(1).sample(range(len(examples)), len(examples))
    shuffled = [examples[i] for i in order], [sets[i] for i in order]
    assert_same(answers_of(answerer, *shuffled, store), [expected[i] for i in order])


def test_an_answer_is_the_best_of_its_own_set(
    answerer: Answerer, images: list[ImageRecord]
) -> None:
    examples, sets = kinds(images)["options"]
    for example, own, answer in zip(
        examples, sets, answers_of(answerer, examples, sets), strict=True
    ):
        encoded = encode_example(
            example, TASKS["answer"], answerer.vocabulary, MAX_SOURCE_TOKENS, MAX_SOURCE_TOKENS
        )
        with torch.no_grad():
            states = answerer.model.encode(pad([encoded.source]))
        ids = [answerer.vocabulary.encode(text) for text in own]
        scores = score_candidates(answerer.model, states, [[]], [ids])[0]
        assert answer.text == own[int(scores.argmax())].strip()
        assert answer.log_probability == pytest.approx(float(scores.max()), abs=1e-4)


def test_a_forced_question_is_no_part_of_the_answer(
    answerer: Answerer, store: ImageStore, questions: list[Example]
) -> None:
    """Nor of its length: a limit of three tokens leaves room for an answer."""
    short = replace(answerer, search=replace(answerer.search, max_length_b=3))
    assert all(len(answerer.vocabulary.encode(example.prefix)) > 3 for example in questions)
    answers = answers_of(short, questions, [FREE] * len(questions), store)
    assert any(answer.text for answer in answers)
    for example, answer in zip(questions, answers, strict=True):
        assert not answer.text.startswith(example.prefix.strip())
        assert answer.text == answer.text.strip()
        assert answer.log_probability < 0


class GreyStore(ImageStore):
    """A store whose every image is grey."""

    def batch(self, image_ids: Sequence[str]) -> Tensor:
        return torch.zeros_like(super().batch(image_ids))


def test_blank_changes_the_image_and_nothing_else(
    answerer: Answerer, tmp_path: Path, store: ImageStore, images: list[ImageRecord]
) -> None:
    examples, sets = kinds(images)["some with images"]
    full = answers_of(answerer, examples, sets, store)
    blank = answers_of(answerer, examples, sets, store, BLANK)
    grey = GreyStore([tmp_path / "images.parquet"], IMAGE_PX)
    assert_same(blank, answers_of(answerer, examples, sets, grey))
    for example, seen, unseen in zip(examples, full, blank, strict=True):
        gap = abs(seen.log_probability - unseen.log_probability)
        assert (gap < 1e-4) == (not example.image_id)


def test_images_need_a_store(answerer: Answerer, questions: list[Example]) -> None:
    with pytest.raises(ValueError, match="image store"):
        answers_of(answerer, questions, [[" no", " yes"]] * len(questions))


def test_progress_is_told_up_to_the_last(answerer: Answerer) -> None:
    examples, told = choose(), list[int]()
    sets = [example.candidates for example in examples]
    answer_all(
        answerer,
        TASKS["answer"],
        examples,
        sets,
        store=None,
        advance=told.append,
    )
    assert told == [4, 8, 9]


def test_long_questions_are_cut_and_counted_or_refused(
    answerer: Answerer, capsys: pytest.CaptureFixture[str]
) -> None:
    examples = choose()
    long = replace(examples[0], source=examples[0].source * 50)
    sets = [example.candidates for example in examples]
    answers_of(answerer, [long, *examples[1:]], sets)
    assert f"1 of {len(examples)} questions were cut" in capsys.readouterr().out
    strict = replace(answerer, long_text="refuse")
    answers_of(strict, [replace(e, target=e.target * 200) for e in examples], sets)
    with pytest.raises(UserError, match="tokens over the limits"):
        answers_of(strict, [long, *examples[1:]], sets)


def test_a_saved_model_is_asked_as_it_was_trained(answerer: Answerer, tmp_path: Path) -> None:
    folder, words = tmp_path / "model", tmp_path / "vocabulary"
    save_model(answerer.model, folder)
    answerer.vocabulary.save(words)
    write_manifest(
        folder,
        stage="finetune",
        identity={},
        settings={"image_px": IMAGE_PX, "max_source_tokens": MAX_SOURCE_TOKENS, "long_text": "cut"},
        inputs=[],
        counts={"in": 1, "out": 1},
    )
    params = validate(Params, read_profile("demo"), "demo")
    params = params.model_copy(
        update={"compute": params.compute.model_copy(update={"device": "cpu"})}
    )
    loaded = load_answerer(folder, words, params)
    assert (loaded.image_px, loaded.max_source_tokens) == (IMAGE_PX, MAX_SOURCE_TOKENS)
    assert loaded.batch == params.evaluate.batch
    examples = choose()
    sets = [example.candidates for example in examples]
    assert_same(answers_of(loaded, examples, sets), answers_of(answerer, examples, sets))
