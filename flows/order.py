"""Run stages in the order of their graph, some side by side, and tell what became of each."""

from __future__ import annotations

import logging
import signal
import time
from collections.abc import Collection, Iterable
from dataclasses import asdict, dataclass
from graphlib import TopologicalSorter
from typing import Any, Literal

from prefect import get_run_logger
from prefect.client.schemas.objects import State
from prefect.futures import PrefectFuture, as_completed
from prefect.runtime import flow_run
from prefect.states import Completed, Failed
from rich.console import Console
from rich.table import Table

from components.config import load_params
from components.logs import FLOW, Log, open_log
from flows.display import Bars, show_bars
from flows.graph import make_plan
from flows.process import stop_commands
from flows.stage import run_stage

COLOURS = {"ran": "green", "cached": "cyan", "failed": "red", "skipped": "yellow"}


@dataclass(frozen=True)
class Result:
    """A row of the table that ends a run."""

    stage: str
    status: Literal["ran", "cached", "failed", "skipped"]
    seconds: float
    words: str = ""


def run_stages(blocks: Collection[str], upstream: dict[str, list[str]] | None) -> State[Any]:
    """Bring the stages of these blocks up to date; the state says what failed, if anything.

    ``upstream`` is a plan that was already made; without one DVC is asked.
    """
    log = Log(str(flow_run.id), FLOW)  # its stages, and their workers, log under the same id
    with open_log(log, "prefect.flow_runs"):
        if upstream is None:
            upstream = make_plan(blocks).upstream
        for name in ("prefect.flow_runs", "prefect.task_runs"):
            logging.getLogger(name).addFilter(_is_news)
        listen_to_interrupts(True)
        started = time.monotonic()
        with show_bars() as bars:
            results = run_in_order(upstream, load_params().compute.parallel_stages, bars)
        show_results(results, time.monotonic() - started)
    failed = [f"{r.stage} failed\n{r.words}" for r in results if r.status == "failed"]
    if failed:
        return Failed(message="\n".join([*failed, f"all that was said: biomedgpt logs {log.run}"]))
    return Completed(message=f"{len(results)} stages up to date")


def _is_news(record: logging.LogRecord) -> bool:
    """Drop Prefect's closing lines: each stage's line, and its error at the end, say it already."""
    return not record.getMessage().startswith(("Finished in state", "Task run failed with"))


def listen_to_interrupts(listen: bool) -> None:
    """Hold Ctrl-C back in this thread, and in processes that it starts, or let it through.

    Prefect's temporary server must not hear it: it would stop before the flow that it serves.
    """
    how = signal.SIG_UNBLOCK if listen else signal.SIG_BLOCK
    signal.pthread_sigmask(how, {signal.SIGINT})


def run_in_order(upstream: dict[str, list[str]], num_parallel: int, bars: Bars) -> list[Result]:
    """Run each stage when those before it are done. What builds on a failed stage is skipped."""
    logger = get_run_logger()
    sorter = TopologicalSorter(upstream)
    sorter.prepare()
    waiting: list[str] = []
    running: dict[PrefectFuture[Any], tuple[str, float]] = {}
    results: list[Result] = []
    while True:
        waiting += sorter.get_ready()
        while waiting and len(running) < num_parallel:
            stage = waiting.pop(0)
            bars.begin(stage)
            running[run_stage.submit(stage)] = (stage, time.monotonic())
        if not running:
            break
        try:
            future = next(as_completed(list(running)))
        except BaseException:
            _stop_stages(running)
            raise
        stage, begun = running.pop(future)
        bars.end(stage)
        result = _read_result(stage, future, time.monotonic() - begun)
        results.append(result)
        logger.info(
            f"[{len(results)}/{len(upstream)}] {stage}: {result.status}, {result.seconds:.1f} s",
            extra={"fields": asdict(result)},
        )
        if result.status != "failed":
            sorter.done(stage)
    reached = {result.stage for result in results}
    skipped = [Result(stage, "skipped", 0.0) for stage in upstream if stage not in reached]
    return results + skipped


def _stop_stages(running: Iterable[PrefectFuture[Any]]) -> None:
    """End what runs when the flow is cancelled; one may only just be starting, so ask again."""
    for future in running:
        while not future.state.is_final():
            stop_commands()
            future.wait(timeout=0.5)


def _read_result(stage: str, future: PrefectFuture[Any], seconds: float) -> Result:
    future.wait()
    state = future.state
    if not state.is_completed():
        return Result(stage, "failed", seconds, state.message or state.name or "")
    return Result(stage, "cached" if state.name == "Cached" else "ran", seconds)


def show_results(results: list[Result], seconds: float) -> None:
    """Print one row per stage, and the sums."""
    table = Table("stage", "", "seconds", box=None, pad_edge=False)
    table.columns[2].justify = "right"
    for result in results:
        colour = COLOURS[result.status]
        took = f"{result.seconds:.1f}" if result.status != "skipped" else ""
        table.add_row(result.stage, f"[{colour}]{result.status}[/]", took)
    console = Console()
    console.print(table)
    counts = {status: sum(r.status == status for r in results) for status in COLOURS}
    sums = ", ".join(f"{n} {status}" for status, n in counts.items() if n)
    console.print(f"{sums or 'nothing to do'}; {seconds:.1f} s", highlight=False)
