"""A fetched folder answers as the evaluation did, with nothing else of the project at hand."""

from __future__ import annotations

import io
import json
import subprocess
import sys
from pathlib import Path

import pytest
from PIL import Image

from components.artifacts.address import parse_address
from components.artifacts.fetching import fetch
from components.artifacts.publishing import publish
from components.config import load_params
from components.errors import UserError
from components.records import Example, ImageRecord, Prediction, read_records
from components.serving.asking import ASKING
from components.serving.pictures import read_picture
from components.serving.served import Request, load
from components.tracing.products import read_products
from tests.components.artifacts.conftest import made_project, project
from tests.components.artifacts.project import EXAMPLES, MODEL, PREDICTIONS, PRETRAINED

__all__ = ["made_project", "project"]


@pytest.fixture
def folder(project: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A model that was published and got, in an empty folder."""
    address = parse_address(f"{tmp_path}/shared/vqa")
    publish(MODEL, address, read_products(), load_params())
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")
    return fetch(address)[0]


def test_it_answers_as_the_evaluation_did(folder: Path, project: Path) -> None:
    model = load(folder, "cpu")
    examples = {e.id: e for e in read_records(project / EXAMPLES / "examples.parquet", Example)}
    images = {
        i.id: i.bytes for i in read_records(project / EXAMPLES / "images.parquet", ImageRecord)
    }
    file = project / PREDICTIONS / "predictions.parquet"
    told = [p for p in read_records(file, Prediction) if p.condition == "full"]
    requests = [Request(images[p.image_id], examples[p.id].source.strip()) for p in told]
    replies = model.ask_all(requests)
    assert [reply.text for reply in replies] == [p.prediction for p in told] and len(told) == 4
    for reply, p in zip(replies, told, strict=True):
        assert reply.log_probability == pytest.approx(p.log_probability, abs=1e-4)
        assert [text for text, _ in reply.options] == p.options
    alone = model.ask(requests[0].image, requests[0].question)
    assert alone.text == replies[0].text


def test_the_command_needs_only_the_package(folder: Path, repository: Path) -> None:
    Image.new("RGB", (50, 30), "grey").save("x.png")
    command = [sys.executable, "-m", "flows.cli", "predict", "--model", str(folder), "--image",
               "x.png", "--question", "Is the lung clear?"]  # fmt: skip
    around = {"PYTHONPATH": str(repository), "PATH": "", "OMP_NUM_THREADS": "1"}
    done = subprocess.run(command, capture_output=True, text=True, check=False, env=around)
    assert done.returncode == 0, done.stderr
    answer, sure, other, model, data, note = done.stdout.splitlines()
    assert {answer, other.split()[1]} == {"yes", "no"} and note.startswith("research only")
    assert "uncalibrated" in sure and "vqa@v1 (finetune debug vqa_rad)" in model
    assert data.split()[1] == "data/examples/vqa_rad"


def test_the_same_question_gets_the_same_answer_whatever_is_asked_beside_it(folder: Path) -> None:
    model = load(folder, "cpu")
    image = _draw(60, "white")
    first = model.ask(image, "Is the lung clear?")
    many = model.ask_all([Request(_draw(n, "black"), "what is seen") for n in range(20, 40)]
                         + [Request(image, "Is the lung clear?")])  # fmt: skip
    assert many[-1].text == first.text and len(many) == 21


def _draw(px: int, colour: str) -> bytes:
    buffer = io.BytesIO()
    Image.new("RGB", (px, px), colour).save(buffer, "PNG")
    return buffer.getvalue()


@pytest.mark.parametrize(
    ("request_", "words"),
    [
        (Request(None, "Is it?"), "is asked about an image"),
        (Request(b"no image", "Is it?"), "the image cannot be read"),
        (Request(b"", "Is it?"), "the image cannot be read"),
        (Request(_draw(9, "red")), "needs its question"),
        (Request(_draw(9, "red"), "Is it?", text="a report"), "takes no text"),
        (Request(_draw(9, "red"), "Is it?", options=["a"]), "takes no options"),
    ],
)
def test_a_request_that_does_not_fit_is_told(folder: Path, request_: Request, words: str) -> None:
    with pytest.raises(UserError, match=words):
        load(folder, "cpu").ask_all([request_])


def test_a_model_of_no_data_set_answers_freely(project: Path, tmp_path: Path) -> None:
    address = parse_address(f"{tmp_path}/shared/base")
    publish(PRETRAINED, address, read_products(), load_params())
    reply = load(fetch(address)[0], "cpu").ask(_draw(30, "white"), "what is seen")
    assert isinstance(reply.text, str) and reply.options == []


def test_what_cannot_be_asked_says_what_to_do(folder: Path, tmp_path: Path) -> None:
    with pytest.raises(UserError, match="is no model that can be asked") as caught:
        load(tmp_path, "cpu")
    assert "biomedgpt get ADDRESS" in caught.value.next_command
    told = json.loads((folder / ASKING).read_text())
    (folder / ASKING).write_text(json.dumps(told | {"task": "divination"}))
    with pytest.raises(UserError, match="1 bad setting") as caught:
        load(folder, "cpu")
    assert "not 'divination'" in caught.value.why
    (folder / ASKING).write_text('{"task": "vqa"}')
    with pytest.raises(UserError, match="bad settings"):
        load(folder, "cpu")
    with pytest.raises(UserError, match="there is no image"):
        read_picture(tmp_path / "absent.png")
