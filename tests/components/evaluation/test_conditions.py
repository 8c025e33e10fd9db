"""Conditions: what is taken away, and nothing else; what a model that looks at nothing shows."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from components.cards import Card
from components.config import EvaluateParams, Params
from components.dataset.images import ImageStore
from components.evaluation import predict
from components.evaluation.cache import Answer
from components.evaluation.conditions import (
    BLANK,
    FULL,
    NO_QUESTION,
    NOISE,
    OF_IMAGES,
    SWAPPED,
    TEXT_ONLY,
    applicable,
    draw,
    drop_question,
    show,
    swap_images,
)
from components.evaluation.examine import read_exam, sit_exam
from components.evaluation.predict import Answerer, Asked
from components.evaluation.summary import summarize
from components.profiles.overlay import read_profile
from components.records import Example, ImageRecord
from components.schema import validate
from components.tasks.base import Task
from tests.components.evaluation.conftest import IMAGE_PX, ask, choose, infer, make_example

Place = Callable[[list[Example]], Path]
ALL = [FULL, *OF_IMAGES, NO_QUESTION]


@pytest.fixture(scope="session")
def params() -> EvaluateParams:
    return validate(Params, read_profile("demo"), "demo").evaluate


def grouped(groups: Sequence[str]) -> list[Example]:
    """An item of an image of its own in each of these groups."""
    asked = make_example("vqa", 0, {"question": "is it", "answer": "no"})
    return [
        replace(asked, id=f"vqa/{i}", image_id=f"image{i}", group=group)
        for i, group in enumerate(groups)
    ]


@pytest.mark.parametrize("condition", ALL)
def test_a_condition_is_the_same_in_every_run(condition: str, images: list[ImageRecord]) -> None:
    examples = ask(images)
    assert show(examples, condition, seed=5) == show(list(examples), condition, seed=5)
    kept = ("id", "target", "references", "candidates", "group", "category", "dataset")
    for before, after in zip(examples, show(examples, condition, seed=5), strict=True):
        assert all(getattr(before, name) == getattr(after, name) for name in kept)
        assert (before == after) == (condition == FULL)
        if condition != NO_QUESTION:
            assert (before.source, before.prefix) == (after.source, after.prefix)


@pytest.mark.parametrize(
    "groups", ["ab", "aabb", "aaab", "abcd", "aaaabbc", "aaaaaa", "abbbbbbb", ["", "", ""]]
)
def test_no_item_keeps_its_image_nor_its_group_where_there_is_another(
    groups: Sequence[str],
) -> None:
    examples = grouped(groups)
    group_of = {e.image_id: e.group or e.image_id for e in examples}
    for seed in range(5):
        swapped = swap_images(examples, seed)
        assert swapped.keys() == group_of.keys() >= set(swapped.values())
        for image, other in swapped.items():
            assert image != other
            assert (group_of[image] == group_of[other]) == (len(set(group_of.values())) == 1)


def test_what_is_swapped_follows_from_the_seed() -> None:
    examples = grouped("abcdefgh")
    assert len({tuple(sorted(swap_images(examples, seed).items())) for seed in range(9)}) > 3


def test_noise_is_an_image_s_own_and_grey_is_everyone_s(
    store: ImageStore, images: list[ImageRecord]
) -> None:
    one, other = ask(images)[:2]
    noises = [draw(e.image_id, IMAGE_PX) for e in show([one, other, one], NOISE, seed=1)]
    assert all(isinstance(noise, np.ndarray) for noise in noises)
    assert np.array_equal(noises[0], noises[2])
    assert not np.array_equal(noises[0], noises[1])
    batch = store.batch([*noises, draw(show([one], BLANK, seed=1)[0].image_id, IMAGE_PX)])
    assert batch[:3].std() > 0.5
    assert not batch[3].any()


def test_a_question_is_dropped_and_what_stands_behind_it_stays() -> None:
    fields: dict[str, str | list[str]] = {
        "question": "is it well",
        "options": ["yes", "no"],
        "context": "it is.",
    }
    whole = make_example("answer", 1, fields | {"answer": "yes"})
    dropped = drop_question(whole)
    assert dropped.source == " options: yes, no context: it is."
    assert f" is it well?{dropped.source}" == whole.source
    asked = make_example("vqa", 1, {"question": "is it well", "answer": "yes"})
    assert (drop_question(asked).source, drop_question(asked).prefix) == ("", "")
    assert drop_question(asked).target == asked.target


def test_a_condition_is_left_out_where_it_takes_nothing_away(images: list[ImageRecord]) -> None:
    assert applicable(ALL, "vqa", ask(images)) == ALL
    assert applicable(ALL, "vqa", ask(images[:1])) == [c for c in ALL if c != SWAPPED]
    assert applicable(ALL, "classify", ask(images)) == [FULL, *OF_IMAGES]
    assert applicable(ALL, "answer", choose()) == [FULL, NO_QUESTION]
    assert applicable(ALL, "understand", infer()) == [FULL]
    assert applicable([BLANK, FULL], "vqa", ask(images)) == [BLANK, FULL]


@pytest.fixture
def store(tmp_path: Path, images: list[ImageRecord], place: Place) -> ImageStore:
    place([])
    return ImageStore([tmp_path / "images.parquet"], IMAGE_PX)


Says = Callable[[Asked], str]


@pytest.fixture
def score_of(
    monkeypatch: pytest.MonkeyPatch,
    place: Place,
    answerer: Answerer,
    params: EvaluateParams,
    card: Callable[[str], Card],
    images: list[ImageRecord],
) -> Callable[[Says], dict[str, object]]:
    """The headline of a model that says what a function makes of what it is shown.

    Questions and images decide the answer together: an item's answer is left where the question
    names the side on which its image is told to be.
    """

    def make(number: int) -> Example:
        image = number % len(images)
        question = f"is it {('well', 'ill')[number // len(images) % 2]}"
        answer = "yes" if (image + number // len(images)) % 2 else "no"
        made = make_example("vqa", number, {"question": question, "answer": answer})
        return replace(
            made, image_id=images[image].id, group=f"g{number}", category="",
            split="test" if number % 5 else "train",
        )  # fmt: skip

    def score(says: Says) -> dict[str, object]:
        def answer(
            _: Answerer, __: Task, batch: Sequence[Asked], ___: ImageStore | None
        ) -> list[Answer]:
            return [Answer(says(one), -1.0) for one in batch]

        monkeypatch.setattr(predict, "_answer", answer)
        exam = read_exam(card("vqa_rad"), place([make(number) for number in range(80)]))
        found = sit_exam(exam, answerer, params, size="debug", seed=3)
        scores = summarize(found, exam.card, params, seed=3)
        headline: dict[str, object] = scores["scores"][scores["headline"]]["all"]
        return headline

    return score


def test_a_model_that_looks_and_reads_loses_by_every_condition(
    score_of: Callable[[Says], dict[str, object]],
    images: list[ImageRecord],
    answerer: Answerer,
) -> None:
    of = score_of(lambda one: knows(one, images, answerer))
    assert of["value"] == 100
    assert of["falls_when_blank"]
    for name in (BLANK, NOISE, SWAPPED, TEXT_ONLY, NO_QUESTION):
        assert of["conditions"][name]["gain_low"] > 0, name  # type: ignore[index]


def test_a_model_that_ignores_images_is_found_out(
    score_of: Callable[[Says], dict[str, object]], answerer: Answerer
) -> None:
    of = score_of(lambda one: "yes" if len(one.source) % 2 else "no")
    assert not of["falls_when_blank"]
    for name in OF_IMAGES:
        assert of["conditions"][name]["gain"] == 0, name  # type: ignore[index]


def test_a_model_that_ignores_questions_is_found_out(
    score_of: Callable[[Says], dict[str, object]], images: list[ImageRecord]
) -> None:
    looks = {image.id: "yes" if place % 2 else "no" for place, image in enumerate(images)}
    of = score_of(lambda one: looks.get(one.picture, "maybe"))
    assert of["falls_when_blank"]
    assert of["conditions"][NO_QUESTION]["gain"] == 0  # type: ignore[index]


def knows(one: Asked, images: list[ImageRecord], answerer: Answerer) -> str:
    """The truth of the world above, from what is shown; another word where it does not suffice."""
    places = {image.id: place for place, image in enumerate(images)}
    text = answerer.vocabulary.decode(one.prefix).strip()
    if one.picture not in places or not text:
        return "maybe"
    turn = ("is it well?", "is it ill?").index(text)
    return "yes" if (places[one.picture] + turn) % 2 else "no"
