"""What fits a model's task is asked; what does not is told, with what to do."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from components.errors import UserError
from components.serving import load
from components.serving.confidence import Confidence
from components.serving.served import Reply, Request, ServedModel
from tests.components.serving.small import draw, make_folder

INSTRUCTED = {"task": "instruct", "dataset": "", "candidates": []}


@pytest.fixture(scope="module")
def closed(tmp_path_factory: pytest.TempPathFactory) -> ServedModel:
    return load(make_folder(tmp_path_factory.mktemp("closed")), "cpu")


@pytest.fixture(scope="module")
def instructed(tmp_path_factory: pytest.TempPathFactory) -> ServedModel:
    return load(make_folder(tmp_path_factory.mktemp("instructed"), **INSTRUCTED), "cpu")


@pytest.mark.parametrize(
    ("request_", "words"),
    [
        (Request(draw(0), "   "), "needs its question"),
        (Request(draw(0), "why " * 2_500_000), "10,000,000 characters, at most 10,000"),
        (Request(draw(0), "Is it?", task="caption"), "does the task vqa, not caption"),
        (Request(draw(0), "Is it?", task="drive"), "no task 'drive'"),
        (Request(None, "Is it?"), "is asked about an image"),
        (Request(draw(0), "Is it?", options=["a", "b"]), "takes no options"),
    ],
)
def test_what_does_not_fit_is_told(closed: ServedModel, request_: Request, words: str) -> None:
    with pytest.raises(UserError, match=words) as caught:
        closed.ask_all([request_])
    assert "\n" not in caught.value.what and len(str(caught.value)) < 400


@pytest.mark.parametrize(
    "request_",
    [
        Request(draw(1), "is the lung clear?"),
        Request(draw(1), task="caption"),
        Request(draw(1), task="classify", options=["left", "Right"]),
        Request(draw(1), "is it normal", task="vqa", options=["yes", "no"]),
        Request(None, text="the left lung is clear", task="summarize"),
        Request(None, "is it clear?", "the lung is clear", task="understand"),
        Request(None, "which side?", "the left", ["left", "right"], task="answer"),
    ],
)
def test_an_instructed_model_does_every_task(instructed: ServedModel, request_: Request) -> None:
    (reply,) = instructed.ask_all([request_])
    options = {" ".join(option.lower().split()) for option in request_.options}
    assert {text for text, _ in reply.options} == options
    assert not options or reply.text in options
    assert not reply.confidence.is_calibrated and 0 <= reply.confidence.value <= 1
    assert sum(chance for _, chance in reply.candidates) == pytest.approx(float(bool(options)))


@pytest.mark.parametrize("task", ["answer", "vqa"])
def test_an_option_that_is_given_twice_counts_once(instructed: ServedModel, task: str) -> None:
    once = Request(draw(0) if task == "vqa" else None, "which side?", "", ["left", "right"], task)
    twice = replace(once, options=["left", "right", "Left", " left "])
    assert instructed.ask_all([twice]) == instructed.ask_all([once])
    with pytest.raises(UserError, match="an option is empty"):
        instructed.ask_all([replace(once, options=["left", " "])])


@pytest.mark.parametrize("task", ["summarize", "understand", "answer"])
def test_a_task_of_text_takes_no_image(instructed: ServedModel, tmp_path: Path, task: str) -> None:
    own = load(make_folder(tmp_path, task=task, candidates=[]), "cpu")
    question = "" if task == "summarize" else "is it clear?"
    for model in (own, instructed):
        told = Request(
            None, question, "the left lung is clear", ["a", "b"][: 2 * (task == "answer")], task
        )
        assert model.ask_all([told])
        with pytest.raises(UserError, match=f"the task {task} takes no image"):
            model.ask_all([replace(told, image=draw(0))])


def test_what_is_over_the_limits_is_counted(closed: ServedModel) -> None:
    assert closed.ask(draw(0), "is the lung clear?").num_cut == 0
    long = closed.ask(draw(0), "is the left lung clear and normal " * 30)
    assert long.num_cut > 100  # 80 words of 210 are asked, and 40 tokens of these are read


def test_one_bad_request_ends_no_other(closed: ServedModel) -> None:
    good = Request(draw(0), "is it normal?")
    mixed = [good, Request(b"no image", "is it?"), good, Request(draw(1), "")]
    first, bad, second, empty = closed.ask_each(mixed)
    assert first == second == closed.ask_all([good])[0]
    assert isinstance(bad, UserError) and isinstance(empty, UserError)


def test_an_answer_below_a_level_is_not_given(closed: ServedModel) -> None:
    reply = closed.ask(draw(0), "is it normal?")
    sure = reply.confidence.value
    assert 0.2 <= sure < 1 and reply.refusal(sure) == ""
    assert reply.refusal(1.0).startswith("no answer: confidence 0.")


@pytest.mark.parametrize(
    ("sure", "level", "words"),
    [
        (0.578, 0.99, "0.58 is below 0.99"),
        (0.6972, 0.7, "0.697 is below 0.70"),
        (0.302, 0.305, "0.30 is below 0.305"),
        (0.99996, 1.0, "0.99996 is below 1.00"),
        (0.0, 0.01, "0.00 is below 0.01"),
    ],
)
def test_a_refusal_says_as_many_digits_as_tell_the_two_apart(
    sure: float, level: float, words: str
) -> None:
    reply = Reply("yes", -1.0, confidence=Confidence(sure, sure))
    assert reply.refusal(level) == f"no answer: confidence {words}"
    assert reply.refusal(sure) == ""


def test_vectors_are_of_one_item_whatever_lies_beside_it(closed: ServedModel) -> None:
    images = closed.embed_images([draw(n) for n in range(18)])
    texts = closed.embed_texts(["the left lung", "no", "is the left lung clear and normal?"])
    assert images.shape == (18, 128) and texts.shape == (3, 128)
    assert closed.embed_images([draw(17)])[0] == pytest.approx(images[17], abs=1e-4)
    assert closed.embed_texts(["no"])[0] == pytest.approx(texts[1], abs=1e-4)
    assert abs(images[0] - images[1]).max() > 1e-3
    assert closed.embed_images([]).shape == closed.embed_texts([]).shape == (0, 128)


def test_free_text_has_the_mean_probability_of_its_tokens(tmp_path: Path) -> None:
    model = load(make_folder(tmp_path, candidates=[]), "cpu", greedy=True)
    assert model.answerer.search.beam == 1
    reply = model.ask(draw(2), "what is seen?")
    assert reply.candidates == [] and 0 < reply.confidence.value <= 1
    assert reply.confidence.words == "uncalibrated"
