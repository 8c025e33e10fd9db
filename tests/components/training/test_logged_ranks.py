"""Each rank writes its own file of the run's log, and no secret, nor does Ray."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from collections import Counter
from pathlib import Path

import pytest

from components.log_reader import read_run
from tests.canaries import ENVIRONMENT, TEXTS, find_canaries, planted


@pytest.mark.slow
@pytest.mark.services
@pytest.mark.timeout(600)
@pytest.mark.xdist_group("ranks")
def test_ranks_log_under_the_run_s_id_and_ray_is_told_no_secret(
    tmp_path: Path, repository: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    with tempfile.TemporaryDirectory() as short:  # Ray's sockets allow no long path
        settings = {"PYTHONPATH": str(repository), "RAY_TMPDIR": short, "HOME": short}
        module = "tests.components.training.leaky_run"
        done = subprocess.run(
            [sys.executable, "-m", module, str(tmp_path / "storage")],
            env=planted({**os.environ, **settings}),
            capture_output=True,
            text=True,
            check=False,
            timeout=550,
        )
        assert done.returncode == 0, done.stderr
        (tmp_path / "shown").write_text(done.stdout + done.stderr)
        kept = [path.read_text("latin-1") for path in Path(short).rglob("*.*") if path.is_file()]
        assert any("told" in text for text in kept), "Ray's logs are not where this test looks"
        assert any('"message": "it failed with [hidden]"' in text for text in kept)
        assert find_canaries([tmp_path, Path(short)]) == []
    found = list(read_run("one"))
    said = Counter(r["rank"][:6] for r in found if r["message"].startswith("told"))
    num_told = len(TEXTS) + len(ENVIRONMENT) - 1  # a private key is hidden with all of its line
    assert said == {"0": num_told, "1": num_told}
    assert {r["id"] for r in found} == {"one"}
    assert {r["stage"] for r in found} == {"finetune@debug-toy"}
    errors = {r["rank"][:6]: r for r in found if "traceback" in r["fields"]}
    assert errors.keys() == {"1", "worker"}
    assert "ValueError: https://example.org" in errors["1"]["fields"]["traceback"]
    units = [r["message"] for r in found if r["message"].startswith("unit")]
    assert units == [f"unit {number} [hidden]" for number in range(3)]
    failed = [r for r in found if r["message"] == "it failed with [hidden]"]
    assert sorted((r["rank"], r["level"]) for r in failed) == [("0", "error"), ("1", "error")]
