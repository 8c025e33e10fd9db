"""A short campaign; `python -m tests.chaos.campaign` is the long one."""

from __future__ import annotations

import json
import os
from dataclasses import asdict
from pathlib import Path

import pytest

from components.selftest import CHAOS_MINUTES
from tests.chaos.campaign import run_campaign, summarise
from tests.chaos.world import make_world

SEED = 7


@pytest.mark.slow
@pytest.mark.skipif(CHAOS_MINUTES not in os.environ, reason="biomedgpt selftest --chaos runs it")
@pytest.mark.timeout(1800)
def test_a_struck_pipeline_comes_to_the_same_products(repository: Path, tmp_path: Path) -> None:
    minutes = float(os.environ[CHAOS_MINUTES])
    results = run_campaign(
        make_world(repository, tmp_path), strikes=200, minutes=minutes, seed=SEED
    )
    broken = [json.dumps(asdict(result)) for result in results if result.broken]
    assert not broken, "\n".join(broken)
    assert summarise(results)["while running"]
