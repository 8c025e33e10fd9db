"""Text cleaning as the reference does it before prompting (its pre_question, pre_caption)."""

from __future__ import annotations

import re
import string

_LEADING = ",.!?*#:;~"
_SPACES = re.compile(r"\s{2,}")


def clean_question(text: str, max_words: int = 80) -> str:
    """Lower case, separators as spaces, single spaces, at most so many words."""
    text = text.lower().lstrip(_LEADING).replace("-", " ").replace("/", " ")
    return _limit(text, max_words)


def clean_caption(text: str, max_words: int = 512) -> str:
    """As ``clean_question``, for running text."""
    text = text.lower().lstrip(_LEADING).replace("-", " ").replace("/", " ")
    return _limit(text.replace("<person>", "person"), max_words)


def remove_punctuation(text: str, max_words: int = 80) -> str:
    """A caption target: ASCII punctuation deleted, case kept, at most so many words."""
    return _limit(text.translate(str.maketrans("", "", string.punctuation)), max_words)


def as_question(text: str) -> str:
    """End with a question mark."""
    return text if text.endswith("?") else text + "?"


def _limit(text: str, max_words: int) -> str:
    words = _SPACES.sub(" ", text.replace("\n", " ")).strip().split(" ")
    return " ".join(words[:max_words])
