"""What a reply asserts that neither its figure's caption nor the article's mentions of it say.

The replies of these conversations were written by a language model that was given the text, and
partly the image. The check finds, by words alone, a modality, a side, a number or a finding that a
reply states as a fact and its text does not hold. Words that are denied (after NegEx and ConText),
doubted, or part of an explanation assert nothing.

It sees no image: what a flag names may well be there. Read by eye, 2 of the 2 flags in 162 replies
of the published demonstrations hold, and 2 of the 5 in LLaVA-Med's 138 evaluation answers. It knows
its lists (``findings.py``) and no other word, does not know what belongs to what (a left lung and a
right mass support "left" and "mass" apart), and misses all that is wrong in words that the text
holds too.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache

from components.instructions.findings import (
    DENIED_AFTER,
    DENIED_BEFORE,
    DOUBT,
    DOUBTED_AFTER,
    EXPLAINS,
    FINDINGS,
    MODALITIES,
    SIDES,
)

RULES = ("modality", "side", "number", "finding")
WORDS = [
    *(("modality", name, pattern) for name, pattern in MODALITIES.items()),
    *(("side", name, pattern) for name, (pattern, _) in SIDES.items()),
    *(("finding", name, pattern) for name, (pattern, _) in FINDINGS.items()),
]
NEAR = 6  # words between a finding and what denies or doubts it afterwards
SENTENCE = re.compile(r"(?<=[.!?;])\s+(?=\S)")
TURN = r"\b(?:but|however|whereas|in this case)\b|[:;]"  # ends the reach of doubt
TURNS, CLAUSES = re.compile(TURN), re.compile(rf"{TURN}|, (?:and|which|while|with)\b")  # of denial
# Not of "T2" or "C7-D2", nor of "Figure 3", nor what counts in words.
NUMBER = re.compile(r"(?<![\w.#-])(?<!figure )(?<!fig )(?<!fig\. )\d+(?:\.\d+)?(?!\w*-?weighted)")
COUNTED = ("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten")


@dataclass(frozen=True, slots=True)
class Claim:
    """A word of a reply that its text does not support: by which rule, and in which sentence."""

    rule: str
    term: str
    sentence: str


def find_unsupported(reply: str, text: str, modality: str = "") -> list[Claim]:
    """Claims of a reply in their order, each term once; empty where all stands in ``text``.

    ``text`` is caption and mentions; ``modality`` what the record's flags say, or "".
    """
    claims: dict[tuple[str, str], Claim] = {}
    known, said = plain(text), plain(reply)
    named = [word for word in WORDS if _word(word[2]).search(said)]  # few of them, of many
    for sentence in SENTENCE.split(said):
        for rule, term in _assert(sentence, named):
            if (rule, term) not in claims and not _supports(known, rule, term, modality):
                claims[rule, term] = Claim(rule, term, sentence.strip())
    return list(claims.values())


def plain(text: str) -> str:
    """Lower case, with plain hyphens and single spaces."""
    return " ".join(re.sub(r"[\u2010-\u2015\u2212]", "-", text.lower()).split())


def _assert(sentence: str, words: list[tuple[str, str, str]]) -> Iterator[tuple[str, str]]:
    """What a sentence states as a fact, of these words and of all numbers: (rule, term)."""
    if _word(EXPLAINS).search(sentence):
        return
    for rule, name, pattern in words:
        if states(sentence, pattern):
            yield rule, name
    for number in NUMBER.finditer(sentence):
        if not _is_doubted(sentence, number):
            yield "number", number.group()


def states(sentence: str, pattern: str) -> bool:
    """Whether a sentence, in lower case, states as a fact what a pattern names."""
    return any(not _is_doubted(sentence, at) for at in find_undenied(sentence, pattern))


def mentions(sentence: str, pattern: str) -> bool:
    """Whether a text in lower case holds what a pattern names, stated or not."""
    return bool(_word(pattern).search(sentence))


def find_undenied(sentence: str, pattern: str) -> Iterator[re.Match[str]]:
    """Where a word stands in a sentence without being denied."""
    for found in _word(pattern).finditer(sentence):
        before = CLAUSES.split(sentence[: found.start()])[-1]
        denied_after = _word(DENIED_AFTER).search(_what_follows(sentence, found))
        if not denied_after and not _word(DENIED_BEFORE).search(before):
            yield found


def _is_doubted(sentence: str, found: re.Match[str]) -> bool:
    before = TURNS.split(sentence[: found.start()])[-1]
    doubted_after = _word(DOUBTED_AFTER).search(_what_follows(sentence, found))
    return bool(doubted_after or _word(DOUBT).search(before))


def _what_follows(sentence: str, found: re.Match[str]) -> str:
    return " ".join(CLAUSES.split(sentence[found.end() :])[0].split()[:NEAR])


def _supports(text: str, rule: str, term: str, modality: str) -> bool:
    if rule == "modality":
        return term == modality or bool(_word(MODALITIES[term]).search(text))
    if rule == "number":
        return float(term) in _numbers(text)
    if rule == "side":
        return bool(_word("|".join(SIDES[term])).search(text))
    known = "|".join(FINDINGS[term])
    return any(any(find_undenied(sentence, known)) for sentence in SENTENCE.split(text))


def _numbers(text: str) -> set[float]:
    """Every number of a text, in digits or in words."""
    found = {float(digits) for digits in re.findall(r"\d+(?:\.\d+)?", text)}
    return found | {float(n) for n, word in enumerate(COUNTED) if _word(word).search(text)}


@cache
def _word(pattern: str) -> re.Pattern[str]:
    return re.compile(rf"(?<![\w])(?:{pattern})(?![\w])")
