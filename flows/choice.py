"""What a person may ask of a flow. The same fields stand in the form of Prefect's page."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from inspect import signature
from typing import Any, TypeVar

from components.config import load_params
from components.errors import UserError

FIELDS = {
    "sizes": "model sizes of params.yaml; none: all. The stages of others are left out",
    "datasets": "data sets or sources of params.yaml; none: all. Others are left out",
    "profile": "write params.yaml from this profile first; empty: take it as it is",
    "force": "run what is asked for though it is up to date",
    "dry_run": "only tell what would run, and why",
}
Function = TypeVar("Function", bound=Callable[..., Any])


def described(function: Function) -> Function:
    """A flow's function whose docstring tells of its parameters: Prefect shows it in its form."""
    taken = signature(function).parameters
    lines = [f"    {name}: {words}" for name, words in FIELDS.items() if name in taken]
    function.__doc__ = "\n".join([str(function.__doc__), "", "Args:", *lines])
    return function


@dataclass(frozen=True)
class Choice:
    """Which stages of a flow's blocks to bring up to date, and how."""

    sizes: tuple[str, ...] = ()
    datasets: tuple[str, ...] = ()
    profile: str = ""
    force: bool = False
    dry_run: bool = False


def read_choice(
    sizes: Sequence[str] | None,
    datasets: Sequence[str] | None,
    profile: str,
    force: bool,
    dry_run: bool,
) -> Choice:
    """A flow's parameters as one value."""
    return Choice(tuple(sizes or ()), tuple(datasets or ()), profile, force, dry_run)


def choose_stages(stages: Iterable[str], blocks: Iterable[str], choice: Choice) -> set[str]:
    """The stages of these blocks (all blocks, if none is named) that a choice asks for.

    Where sizes are named, only stages of these sizes are chosen, and likewise for data sets: what
    is of no size or of none of the data sets (the report over all of them) runs only where a chosen
    stage builds on it. UserError for a name that params.yaml does not hold.
    """
    within = set(blocks)
    chosen = {stage for stage in stages if not within or stage.split("@")[0] in within}
    if not choice.sizes and not choice.datasets:
        return chosen
    params = load_params()
    sources = [*params.datasets, *params.sources, *params.pretraining_sources]
    _refuse_unknown("sizes", choice.sizes, params.sizes)
    _refuse_unknown("data sets", choice.datasets, sources)
    if choice.sizes:
        chosen = {stage for stage in chosen if _size_of(stage, params.sizes) in choice.sizes}
    if choice.datasets:
        chosen = {stage for stage in chosen if _dataset_of(stage, sources) in choice.datasets}
    return chosen


def _refuse_unknown(kind: str, asked: Iterable[str], known: Sequence[str]) -> None:
    if strange := [name for name in asked if name not in known]:
        raise UserError(
            f"params.yaml has no {kind} {', '.join(strange)}",
            why=f"it has {', '.join(dict.fromkeys(known))}",
            next_command=f"name them under {kind.replace(' ', '')} in params.yaml first",
        )


def _size_of(stage: str, known: Iterable[str]) -> str:
    """The size in ``finetune@large-vqa_rad``: DVC puts the items of a matrix in this order."""
    item = stage.partition("@")[2]
    return next((size for size in known if item == size or item.startswith(f"{size}-")), "")


def _dataset_of(stage: str, known: Iterable[str]) -> str:
    item = stage.partition("@")[2]
    return next((name for name in known if item == name or item.endswith(f"-{name}")), "")
