"""The page of models that are no answerers of single questions about an image."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterable, Iterator
from pathlib import Path

import pytest

from components.artifacts.manifest import OWN
from components.errors import UserError
from components.serving.asking import ASKING
from components.serving.served import Reply, Request, ServedModel
from components.web.serve import open_house
from tests.components.web.browser import CHROMIUM, open_page
from tests.components.web.conftest import running
from tests.components.web.test_app import draw
from tests.components.web.test_page import ANSWER, ask, write

pytestmark = [
    pytest.mark.services,
    pytest.mark.skipif(CHROMIUM is None, reason="needs chromium"),
]


def retask(folder: Path, task: str, to: Path) -> Path:
    """A copy of a model that is asked as one of another task that writes freely."""
    shutil.copytree(folder, to)
    asking = json.loads((to / ASKING).read_text())
    (to / ASKING).write_text(json.dumps({**asking, "task": task, "candidates": []}))
    (to / OWN).unlink()  # it would say that this is no longer the model that was shared
    return to


class Listening(ServedModel):
    """A model that also keeps what it was asked."""

    def ask_each(self, requests: Iterable[Request]) -> Iterator[Reply | UserError]:
        asked = list(requests)
        self.heard = [*getattr(self, "heard", []), *asked]
        yield from super().ask_each(asked)


def test_an_instructed_model_is_given_the_earlier_turns(model_folder: Path, tmp_path: Path) -> None:
    house = open_house(retask(model_folder, "instruct", tmp_path / "model"), "cpu")
    house.desk.model.__class__ = Listening
    with running(house) as server, open_page(tmp_path, server) as page:
        page.choose(write(tmp_path, "film.png", draw()))
        page.wait("document.getElementById('image').naturalWidth")
        said = ask(page, "What Is Seen?")
        ask(page, "And on the left?")
        assert "earlier questions" in page.text("#memory")
        assert "certainty of each piece" in page.text("#thread")
    heard = house.desk.model.heard  # type: ignore[attr-defined]
    assert [request.question for request in heard[::2]] == ["What Is Seen?", "And on the left?"]
    told = "" if said == "(it says nothing)" else f"question: what is seen? answer: {said.lower()}"
    assert heard[0].text == "" and heard[-1].text.split() == told.split()


def test_a_model_of_texts_is_given_a_text_and_no_picture(
    model_folder: Path, tmp_path: Path
) -> None:
    house = open_house(retask(model_folder, "summarize", tmp_path / "model"), "cpu")
    with running(house) as server, open_page(tmp_path, server) as page:
        assert page.text("h1") == "Ask about a text"
        assert not page.evaluate("document.getElementById('file').getClientRects().length")
        page.click("#send")
        page.wait("document.querySelector('#thread .notice, #ask-error:not([hidden])')")
        page.click("#text")
        page.ask("Input.insertText", text="What study 11 found of the lung.")
        page.click("#send")
        page.wait(f"document.querySelector('{ANSWER}')")
        assert "Is it looking" not in page.text("#thread")
