"""Answers of any model to a test split, scored by this project's definitions.

A file of JSON lines, one answer each: ``{"id": ..., "prediction": ...}``, and where classes are
chosen among, ``options``: an object of answer to log-probability. The samples that the LM
Evaluation Harness logs of the exported tasks (export.py) are read as they are.
"""

from __future__ import annotations

import json
import math
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from components.cards import Card
from components.config import Params
from components.errors import UserError
from components.evaluation.baselines import fit_baseline
from components.evaluation.conditions import FULL
from components.evaluation.examine import Exam, read_exam
from components.evaluation.passport import describe_fact, describe_items
from components.evaluation.summary import summarize
from components.lineage import hash_file
from components.records import Example, Prediction

NUM_NAMED = 5  # ids that an error names
ROW = '{"id": "...", "prediction": "..."}'
SHARED = (
    "id", "dataset", "references", "category", "group", "image_id", "modality", "attributes"
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class GivenAnswer:
    """One row of the file; ``source`` is what was asked, where the row tells it."""

    id: str
    prediction: str
    options: dict[str, float] = field(default_factory=dict)
    source: str = ""


def score_answers(path: Path, card: Card, examples: Path, params: Params) -> dict[str, Any]:
    """The metrics JSON of a file of answers (evaluation.summary), with ``num_empty``.

    Each test item must be answered once and nothing else. An empty answer counts as it stands,
    which no reference equals. Metrics that need the options' probabilities are left out where some
    row has none, and named in ``left_out``. UserError names the rows or the ids that are wrong.
    """
    exam = read_exam(card, examples)
    answers = match_answers(list(read_answers(path)), exam.test, path, card.title)
    if card.candidates == "fixed":
        _check_options(answers, exam.candidates, path)
    guess = fit_baseline(exam.train, exam.baseline, params.seed)
    rows = [
        _record(example, answer, guess(example).strip(), path.stem)
        for example, answer in zip(exam.test, answers, strict=True)
    ]
    scores = summarize(rows, card, params.evaluate, params.seed)
    return scores | {
        "num_empty": sum(not answer.prediction.strip() for answer in answers),
        "passport": _state_facts(exam, examples, path),
    }


def read_answers(path: Path) -> Iterator[GivenAnswer]:
    """The rows of a file; UserError with the number of the first that is none."""
    if not path.is_file():
        raise UserError(f"{path} is not there", next_command=f"write rows like {ROW}")
    # Not splitlines: an answer may hold a line separator of Unicode, which JSON leaves as it is.
    for number, line in enumerate(path.read_bytes().split(b"\n"), start=1):
        if line.strip():
            yield _parse(line, f"{path}, line {number}")


def _parse(line: bytes, where: str) -> GivenAnswer:
    try:
        row = json.loads(line.decode("utf-8-sig"))  # some editors mark a file's beginning
        logged = isinstance(row, dict) and "doc" in row
        row = _read_sample(row) if logged else row
    except (ValueError, OverflowError, RecursionError) as error:
        raise _refuse_row(where, str(error)) from None
    except (LookupError, TypeError, AttributeError) as error:
        raise _refuse_row(
            where, f"a logged sample is not as the harness writes it: {error!r}"
        ) from None
    if not isinstance(row, dict) or not isinstance(row.get("id"), str):
        raise _refuse_row(where, "it has no id that is a text")
    if not isinstance(row.get("prediction"), str):
        raise _refuse_row(where, f"the prediction of {row['id']} is no text")
    options = row.get("options", {})
    if not isinstance(options, dict) or not all(_is_finite(value) for value in options.values()):
        raise _refuse_row(where, f"options of {row['id']} are no object of finite numbers")
    return GivenAnswer(row["id"], row["prediction"], options, row["source"] if logged else "")


def _is_finite(value: Any) -> bool:
    if isinstance(value, bool) or not isinstance(value, int | float):
        return False
    try:
        return math.isfinite(value)
    except OverflowError:  # a whole number of more digits than a float holds
        return False


def _refuse_row(where: str, why: str) -> UserError:
    return UserError(f"{where} is no answer", why=why, next_command=f"write rows like {ROW}")


def _read_sample(row: dict[str, Any]) -> dict[str, Any]:
    """A logged sample of the harness: a text, or log-likelihoods of the choices in their order."""
    doc, found = row["doc"], row.get("filtered_resps", [])
    if not found or isinstance(found[0], str):
        said = found[0] if found else None
        return {"id": doc.get("id"), "prediction": said, "source": doc.get("source", "")}
    values = [float(likelihood) for likelihood, _ in found]
    choices = [choice.strip() for choice in doc["choices"]]
    best = max(range(len(choices)), key=values.__getitem__)
    options = dict(zip(choices, values, strict=True))
    told = {"id": doc.get("id"), "source": doc.get("source", "")}
    return told | {"prediction": choices[best], "options": options}


def match_answers(
    answers: Sequence[GivenAnswer], items: Sequence[Example], path: Path, title: str
) -> list[GivenAnswer]:
    """The answers in the order of the items; UserError names ids that are doubled, foreign or
    missing, or that were asked something else: tasks that were exported of other data."""
    counts = Counter(answer.id for answer in answers)
    asked = {item.id: item.source for item in items}
    wanted = asked.keys()
    faults = {
        "answered more than once": [name for name, num in counts.items() if num > 1],
        "not test items": sorted(counts.keys() - wanted),
        "not answered": sorted(wanted - counts.keys()),
        "asked otherwise": [
            own.id for own in answers if own.source not in ("", asked.get(own.id, own.source))
        ],
    }
    told = [f"{len(names)} {words}: {_name(names)}" for words, names in faults.items() if names]
    if told:
        raise UserError(
            f"{path} does not match the {len(items)} test items of {title}",
            why="; ".join(told),
            next_command="answer every test item once: biomedgpt export-tasks FOLDER writes them",
        )
    by_id = {answer.id: answer for answer in answers}
    return [by_id[item.id] for item in items]


def _check_options(
    answers: Sequence[GivenAnswer], candidates: Sequence[Sequence[str]], path: Path
) -> None:
    """UserError for log-probabilities of other classes than the set has: a class that nobody gave
    would be missing from the mean of areas, and none would see it."""
    for answer, texts in zip(answers, candidates, strict=True):
        classes = sorted(text.strip() for text in texts)
        if answer.options and sorted(name.strip() for name in answer.options) != classes:
            raise UserError(
                f"{path}: the options of {answer.id} are {sorted(answer.options)}",
                why=f"the classes are {classes}",
                next_command="give a log-probability of each of them, or no options",
            )


def _name(names: Sequence[str]) -> str:
    more = f" and {len(names) - NUM_NAMED} more" if len(names) > NUM_NAMED else ""
    return ", ".join(names[:NUM_NAMED]) + more


def _record(example: Example, answer: GivenAnswer, guessed: str, size: str) -> Prediction:
    return Prediction(
        **{name: getattr(example, name) for name in SHARED},
        size=size,
        condition=FULL,
        prediction=answer.prediction.strip(),
        target=example.target.strip(),
        source=example.source.strip(),
        log_probability=0.0,  # not told
        baseline=guessed,
        options=list(answer.options),
        option_log_probabilities=[float(value) for value in answer.options.values()],
    )


def _state_facts(exam: Exam, examples: Path, path: Path) -> list[dict[str, Any]]:
    answers = describe_fact("predictions", sha256=hash_file(path), path=path)
    return [describe_items(exam, examples), answers]
