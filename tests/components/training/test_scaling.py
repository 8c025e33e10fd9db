"""The model of scaling: limits that it must keep."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from components.training.scaling import Cluster, Work, compute_s, efficiency, gather_s, step_s

CLUSTER = Cluster(8, 300e9, 25e9, 5e-6, 20e-6)
WORK = Work(512, 8, 0.2, 0.02, 0.01, replicated_bytes=4e9)
SHARDED = replace(WORK, replicated_bytes=1e9, gathered_bytes=1.5e9, scattered_bytes=3e9)


@pytest.mark.parametrize("work", [WORK, SHARDED])
def test_one_gpu_has_no_communication(work: Work) -> None:
    assert gather_s(4e9, 1, CLUSTER) == 0
    assert step_s(work, 1, CLUSTER) == 512 * 0.2 + 0.01 == compute_s(work, 1)
    assert efficiency(work, 1, CLUSTER) == 1


@given(st.sampled_from([WORK, SHARDED]), st.sampled_from([1, 2, 4, 8, 16, 32, 64, 128, 256]))
def test_more_gpus_are_never_slower_to_compute_nor_more_efficient(work: Work, gpus: int) -> None:
    assert compute_s(work, 2 * gpus) <= compute_s(work, gpus)
    assert efficiency(work, 2 * gpus, CLUSTER) <= efficiency(work, gpus, CLUSTER) + 1e-12


def test_without_cost_of_links_and_update_scaling_is_perfect_until_batches_run_out() -> None:
    free = replace(CLUSTER, node_latency_s=0.0, network_latency_s=0.0)
    work = replace(WORK, replicated_bytes=0.0, update_s=0.0, launch_s=0.0)
    assert efficiency(work, 256, free) == pytest.approx(1)
    assert efficiency(work, 4096, free) == pytest.approx(1)
    assert efficiency(work, 8192, free) == pytest.approx(0.5)  # half of them have no sample


def test_a_ring_takes_what_the_literature_says() -> None:
    node = replace(CLUSTER, node_latency_s=0.0)
    assert 2 * gather_s(8e9, 8, node) == pytest.approx(2 * 7 / 8 * 8e9 / 300e9)
    two = 7 / 8 * 8e9 / 300e9 + 1 / 2 * 1e9 / 25e9 + 7 * 5e-6 + 20e-6
    assert gather_s(8e9, 16, CLUSTER) == pytest.approx(two)


def test_overlap_hides_and_slower_links_show() -> None:
    for work in (WORK, SHARDED):
        assert step_s(replace(work, overlap=0.5), 64, CLUSTER) < step_s(work, 64, CLUSTER)
        slow = replace(CLUSTER, network_bytes_s=1e9)
        assert efficiency(work, 64, slow) < efficiency(work, 64, CLUSTER)
    hidden = replace(WORK, overlap=1.0, replicated_bytes=1e8)
    assert step_s(hidden, 8, CLUSTER) == compute_s(hidden, 8)
