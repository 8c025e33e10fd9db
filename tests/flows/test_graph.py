"""Plans: what runs, why, and after what."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from components.errors import UserError
from flows.choice import Choice, choose_stages
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
    assert plan_stages(GRAPH, {}, GRAPH) == Plan({}, {}, 6)


def test_what_builds_on_a_stale_stage_runs_after_it() -> None:
    plan = plan_stages(GRAPH, {"prepare@a": CHANGED}, GRAPH)
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
    plan = plan_stages(GRAPH, {"raw": CHANGED, "report": ["changed command"]}, GRAPH)
    assert plan.reasons["report"] == "changed command"
    assert plan.upstream["report"] == ["prepare@b", "pretrain"]
    assert set(plan.upstream) == set(GRAPH)


def test_chosen_stages_bring_what_they_need_and_nothing_else() -> None:
    changes = {"raw": CHANGED, "prepare@b": CHANGED, "report": CHANGED}
    plan = plan_stages(GRAPH, changes, ["vocabulary"])
    assert list(plan.upstream) == ["raw", "prepare@a", "vocabulary"]
    assert plan.num_stages == 3
    prepared = choose_stages(GRAPH, ["prepare"], Choice())
    assert plan_stages(GRAPH, changes, prepared).num_stages == 3
    assert plan_stages(GRAPH, {"report": CHANGED}, prepared) == Plan({}, {}, 3)


def test_what_is_forced_runs_though_fresh_and_what_builds_on_it_waits() -> None:
    plan = plan_stages(GRAPH, {}, ["vocabulary"], ["prepare@a", "prepare@b"])
    assert plan.reasons == {"prepare@a": "forced", "vocabulary": "builds on prepare@a"}
    assert plan.upstream == {"prepare@a": [], "vocabulary": ["prepare@a"]}
    assert plan.forced == {"prepare@a"}


REAL = [
    "prepare@vqa_rad", "prepare@slake", "acquire_sources@pubmed", "pretrain@debug",
    "finetune@debug-vqa_rad", "finetune@micro-vqa_rad", "finetune@debug-slake", "report",
]  # fmt: skip


@pytest.mark.parametrize(
    ("choice", "chosen"),
    [
        (Choice(), REAL),
        (Choice(sizes=("micro",)), ["finetune@micro-vqa_rad"]),
        (Choice(sizes=("debug",)),
         ["finetune@debug-slake", "finetune@debug-vqa_rad", "pretrain@debug"]),
        (Choice(datasets=("slake", "pubmed")),
         ["acquire_sources@pubmed", "finetune@debug-slake", "prepare@slake"]),
        (Choice(sizes=("debug",), datasets=("vqa_rad",)), ["finetune@debug-vqa_rad"]),
    ],
)  # fmt: skip
def test_a_choice_leaves_out_other_sizes_and_data_sets(
    repository: Path, monkeypatch: pytest.MonkeyPatch, choice: Choice, chosen: list[str]
) -> None:
    monkeypatch.chdir(repository)
    assert sorted(choose_stages(REAL, [], choice)) == sorted(chosen)
    assert choose_stages(REAL, ["report"], Choice()) == {"report"}


@pytest.mark.parametrize(
    ("choice", "words"),
    [(Choice(sizes=("huge",)), "no sizes huge"), (Choice(datasets=("x", "slake")), "data sets x")],
)
def test_a_name_that_is_not_there_is_refused(
    repository: Path, monkeypatch: pytest.MonkeyPatch, choice: Choice, words: str
) -> None:
    monkeypatch.chdir(repository)
    with pytest.raises(UserError, match=words) as caught:
        choose_stages(REAL, [], choice)
    assert "it has" in caught.value.why


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
