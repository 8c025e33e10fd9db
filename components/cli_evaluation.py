"""The commands on scores: answers of other models, tasks for other harnesses, model cards, raters.

Added by flows/cli.py beside the library's other commands.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path

from components.cli import check_project, show
from components.config import load_params

DATA, EXAMPLES = Path("data"), Path("data/examples")
STUDY, BALANCE = Path("data/rating"), Path("data/balance")


def add_evaluation_commands(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add each command with the function that it calls."""
    score = commands.add_parser("score", help="score the answers of any model, from a file")
    score.add_argument("file", type=Path, help='JSON lines: {"id": ..., "prediction": ...}')
    score.add_argument("--dataset", required=True, help="a card of data/cards, prepared")
    score.add_argument("--to", metavar="FILE", type=Path, help="a JSON file for the scores")
    score.set_defaults(call=score_file)
    tasks = commands.add_parser(
        "export-tasks", help="write the test splits as tasks of lm-eval and lmms-eval"
    )
    tasks.add_argument("folder", type=Path, help="a new folder")
    tasks.set_defaults(call=export_tasks)
    card = commands.add_parser("model-card", help="write a model's card from its run")
    card.add_argument("folder", type=Path, help="a model, below data/models")
    card.add_argument("--to", metavar="FILE", type=Path, help="a Markdown file; else it is printed")
    card.set_defaults(call=write_card)
    balance = commands.add_parser(
        "balance", help="tune on instructions in three ways of drawing modalities, and compare"
    )
    balance.add_argument("--size", help="of the model; else the first of params.yaml")
    balance.add_argument("--seeds", type=int, default=1, help="models of each arm")
    balance.set_defaults(call=compare_balance)
    add_rating_command(commands)


def add_rating_command(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the steps of a study with raters."""
    rating = commands.add_parser("rating", help="have clinicians rate answers, blinded")
    steps = rating.add_subparsers(dest="step", required=True, metavar="STEP")
    make = steps.add_parser("make", help="write the page for raters, and its sealed key")
    make.add_argument("--items", type=int, default=5, help="test items of each data set")
    make.add_argument("--raters", type=int, default=2, help="who must hand in before unblinding")
    make.set_defaults(call=make_rating)
    join = steps.add_parser("join", help="put ratings together, and say how raters agree")
    join.add_argument("files", type=Path, nargs="+", help="what raters saved")
    join.set_defaults(call=join_rating)
    unblind = steps.add_parser("unblind", help="open the key, once all raters have handed in")
    unblind.set_defaults(call=unblind_rating)
    for step in (make, join, unblind):
        step.add_argument("--folder", type=Path, default=STUDY, help=f"of the study, else {STUDY}")


def score_file(arguments: argparse.Namespace) -> int:
    """Print the scores of a file of answers with their intervals."""
    from components.cards import load_card
    from components.interop.answers import score_answers

    check_project()
    card, params = load_card(arguments.dataset), load_params()
    scores = score_answers(arguments.file, card, EXAMPLES / card.name, params)
    versions = {metric["name"]: metric["version"] for metric in scores["metrics"]}
    for name, subsets in scores["scores"].items():
        for subset, of in subsets.items():
            show(f"{f'{name} {versions[name]}, {subset}':<32} {_tell(of)}")
    if scores["left_out"]:
        show(f"left out, for they need the options of each row: {', '.join(scores['left_out'])}")
    if scores["num_empty"]:
        show(f"{scores['num_empty']} answers are empty, and count as they stand")
    if arguments.to:
        arguments.to.parent.mkdir(parents=True, exist_ok=True)
        arguments.to.write_text(json.dumps(scores, indent=1, sort_keys=True) + "\n")
        show(str(arguments.to))
    return 0


def _tell(of: dict[str, float]) -> str:
    from components.report.numbers import print_range, print_score

    bounds = print_range(of["low"], of["high"]) or "no interval"
    told = f"{print_score(of['value']):>6} ({bounds}), n {of['n']}, "
    told += f"baseline {print_score(of['baseline'])}"
    return told + (f", paper's way {print_score(of['paper'])}" if "paper" in of else "")


def export_tasks(arguments: argparse.Namespace) -> int:
    """Write the data sets of params.yaml as tasks, and say which were left out and why."""
    from components.cards import load_card
    from components.errors import UserError
    from components.interop.export import TEXT, VISUAL, export_tasks
    from components.interop.task_files import PREFIX

    check_project()
    params, folder = load_params(), arguments.folder
    if folder.exists() and any(folder.iterdir()):
        raise UserError(f"{folder} is not empty", next_command="name a new folder")
    cards = [load_card(name) for name in params.datasets]
    for found in export_tasks(cards, EXAMPLES, params.evaluate, folder):
        told = f"{found.num} items, {' and '.join(found.harnesses)}"
        show(f"{PREFIX}{found.dataset:<24} {f'left out: {found.reason}' if found.reason else told}")
    asked = f"--tasks {PREFIX}NAME --model ..."
    show(f"next: cd {folder}, then lm_eval --include_path {TEXT} {asked}")
    show(f"   or python -m lmms_eval --include_path {VISUAL} {asked}")
    return 0


def write_card(arguments: argparse.Namespace) -> int:
    """Write or print a model's card."""
    from components.cards import load_card
    from components.report.model_card import write_model_card

    check_project()
    params = load_params()
    cards = {name: load_card(name) for name in [*params.sources, *params.datasets]}
    written = write_model_card(arguments.folder, DATA, params, cards)
    if not arguments.to:
        show(written)
        return 0
    arguments.to.parent.mkdir(parents=True, exist_ok=True)
    arguments.to.write_text(written, encoding="utf-8")
    show(str(arguments.to))
    return 0


def compare_balance(arguments: argparse.Namespace) -> int:
    """Train the arms; print each modality's gain over drawing it as it is."""
    from components.balance import ARMS, run_balance
    from components.errors import UserError
    from components.report.numbers import print_gain, print_range, print_score

    check_project()
    params = load_params()
    if arguments.seeds < 1:
        raise UserError("--seeds must be at least 1")
    size = arguments.size or params.sizes[0]
    found = run_balance(params, size, arguments.seeds, BALANCE)
    for name, of in found["modalities"].items():
        gains = [
            f"{arm} {print_gain(of[arm]['gain']['value'])} "
            f"({print_range(of[arm]['gain']['low'], of[arm]['gain']['high'], signed=True)})"
            for arm in ARMS[1:]
        ]
        line = f"{name:<20} n {of['n']:<5} as is {print_score(of['as_is']['value'])}"
        show(f"{line}, {', '.join(gains)}")
    show(f"{BALANCE / size}.json")
    show("next: dvc repro --force --single-item report, which shows it")
    return 0


def make_rating(arguments: argparse.Namespace) -> int:
    """Write a study of the answers of this run."""
    import secrets

    from components.errors import UserError
    from components.rating.study import KEY, PAGE, make_study

    check_project()
    if arguments.items < 1 or arguments.raters < 2:
        raise UserError(
            "a study needs at least one item of each data set and two raters",
            why="agreement is between raters",
        )
    how = {"items": arguments.items, "raters": arguments.raters, "nonce": secrets.token_hex(32)}
    make_study(DATA, load_params(), arguments.folder, **how)
    show(f"{arguments.folder / PAGE}: for each rater, with a code; it works offline, sends nothing")
    show("  it shows test items as they are: their terms hold for the page, too")
    show(f"{arguments.folder / KEY}: whose answers they are; keep it sealed")
    show("next: biomedgpt rating join FILE FILE ..., with what the raters saved")
    return 0


def join_rating(arguments: argparse.Namespace) -> int:
    """Check and keep what raters handed in; print how well they agree."""
    from components.rating.joining import join_ratings

    check_project()
    params = load_params()
    joined = join_ratings(arguments.folder, arguments.files, params.evaluate.bootstrap, params.seed)
    show(f"{len(joined['raters'])} raters: {', '.join(joined['raters'])}")
    for scale, found in joined["agreement"].items():
        alpha, kappa = _tell_value(found["krippendorff_alpha"]), found["fleiss_kappa"]
        kappa = "not defined" if kappa is None else f"{kappa:.2f}"
        show(f"{scale:<12} alpha {alpha}, Fleiss' kappa {kappa}")
    show("next: biomedgpt rating unblind, which opens the key and ends the study")
    return 0


def unblind_rating(arguments: argparse.Namespace) -> int:
    """Open the key; print the mean level of each source."""
    from components.rating.unblinding import unblind

    check_project()
    params = load_params()
    results = unblind(arguments.folder, params.evaluate.bootstrap, params.seed)
    for scale, sources in results["scales"].items():
        for source, of in sources.items():
            show(f"{scale:<12} {source:<12} {_tell_value(of)}, n {of['n']}")
    show("next: dvc repro --force --single-item report, which shows it")
    return 0


def _tell_value(of: dict[str, float | None]) -> str:
    if of["value"] is None:
        return "not defined"
    bounds = "" if of["low"] is None else f" ({of['low']:.2f} to {of['high']:.2f})"
    return f"{of['value']:.2f}{bounds}"
