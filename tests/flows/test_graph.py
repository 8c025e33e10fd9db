"""Plans: what runs, why, and after what."""

from __future__ import annotations

from typing import Any

import pytest

from flows.graph import Plan, explain_change, in_order, plan_stages

# raw -> prepare@a, prepare@b -> vocabulary -> pretrain -> report; report builds on prepare@b too
GRAPH = {
    "report": ["pretrain", "prepare@b"],
    "raw": [],
    "prepare@a": ["raw"],
    "prepare@b": ["raw"],
    "vocabulary": ["prepare@a"],
    "pretrain": ["vocabulary"],
}
CHANGED: list[Any] = [{"changed deps": {"components/x.py": "modified"}}]


def test_nothing_changed_nothing_runs() -> None:
    assert plan_stages(GRAPH, {}) == Plan({}, {}, 6)


def test_what_builds_on_a_stale_stage_runs_after_it() -> None:
    plan = plan_stages(GRAPH, {"prepare@a": CHANGED})
    assert plan.upstream == {
        "prepare@a": [],
        "vocabulary": ["prepare@a"],
        "pretrain": ["vocabulary"],
        "report": ["pretrain"],
    }
    assert list(plan.upstream) == ["prepare@a", "vocabulary", "pretrain", "report"]
    assert plan.reasons == {
        "prepare@a": "components/x.py modified",
        "vocabulary": "builds on prepare@a",
        "pretrain": "builds on vocabulary",
        "report": "builds on pretrain",
    }


def test_a_stage_with_its_own_change_says_so_and_still_waits() -> None:
    plan = plan_stages(GRAPH, {"raw": CHANGED, "report": ["changed command"]})
    assert plan.reasons["report"] == "changed command"
    assert plan.upstream["report"] == ["prepare@b", "pretrain"]
    assert set(plan.upstream) == set(GRAPH)


def test_blocks_bring_what_they_need_and_nothing_else() -> None:
    changes = {"raw": CHANGED, "prepare@b": CHANGED, "report": CHANGED}
    plan = plan_stages(GRAPH, changes, ["vocabulary"])
    assert list(plan.upstream) == ["raw", "prepare@a", "vocabulary"]
    assert plan.num_stages == 3
    assert plan_stages(GRAPH, changes, ["prepare"]).num_stages == 3
    assert plan_stages(GRAPH, {"report": CHANGED}, ["prepare"]) == Plan({}, {}, 3)


def test_the_order_follows_the_graph_then_the_file() -> None:
    assert in_order(GRAPH) == ["raw", "prepare@a", "vocabulary", "pretrain", "prepare@b", "report"]
    assert in_order({"b": [], "a": []}) == ["b", "a"]


@pytest.mark.parametrize(
    ("entries", "words"),
    [
        ([{"changed outs": {"data/x": "deleted"}}], "has no product yet"),
        (
            [{"changed deps": {"a.py": "modified"}}, {"changed outs": {"data/x": "deleted"}}],
            "has no product yet",
        ),
        ([{"changed outs": {"data/x": "modified"}}], "product data/x modified"),
        (
            [{"changed deps": {"params.yaml": {"seed": "modified", "audit": "new"}}}],
            "seed modified, audit new",
        ),
        (["changed command"], "changed command"),
        (
            [{"changed deps": {f"{name}.py": "modified" for name in "abcde"}}],
            "a.py modified, b.py modified, c.py modified and 2 more",
        ),
    ],
)
def test_one_line_says_why(entries: list[Any], words: str) -> None:
    assert explain_change(entries) == words
