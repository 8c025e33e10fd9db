"""What DVC knows: which stages there are, which are stale and why, and what comes before what."""

from __future__ import annotations

import logging
import sqlite3
import time
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from typing import Any

from components.errors import UserError
from components.logs import LOGGER
from flows.choice import Choice, choose_stages
from flows.torn import keep_whole_stages, mend_books

MAX_NAMED = 3
WAIT_S, PATIENCE_S = 2.0, 600.0  # for a DVC command of a terminal, which holds what it works on
Known = tuple[dict[str, list[str]], dict[str, list[Any]]]  # what builds on what; what has changed


class ProjectLockedError(UserError):
    """A DVC command works here; ``why`` says which, and on what."""


@dataclass(frozen=True)
class Plan:
    """The stages to run. ``upstream`` maps each to those of them that must come first.

    ``forced`` are those that run though DVC may find them up to date.
    """

    upstream: dict[str, list[str]]
    reasons: dict[str, str]
    num_stages: int
    forced: frozenset[str] = frozenset()


def make_plan(
    blocks: Collection[str] = (),
    choice: Choice | None = None,
    forced_blocks: Collection[str] = (),
    *,
    tell_wait: Callable[[str], None] | None = None,
) -> Plan:
    """Ask DVC what is stale, and add what builds on it.

    With ``blocks``, the plan holds only stages of these dvc.yaml blocks and whatever they need; a
    choice narrows it further. Of these, stages of ``forced_blocks`` run in any case. Raises
    UserError when dvc.yaml or a file it names is at fault, when the project is locked, and for a
    choice of what is not there. With ``tell_wait`` a lock is first waited for, and that is told.
    """
    upstream, changes = _ask_patiently(tell_wait) if tell_wait else _ask_mended(LOGGER.warning)
    choice = choice or Choice()
    chosen = choose_stages(upstream, blocks, choice)
    forced = {stage for stage in upstream if stage.partition("@")[0] in forced_blocks}
    return plan_stages(upstream, changes, chosen, chosen if choice.force else forced)


def plan_stages(
    upstream: Mapping[str, Collection[str]],
    changes: Mapping[str, list[Any]],
    chosen: Collection[str],
    forced: Collection[str] = (),
) -> Plan:
    """The plan for a graph, DVC's own account of what changed, and the stages asked for. Pure.

    Of what is asked for and of what it needs, ``forced`` runs though it is up to date.
    """
    wanted = _with_upstream(set(chosen), upstream)
    reasons = {name: explain_change(changes[name]) for name in changes if name in wanted}
    reasons |= dict.fromkeys(sorted(wanted.intersection(forced) - set(reasons)), "forced")
    for name in in_order(upstream):
        stale = [before for before in upstream[name] if before in reasons]
        if name in wanted and stale and name not in reasons:
            reasons[name] = f"builds on {_enumerate(stale)}"
    return Plan(
        upstream={
            name: sorted(before for before in upstream[name] if before in reasons)
            for name in in_order(upstream)
            if name in reasons
        },
        reasons=reasons,
        num_stages=len(wanted),
        forced=frozenset(wanted.intersection(forced)),
    )


def in_order(upstream: Mapping[str, Collection[str]]) -> list[str]:
    """Every stage after those it builds on; otherwise in the order of dvc.yaml."""
    ordered: dict[str, None] = {}

    def visit(name: str) -> None:
        if name not in ordered:
            for before in upstream[name]:
                visit(before)
            ordered[name] = None

    for name in upstream:
        visit(name)
    return list(ordered)


def explain_change(entries: list[Any]) -> str:
    """One line on why a stage is stale, from an entry of ``dvc status``."""
    outs, deps, other = {}, {}, []
    for entry in entries:
        if isinstance(entry, str):
            other.append(entry)
        else:
            outs.update(entry.get("changed outs", {}))
            deps.update(entry.get("changed deps", {}))
    if outs and set(outs.values()) == {"deleted"}:
        return "has no product yet"
    named = [f"product {path} {how}" for path, how in outs.items()]
    for path, how in deps.items():
        keys = how if isinstance(how, dict) else {path: how}
        named += [f"{key} {change}" for key, change in keys.items()]
    return _enumerate(named + other)


def _enumerate(names: list[str]) -> str:
    rest = len(names) - MAX_NAMED
    return ", ".join(names[:MAX_NAMED]) + (f" and {rest} more" if rest > 0 else "")


def _with_upstream(names: set[str], upstream: Mapping[str, Collection[str]]) -> set[str]:
    reached, waiting = set(names), list(names)
    while waiting:
        for before in upstream[waiting.pop()]:
            if before not in reached:
                reached.add(before)
                waiting.append(before)
    return reached


def _ask_patiently(tell: Callable[[str], None]) -> Known:
    """What DVC knows, once the command that works there has ended, or the patience has."""
    deadline, told = time.monotonic() + PATIENCE_S, False
    while True:
        try:
            return _ask_mended(tell)
        except ProjectLockedError as error:
            if time.monotonic() > deadline:
                raise
            if not told:
                tell(f"waits for another command: {error.why}")
            told = True
            time.sleep(WAIT_S)


def _ask_mended(tell: Callable[[str], None]) -> Known:
    """What DVC knows, once what a full disk or a power cut left of its books is put right."""
    for words in mend_books():
        tell(words)
    try:
        return _ask_dvc()
    except ProjectLockedError:
        raise
    except Exception:  # DVC has no one error for it
        if not (kept := keep_whole_stages()):
            raise
        tell(kept)
        return _ask_dvc()


def _ask_dvc() -> Known:
    from dvc.exceptions import DvcException, NotDvcRepoError
    from dvc.lock import LockError
    from dvc.repo import Repo

    logging.getLogger("dvc").setLevel(logging.ERROR)  # it tells of locks that it cleared itself
    try:
        repo = Repo()
        graph = repo.index.graph
        upstream = {
            stage.addressing: [before.addressing for before in graph.successors(stage)]
            for stage in repo.index.stages
        }
        return upstream, repo.status()
    except NotDvcRepoError:
        raise UserError(
            "this folder is not the project's root", next_command="change to the cloned folder"
        ) from None
    except LockError as error:
        raise ProjectLockedError(
            "another command is working in this project",
            why=" ".join(str(error).split()),
            next_command="wait until it has ended, then try again",
        ) from None
    except sqlite3.Error as error:  # what it knows of files that it hashed
        raise UserError(
            "DVC cannot read or write its own database",
            why=str(error),
            next_command="biomedgpt doctor, which looks at rights and free space; a damaged one "
            "lies in the folder that `dvc config core.site_cache_dir` names, which DVC makes again",
        ) from None
    except DvcException as error:
        if "dvc.lock" in str(error):
            raise UserError(
                "dvc.lock cannot be read",
                why=str(error),
                next_command="git checkout dvc.lock; where git has none, remove the file: stages "
                "whose results DVC's cache knows are not run again",
            ) from None
        raise UserError("dvc.yaml cannot be read", why=str(error)) from None
