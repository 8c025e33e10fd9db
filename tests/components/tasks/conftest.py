"""A vocabulary learnt from a few sentences: 256 bytes and some words."""

from __future__ import annotations

import pytest

from components.tokenization.vocabulary import Vocabulary, train_vocabulary

TEXTS = [
    " what is the complete text of the article?",
    " what does the image describe?",
    " does the image describe a normal chest?",
    " is there a fracture of the left rib? yes no maybe",
]


@pytest.fixture(scope="session")
def vocabulary() -> Vocabulary:
    """70 merges at most, 16 image codes, 10 location bins."""
    return train_vocabulary(TEXTS * 3, num_merges=70, num_codes=16, num_bins=10)
