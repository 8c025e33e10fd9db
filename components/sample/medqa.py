"""MedQA (USMLE, four options): phrases_no_exclude_{train,dev,test}.jsonl, a short case each.

The case tells a sign, which only one disease has; what is asked for belongs to that disease.
"""

from __future__ import annotations

import random
from pathlib import Path
from typing import Any

from components.sample.encode import start_chance, write_json_lines
from components.sample.facts import DISEASES, Disease, value_of, values_of
from components.sample.scenes import draw_evenly
from components.sample.settings import SampleSettings
from components.sample.splits import cut_splits
from components.sample.words import start_upper

FOLDER = "questions/US/4_options"
FILES = {"train": "train", "validation": "dev", "test": "test"}
ASKED = {
    "drug": "Which of the following drugs is most appropriate?",
    "test": "Which of the following is the most appropriate next step in diagnosis?",
    "cause": "Which of the following is the most likely cause of this condition?",
    "name": "Which of the following is the most likely diagnosis?",
}
VISITS = ("comes to the physician because of", "is brought to the hospital because of")


def make_medqa(folder: Path, settings: SampleSettings) -> list[Path]:
    """Write ``num_texts`` questions; returns the three files' paths."""
    chance = start_chance(settings.seed, "medqa")
    asked = [(disease, relation) for disease in DISEASES for relation in ASKED]
    paths: list[Path] = []
    for split, numbers in cut_splits(settings.num_texts).items():
        corrects = draw_evenly(range(4), len(numbers), chance)
        cases = draw_evenly(asked, len(numbers), chance)
        rows = [
            _ask(disease, relation, correct, chance)
            for (disease, relation), correct in zip(cases, corrects, strict=True)
        ]
        name = f"phrases_no_exclude_{FILES[split]}.jsonl"
        paths.append(write_json_lines(folder / FOLDER / name, rows))
    return paths


def _ask(disease: Disease, relation: str, correct: int, chance: random.Random) -> dict[str, Any]:
    right = value_of(disease, relation)
    wrong = chance.sample([value for value in values_of(relation) if value != right], 3)
    texts = [start_upper(text) for text in (*wrong[:correct], right, *wrong[correct:])]
    who = f"{chance.randrange(20, 90)}-year-old {chance.choice(('man', 'woman'))}"
    since = f"for {chance.randrange(2, 30)} days"
    return {
        "question": f"A {who} {chance.choice(VISITS)} {disease.sign} {since}. {ASKED[relation]}",
        "answer": texts[correct],
        "options": dict(zip("ABCD", texts, strict=True)),
        "meta_info": chance.choice(("step1", "step2&3")),
        "answer_idx": "ABCD"[correct],
        "metamap_phrases": [who, disease.sign, since],
    }
