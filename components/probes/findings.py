"""Which findings a report states: a table of words, with denial and doubt.

The words are those of the evidence check of instruction data (components/instructions/findings.py),
with what chest reports and captions say beside them; rules of denial are its own too (NegEx,
ConText). As rule-based labellers of chest films (CheXpert: Irvin et al., AAAI 2019) do, it knows
its table and no other word: not where a finding lies, how large it is, or how many there are. The
maintained packages (medspaCy, negspaCy) bring spaCy and a model for the same rules.

How far it can be trusted is measured against sentences read by hand (``read_agreement``). Whoever
wrote the rules read them too, so that the agreement is an upper bound. On 64 captions of MedPix and
ROCO, read before the rules were run on them (tests/golden/findings.json), every finding that the
rules name is there, and they name 47 of the 58 that are: they know too few words, not wrong ones.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any

from components.evaluation.intervals import find_groups
from components.instructions.evidence import SENTENCE, find_undenied, mentions, plain, states
from components.instructions.findings import FINDINGS
from components.probes.measure import Sampling, estimate_share
from components.schema import Section, load_yaml, validate

HAND_READ = Path(__file__).parent / "hand_read.yaml"
_SIZE = r"(?:(?:is|appears|remains|mildly|moderately|markedly|size|silhouette|shadow) )*"
# Name: (what states it, what supports it as well), as FINDINGS has them and instead of its entries.
OF_REPORTS: dict[str, tuple[str, str]] = {
    "cardiomegaly": (
        rf"cardiomegaly|(?:enlarged|large|big) (?:heart|cardiac silhouette)"
        rf"|(?:heart|cardiac) {_SIZE}enlarged|cardiac enlargement",
        r"enlargement of the heart|cardiothoracic",
    ),
    "lesion": (
        r"lesions?",
        r"mass(?:es)?|nodul\w+|tumou?rs?|cysts?|metasta\w+|\w*carcinom\w+|\w{3,}omas?|foc(?:us|i)",
    ),
    "opacity": (
        r"opacit\w+|opacification|infiltrat\w+|air ?space disease",
        r"consolidat\w+|pneumoni\w+|atelecta\w+|edema|opaque",
    ),
}
LEXICON = FINDINGS | OF_REPORTS
# A caption's full stops are gone (tasks/caption.py); what is left of a sentence is its capital.
CAPITAL = re.compile(r"(?<=[a-z0-9])\s+(?=[A-Z][a-z]+\b)")


class HandRead(Section):
    """A text, and the findings that a reader saw stated in it."""

    text: str
    stated: list[str]


class HandReadSample(Section):
    """Texts of the sample world and of the project's own, read by hand."""

    texts: list[HandRead]


def split_sentences(text: str) -> list[str]:
    """The sentences of a report in lower case, also of one whose punctuation was deleted."""
    pieces = (piece for part in SENTENCE.split(text) for piece in CAPITAL.split(part))
    return [plain(piece) for piece in pieces if piece.strip()]


@lru_cache(maxsize=1 << 14)  # a reference is compared with what several conditions gave
def find_stated(text: str) -> frozenset[str]:
    """The findings that a text states as facts."""
    sentences, whole = split_sentences(text), plain(text)
    named = {name: own for name, (own, _) in LEXICON.items() if mentions(whole, own)}
    return frozenset(
        name
        for name, pattern in named.items()
        if any(states(sentence, pattern) for sentence in sentences)
    )


def supports(text: str, name: str) -> bool:
    """Whether a text holds, undenied, a finding or what speaks for it, be it in doubt."""
    known = "|".join(LEXICON[name])
    return any(any(find_undenied(sentence, known)) for sentence in split_sentences(text))


def denies(text: str, name: str) -> bool:
    """Whether a text names a finding, and only to deny it."""
    return mentions(plain(text), LEXICON[name][0]) and not supports(text, name)


def read_agreement(sampling: Sampling) -> dict[str, Any]:
    """How the rules agree with the hand-read sample: precision and recall of stated findings."""
    sample = validate(HandReadSample, load_yaml(HAND_READ), HAND_READ.name)
    return measure_agreement([(one.text, one.stated) for one in sample.texts], sampling)


def measure_agreement(
    read: Sequence[tuple[str, Sequence[str]]], sampling: Sampling
) -> dict[str, Any]:
    """``precision`` and ``recall`` in percent over texts and the findings read in them."""
    found = [find_stated(text) for text, _ in read]
    right = [len(own & set(stated)) for own, (_, stated) in zip(found, read, strict=True)]
    groups = find_groups([str(place) for place in range(len(read))])
    totals = {"precision": list(map(len, found)), "recall": [len(stated) for _, stated in read]}
    return {
        "texts": len(read),
        "findings": sum(totals["recall"]),
        **{
            name: sampling.measure(estimate_share(right, of, groups), groups)
            for name, of in totals.items()
        },
    }
