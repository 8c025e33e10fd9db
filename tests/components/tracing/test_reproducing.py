"""A number is made again beside the project: equal, not equal, or refused with the reason."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from components.errors import UserError
from components.tracing.reproducing import find_metrics, flatten, hash_like_dvc, reproduce
from tests.components.artifacts.project import EXAMPLES, MODEL, list_files

METRICS = Path("data/metrics/debug/vqa_rad.json")


@pytest.fixture(autouse=True)
def locked(project: Path, repository: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The project with a dvc.lock, as DVC would have written it."""
    write_lock(repository)
    monkeypatch.setenv("PYTHONPATH", str(repository))
    return project


def write_lock(repository: Path) -> None:
    deps = [EXAMPLES, MODEL, Path("data/vocabulary")]
    entry: dict[str, Any] = {
        "cmd": "python -m components.stages.evaluate --size debug --dataset vqa_rad",
        "deps": [{"path": p.as_posix(), "md5": hash_like_dvc(p, ".dir")} for p in deps],
        "outs": [{"path": METRICS.as_posix(), "md5": "0"}],
    }
    lock = {"schema": "2.0", "stages": {"evaluate@debug-vqa_rad": entry}}
    Path("dvc.lock").write_text(yaml.safe_dump(lock))


def test_a_number_is_made_again_and_nothing_of_the_project_changes() -> None:
    before = list_files(Path("data"))
    found = reproduce("debug/vqa_rad")
    assert found.is_equal and found.num_numbers > 20, found.differing
    assert found.stage == "evaluate@debug-vqa_rad"
    assert list_files(Path("data")) == before
    assert next(found.tell()).startswith(f"equal: all {found.num_numbers} values of {METRICS}")
    scores = json.loads(METRICS.read_text())
    metric = scores["headline"]
    scores["scores"][metric]["all"]["value"] += 0.001  # as if somebody had mended it by hand
    METRICS.write_text(json.dumps(scores))
    found = reproduce(METRICS.as_posix())
    ((place, then, now),) = found.differing
    assert place == f"scores.{metric}.all.value" and then == pytest.approx(now + 0.001)


def test_another_model_than_was_scored_is_refused() -> None:
    (MODEL / "log.jsonl").write_text("other\n")
    with pytest.raises(UserError, match="is not what it was made of") as caught:
        reproduce("debug/vqa_rad")
    assert MODEL.as_posix() in str(caught.value)


def test_unknown_metrics_and_stages_are_told() -> None:
    with pytest.raises(UserError, match="there is no metric large/slake") as caught:
        reproduce("large/slake")
    assert "known: debug/vqa_rad" in caught.value.why
    with pytest.raises(UserError, match="there is no metric"):
        reproduce("../../params")
    with pytest.raises(UserError, match="there is no metric"):
        find_metrics("params.yaml")
    Path("dvc.lock").unlink()
    with pytest.raises(UserError, match=r"is in no stage of dvc\.lock"):
        reproduce("debug/vqa_rad")


def test_a_stage_that_fails_shows_its_last_words(repository: Path) -> None:
    (EXAMPLES / "examples.parquet").write_bytes(b"no parquet")
    write_lock(repository)
    with pytest.raises(UserError, match="failed when it was run again") as caught:
        reproduce("debug/vqa_rad")
    assert "examples.parquet" in caught.value.why


def test_values_are_told_by_where_they_stand() -> None:
    document = {"a": {"b": [1, {"c": 2.5}]}, "passport": [{"sha256": "0"}], "d": None}
    assert dict(flatten(document)) == {"a.b[0]": 1, "a.b[1].c": 2.5, "d": None}


def test_folders_are_hashed_as_dvc_does(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")
    for name, content in (("x/b", b"two"), ("x/a/c.bin", b"one"), ("x/z", b"")):
        Path(name).parent.mkdir(parents=True, exist_ok=True)
        Path(name).write_bytes(content)
    dvc = [sys.executable, "-m", "dvc"]
    subprocess.run([*dvc, "init", "--no-scm", "-q"], check=True)
    subprocess.run([*dvc, "add", "-q", "x"], check=True)
    (out,) = yaml.safe_load(Path("x.dvc").read_text())["outs"]
    assert hash_like_dvc(Path("x"), out["md5"]) == out["md5"]
    assert hash_like_dvc(Path("absent"), "") == ""
