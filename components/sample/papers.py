"""The papers of the sample world: what PubMed cites and PMC prints, before it becomes XML.

A paper depends on the seed and its number alone, so that the citation in one source and the
article in another are of the same paper. Journals and people are invented.
"""

from __future__ import annotations

import random
from dataclasses import dataclass

from components.sample.encode import start_chance
from components.sample.facts import DISEASES, RELATIONS, Disease, state_fact
from components.sample.scenes import MODALITIES, imagine_scenes
from components.sample.settings import SampleSettings
from components.sample.words import TITLES, place_lesions, start_upper

FIRST_PMID, FIRST_PMCID = 90_000_000, 90_000_000
MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
HEADS = ("Bel", "Cor", "Dan", "Fen", "Gar", "Hol", "Mur", "Ros", "Tal", "Wen")
TAILS = ("brin", "dovic", "garsen", "lomar", "netto", "quist", "ström", "tával", "üng", "wixey")


@dataclass(frozen=True, slots=True)
class Journal:
    """An invented journal."""

    title: str
    short: str
    issn: str
    nlm_id: str
    country: str


JOURNALS = (
    Journal("Annals of sample medicine", "Ann Sample Med", "9900-0017", "990000001", "England"),
    Journal("The example journal of imaging", "Ex J Imaging", "9900-0025", "990000002", "France"),
    Journal("Specimen pathology", "Specimen Pathol", "9900-0033", "990000003", "Germany"),
    Journal("Open trials of the sample world", "Open Trials SW", "9900-0041", "990000004", "Peru"),
)


@dataclass(frozen=True, slots=True)
class Section:
    """One labelled part of an abstract; ``markup`` may hold i, b, sub and sup elements."""

    label: str
    category: str
    markup: str


@dataclass(frozen=True, slots=True)
class Paper:
    """A paper. ``pmcid`` is "" when PMC has no article of it."""

    number: int
    pmid: str
    pmcid: str
    doi: str
    title: str
    disease: Disease
    sections: tuple[Section, ...]
    authors: tuple[tuple[str, str], ...]
    journal: Journal
    year: int
    month: int


def count_articles(settings: SampleSettings) -> int:
    """How many of the papers, the first ones, are also printed in PMC, with about three figures."""
    return max(4, settings.num_images // 2)


def imagine_paper(settings: SampleSettings, number: int, revision: int = 1) -> Paper:
    """The paper of this number (from 1). A later revision differs in its numbers."""
    chance = start_chance(settings.seed, f"paper/{number}")
    disease = chance.choice(DISEASES)
    printed = number <= count_articles(settings)
    title = _entitle(disease, chance)
    authors = tuple(_name_author(chance) for _ in range(chance.randrange(1, 5)))
    journal, year, month = (
        chance.choice(JOURNALS),
        chance.randrange(1998, 2026),
        chance.randrange(12),
    )
    figures = start_chance(settings.seed, f"paper/{number}/{revision}")
    return Paper(
        number=number,
        pmid=str(FIRST_PMID + number),
        pmcid=f"PMC{FIRST_PMCID + number}" if printed else "",
        doi=f"10.99999/sample.{number}",
        title=title,
        disease=disease,
        sections=_write_abstract(disease, figures),
        authors=authors,
        journal=journal,
        year=year,
        month=month + 1,
    )


def _entitle(disease: Disease, chance: random.Random) -> str:
    name, drug, test = disease.name, disease.drug, disease.test
    forms = (
        f"{drug} in the treatment of {name}: a cohort study.",
        f"{test} for the diagnosis of {name}.",
        f"{disease.sign} as a sign of {name}.",
        f"{disease.cause} and other causes of {name}.",
        f"imaging of the {disease.organ} in {name}.",
    )
    return start_upper(chance.choice(forms))


def _name_author(chance: random.Random) -> tuple[str, str]:
    """An invented family name and a first initial with a second one."""
    letters = "ABCDEFGHJKLMNPRSTVWZ"
    given = f"{chance.choice(letters)}{chance.choice(letters)}"
    return f"{chance.choice(HEADS)}{chance.choice(TAILS)}", given


def _write_abstract(disease: Disease, chance: random.Random) -> tuple[Section, ...]:
    facts = [
        state_fact(disease, relation, chance.randrange(3))
        for relation in chance.sample(RELATIONS, 4)
    ]
    other = chance.choice(DISEASES)
    (scene,) = imagine_scenes([chance.choice(MODALITIES)], 1, chance)
    num, age, share = chance.randrange(30, 900), chance.randrange(30, 80), chance.randrange(40, 90)
    return (
        Section("BACKGROUND", "BACKGROUND", f"{facts[0]} {facts[1]}"),
        Section(
            "METHODS",
            "METHODS",
            f"We studied {num} patients with {disease.name} (mean age {age} ± 8 years). "
            f"Controls had {other.name}.",
        ),
        Section(
            "RESULTS",
            "RESULTS",
            f"{start_upper(disease.drug)} helped {share}% of the patients "
            f"(<i>P</i> = 0.0{chance.randrange(1, 5)}). "
            f"The {TITLES[scene.modality]} of one patient showed {place_lesions(scene)}. "
            f"The level was 2 x 10<sup>{chance.randrange(2, 9)}</sup> per litre.",
        ),
        Section("CONCLUSIONS", "CONCLUSIONS", f"{facts[2]} {facts[3]}"),
    )
