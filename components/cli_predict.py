"""``biomedgpt predict``: ask a model about an image, a folder of them, or rows of JSON lines.

Answers go to the standard output, everything else to the other one. It runs in any folder.
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from components.cli import USER_ERROR, show
from components.errors import UserError
from components.redaction import visible

if TYPE_CHECKING:
    from components.serving.batches import Asked
    from components.serving.requests import Request
    from components.serving.served import Reply, ServedModel
    from components.serving.versions import Version

STDIN = "-"
SHOWN = 10  # names of what was not answered
TASKS_HELP = "vqa, caption, classify, understand, summarize, answer: of an instructed model"
EPILOG = (
    "Rows of --jsonl are objects with image (a path from the file's folder), question, text, "
    "options, task, id; each as its model's task takes it. What cannot be answered is named, and "
    "ends nothing. Status 0: all could be answered; 1: some could not; 2: none could. "
    "Research only: not for clinical use."
)


def add_predict_command(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add ``predict`` with the function that it calls."""
    ask = commands.add_parser("predict", help="ask a model; research only", epilog=EPILOG)
    ask.add_argument(
        "--model",
        default="",
        help="a folder (that get or export made, or of data/models), or PLACE/NAME@v3; "
        "a place is a folder or s3://bucket/prefix",
    )
    ask.add_argument("--image", metavar="FILE", help="PNG, JPEG, TIFF, DICOM, ...; - reads it here")
    ask.add_argument("--folder", type=Path, metavar="DIR", help="every image of a folder")
    ask.add_argument("--jsonl", metavar="FILE", help="a row for each question; - reads them here")
    ask.add_argument("--question", default="", help="what is asked, where the task asks")
    ask.add_argument("--text", default="", help="what it is about: a report, a context, a premise")
    ask.add_argument("--option", action="append", default=[], help="an answer to choose from")
    ask.add_argument("--task", default="", help=TASKS_HELP)
    ask.add_argument("--frame", default="", choices=["first", "middle"], help="of a DICOM file")
    ask.add_argument("--json", action="store_true", help="an object for each answer, on one line")
    ask.add_argument(
        "--abstain-below", type=float, default=0.0, metavar="P",
        help="give no answer that is less sure than this, from 0 to 1",
    )  # fmt: skip
    ask.add_argument("--greedy", action="store_true", help="search free text with one beam: faster")
    ask.add_argument("--int8", action="store_true", help="linear layers in 8 bits, on a CPU")
    ask.set_defaults(call=ask_model)


def ask_model(arguments: argparse.Namespace) -> int:
    """Print an answer for each thing asked; status 1 where some could not be answered."""
    _check(arguments)
    if not arguments.folder and not arguments.jsonl:
        return _ask_one(arguments)
    from components.serving.batches import answer_each, list_folder, read_rows
    from components.serving.pictures import plain
    from components.serving.telling import tell_version

    if arguments.jsonl:
        asked = read_rows(arguments.jsonl)
    else:
        asked = list_folder(arguments.folder, _make_request(arguments, None))
    model = _load(arguments)
    num, num_held_back, bad = 0, 0, []
    for one, reply in answer_each(model, asked):
        _show_many(one, reply, model.version, arguments)
        num += 1
        if isinstance(reply, UserError):
            bad.append(plain(one.name))
        else:
            num_held_back += bool(reply.refusal(arguments.abstain_below))
    if not num:
        where = "the standard input" if arguments.jsonl == STDIN else arguments.jsonl
        raise UserError(
            f"{where} holds no row", next_command="give an object on each line: see --help"
        )
    if not arguments.json:
        for line in tell_version(model.version):
            show(line)
    held_back = f", {num_held_back} held back as not sure enough" if num_held_back else ""
    named = f"; not {', '.join(bad[:SHOWN])}{', ...' * (len(bad) > SHOWN)}" if bad else ""
    _tell(f"{num - num_held_back - len(bad)} of {num} were answered{held_back}{named}")
    if len(bad) == num:
        return USER_ERROR
    return int(bool(bad))


def _ask_one(arguments: argparse.Namespace) -> int:
    from components.serving.telling import as_json, tell_reply

    request = _make_request(arguments, _read_image(arguments.image))
    model = _load(arguments)
    (reply,) = model.ask_all([request])
    if arguments.json:
        _print_json(as_json(reply, model.version, arguments.abstain_below))
        return 0
    for line in tell_reply(reply, model.version, arguments.abstain_below):
        show(line)
    return 0


def _show_many(
    one: Asked, reply: Reply | UserError, version: Version, arguments: argparse.Namespace
) -> None:
    from components.serving.pictures import plain
    from components.serving.telling import as_json, tell_answer

    below, name = arguments.abstain_below, plain(one.name)
    if arguments.json:
        if isinstance(reply, UserError):
            told: dict[str, Any] = {"error": str(reply)}
        else:
            told = as_json(reply, version, below)
        _print_json({**one.given, **told})
    elif isinstance(reply, UserError):
        _tell(str(reply) if reply.what.startswith(name) else f"{name}: {reply}")
    else:
        sure = "" if reply.refusal(below) else f"  ({reply.confidence.value:.2f})"
        show(f"{name}  {tell_answer(reply, below)}{sure}")


def _load(arguments: argparse.Namespace) -> ServedModel:
    from components.serving import load

    return load(arguments.model, int8=arguments.int8, greedy=arguments.greedy, tell=_tell)


def _make_request(arguments: argparse.Namespace, image: bytes | Path | None) -> Request:
    from components.serving.requests import Request

    return Request(
        image, arguments.question, arguments.text, arguments.option, arguments.task, arguments.frame
    )


def _read_image(given: str | None) -> bytes | Path | None:
    if given == STDIN:
        return sys.stdin.buffer.read()
    return Path(given) if given else None


def _print_json(values: dict[str, Any]) -> None:
    line = json.dumps(values, ensure_ascii=False)
    if not line.isprintable():  # as a file's name may be, which no encoding may hold
        line = json.dumps(values)
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


def _tell(line: str) -> None:
    sys.stderr.write(visible(line) + "\n")  # a damaged image's own words may be in it


def _check(arguments: argparse.Namespace) -> None:
    if not arguments.model:
        raise UserError(
            "no model is named to be asked",
            why=_tell_models(Path("data/models")),
            next_command="--model FOLDER, or --model PLACE/NAME@v3",
        )
    if not 0 <= arguments.abstain_below <= 1:
        raise UserError(
            f"--abstain-below is {arguments.abstain_below:g}",
            why="it is compared with a probability, from 0 to 1",
        )
    given = [f"--{name}" for name in ("image", "folder", "jsonl") if getattr(arguments, name)]
    if len(given) > 1:
        raise UserError(f"{' and '.join(given)} exclude each other", next_command="give one")
    named = [f"--{name}" for name in ("question", "text", "option", "task", "frame")
             if getattr(arguments, name)]  # fmt: skip
    if arguments.jsonl and named:
        raise UserError(
            f"--jsonl goes without {', '.join(named)}",
            why="each row says itself what is asked",
        )


def _tell_models(root: Path) -> str:
    found = [path.parent.as_posix() for path in sorted(root.glob("*/**/config.json"))]
    if not found:
        return f"{root} has none that it could be"
    return f"it could be {', '.join(found[:SHOWN])}{', ...' * (len(found) > SHOWN)}"


def export_served(folder: Path, to: Path) -> int:
    """Write a model for transformers, with its card, and print what was measured."""
    from components.serving.exporting import export_transformers

    files, parity = export_transformers(folder, to, _write_card(folder))
    for path in files:
        show(str(path))
    show(
        f"{parity.num_same_answers} of {parity.num_inputs} answers are the same; logits differ by "
        f"{parity.largest_difference:.2g} at most, where the largest is {parity.largest_logit:.3g}"
    )
    show(f"next: biomedgpt predict --model {to} --image FILE --question TEXT")
    return 0


def _write_card(folder: Path) -> str:
    """The card of a model of this project; "" of one that brings its own."""
    from components.lineage import MANIFEST

    if not (folder / MANIFEST).is_file():
        return ""
    from components.cards import load_card
    from components.config import load_params
    from components.report.model_card import write_model_card

    params = load_params()
    cards = {name: load_card(name) for name in [*params.sources, *params.datasets]}
    return write_model_card(folder, Path("data"), params, cards)
