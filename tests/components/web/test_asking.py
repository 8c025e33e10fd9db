"""What each kind of model takes, and what it is told that does not fit."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import httpx
import pytest

from components.artifacts.address import parse_address
from components.artifacts.fetching import fetch
from components.artifacts.publishing import publish
from components.config import load_params
from components.serving.requests import ASKED_TASKS
from components.serving.served import ServedModel, load
from components.tasks.registry import TASKS
from components.tracing.products import read_products
from components.web.asking import Asked, check_fit
from components.web.refusals import Refusal
from components.web.serve import open_house
from components.web.takes import list_takes
from tests.components.artifacts.project import PRETRAINED
from tests.components.web.conftest import running
from tests.components.web.test_app import ask, draw


@pytest.fixture(scope="module")
def model(model_folder: Path) -> ServedModel:
    return load(model_folder, "cpu")


def asked(image: bytes | None = b"x", question: str = "", text: str = "", *options: str) -> Asked:
    return Asked(image=image, question=question, text=text, options=list(options), explain=False)


TAKEN = {
    "vqa": ("needed", True, False, False),
    "caption": ("needed", False, False, False),
    "classify": ("needed", False, False, False),
    "understand": ("none", True, True, False),
    "summarize": ("none", False, True, False),
    "answer": ("none", True, True, True),
    "instruct": ("optional", True, True, True),
}


@pytest.mark.parametrize("task", ASKED_TASKS)
def test_each_kind_of_model_says_what_it_takes(model: ServedModel, task: str) -> None:
    model.task = TASKS[task]
    takes = list_takes(model)
    assert (takes.image, takes.question, takes.text, takes.options) == TAKEN[task]
    assert bool(takes.text_is) is takes.text
    assert takes.history is (task == "instruct")


@pytest.mark.parametrize(
    ("task", "body", "words"),
    [
        ("vqa", asked(None, "q"), "There is no image"),
        ("vqa", asked(question=" "), "question is empty"),
        ("caption", asked(question="q"), "takes no question"),
        ("caption", asked(None), "There is no image"),
        ("summarize", asked(text="t"), "takes no image"),
        ("summarize", asked(None), "There is no text"),
        ("understand", asked(None, "q", "t", "a", "b"), "takes no options"),
        ("instruct", asked(None), "question is empty"),
        ("vqa", asked(question="q"), ""),
        ("caption", asked(), ""),
        ("summarize", asked(None, text="t"), ""),
        ("answer", asked(None, "q", "", "a", "b"), ""),
        ("instruct", asked(None, "q"), ""),
        ("instruct", asked(question="q", text="t"), ""),
    ],
)
def test_what_a_model_cannot_take_is_told_before_it_is_asked(
    model: ServedModel, task: str, body: Asked, words: str
) -> None:
    model.task = TASKS[task]
    takes = list_takes(model)
    if not words:
        check_fit(body, takes)
        return
    with pytest.raises(Refusal, match=words) as caught:
        check_fit(body, takes)
    assert caught.value.code == "unfit" and caught.value.next_step


@pytest.mark.services
def test_a_model_that_writes_freely_says_how_sure_it_was(
    made_project: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shutil.copytree(made_project, tmp_path / "project")
    monkeypatch.chdir(tmp_path / "project")
    address = parse_address(f"{tmp_path}/shared/base")
    publish(PRETRAINED, address, read_products(), load_params())
    folder, _ = fetch(address, tmp_path / "base")
    os.chdir(tmp_path)
    with running(open_house(folder, "cpu")) as server:
        facts = httpx.get(f"{server}/api/model").json()
        found = ask(server, draw(), question="what is seen?", explain="true").json()
        seen = httpx.post(f"{server}/api/see", files={"image": draw()}).json()
    assert facts["answers"] == "free" and facts["num_answers"] == 0
    assert found["said"]["probability_is"] == "per_token" and not found["said"]["candidates"]
    assert 0 <= found["said"]["probability"] <= 1
    assert found["without_image"]["shift"] is None and found["attention"]["cells"]
    assert seen["tokens"] is None and "no image tokenizer" in seen["why_no_tokens"]
