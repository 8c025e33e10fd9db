"""MedMCQA: train.json, dev.json and test.json, one object per line; the test has no answers.

Training and dev questions ask for the same facts, in other words and among other options.
"""

from __future__ import annotations

import random
from itertools import pairwise
from pathlib import Path
from typing import Any

from components.sample.encode import start_chance, write_json_lines
from components.sample.facts import (
    DISEASES,
    QUESTIONS,
    RELATIONS,
    Disease,
    state_fact,
    value_of,
    values_of,
)
from components.sample.scenes import draw_evenly
from components.sample.settings import SampleSettings
from components.sample.splits import cut_splits
from components.sample.words import start_upper

# dev is what is tested on, so it gets the share that other sets give to their test
FILES = {"train": "train.json", "test": "dev.json", "validation": "test.json"}
MAX_TRIES = 50
LETTERS = ("opa", "opb", "opc", "opd")


def make_medmcqa(folder: Path, settings: SampleSettings) -> list[Path]:
    """Write ``num_texts`` questions; returns the three files' paths."""
    chance = start_chance(settings.seed, "medmcqa")
    facts = [(disease, relation) for disease in DISEASES for relation in RELATIONS]
    seen: set[tuple[str, ...]] = set()
    paths: list[Path] = []
    for split, numbers in cut_splits(settings.num_texts).items():
        asked = draw_evenly(facts, len(numbers), chance)
        corrects = draw_evenly(range(4), len(numbers), chance)
        rows = [
            _ask_anew(disease, relation, correct, chance=chance, seen=seen)
            for (disease, relation), correct in zip(asked, corrects, strict=True)
        ]
        if FILES[split] == "test.json":
            rows = [{key: row[key] for key in row if key not in ("cop", "exp")} for row in rows]
        paths.append(write_json_lines(folder / FILES[split], rows))
    return paths


def _ask_anew(
    disease: Disease,
    relation: str,
    correct: int,
    *,
    chance: random.Random,
    seen: set[tuple[str, ...]],
) -> dict[str, Any]:
    """A question that was not put before with the same words and options, unless all were."""
    for _ in range(MAX_TRIES):
        row = _ask(disease, relation, correct, chance)
        key = (row["question"], *sorted(row[letter] for letter in LETTERS))
        if key not in seen:
            break
    seen.add(key)
    return row


def _ask(disease: Disease, relation: str, correct: int, chance: random.Random) -> dict[str, Any]:
    right = value_of(disease, relation)
    wrong = chance.sample([value for value in values_of(relation) if value != right], 3)
    options = [*wrong[:correct], right, *wrong[correct:]]
    question = chance.choice(QUESTIONS[relation]).format(d=disease.name)
    return {
        "question": start_upper(question),
        "exp": state_fact(disease, relation, chance.randrange(3)),
        "cop": correct + 1,
        **{letter: start_upper(text) for letter, text in zip(LETTERS, options, strict=True)},
        "subject_name": disease.subject,
        "topic_name": start_upper(disease.organ),
        "id": _make_id(chance),
        "choice_type": "single",
    }


def _make_id(chance: random.Random) -> str:
    digits = f"{chance.getrandbits(128):032x}"
    cuts = (0, 8, 12, 16, 20, 32)
    return "-".join(digits[start:stop] for start, stop in pairwise(cuts))
