"""The whole matrix with made-up numbers: every benchmark's own card, three sizes, many answers.

Its page shows how large and how quick a real report would be.
"""

from __future__ import annotations

import random
from dataclasses import replace
from pathlib import Path

from components.cards import Card, load_cards
from components.evaluation.metrics import METRICS
from components.report.inputs import Reply, ReportInputs, Sample, Scores
from tests.components.report.conftest import (
    encode,
    make_log,
    make_manifests,
    make_picture,
    make_subset,
)

SIZES = ["base", "large", "xlarge"]
WITH_IMAGES = ("vqa", "caption", "classify")
PARTS = {"vqa": ["all", "closed", "open"]}


def fill_matrix(inputs: ReportInputs, cards: Path, examples: int = 12) -> ReportInputs:
    """The small run of the tests, blown up to all benchmarks and the three sizes of the paper."""
    chosen = {card.name: card for card in load_cards(cards) if card.benchmark}
    names = list(chosen)
    params = inputs.params.model_copy(update={"sizes": SIZES, "datasets": names})
    return replace(
        inputs,
        params=params,
        cards=chosen,
        manifests=(manifests := make_manifests(params)),
        hashes=dict.fromkeys(manifests, "0" * 64),
        metrics={size: make_scores(chosen, size) for size in SIZES},
        zero_shot={size: make_scores(chosen, size) for size in SIZES},
        scale_gains=[],
        logs={f"pretrained/{size}": make_log(size, 600, ["pairs", "others"]) for size in SIZES}
        | {f"finetuned/{size}/{name}": make_log(size + name, 150, ["examples"])
           for size in SIZES for name in names},
        samples=[s for card in chosen.values() for s in make_items(inputs, card, examples)],
    )  # fmt: skip


def make_scores(cards: dict[str, Card], size: str) -> Scores:
    generator, strength = random.Random(size), 0.5 + SIZES.index(size) / 3
    scores: Scores = {}
    for name, card in cards.items():
        base = generator.uniform(20, 45)
        scores[name] = {
            "dataset": name, "size": size, "task": card.task, "candidates": card.candidates,
            "num_candidates": 2 if card.candidates in ("train", "fixed") else None,
            "answers_outside": None if card.candidates == "none" else 12.5,
            "headline": card.metrics[0], "empty_answers": 0,
            "scores": {
                metric: {
                    part: make_subset(
                        generator, base + generator.uniform(-2, 30) * strength, base,
                        250 // (1 + (part != "all")), card.task in WITH_IMAGES, 1.0,
                    )
                    for part in PARTS.get(card.task, ["all"])
                }
                for metric in card.metrics
            },
            "metrics": [
                {key: getattr(METRICS[metric], key)
                 for key in ("name", "title", "version", "unit", "definition", "differs")}
                | {"paper": ""}
                for metric in card.metrics
            ],
        }  # fmt: skip
    return scores


def make_items(inputs: ReportInputs, card: Card, num: int) -> list[Sample]:
    """Items with pictures as large as real ones: noise compresses as badly as tissue does."""
    if inputs.params.report.examples_per_dataset == 0:
        return []
    generator = random.Random(card.name)
    return [
        Sample(
            dataset=card.name, modality=["x-ray", "ct", "histology"][i % 3],
            question=f"what is seen in image {i}? " + "a longer history of the patient. " * (i % 5),
            truth="a finding that is described in some words", baseline="no finding",
            metric="Accuracy",
            replies=[
                Reply(
                    size=size, answer="no finding" if generator.random() < 0.4 else "a finding",
                    blank_answer="no finding", score=100.0 * (i % 2), right=bool(i % 2),
                    confidence=generator.random(), unsure=generator.random() < 0.25,
                )
                for size in SIZES
            ],
            image_jpeg=encode(make_picture(i, 224).convert("RGB"), "JPEG")
            if card.task in WITH_IMAGES else None,
        )
        for i in range(num)
    ]  # fmt: skip
