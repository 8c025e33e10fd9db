"""What is wrong with an image on purpose: texts for matching, from the material itself.

The reference draws from OFA's lists of the general domain, whose captions and objects tell a
medical image at first sight. Here the captions, answers and object names are those of the
pretraining material, so that an image has to be looked at.
"""

from __future__ import annotations

import re
from bisect import bisect_left
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

import numpy as np

from components.records import Example
from components.tasks.phrasing import clean_caption

MAX_WORDS = 80  # the scripts' max_src_length
SWAP_SHARE = 0.4  # of wrong captions that name an object; the other 60 % are another's caption
YES_NO, NUMBER, OTHER = "yes or no", "number", "other"  # kinds of answers; no question reads so


@dataclass(frozen=True)
class NegativePool:
    """Captions, answers (to a question, and of a kind) and names of objects; each list sorted."""

    captions: Sequence[str] = ()
    answers: dict[str, list[str]] = field(default_factory=dict)
    objects: Sequence[str] = ()

    @classmethod
    def of(cls, pairs: Iterable[Example], objects: Iterable[str] = ()) -> NegativePool:
        """Distinct texts as a matching prompt shows them; ``objects`` are labels of detection."""
        captions: set[str] = set()
        answers: defaultdict[str, set[str]] = defaultdict(set, {YES_NO: {"yes", "no"}})
        for example in pairs:
            text = show_text(example)
            if example.task == "caption":
                captions.add(text)
            else:
                answers[example.source].add(text)
                answers[name_kind(text)].add(text)
        named = {question: sorted(texts) for question, texts in answers.items()}
        return cls(sorted(captions), named, sorted({clean_caption(name) for name in objects}))

    def draw(self, example: Example, rng: np.random.Generator) -> str:
        """A text that does not belong to the image; "" where the material has no other.

        Of captions: 40 % of those that name an object have it exchanged for another one, the rest
        are another image's. Of answers: another one to the same question, else of the same kind.
        """
        truth = show_text(example)
        if example.task == "caption":
            swapped = self._swap_object(truth, rng) if rng.random() < SWAP_SHARE else ""
            return swapped or draw_other(self.captions, truth, rng)
        for key in (example.source, name_kind(truth), OTHER):
            if wrong := draw_other(self.answers.get(key, ()), truth, rng):
                return wrong
        return ""

    def _swap_object(self, caption: str, rng: np.random.Generator) -> str:
        """The caption with one of its objects exchanged throughout; "" where it names none."""
        named = [name for name in self.objects if _as_words(name).search(caption)]
        if not named:
            return ""
        name = named[int(rng.integers(len(named)))]
        other = draw_other(self.objects, name, rng)
        return _as_words(name).sub(lambda _: other, caption) if other else ""


def show_text(example: Example) -> str:
    """The target as a matching prompt shows it: two that read alike there are the same."""
    text = example.target.strip()
    return clean_caption(text, MAX_WORDS) if example.task == "caption" else text


def name_kind(answer: str) -> str:
    """Yes or no, a number, or another answer (the reference's types of answers, as far as told)."""
    if answer in ("yes", "no"):
        return YES_NO
    return NUMBER if answer.isdigit() else OTHER


def draw_other(options: Sequence[str], truth: str, rng: np.random.Generator) -> str:
    """One of sorted distinct options, each as likely, but not the truth; "" where none is left."""
    place = bisect_left(options, truth)
    is_among = place < len(options) and options[place] == truth
    num = len(options) - is_among
    if num == 0:
        return ""
    drawn = int(rng.integers(num))
    return options[drawn + (is_among and drawn >= place)]


def _as_words(name: str) -> re.Pattern[str]:
    return re.compile(rf"\b{re.escape(name)}\b")
