"""The command ``biomedgpt``: the library's commands, and those that run stages."""

from __future__ import annotations

import argparse
import errno
import os
import signal
import sys
import time
from typing import NoReturn

from rich.console import Console
from rich.table import Table
from rich.text import Text

from components import cli as library
from components.cli import REPORT
from components.cli_evaluation import add_evaluation_commands
from components.cli_logs import add_log_command
from components.cli_predict import add_predict_command
from components.cli_remote import add_remote_commands
from components.cli_selftest import add_selftest_command
from components.cli_sharing import add_sharing_commands
from components.cli_web import add_web_command
from components.errors import UserError
from components.redaction import output_redacted
from flows.database import check_database, explain_no_start
from flows.graph import Plan, make_plan
from flows.lock import hold_project
from flows.settings import settle_environment, silence_telemetry

DESCRIPTION = (
    "Train, evaluate and ask models of medical images and text. New here: doctor looks at this "
    "machine, run makes everything, report says where to read it, predict asks a model."
)
EPILOG = (
    "biomedgpt COMMAND --help tells more of each; docs/tutorial.md shows them in fifteen minutes. "
    "Status 0: all is well; 1: something failed or was found wrong; 2: nothing was done, and why."
)
INTERRUPTED = 128 + signal.SIGINT
TERMINATED = 128 + signal.SIGTERM
READER_GONE = 128 + signal.SIGPIPE


def build_parser() -> argparse.ArgumentParser:
    """Every command and option; a test holds it as it is."""
    parser = argparse.ArgumentParser(prog="biomedgpt", description=DESCRIPTION, epilog=EPILOG)
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    library.add_commands(commands)
    add_evaluation_commands(commands)
    add_remote_commands(commands)
    add_sharing_commands(commands)
    add_predict_command(commands)
    add_web_command(commands)
    add_log_command(commands)
    add_selftest_command(commands)
    run = commands.add_parser("run", help="bring every product up to date")
    run.set_defaults(call=run_pipeline)
    plan = commands.add_parser(
        "plan", help="show what would run, and why, or what a training run takes; runs nothing"
    )
    plan.add_argument(
        "stage", nargs="?", choices=["pretrain", "finetune", "instruct"], help="of which run"
    )
    plan.add_argument("--size", help="of the model; else the first of params.yaml")
    plan.add_argument("--dataset", help="that finetune is to tune on")
    plan.add_argument("--gpus", type=int, metavar="N", help="else compute.workers of params.yaml")
    plan.set_defaults(call=show_plan)
    completion = commands.add_parser(
        "completion",
        help="print what makes your shell complete these commands",
        description="For bash: biomedgpt completion bash > "
        "~/.local/share/bash-completion/completions/biomedgpt. For zsh: a file _biomedgpt in a "
        "folder of $fpath.",
    )
    completion.add_argument("shell", choices=["bash", "zsh", "tcsh"])
    completion.set_defaults(call=print_completion)
    return parser


def run_pipeline(_arguments: argparse.Namespace) -> int:
    """Run what is stale. Where nothing is, Prefect is not even started."""
    console, started = Console(highlight=False), time.monotonic()
    library.check_settings()
    with hold_project():
        plan = make_plan(tell_wait=lambda words: console.print(words, markup=False))
        if plan.upstream:
            return _run_plan(plan, console)
    took = time.monotonic() - started
    console.print(f"{plan.num_stages} stages up to date ({took:.1f} s)")
    console.print(f"report: {REPORT}", soft_wrap=True)
    return 0


def _run_plan(plan: Plan, console: Console) -> int:
    console.print(f"{len(plan.upstream)} of {plan.num_stages} stages to run; starting Prefect")
    settle_environment()
    if "PREFECT_API_URL" not in os.environ:
        check_database()
    from prefect import tags

    from flows.liveness import name_project
    from flows.order import listen_to_interrupts
    from flows.pipeline import pipeline

    signal.signal(signal.SIGTERM, _leave)  # by way of exit, which stops Prefect's server
    listen_to_interrupts(False)
    try:
        with tags(name_project()):
            state = pipeline(return_state=True)
    except KeyboardInterrupt:
        console.print("interrupted; `biomedgpt run` goes on from here")
        return INTERRUPTED
    except RuntimeError as error:
        if told := explain_no_start(error):
            raise told from None
        raise
    if state.is_completed():
        console.print(f"report: {REPORT}", soft_wrap=True)
        return 0
    sys.stderr.write(f"\n{state.message}\n")
    return 1


def _leave(_number: int, _frame: object) -> NoReturn:
    sys.exit(TERMINATED)


def show_plan(arguments: argparse.Namespace) -> int:
    """Print each stage that is stale, and why; or what a run of the named one takes."""
    if arguments.stage:
        return library.plan_training(arguments)
    named = ("size", "dataset", "gpus")
    if given := [f"--{name}" for name in named if getattr(arguments, name) is not None]:
        raise UserError(
            f"plan goes without {', '.join(given)} where no stage is named",
            why="they are of one training run, and would change nothing of the pipeline's plan",
            next_command="biomedgpt plan, or biomedgpt plan finetune --size ... --dataset ...",
        )
    library.check_settings()
    plan = make_plan()
    table = Table("stage", "why", box=None, pad_edge=False)
    for stage, reason in plan.reasons.items():
        table.add_row(Text(stage), Text(reason))
    console = Console(highlight=False)
    if plan.reasons:
        console.print(table)
    console.print(f"{len(plan.reasons)} of {plan.num_stages} stages to run")
    return 0


def print_completion(arguments: argparse.Namespace) -> int:
    """Print the script, which knows every command and option by itself."""
    import shtab

    sys.stdout.write(shtab.complete(build_parser(), arguments.shell) + "\n")
    return 0


def main() -> None:
    """Run one command; leave with its exit status."""
    silence_telemetry()
    try:
        with output_redacted():
            sys.exit(library.run_command(build_parser()))
    except OSError as error:
        if error.filename != sys.stdout.name:
            raise
        sys.exit(_end_output(error))


def _end_output(error: OSError) -> int:
    """The status where the standard output takes no more: nothing is left to be written to it."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    if error.errno == errno.EPIPE:  # as of `| head`: no fault
        return READER_GONE
    sys.stderr.write(f"error: not all could be written\n  why:  {error}\n")
    return library.USER_ERROR


if __name__ == "__main__":
    main()
