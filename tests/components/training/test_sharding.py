"""Two ranks on gloo, with whole weights and with parts, against one process and each other."""

from __future__ import annotations

import shutil
import signal
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from torch import Tensor

from tests.components.training.ranks import Case, run_ranks, train_case

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("ranks"), pytest.mark.timeout(900)]

WAYS = {
    "ddp": Case("", world=2),
    "fsdp": Case("", world=2, shard=True),
    "recomputed": Case("", world=2, shard=True, recompute=True),
    "adapters": Case("", world=2, shard=True, lora_rank=3),
    "texts": Case("", world=2, with_images=False),
    "half": Case("", world=2, bfloat16=True),
    "half_fsdp": Case("", world=2, bfloat16=True, shard=True),
}


@pytest.fixture(scope="module")
def two(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Case]:
    """Every way of training on two ranks, run to its end."""
    root = tmp_path_factory.mktemp("two")
    cases = {name: replace(case, folder=str(root / name)) for name, case in WAYS.items()}
    assert run_ranks(list(cases.values())) == [0, 0]
    return cases


@pytest.fixture(scope="module")
def one(tmp_path_factory: pytest.TempPathFactory) -> Case:
    """One process."""
    return alone(Case(str(tmp_path_factory.mktemp("one"))))


def alone(case: Case) -> Case:
    """A case of one rank, run in this process."""
    train_case(case)
    return case


def assert_equal(ours: dict[str, Tensor], theirs: dict[str, Tensor]) -> None:
    """Bit by bit."""
    assert ours and ours.keys() == theirs.keys()
    assert not [name for name, value in ours.items() if not torch.equal(value, theirs[name])]


def assert_close(ours: Case, theirs: Case, tolerance: float = 1e-4) -> None:
    """Losses and norms of every step, and the weights at the end; statistics are means."""
    for mine, other in zip(ours.log(), theirs.log(), strict=True):
        assert mine["parts"] == pytest.approx(other["parts"], rel=tolerance)
        assert mine["gradient_norm"] == pytest.approx(other["gradient_norm"], rel=10 * tolerance)
    there = theirs.weights()
    for name, value in ours.weights().items():
        if "running" not in name and "num_batches" not in name:
            torch.testing.assert_close(value, there[name], atol=tolerance, rtol=tolerance, msg=name)


def test_ranks_learn_what_one_process_learns(one: Case, two: dict[str, Case]) -> None:
    assert_close(one, two["ddp"])
    assert_close(one, two["fsdp"])


def test_parts_are_saved_whole(two: dict[str, Case]) -> None:
    whole, parts = two["ddp"].saved(6), two["fsdp"].saved(6)
    assert {n: v.shape for n, v in whole.items()} == {n: v.shape for n, v in parts.items()}
    for name, value in whole.items():
        torch.testing.assert_close(value, parts[name], atol=1e-4, rtol=1e-4, msg=name)


@pytest.mark.parametrize("way", ["ddp", "fsdp"])
def test_killed_and_begun_again_equals_uninterrupted(
    way: str, one: Case, two: dict[str, Case], tmp_path: Path
) -> None:
    """On as many ranks bit by bit, on one (the killed run's folder, copied) but for rounding."""
    broken = replace(two[way], folder=str(tmp_path / "same"), kill_at=5)
    assert run_ranks([broken]) == [-signal.SIGKILL] * 2
    shutil.copytree(tmp_path / "same", tmp_path / "fewer")
    resumed = replace(broken, kill_at=0)
    assert run_ranks([resumed]) == [0, 0]
    assert resumed.log() == two[way].log()
    assert_equal(resumed.saved(6), two[way].saved(6))
    assert_equal(resumed.weights(), two[way].weights())
    assert_close(alone(Case(str(tmp_path / "fewer"))), one)


def test_a_run_goes_on_with_more_ranks(one: Case, tmp_path: Path) -> None:
    shutil.copytree(one.folder, tmp_path / "more")
    more = Case(str(tmp_path / "more"), world=3, shard=True)
    for last in Path(more.folder).glob("checkpoints/**/step-00000006*"):
        shutil.rmtree(last)
    assert run_ranks([more]) == [0, 0, 0]
    assert_close(more, one)


def test_layers_that_run_again_learn_the_same(
    one: Case, two: dict[str, Case], tmp_path: Path
) -> None:
    again = alone(replace(one, folder=str(tmp_path), recompute=True))
    for plain, recomputed in ((one, again), (two["fsdp"], two["recomputed"])):
        assert recomputed.log() == plain.log()
        assert_equal(recomputed.weights(), plain.weights())


def test_adapters_are_trained_in_parts_and_merged_whole(
    two: dict[str, Case], tmp_path: Path
) -> None:
    assert_close(two["adapters"], alone(Case(str(tmp_path), lora_rank=3)))


def test_what_no_rank_used_is_left_as_it_is(two: dict[str, Case], tmp_path: Path) -> None:
    """Neither moments nor weight decay move a trunk that saw no image, at one rank or at two."""
    texts = alone(Case(str(tmp_path), with_images=False))
    weights = texts.weights(), two["texts"].weights()
    ours, theirs = ({n: v for n, v in w.items() if ".embed_images." in n} for w in weights)
    assert_equal(ours, theirs)


def test_half_precision_in_parts_is_that_of_whole_weights(two: dict[str, Case]) -> None:
    assert_close(two["half_fsdp"], two["half"], 1e-2)
