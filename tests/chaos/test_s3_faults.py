"""A seeded dozen of faults; `python -m tests.chaos.s3_faults` tries hundreds."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.chaos.s3_faults import open_errands, run_trials

SEED, NUM = 7, 14


@pytest.mark.slow
@pytest.mark.services
@pytest.mark.timeout(1200)
def test_a_bucket_that_fails_at_any_call_leaves_nothing_half_made(
    repository: Path, tmp_path: Path
) -> None:
    with open_errands(repository, tmp_path) as errands:
        trials = run_trials(errands, NUM, SEED)
    assert [trial for trial in trials if trial.broken] == []
    assert {trial.errand for trial in trials} == {errand.name for errand in errands}
    assert any(trial.told for trial in trials)  # that it fails at all
