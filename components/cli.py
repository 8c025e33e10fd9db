"""The library's commands: profiles, the machine, the report, checkpoints of others.

``biomedgpt run`` and ``plan`` are added in flows/cli.py, since the library knows of no flows.
"""

from __future__ import annotations

import argparse
import json
import os
import select
import sys
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path

from rich.console import Console

from components.checkpoints.faults import TOLERANCES
from components.errors import UserError, refusals_told
from components.redaction import visible

REPORT = Path("data/report/index.html")
USER_ERROR = 2
UNREAD = 1  # as rich has it where who read the output has gone


def add_commands(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add each command with the function that it calls."""
    use = commands.add_parser("use", help="rewrite params.yaml from a profile")
    use.add_argument("profile", help="demo, real, base, large or xlarge")
    use.add_argument("--raw", metavar="PATH", help="your raw files: a folder, or s3://...")
    use.set_defaults(call=use_profile)
    doctor = commands.add_parser(
        "doctor",
        help="check this machine, and say how to mend it",
        epilog="Status 0: nothing stops the pipeline, there may be warnings; 1: something does.",
    )
    doctor.add_argument("--json", action="store_true", help="the findings as a list of objects")
    doctor.set_defaults(call=check_machine)
    add_data_commands(commands)
    report = commands.add_parser("report", help="print where the report is")
    report.set_defaults(call=find_report)
    take = commands.add_parser(
        "import",
        help="read a released checkpoint, safely, into a folder",
        formatter_class=argparse.RawDescriptionHelpFormatter,
        epilog="groups of mismatches that --accept takes, besides names of tensors:\n"
        + "\n".join(f"  {name:<22} {words}" for name, words in TOLERANCES.items()),
    )
    take.add_argument(
        "file",
        type=Path,
        help="a model of fairseq (.pt), of the Hugging Face port (.bin, .safetensors; config.json "
        "beside it is read) or of this project (.safetensors), or an image tokenizer of taming "
        "(.ckpt); told from what is in it, not from its name",
    )
    take.add_argument("--to", metavar="DIR", type=Path, required=True, help="a new folder")
    take.add_argument("--ema", action="store_true", help="take the averaged weights")
    take.add_argument(
        "--accept",
        metavar="NAME",
        action="append",
        default=[],
        help="a mismatch that may be: "
        "a name that the error gives, or a group below; may be given more than once",
    )
    take.set_defaults(call=import_file)
    give = commands.add_parser("export", help="write a model's folder under the names of others")
    give.add_argument("folder", type=Path, help="a folder with a model")
    give.add_argument(
        "--to",
        metavar="FILE",
        type=Path,
        required=True,
        help="a new file: .pt or .pth "
        "for fairseq, .safetensors or .bin for huggingface (and config.json beside it); "
        "for transformers a new folder, which holds all that it takes to ask the model",
    )
    give.add_argument(
        "--names",
        choices=["fairseq", "huggingface", "transformers"],
        required=True,
        help="huggingface: of the port by others; transformers: of this project's own classes, "
        "with a card and the proof that both compute the same",
    )
    give.set_defaults(call=export_folder)


def add_data_commands(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add what looks at data sets, and what begins one."""
    datasets = commands.add_parser("datasets", help="every data set, and whether it is here")
    datasets.add_argument("name", nargs="?", help="all that is known of one of them")
    datasets.set_defaults(call=list_datasets)
    new = commands.add_parser("new-dataset", help="begin a data set of your own")
    new.add_argument("name", help="lower-case letters, digits and _")
    new.add_argument("--task", required=True, help="vqa, caption, classify, ...")
    new.set_defaults(call=begin_dataset)
    check = commands.add_parser("check", help="look at a data set as training would take it")
    check.add_argument("name", help="a card of data/cards")
    check.set_defaults(call=check_dataset)


def run_command(parser: argparse.ArgumentParser, words: list[str] | None = None) -> int:
    """Parse and run one command; a UserError is printed without traceback and gives status 2.

    Without a word, all commands are shown.
    """
    if not (sys.argv[1:] if words is None else words):
        parser.exit(USER_ERROR, parser.format_help())
    arguments = parser.parse_args(words)
    call: Callable[[argparse.Namespace], int] = arguments.call
    try:
        with refusals_told():
            return call(arguments)
    except UserError as error:
        sys.stderr.write(f"error: {visible(str(error))}\n")
        return USER_ERROR
    except BrokenPipeError:
        if not _is_output_unread():
            raise
        return UNREAD


def _is_output_unread() -> bool:
    """Whether who read the output has gone, as `| head` does; if so, the rest of it is dropped."""
    output = select.poll()
    output.register(sys.stdout.fileno(), 0)  # that it is broken is told unasked
    if output.poll(0):
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return True
    return False


def show(line: str) -> None:
    """Print a line as it is, whatever the width of the terminal; what it does to one is written."""
    Console(highlight=False, markup=False, emoji=False, soft_wrap=True).print(visible(line))


def use_profile(arguments: argparse.Namespace) -> int:
    """Rewrite params.yaml."""
    from components.profiles.overlay import write_params

    check_project()
    params = write_params(arguments.profile, raw=arguments.raw)
    show(f"params.yaml now holds the profile {params.profile}")
    show(f"  sizes     {', '.join(params.sizes)}")
    show(f"  data sets {', '.join(params.datasets)}")
    show(f"  raw files {params.acquire.mode} {params.acquire.root}".rstrip())
    show("next: biomedgpt run")
    return 0


def check_machine(arguments: argparse.Namespace) -> int:
    """Print one line per check; status 1 when one of them stops the pipeline."""
    from components.doctor import examine
    from components.doctor_services import examine_services, read_params

    check_project()
    root = Path.cwd()
    findings = [*examine(root), *examine_services(root, read_params(root / "params.yaml"))]
    status = int(any(finding.level == "FAIL" for finding in findings))
    if arguments.json:
        show(json.dumps([asdict(finding) for finding in findings], indent=1))
        return status
    width = max(len(finding.subject) for finding in findings)
    for finding in findings:
        show(f"{finding.level:<5} {finding.subject:<{width}}  {finding.words}")
        if finding.mend:
            show(f"{'':<5} {'':<{width}}  -> {finding.mend}")
    return status


def check_project() -> None:
    """UserError outside the project's root, before a command makes or misses a file there."""
    if Path("dvc.yaml").is_file() or Path(".dvc").is_dir():
        return
    above = next((folder for folder in Path.cwd().parents if (folder / "dvc.yaml").is_file()), None)
    raise UserError(
        "this folder is not the project's root",
        why=f"{Path.cwd()} holds no dvc.yaml",
        next_command=f"cd {above}" if above else "change to the folder that you cloned",
    )


def check_settings() -> None:
    """UserError for a mistake in params.yaml, in a card that it names, or in a size's name."""
    from components.checks import examine_settings

    check_project()
    examine_settings()


def list_datasets(arguments: argparse.Namespace) -> int:
    """Print the table of all cards, or all of one."""
    from components.cards import load_card, load_cards
    from components.checking import listing, words
    from components.config import load_params

    check_project()
    settings = load_params().acquire
    if arguments.name:
        (found,) = listing.list_datasets([load_card(arguments.name)], settings)
        for line in words.tell_card(found):
            show(line)
        return 0
    listed = listing.list_datasets(load_cards(), settings)
    width = max(Console().width, words.WIDTH)
    console = Console(highlight=False, markup=False, emoji=False, width=width)
    console.print(words.draw_table(listed))
    for line in words.tell_states(listed):
        show(line)
    return 0


def begin_dataset(arguments: argparse.Namespace) -> int:
    """Write a card and rows to replace, and say what to do with them."""
    from components.acquire.bucket_root import is_bucket
    from components.checking.template import OWN_DATA, write_template
    from components.config import load_params

    check_project()
    root = load_params().acquire.root
    root = "" if is_bucket(root) else root  # rows are written here, and what is private read here
    folder = Path(root or OWN_DATA) / arguments.name
    for path in write_template(arguments.name, arguments.task, folder):
        show(str(path))
    show(f"next: put your rows there, then biomedgpt check {arguments.name}")
    show(f"then: name {arguments.name} under datasets in params.yaml")
    if not root:
        show(f"      and set acquire.root to {OWN_DATA}")
    return 0


def check_dataset(arguments: argparse.Namespace) -> int:
    """Print what a data set looks like to training; status 1 where it cannot be trained on."""
    from components.cards import load_card
    from components.checking import dataset, words
    from components.checking.template import OWN_DATA
    from components.config import load_params

    check_project()
    params = load_params()
    checked = dataset.check_dataset(load_card(arguments.name), params, OWN_DATA)
    for line in words.tell_check(checked):
        show(line)
    return 0 if checked.is_sound else 1


def plan_training(arguments: argparse.Namespace) -> int:
    """Print what one training run asks for, and what is missing for it."""
    from components.config import load_params
    from components.planning.run import plan_training

    check_project()
    params = load_params()
    size = arguments.size or params.sizes[0]
    gpus = arguments.gpus if arguments.gpus is not None else max(params.compute.workers, 1)
    for line in plan_training(params, arguments.stage, size, arguments.dataset or "", gpus):
        show(line)
    return 0


def find_report(_arguments: argparse.Namespace) -> int:
    """Print the report's path."""
    check_project()
    if not REPORT.is_file():
        raise UserError(
            f"{REPORT} is not there", why="no run has ended yet", next_command="biomedgpt run"
        )
    show(str(REPORT.resolve()))
    return 0


def import_file(arguments: argparse.Namespace) -> int:
    """Import a checkpoint and print the report of its names."""
    from components.checkpoints.importing import REPORT as KEY_REPORT
    from components.checkpoints.importing import import_checkpoint
    from components.checkpoints.report import describe

    report = import_checkpoint(
        arguments.file, arguments.to, averaged=arguments.ema, accept=arguments.accept
    )
    for line in describe(report):
        show(line)
    show(f"{'report':<15} {arguments.to / KEY_REPORT}")
    return 0


def export_folder(arguments: argparse.Namespace) -> int:
    """Export a model and print the files."""
    if arguments.names == "transformers":
        from components.cli_predict import export_served

        return export_served(arguments.folder, arguments.to)
    from components.checkpoints.exporting import export_checkpoint

    for path in export_checkpoint(arguments.folder, arguments.to, arguments.names):
        show(str(path))
    return 0
