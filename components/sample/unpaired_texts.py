"""Texts for pretraining alone: BlueBERT's sentences of PubMed, and MIMIC-III's table of notes."""

from __future__ import annotations

from pathlib import Path

from components.sample.encode import start_chance, write_text
from components.sample.facts import DISEASES, RELATIONS, state_fact
from components.sample.mimic_reports import write_notes
from components.sample.settings import SampleSettings

SENTENCES = (3, 8)


def make_blue_pubmed(folder: Path, settings: SampleSettings) -> list[Path]:
    """Write ``num_texts`` abstracts, a sentence to each line, in lower case; returns the path."""
    chance = start_chance(settings.seed, "blue_pubmed")
    abstracts = []
    for _ in range(settings.num_texts):
        facts = [
            state_fact(chance.choice(DISEASES), chance.choice(RELATIONS), chance.randrange(3))
            for _ in range(chance.randrange(*SENTENCES))
        ]
        # as NLTK parts words and stops
        abstracts.append("".join(f"{fact[:-1].lower()} .\n" for fact in facts))
    return [write_text(folder / "pubmed_uncased_sentence_nltk.txt", "\n".join(abstracts))]


def make_mimic_iii_notes(folder: Path, settings: SampleSettings) -> list[Path]:
    """Write a table of notes, ``num_texts`` of them radiology reports; returns its path."""
    return write_notes("mimic_iii_notes", folder, settings)
