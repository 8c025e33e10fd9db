"""How workers share a batch: what is said, what is refused, and what a size changes."""

from __future__ import annotations

from typing import Any

import pytest

from components.config import ComputeParams, Params
from components.errors import UserError
from components.parallel import share_batch
from components.profiles.overlay import read_profile
from components.schema import validate


def compute(**changes: Any) -> ComputeParams:
    """The demo's settings with changes."""
    return validate(ComputeParams, {**read_profile("demo")["compute"], **changes}, "compute")


@pytest.mark.parametrize(
    ("batch", "micro", "workers", "words"),
    [
        (16, 4, 2, "4 micro-batches of up to 4, 2 by each of 2"),
        (17, 4, 2, "5 micro-batches of up to 4, 2 by each of 2, and one more by 1 of them"),
        (3, 4, 1, "1 micro-batches of up to 4, 1 by each of 1"),
    ],
)
def test_each_worker_takes_its_share(batch: int, micro: int, workers: int, words: str) -> None:
    assert words in share_batch("pretrain", batch, micro, workers)


def test_no_worker_is_left_without_work() -> None:
    with pytest.raises(UserError) as caught:
        share_batch("finetune", 16, 8, 4)
    assert "batch of 16 gives work to 2 of 4 workers" in caught.value.what
    assert "micro_batch of finetune to at most 4" in caught.value.next_command
    assert "effective_batch to 32" in caught.value.next_command
    assert "compute.workers to 2" in caught.value.next_command
    share_batch("finetune", 16, 4, 4)
    share_batch("finetune", 32, 8, 4)
    share_batch("finetune", 16, 8, 2)


def test_a_size_may_be_trained_in_another_way() -> None:
    settings = compute(overrides={"xlarge": {"strategy": "fsdp"}})
    assert settings.for_run("base")["strategy"] == "ddp"
    assert settings.for_run("xlarge")["strategy"] == "fsdp"
    assert settings.for_run("xlarge")["activation_checkpointing"] is False


def test_fewest_workers_are_no_more_than_all() -> None:
    with pytest.raises(UserError, match="min_workers 3 is above workers 2"):
        compute(workers=2, min_workers=3)


@pytest.mark.parametrize(("name", "strategy"), [("base", "ddp"), ("large", "fsdp")])
def test_profiles_choose_by_size_and_give_every_worker_work(name: str, strategy: str) -> None:
    params = validate(Params, read_profile(name), name)
    assert params.compute.for_run(name)["strategy"] == strategy
    for stage in ("pretrain", "finetune", "instruct"):
        settings = getattr(params, stage)
        share_batch(stage, settings.effective_batch, settings.micro_batch, params.compute.workers)
