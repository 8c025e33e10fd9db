"""Each card with small raw files of the sample world, made once."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from pathlib import Path

import pytest

from components.cards import Card, load_card
from components.sample.settings import SampleSettings
from components.sample.world import make_source

SETTINGS = SampleSettings(num_images=12, num_texts=20, image_px=32, seed=7)


@pytest.fixture
def card(name: str, repository: Path) -> Card:
    """The card that a test's parameter ``name`` names."""
    return load_card(name, repository / "data/cards")


@pytest.fixture(scope="session")
def make(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    """The folder with a source's sample files: read it, do not write to it."""

    @cache
    def make_once(name: str) -> Path:
        folder = tmp_path_factory.mktemp(name)
        make_source(name, folder, SETTINGS)
        return folder

    return make_once
