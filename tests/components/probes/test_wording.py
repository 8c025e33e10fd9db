"""Changes of a question do what they say, and flips are counted."""

from __future__ import annotations

from pathlib import Path

import pytest

from components.dataset.images import ImageStore
from components.evaluation.predict import Answer, Answerer
from components.probes import wording
from components.probes.measure import Sampling
from components.probes.wording import CHANGES, mislead, misspell, negate, probe_wording, rephrase
from components.records import Example, ImageRecord, write_records
from tests.components.evaluation.conftest import IMAGE_PX, ask

ANSWERS = {"is there a mass?": "yes", "is the heart abnormal?": "no", "which organ is it?": "lung"}


def test_changes_do_what_they_say() -> None:
    assert misspell("is there a fracture?") == "is there a farcture?"
    assert misspell("is it ct?") is None
    assert rephrase("is there any mass here?") == "can you see any mass here?"
    assert negate("is there a mass?", "yes") == "is there no mass?"
    assert negate("is the heart abnormal?", "no") == "is the heart normal?"
    assert negate("is there a mass?", "lung") is None
    assert mislead("is there a mass?", "no").endswith("the answer is yes.")  # type: ignore[union-attr]
    assert mislead("which organ is it?", "lung") is None


@pytest.mark.parametrize(
    ("follows", "flips"),
    [
        (True, {"remark": 0, "wrong hint": 0, "opposite": 100}),
        (False, {"remark": 0, "wrong hint": 100, "opposite": 0}),
    ],
)
def test_who_follows_hints_is_told_from_who_follows_questions(
    monkeypatch: pytest.MonkeyPatch,
    answerer: Answerer,
    sampling: Sampling,
    follows: bool,
    flips: dict[str, int],
) -> None:
    """A planted model: it knows the answers and their opposites, or repeats what it is told."""

    def say(source: str) -> str:
        for question, known in ANSWERS.items():
            if question in source:
                hint = source.rsplit("the answer is ", 1)[-1] if "the answer is" in source else ""
                return known if follows or not hint else hint.strip(". ")
        return ("no" if "mass" in source else "yes") if follows else ANSWERS_OF_REST[source.strip()]

    ANSWERS_OF_REST = {"is there no mass?": "yes", "is the heart normal?": "no"}

    def answer(_answerer: object, _task: object, examples: list[Example], *_: object, **__: object):  # type: ignore[no-untyped-def]
        return [Answer(say(example.source), -1.0) for example in examples]

    monkeypatch.setattr(wording, "answer_all", answer)
    monkeypatch.setattr(wording, "CHANGES", [c for c in CHANGES if c.name in flips])
    asked = [
        Example(str(i), "toy", "vqa", "test", f" {question}", f" {known}")
        for i, (question, known) in enumerate(ANSWERS.items())
    ]
    found, said = probe_wording(asked, answerer, None, max_items=9, size="debug", sampling=sampling)
    assert found is not None and found["questions"] == 3
    assert {one["name"]: one["flipped"]["value"] for one in found["changes"]} == flips
    assert {p.condition for p in said} == {"as asked", *flips}


def test_a_model_is_asked_in_every_wording(
    answerer: Answerer, images: list[ImageRecord], tmp_path: Path, sampling: Sampling
) -> None:
    write_records(tmp_path / "images.parquet", ImageRecord, images)
    store = ImageStore([tmp_path / "images.parquet"], IMAGE_PX)
    found, said = probe_wording(
        ask(images), answerer, store, max_items=4, size="debug", sampling=sampling
    )
    assert found is not None and found["questions"] == 4
    polite = next(one for one in found["changes"] if one["name"] == "polite")
    assert polite["flipped"]["n"] == 4
    assert len([p for p in said if p.condition == "polite"]) == 4
    assert probe_wording([], answerer, None, max_items=4, size="debug", sampling=sampling) == (
        None,
        [],
    )
