"""MedDialog: healthcaremagic_dialogue_{1..4}.txt and icliniq_dialogue.txt, consultations as text.

A patient tells at length what the description asks in a line; a doctor answers.
"""

from __future__ import annotations

import random
from pathlib import Path

from components.sample.encode import start_chance, write_text
from components.sample.facts import DISEASES, Disease, state_fact
from components.sample.settings import SampleSettings

NUM_PARTS = 4
ASKED = {
    "drug": ("What is the treatment of {d}?", "Which medicine should i take?"),
    "test": ("How is {d} diagnosed?", "Which test do i need to have done?"),
    "cause": ("What causes {d}?", "I want to know where it comes from."),
    "sign": ("What are the symptoms of {d}?", "What signs should i look out for?"),
}
GREETINGS = ("Hello doctor,", "Hi,", "Dear sir,", "Doctor,")
STORIES = (
    "I am a {age} year old {who} and was told that i have {d}.",
    "My {kin} is {age} and the clinic says it is {d}.",
    "For {days} days we have worried about {d}.",
)
ASIDES = ("My id= card got lost at the clinic.", "We live far from any hospital.", "")
ANSWERS = ("Hello. Thank you for your question.", "Hi, I have read your query.", "Welcome.")


def make_healthcaremagic(folder: Path, settings: SampleSettings) -> list[Path]:
    """Write ``num_texts`` consultations in four files; returns their paths."""
    site = "https://www.healthcaremagic.com/questions/sample"
    records = _consult(settings, "healthcaremagic", site)
    size = -(-len(records) // NUM_PARTS)
    return [
        _write_part(
            folder / f"healthcaremagic_dialogue_{part + 1}.txt",
            records[part * size : (part + 1) * size],
        )
        for part in range(NUM_PARTS)
    ]


def make_icliniq(folder: Path, settings: SampleSettings) -> list[Path]:
    """Write ``num_texts`` consultations in one file; returns its path."""
    records = _consult(settings, "icliniq", "https://www.icliniq.com/qa/sample")
    return [_write_part(folder / "icliniq_dialogue.txt", records)]


def _write_part(path: Path, records: list[str]) -> Path:
    numbered = (f"id={number}\n{record}" for number, record in enumerate(records, start=1))
    return write_text(path, "\n\n".join(numbered))


def _consult(settings: SampleSettings, source: str, site: str) -> list[str]:
    chance = start_chance(settings.seed, source)
    told: dict[str, str] = {}
    while len(told) < settings.num_texts:
        disease, relation = chance.choice(DISEASES), chance.choice(list(ASKED))
        dialogue = _talk(disease, relation, chance)
        question = ASKED[relation][0].format(d=disease.name)
        description = f"{chance.choice(('Q. ', ''))}{question}"
        told.setdefault(dialogue, f"{site}-{len(told) + 1}\n\nDescription\n{description}\n")
    return [f"{head}\nDialogue\n{dialogue}\n" for dialogue, head in told.items()]


def _talk(disease: Disease, relation: str, chance: random.Random) -> str:
    story = chance.choice(STORIES).format(
        age=chance.randrange(20, 90), days=chance.randrange(2, 60), d=disease.name,
        who=chance.choice(("man", "woman")), kin=chance.choice(("mother", "father", "wife")),
    )  # fmt: skip
    patient = (chance.choice(GREETINGS), story, chance.choice(ASIDES), ASKED[relation][1])
    answer = f"{chance.choice(ANSWERS)} {state_fact(disease, relation, chance.randrange(3))}"
    return f"Patient:\n{' '.join(part for part in patient if part)}\n\nDoctor:\n{answer}"
