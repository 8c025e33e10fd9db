"""Settings of tuning that need more than numbers: closed answer sets, held-out examples, seeds."""

from __future__ import annotations

import json
import shutil
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import pytest

from components.errors import UserError
from components.lineage import read_manifest
from components.records import Example, read_records, write_records
from components.run_plan import RunPlan, identify, repeat_run
from components.runs import LOG, VALIDATION, dispatch
from components.tuning import finetune_worker
from tests.components.training.test_launch import EXAMPLES, plan, read_log  # noqa: F401


def changed(plan: RunPlan, dataset: str, repository: Path, **settings: Any) -> RunPlan:  # noqa: F811
    """The run on a card of the project, in a folder of its own."""
    Path("data/cards").mkdir(exist_ok=True)
    shutil.copy(repository / f"data/cards/{dataset}.yaml", "data/cards")
    out = f"data/models/{dataset}{len(settings)}"
    return replace(plan, dataset=dataset, out=out, settings={**plan.settings, **settings})


def test_a_closed_answer_set_changes_what_is_learnt(plan: RunPlan, repository: Path) -> None:  # noqa: F811
    free = changed(plan, "vqa_rad", repository)
    closed = changed(plan, "vqa_rad", repository, constrain_answers=True)
    finetune_worker(asdict(free))
    finetune_worker(asdict(closed))
    # Four answers that share all but one token, against hundreds of tokens at each place.
    assert read_log(closed)[0]["loss"] < 1.0 < read_log(free)[0]["loss"]


def test_free_text_has_no_answer_set_to_keep_to(plan: RunPlan, repository: Path) -> None:  # noqa: F811
    asked = changed(plan, "iu_xray", repository, constrain_answers=True)
    with pytest.raises(UserError, match="constrain_answers is set for iu_xray, whose answers are"):
        finetune_worker(asdict(asked))


def test_what_is_held_out_is_looked_at_and_noted(plan: RunPlan, repository: Path) -> None:  # noqa: F811
    rows = list(read_records(EXAMPLES / "examples.parquet", Example))
    rows = [replace(row, split="validation") if int(row.id) > 7 else row for row in rows]
    write_records(EXAMPLES / "examples.parquet", Example, rows)
    asked = changed(plan, "vqa_rad", repository, validate_every=2, keep="best")
    dispatch(finetune_worker, asked, workers=0)
    found = json.loads((Path(asked.out) / VALIDATION).read_text())
    assert [look["step"] for look in found["validations"]] == [2, 4]
    best = min(found["validations"], key=lambda look: look["nll"])
    assert found["kept_step"] == best["step"]
    assert read_manifest(Path(asked.out))["notes"]["validation"] == found


def test_held_out_images_are_shown_where_none_is_trained_on(
    plan: RunPlan,  # noqa: F811
    repository: Path,
) -> None:
    rows = [
        replace(row, split="validation") if int(row.id) > 7 else replace(row, image_id="")
        for row in read_records(EXAMPLES / "examples.parquet", Example)
    ]
    write_records(EXAMPLES / "examples.parquet", Example, rows)
    asked = changed(plan, "vqa_rad", repository, validate_every=2)
    dispatch(finetune_worker, asked, workers=0)
    found = json.loads((Path(asked.out) / VALIDATION).read_text())
    assert [look["step"] for look in found["validations"]] == [2, 4]


def test_without_held_out_examples_there_is_nothing_to_choose_by(
    plan: RunPlan,  # noqa: F811
    repository: Path,
) -> None:
    asked = changed(plan, "vqa_rad", repository, validate_every=2)
    with pytest.raises(UserError, match="no validation examples"):
        finetune_worker(asdict(asked))


def test_further_seeds_are_runs_of_their_own(plan: RunPlan) -> None:  # noqa: F811
    second, third = repeat_run(plan, 3)
    assert [second.seed, third.seed] == [plan.seed + 1, plan.seed + 2]
    assert {Path(run.out).parent for run in (second, third)} == {Path(plan.out)}
    assert len({run.checkpoints for run in (plan, second, third)}) == 3
    assert identify(second) != identify(plan)
    dispatch(finetune_worker, second, plan, workers=0)
    files = read_manifest(Path(plan.out))["files"]
    assert f"seed_{plan.seed + 1}/model.safetensors" in files
    first, other = (Path(run.out) / LOG for run in (plan, second))
    assert first.read_text() != other.read_text()


def test_a_seed_that_is_done_is_not_trained_again(
    plan: RunPlan,  # noqa: F811
    capsys: pytest.CaptureFixture[str],
) -> None:
    plan = replace(plan, settings={**plan.settings, "seeds": 3})
    runs = [*repeat_run(plan, 3), plan]

    def fail_once(settings: dict[str, Any]) -> None:
        if settings["seed"] == plan.seed + 2:
            raise InterruptedError
        finetune_worker(settings)

    with pytest.raises(InterruptedError):
        dispatch(fail_once, *runs, workers=0)
    done = Path(runs[0].out) / "model.safetensors"
    weights = done.read_bytes()
    shutil.rmtree(plan.out)  # as DVC does before it runs a stage again
    capsys.readouterr()
    dispatch(finetune_worker, *runs, workers=0)
    (line,) = [line for line in capsys.readouterr().out.splitlines() if "is whole and" in line]
    assert "step-00000004" in line  # of four
    assert done.read_bytes() == weights
    assert not any(Path(run.checkpoints).exists() for run in runs)


def test_nothing_of_an_earlier_run_stays_in_the_product(plan: RunPlan) -> None:  # noqa: F811
    dispatch(finetune_worker, *repeat_run(plan, 2), plan, workers=0)
    (Path(plan.out) / VALIDATION).write_text("{}")
    dispatch(finetune_worker, plan, workers=0)
    assert not (Path(plan.out) / VALIDATION).exists()
    assert not list(Path(plan.out).glob("seed_*"))
    assert "validation" not in read_manifest(Path(plan.out))["notes"]
