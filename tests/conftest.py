"""Fixtures that find the optional material beside the repository, and skip where it is absent."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from hypothesis import settings

# How long an example takes depends on who else uses the machine, and is no fault of the code. In CI
# the examples are the same each time, so that no change fails by what an earlier one brought in;
# whoever runs the tests at home looks at new ones.
settings.register_profile("house", deadline=None, derandomize=bool(os.environ.get("CI")))
settings.load_profile("house")

SHARED = Path(__file__).resolve().parents[2] / "shared"


def _shared(name: str) -> Path:
    path = SHARED / name
    if not path.is_dir():
        pytest.skip(f"needs the folder shared/{name} beside the repository")
    return path


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """Real files in official formats."""
    return _shared("data")


@pytest.fixture(scope="session")
def shared_parity() -> Path:
    """The reference model's numbers."""
    return _shared("parity")


@pytest.fixture(scope="session")
def repository() -> Path:
    """The root of the project."""
    return Path(__file__).resolve().parents[1]
