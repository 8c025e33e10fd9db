"""PubMedQA: data/ori_pqal.json, and data/test_ground_truth.json with the test's answers.

The last part of each context decides the answer: whether the difference was significant.
"""

from __future__ import annotations

import random
from pathlib import Path
from typing import Any

from components.sample.encode import start_chance, write_json
from components.sample.facts import DISEASES, Disease, state_fact
from components.sample.scenes import draw_evenly
from components.sample.settings import SampleSettings
from components.sample.words import start_upper

TEST_SHARE = 0.25
DECISIONS = ("yes", "no", "maybe", "yes", "no", "yes", "no", "yes", "maybe", "yes")
FIRST_LABELS = ("BACKGROUND", "OBJECTIVE", "PURPOSE", "INTRODUCTION")
QUESTIONS = (
    "Does {drug} help patients with {disease}?",
    "Is {drug} effective in {disease}?",
    "Does {drug} reduce {sign} in {disease}?",
)
RESULTS = {
    "yes": (
        "The difference between the groups was significant (P = 0.0{p}).",
        "{drug} was significantly better than placebo (P = 0.0{p}).",
        "There was a significant benefit (P = 0.0{p}).",
    ),
    "no": (
        "There was no difference between the groups (P = 0.{p}7).",
        "{drug} was not better than placebo (P = 0.{p}7).",
        "There was no benefit (P = 0.{p}7).",
    ),
    "maybe": (
        "The difference was borderline and the findings were mixed.",
        "{drug} was better in some centers and worse in others.",
        "A benefit was uncertain because the groups were small.",
    ),
}
CONCLUSIONS = {
    "yes": "{drug} helps patients with {disease}.",
    "no": "{drug} does not help patients with {disease}.",
    "maybe": "{drug} may help some patients with {disease}; larger trials are needed.",
}


def make_pubmedqa(folder: Path, settings: SampleSettings) -> list[Path]:
    """Write ``num_texts`` questions, a quarter of them the test; returns both files' paths."""
    chance = start_chance(settings.seed, "pubmedqa")
    pmids = chance.sample(range(70_000_000, 80_000_000), settings.num_texts)
    num_test = max(1, round(settings.num_texts * TEST_SHARE))
    decisions = draw_evenly(DECISIONS, num_test, chance) + draw_evenly(
        DECISIONS, settings.num_texts - num_test, chance
    )
    records = {
        str(pmid): _make_record(decision, chance)
        for pmid, decision in zip(pmids, decisions, strict=True)
    }
    truth = {str(pmid): records[str(pmid)]["final_decision"] for pmid in pmids[:num_test]}
    shuffled = {str(pmid): records[str(pmid)] for pmid in chance.sample(pmids, len(pmids))}
    return [
        write_json(folder / "data" / "ori_pqal.json", shuffled, indent=4),
        write_json(folder / "data" / "test_ground_truth.json", truth, indent=4),
    ]


def _make_record(decision: str, chance: random.Random) -> dict[str, Any]:
    disease, treated = chance.choice(DISEASES), chance.choice(DISEASES)
    words = {"drug": treated.drug, "disease": disease.name, "sign": disease.sign}
    result = chance.choice(RESULTS[decision]).format(**words, p=chance.randrange(1, 5))
    return {
        "QUESTION": chance.choice(QUESTIONS).format(**words),
        "CONTEXTS": [
            state_fact(disease, chance.choice(("sign", "organ", "cause")), chance.randrange(3)),
            f"{chance.randrange(40, 400)} patients received {treated.drug} or placebo.",
            start_upper(result),
        ],
        "LABELS": [chance.choice(FIRST_LABELS), "METHODS", "RESULTS"],
        "MESHES": _index(disease, treated),
        "YEAR": str(chance.randrange(1990, 2020)),
        # the real columns are annotators' guesses, and mostly right
        "reasoning_required_pred": _guess(decision, chance),
        "reasoning_free_pred": _guess(decision, chance),
        "final_decision": decision,
        "LONG_ANSWER": start_upper(CONCLUSIONS[decision].format(**words)),
    }


def _index(disease: Disease, treated: Disease) -> list[str]:
    return [disease.name.title(), "Humans", start_upper(treated.drug), "Treatment Outcome"]


def _guess(decision: str, chance: random.Random) -> str:
    return decision if chance.random() < 0.9 else chance.choice(("yes", "no", "maybe"))
