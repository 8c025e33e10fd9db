"""Run stages in the order of their graph, some side by side, and tell what became of each."""

from __future__ import annotations

import logging
import queue
import shutil
import signal
import time
from collections.abc import Callable, Collection, Iterable
from dataclasses import asdict, dataclass
from graphlib import TopologicalSorter
from typing import Any, Literal

from prefect import get_run_logger
from prefect.client.schemas.objects import State
from prefect.futures import PrefectFuture
from prefect.runtime import flow_run
from prefect.states import Completed, Failed
from rich.console import Console
from rich.table import Table

from components.config import ComputeParams, load_params
from components.errors import UserError, refusals_told
from components.logs import FLOW, LOGGER, Log, open_log
from components.profiles.overlay import write_params
from flows import artifacts
from flows.choice import Choice
from flows.display import Bars, show_bars
from flows.graph import Plan, make_plan
from flows.liveness import LOOK_EVERY_S, bury_dead, claim_run, read_verdict
from flows.lock import ProjectHeldError, hold_project
from flows.process import guard_process, stop_commands
from flows.settings import find_temporary_server
from flows.stage import run_stage

# Blocks that compute on a GPU where there is one: as many at once as Prefect's limit for this tag.
GPU_BLOCKS = frozenset(
    {"fit_image_tokenizer", "tokenize_images", "pretrain", "finetune", "instruct"}
    | {"evaluate", "evaluate_zero_shot", "probe"}
)
GPU_TAG = "gpu"
SERVER_PATIENCE_S = 90.0  # for a server that is starting again when the run ends
COLOURS = {"ran": "green", "cached": "cyan", "failed": "red", "skipped": "yellow"}


@dataclass(frozen=True)
class Result:
    """A row of the table that ends a run."""

    stage: str
    status: Literal["ran", "cached", "failed", "skipped"]
    seconds: float
    words: str = ""


class OverruledError(Exception):
    """Prefect's server holds this run for ended or cancelled, whatever it does."""

    def __init__(self, verdict: State[Any]) -> None:
        self.verdict = verdict
        super().__init__(verdict.message)


def run_stages(blocks: Collection[str], choice: Choice | None = None) -> State[Any]:
    """Bring the chosen stages of these blocks up to date; the state says what failed, if anything.

    Without a choice, all of them.
    """
    return take_turn(lambda: _run_chosen(blocks, choice or Choice()))


def take_turn(work: Callable[[], State[Any]]) -> State[Any]:
    """Do a flow's work while it holds the project; the flow's final state.

    It is Refused, and says by whom, while another run works in this project. A run that was called
    crashed or cancelled meanwhile stays so, though its work may have ended well.
    """
    log = Log(str(flow_run.id), FLOW)  # its stages, and their workers, log under the same id
    with open_log(log, "prefect.flow_runs"):
        for name in ("prefect.flow_runs", "prefect.task_runs"):
            logging.getLogger(name).addFilter(_is_news)
        listen_to_interrupts(True)
        if server := find_temporary_server():
            guard_process(server)
        state = _work_alone(work)
        if state.is_failed():  # a page and a terminal show the state; the log holds its words, too
            LOGGER.error("%s", state.message)
        return state


def _work_alone(work: Callable[[], State[Any]]) -> State[Any]:
    try:
        with (
            refusals_told(),  # a full disk, say
            hold_project(run=str(flow_run.name), run_id=str(flow_run.id)),
        ):
            claim_run()
            bury_dead()
            state = work()
            return read_verdict(SERVER_PATIENCE_S) or state
    except OverruledError as overruled:
        return overruled.verdict
    except ProjectHeldError as error:
        return Failed(name="Refused", message=str(error))
    except UserError as error:
        return Failed(message=str(error))


def _run_chosen(blocks: Collection[str], choice: Choice) -> State[Any]:
    if choice.profile and choice.profile != load_params().profile:
        if choice.dry_run:
            raise UserError(
                f"a dry run tells of params.yaml, which is not of the profile {choice.profile}",
                next_command=f"biomedgpt use {choice.profile}, then the dry run without a profile",
            )
        write_params(choice.profile)
    plan = make_plan(blocks, choice, tell_wait=get_run_logger().info)
    return tell_plan(plan) if choice.dry_run else run_plan(plan, load_params().compute)


def run_plan(plan: Plan, compute: ComputeParams) -> State[Any]:
    """Run a plan's stages; the state says which of them failed, and in which words."""
    started = time.monotonic()
    with show_bars() as bars:
        results = run_in_order(plan, compute, bars)
    show_results(results, time.monotonic() - started)
    failed = [f"{r.stage} failed\n{r.words}" for r in results if r.status == "failed"]
    if failed:
        failed.append(f"all that was said: biomedgpt logs {flow_run.id}")
        return Failed(message="\n".join(failed))
    return Completed(message=f"{plan.num_stages} stages up to date")


def tell_plan(plan: Plan) -> State[Any]:
    """Show what would run, and why, and run nothing."""
    rows = [{"stage": stage, "why": plan.reasons[stage]} for stage in plan.upstream]
    for row in rows:
        get_run_logger().info(f"would run {row['stage']}: {row['why']}")
    artifacts.show_table("plan", rows, "What would run, and why")
    return Completed(message=f"{len(rows)} of {plan.num_stages} stages would run")


def _is_news(record: logging.LogRecord) -> bool:
    """Drop Prefect's closing lines: each stage's line, and its error at the end, say it already."""
    return not record.getMessage().startswith(("Finished in state", "Task run failed with"))


def listen_to_interrupts(listen: bool) -> None:
    """Hold Ctrl-C back in this thread, and in processes that it starts, or let it through.

    Prefect's temporary server must not hear it: it would stop before the flow that it serves.
    """
    how = signal.SIG_UNBLOCK if listen else signal.SIG_BLOCK
    signal.pthread_sigmask(how, {signal.SIGINT})


def run_in_order(plan: Plan, compute: ComputeParams, bars: Bars) -> list[Result]:
    """Run each stage when those before it are done. What builds on a failed stage is skipped."""
    logger, progress = get_run_logger(), artifacts.ProgressBar(len(plan.upstream))
    sorter = TopologicalSorter(plan.upstream)
    sorter.prepare()
    waiting: list[str] = []
    running: dict[PrefectFuture[Any], tuple[str, float]] = {}
    ended: queue.SimpleQueue[PrefectFuture[Any]] = queue.SimpleQueue()
    results: list[Result] = []
    while True:
        waiting += sorter.get_ready()
        while waiting and len(running) < compute.parallel_stages:
            stage = waiting.pop(0)
            bars.begin(stage)
            future = _submit(stage, plan, compute.device)
            running[future] = (stage, time.monotonic())
            future.add_done_callback(ended.put)
        if not running:
            break
        try:
            future = _wait_for_one(ended)
        except BaseException:
            _stop_stages(running)
            raise
        stage, begun = running.pop(future)
        bars.end(stage)
        result = _read_result(stage, future, time.monotonic() - begun)
        results.append(result)
        logger.info(
            f"[{len(results)}/{len(plan.upstream)}] {stage}: {result.status}, "
            f"{result.seconds:.1f} s",
            extra={"fields": asdict(result)},
        )
        progress.move(len(results))
        if result.status != "failed":
            sorter.done(stage)
    reached = {result.stage for result in results}
    skipped = [Result(stage, "skipped", 0.0) for stage in plan.upstream if stage not in reached]
    return results + skipped


def _submit(stage: str, plan: Plan, device: str) -> PrefectFuture[Any]:
    """Begin a stage, under the limit of those that need a GPU if it takes one."""
    takes_gpu = stage.partition("@")[0] in GPU_BLOCKS and (
        device == "cuda" or (device == "auto" and shutil.which("nvidia-smi") is not None)
    )
    task = run_stage.with_options(tags=[GPU_TAG]) if takes_gpu else run_stage
    return task.submit(stage, force=stage in plan.forced)


def _wait_for_one(ended: queue.SimpleQueue[PrefectFuture[Any]]) -> PrefectFuture[Any]:
    """The next stage that has ended. OverruledError when this run is held for ended before."""
    while True:
        try:
            return ended.get(timeout=LOOK_EVERY_S)
        except queue.Empty:
            if verdict := read_verdict():
                raise OverruledError(verdict) from None


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
    """Print one row per stage, and the sums; show them, the metrics and where the report is."""
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
    rows = [asdict(result) for result in results]
    artifacts.show_table("stages", rows, f"{sums or 'nothing to do'}; {seconds:.1f} s")
    artifacts.show_metrics()
    artifacts.show_links()
