"""The weekly update of PubMed: new files, what was retracted meanwhile, and what is stale after."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from prefect import flow, get_run_logger
from prefect.client.schemas.objects import State

from components.config import load_params
from components.pubmed.recalled import find_recalled, read_taken
from flows import artifacts
from flows.choice import described
from flows.graph import make_plan
from flows.order import run_plan, take_turn, tell_plan

CORPUS = Path("data/articles")


@flow(name="update_pubmed")
@described
def update_pubmed(dry_run: bool = False) -> State[Any]:
    """Fetch and read PubMed's new update files; say what was retracted and what is stale after.

    NLM is asked for its list each time, though nothing changed here: files that are there already
    are neither fetched nor read again (data/downloads, data/readings). Nothing is trained again.
    """
    return take_turn(lambda: _update(dry_run=dry_run))


def _update(*, dry_run: bool) -> State[Any]:
    wait = get_run_logger().info
    plan = make_plan(["ingest_pubmed"], forced_blocks=["acquire_sources"], tell_wait=wait)
    if dry_run:
        return tell_plan(plan)
    taken = read_taken(CORPUS)
    state = run_plan(plan, load_params().compute)
    if state.is_completed():
        _tell_recalled(find_recalled(taken, CORPUS))
        _tell_stale()
    return state


def _tell_recalled(recalled: list[str]) -> None:
    rows = [{"record": name} for name in recalled]
    artifacts.show_table("recalled", rows, "Records of the last corpus that are now retracted")
    named = f": {', '.join(recalled[:20])}" if recalled else ""
    get_run_logger().info(f"{len(recalled)} records were retracted since the last update{named}")


def _tell_stale() -> None:
    plan = make_plan()
    rows = [{"stage": stage, "why": plan.reasons[stage]} for stage in plan.upstream]
    artifacts.show_table("stale", rows, "What is stale after the update")
    get_run_logger().info(
        f"{len(rows)} of {plan.num_stages} stages are stale; `pipeline` runs them"
    )
