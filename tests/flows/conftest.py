"""The small served project that the tests of runs share: one server for each of their files."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.flows.throwaway import Served, free_port, make_project, serve


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """A throw-away project with a Prefect server of its own."""
    folder = tmp_path_factory.mktemp("served")
    repository = Path(__file__).resolve().parents[2]
    with serve(folder, free_port(), make_project(folder, repository)) as served:
        yield served


@pytest.fixture
def served(server: Served) -> Served:
    """The same, as if none of its stages had run."""
    server.reset()
    return server
