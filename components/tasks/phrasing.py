"""Text cleaning as the reference does it before prompting (its pre_question, pre_caption)."""

from __future__ import annotations

import re
import string

_LEADING = ",.!?*#:;~"
_SPACES = re.compile(r"\s{2,}")


def clean_question(text: str, max_words: int = 80) -> str:
    """Lower case, separators as spaces, single spaces, at most so many words."""
    return _limit(_separate(text), max_words)


def clean_caption(text: str, max_words: int = 512) -> str:
    """As ``clean_question``, for running text."""
    return _limit(_separate(text).replace("<person>", "person"), max_words)


def num_words_cut(text: str, max_words: int = 512) -> int:
    """Words that ``clean_question`` and ``clean_caption`` leave out at this limit."""
    return max(len(_words(_separate(text))) - max_words, 0)


def remove_punctuation(text: str, max_words: int = 80) -> str:
    """A caption target: ASCII punctuation deleted, case kept, at most so many words."""
    return _limit(text.translate(str.maketrans("", "", string.punctuation)), max_words)


def as_question(text: str) -> str:
    """End with a question mark, of which Chinese has its own."""
    return text if text.endswith(("?", "\uff1f")) else text + "?"


def _separate(text: str) -> str:
    return text.lower().lstrip(_LEADING).replace("-", " ").replace("/", " ")


def _words(text: str) -> list[str]:
    return _SPACES.sub(" ", text.replace("\n", " ")).strip().split(" ")


def _limit(text: str, max_words: int) -> str:
    return " ".join(_words(text)[:max_words])
