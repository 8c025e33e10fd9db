"""Under which terms a trained model stands: those of all that it was trained on, strictest first.

Whether weights are a work derived from their training data is an open question in law; this page
takes the careful answer, that a condition of the data is a condition of the model.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass

from components.cards import Card
from components.pubmed.licences import PUBLISHER
from components.report.inputs import ReportInputs
from components.report.numbers import print_count

# Term to what it means for a model, the strictest first.
TERMS = {
    "credentialed": "only people with the same credentials may have the weights",
    "by agreement": "the owner must agree before the weights go to anybody else",
    "non-commercial": "for non-commercial use only",
    "no derivatives": "the owner allows no changed copies; whether weights are one is not settled",
    "unstated": "no licence is stated for some of the data, so that nothing is allowed by it",
    "own terms": "the owner's terms hold, beside any licence",
    "share-alike": "what is made of it has to stay under the same licence",
    "attribution": "any use, with the sources named",
}
BY_ACCESS = {
    "credentialed": "credentialed",
    "agreement": "by agreement",
    "request": "by agreement",
    "registration": "own terms",
    "non-commercial": "non-commercial",
    "crawl": "unstated",
}
BY_WORDS = (
    ("non-commercial", re.compile(r"\bNC\b|non-?commercial", re.IGNORECASE)),
    ("no derivatives", re.compile(r"\bND\b")),
    ("share-alike", re.compile(r"\bSA\b")),
    ("unstated", re.compile(
        r"unknown|unclear|not stated|no licence|none is stated|belong to|publisher", re.IGNORECASE
    )),
    ("own terms", re.compile(r"\bterms of\b", re.IGNORECASE)),
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class ModelTerms:
    """A model, its strictest term, and every term with the data that brings it."""

    model: str
    strictest: str
    reasons: list[tuple[str, str]]


def name_terms(licence: str, access: str = "open") -> list[str]:
    """The terms that a licence and a way of access come to; attribution where there is no other."""
    found = {term for term, pattern in BY_WORDS if pattern.search(licence)}
    found |= {BY_ACCESS[access]} if access in BY_ACCESS else set()
    return [term for term in TERMS if term in found] or ["attribution"]


def list_model_terms(inputs: ReportInputs) -> list[ModelTerms]:
    """The terms of the pretrained models, of each fine-tuned one, and of the instructed ones.

    They are the same for every size. Articles and figures count by the licence of each.
    """
    params = inputs.params
    base = [*_read_corpus(inputs), *_read_cards(inputs, params.pretrained_on)]
    tuned = {f"fine-tuned on {inputs.title(name)}": name for name in params.datasets}
    added = {**tuned, "instructed": "biomed_vital"}
    return [
        _weigh("pretrained", base),
        *(_weigh(model, [*base, *_read_cards(inputs, [name])]) for model, name in added.items()),
    ]


def _read_cards(inputs: ReportInputs, names: Iterable[str]) -> list[tuple[str, str]]:
    """(term, data set) of each."""
    cards: list[Card] = [inputs.cards[name] for name in names if name in inputs.cards]
    return [
        (term, card.title)
        for card in cards
        for term in name_terms(card.source.licence, card.source.access)
    ]


def _read_corpus(inputs: ReportInputs) -> list[tuple[str, str]]:
    """(term, so many articles or figures) of each licence in the corpus."""
    found = _read_cards(inputs, ["pubmed"])
    counts: dict[tuple[str, str], int] = {}
    for kind, word in (("fulltext", "articles"), ("figure", "figures")):
        licences = inputs.corpus.licences.get(kind, {}) if inputs.corpus else {}
        for licence, count in licences.items():
            for term in name_terms(licence or PUBLISHER):
                counts[term, word] = counts.get((term, word), 0) + count
    return [*found, *((term, f"{print_count(n)} {word}") for (term, word), n in counts.items())]


def _weigh(model: str, found: list[tuple[str, str]]) -> ModelTerms:
    reasons = {
        term: list(dict.fromkeys(name for held, name in found if held == term)) for term in TERMS
    }
    listed = [(term, ", ".join(names)) for term, names in reasons.items() if names]
    return ModelTerms(model, listed[0][0] if listed else "attribution", listed)
