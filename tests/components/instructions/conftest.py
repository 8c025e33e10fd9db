"""Records of conversations, and a vocabulary."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from components.cards import Card, load_card
from components.sample.settings import SampleSettings
from components.sample.world import make_source
from components.tokenization.vocabulary import Vocabulary, train_vocabulary

FILE = "BioMed-VITAL-instructions-60K.json"
Turn = dict[str, Any]


def turns(*words: str) -> list[Turn]:
    """``h...`` is a request, ``g...`` a reply."""
    speakers = {"h": "human", "g": "gpt"}
    return [{"from": speakers[word[0]], "value": word} for word in words]


@pytest.fixture
def card(repository: Path) -> Card:
    return load_card("biomed_vital", repository / "data/cards")


@pytest.fixture(scope="session")
def vocabulary() -> Vocabulary:
    return train_vocabulary([" is there a rib? question: answer:"] * 3, 40, 16, 10)


def make_world(folder: Path, num_images: int = 300) -> Path:
    """The sample world's files: half as many conversations as images."""
    make_source("biomed_vital", folder, SampleSettings(num_images, 1, 28, 7))
    return folder
