"""MedNLI: mli_{train,dev,test}_v1.jsonl, three hypotheses to each premise, one of each label.

As in the real set, a hypothesis alone often gives its label away: most contradictions negate,
and most neutral ones speak of causes, plans or history. A quarter of the premises is negative,
and some neutral ones are plain findings, so that the rest needs both sentences. A score that
comes from the hypothesis alone is therefore about three quarters, not one third.
"""

from __future__ import annotations

import random
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from components.sample.encode import start_chance, write_json_lines
from components.sample.facts import DISEASES, Disease
from components.sample.settings import SampleSettings
from components.sample.splits import cut_splits

FILES = {
    "train": "mli_train_v1.jsonl",
    "validation": "mli_dev_v1.jsonl",
    "test": "mli_test_v1.jsonl",
}
NEGATIVE_SHARE, PLAIN_NEUTRAL_SHARE = 0.25, 0.4
PRESENT = (
    "{who} has {a} and {b}.",
    "{who} came to the clinic with {a} and {b}.",
    "For {days} days there has been {a} with {b}.",
    "{who} was admitted because of {a} and {b}.",
)
ABSENT = (
    "{who} has no {a} and no {b}.",
    "{who} denies {a} and {b}.",
    "{who} was seen without {a} and without {b}.",
    "For {days} days there has been no {a} and no {b}.",
)
HAS, LACKS = "The patient has {a}.", "The patient has no {a}."
BEYOND = (
    "The patient will start {drug}.",
    "The patient has a history of {disease}.",
    "The cause is {disease}.",
    "The plan is {test}.",
)


def make_mednli(folder: Path, settings: SampleSettings) -> list[Path]:
    """Write three pairs per premise, about ``num_texts`` in all; returns the files' paths."""
    chance = start_chance(settings.seed, "mednli")
    premises = _choose_premises(settings.num_texts // 3, chance)
    paths: list[Path] = []
    for split, numbers in cut_splits(len(premises)).items():
        pairs = [
            pair
            for number in numbers
            for pair in _pair_premise(*premises[number - 1], chance=chance)
        ]
        chance.shuffle(pairs)
        paths.append(write_json_lines(folder / FILES[split], pairs))
    return paths


def _choose_premises(num: int, chance: random.Random) -> list[tuple[str, Disease, bool]]:
    """``num`` different premises, with the disease that they lead with and their polarity."""
    premises: dict[str, tuple[str, Disease, bool]] = {}
    while len(premises) < num:
        first, second = chance.sample(DISEASES, 2)
        present = chance.random() >= NEGATIVE_SHARE
        form = chance.choice(PRESENT if present else ABSENT)
        text = form.format(
            who=f"A {chance.randrange(20, 90)} year old {chance.choice(('man', 'woman'))}",
            days=chance.randrange(2, 30),
            a=first.sign,
            b=second.sign,
        )
        premises.setdefault(text, (text, first, present))
    return list(premises.values())


def _pair_premise(
    premise: str, disease: Disease, present: bool, *, chance: random.Random
) -> Iterator[dict[str, Any]]:
    agree, oppose = (HAS, LACKS) if present else (LACKS, HAS)
    yield _as_pair("entailment", premise, agree.format(a=disease.sign), chance)
    yield _as_pair("contradiction", premise, oppose.format(a=disease.sign), chance)
    other = chance.choice([other for other in DISEASES if other.sign not in premise])
    if chance.random() < PLAIN_NEUTRAL_SHARE:
        text = chance.choice((HAS, LACKS)).format(a=other.sign)
    else:
        text = chance.choice(BEYOND).format(drug=other.drug, disease=other.name, test=other.test)
    yield _as_pair("neutral", premise, text, chance)


def _as_pair(label: str, premise: str, hypothesis: str, chance: random.Random) -> dict[str, Any]:
    return {
        "sentence1": premise,
        "pairID": f"{chance.getrandbits(128):032x}",
        "sentence1_parse": _parse(premise, "(ROOT (S", "))"),
        "sentence1_binary_parse": _parse(premise, "(", ")"),
        "sentence2": hypothesis,
        "sentence2_parse": _parse(hypothesis, "(ROOT (S", "))"),
        "sentence2_binary_parse": _parse(hypothesis, "(", ")"),
        "gold_label": label,
    }


def _parse(sentence: str, opening: str, closing: str) -> str:
    """The words in one flat bracket: readers keep the column, nothing here looks inside it."""
    return f"{opening} {sentence[:-1]} . {closing}"
