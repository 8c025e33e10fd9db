"""Answers that are kept: a run goes on where it stopped, and ends as if it had not."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from components.cards import Card
from components.config import EvaluateParams, Params
from components.dataset.images import ImageStore
from components.evaluation import predict
from components.evaluation.cache import DECIDING, Answer, AnswerCache, make_key
from components.evaluation.examine import Exam, read_exam, sit_exam
from components.evaluation.predict import Answerer, Asked
from components.model.model import UnifiedModel
from components.model.weights import save_model
from components.profiles.overlay import read_profile
from components.records import Example, ImageRecord, Prediction
from components.schema import validate
from components.tasks.base import Task
from tests.components.evaluation.conftest import ask
from tests.test_architecture import imported_files

ANSWERS = [Answer("left", -0.1, ["left", "right"], [-0.1, -2.3000000000000003]), Answer("", -1e-9)]


class KilledError(Exception):
    """Stands for whatever ends a process in the middle."""


class Meter:
    """Counts the batches that a model answers, and can end the run before one."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.num, self.last, original = 0, 10**6, predict._answer

        def answer(
            answerer: Answerer, task: Task, batch: Sequence[Asked], store: ImageStore | None
        ) -> list[Answer]:
            if self.num == self.last:
                raise KilledError
            self.num += 1
            return original(answerer, task, batch, store)

        monkeypatch.setattr(predict, "_answer", answer)


@pytest.fixture
def meter(monkeypatch: pytest.MonkeyPatch) -> Meter:
    return Meter(monkeypatch)


@pytest.fixture
def exam(
    card: Callable[[str], Card],
    place: Callable[[list[Example]], Path],
    images: list[ImageRecord],
) -> Exam:
    return read_exam(card("vqa_rad"), place(ask(images, 30)))


@pytest.fixture
def sit(exam: Exam, answerer: Answerer, tmp_path: Path) -> Callable[..., list[Prediction]]:
    params: EvaluateParams = validate(Params, read_profile("demo"), "demo").evaluate

    def run(key: str = "model", kept: Path | None = tmp_path / "answers") -> list[Prediction]:
        return sit_exam(
            exam, replace(answerer, key=key), params, size="debug", seed=1, kept=kept
        )  # fmt: skip

    return run


def test_what_is_kept_is_what_was_written(tmp_path: Path) -> None:
    cache = AnswerCache(tmp_path, print)
    assert cache.read("a") is None
    cache.write("a", ANSWERS)
    assert cache.read("a") == ANSWERS


@pytest.mark.parametrize("damage", [lambda b: b[:-3], lambda b: b"", lambda b: b[:80] + b"X"])
def test_a_damaged_file_is_passed_over_and_said(
    tmp_path: Path, damage: Callable[[bytes], bytes]
) -> None:
    said: list[str] = []
    cache = AnswerCache(tmp_path, said.append)
    cache.write("a", ANSWERS)
    (file,) = tmp_path.iterdir()
    file.write_bytes(damage(file.read_bytes()))
    assert cache.read("a") is None
    assert "a.json is damaged" in said[0]
    cache.write("a", ANSWERS)
    assert cache.read("a") == ANSWERS


def test_an_evaluation_that_was_killed_goes_on(
    sit: Callable[..., list[Prediction]], meter: Meter
) -> None:
    expected = sit(kept=None)
    whole, meter.num, meter.last = meter.num, 0, 7
    assert whole > 10
    with pytest.raises(KilledError):
        sit()
    assert meter.num == 7
    meter.last = 10**6
    assert sit() == expected  # bit for bit
    assert meter.num == whole
    assert sit() == expected
    assert meter.num == whole


def test_another_model_is_asked_and_takes_the_place_of_the_first(
    sit: Callable[..., list[Prediction]], meter: Meter, tmp_path: Path
) -> None:
    sit()
    first, num = set((tmp_path / "answers").iterdir()), meter.num
    (tmp_path / "answers/0.partial").write_bytes(b"half")
    sit(key="another model")
    assert meter.num == 2 * num
    left = set((tmp_path / "answers").iterdir())
    assert len(left) == len(first)
    assert not left & first


def test_a_key_follows_weights_vocabulary_and_decoding(
    model: UnifiedModel, answerer: Answerer, tmp_path: Path
) -> None:
    folder, words = tmp_path / "model", tmp_path / "words"
    save_model(model, folder)
    answerer.vocabulary.save(words)
    keys = [make_key(folder, words, {"beam": 1}), make_key(folder, words, {"beam": 1})]
    keys.append(make_key(folder, words, {"beam": 2}))
    (words / "more").write_text("x")
    keys.append(make_key(folder, words, {"beam": 1}))
    (words / "more").unlink()
    (folder / "model.safetensors").write_bytes(b"other")
    keys.append(make_key(folder, words, {"beam": 1}))
    assert keys[0] == keys[1]
    assert len(set(keys)) == 4


# What predict.py reaches and what decides no answer: it reads settings and files, or tells, or
# phrases what is asked, which is in the key itself.
BYSTANDERS = {
    "components/__init__.py", "components/config.py", "components/errors.py",
    "components/evaluation/cache.py", "components/lineage.py", "components/logs.py",
    "components/parallel.py", "components/progress.py", "components/records.py",
    "components/redaction.py", "components/schema.py",
    "components/tasks/answer.py", "components/tasks/base.py", "components/tasks/phrasing.py",
    "components/training_config.py",
}  # fmt: skip


def test_every_module_that_predicting_reaches_is_in_the_key_or_known_to_decide_nothing(
    repository: Path,
) -> None:
    reached, waiting = set[str](), ["components/evaluation/predict.py"]
    while waiting:
        source = waiting.pop()
        if source not in reached:
            reached.add(source)
            waiting += imported_files(source)
    found = {path for name in DECIDING for path in (repository / "components").glob(name)}
    deciding = {path.relative_to(repository).as_posix() for path in found}
    assert all(list((repository / "components").glob(name)) for name in DECIDING)
    assert reached - deciding == BYSTANDERS
