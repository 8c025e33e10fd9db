"""The commands that share what was made, and trace it.

Added by flows/cli.py beside the library's other commands. What needs only this package (get, list)
runs in any folder.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path

from components.cli import check_project, show
from components.errors import UserError

PLACE_HELP = "a folder that others can read, or s3://bucket/prefix"
ADDRESS_HELP = "PLACE/NAME, the newest, or PLACE/NAME@v3; a place is a folder or s3://bucket/prefix"


def add_sharing_commands(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add each command with the function that it calls."""
    artifacts = commands.add_parser(
        "artifacts", help="share models, corpora, predictions and reports by name and version"
    )
    steps = artifacts.add_subparsers(dest="step", required=True, metavar="STEP")
    seen = steps.add_parser("list", help="what a place holds")
    seen.add_argument("place", help=PLACE_HELP)
    seen.set_defaults(call=list_artifacts)
    give = steps.add_parser("publish", help="publish a product under the next version of a name")
    give.add_argument("folder", type=Path, help="a product, such as data/models/finetuned/...")
    give.add_argument("address", help=f"PLACE/NAME; a place is {PLACE_HELP}")
    give.set_defaults(call=publish_artifact)
    for parser in (
        steps.add_parser("get", help="bring a version here, checked"),
        commands.add_parser("get", help="the same as artifacts get: bring a model here, checked"),
    ):
        parser.add_argument("address", help=ADDRESS_HELP)
        parser.add_argument("--to", metavar="FOLDER", type=Path, help="a new one; else NAME-vN")
        parser.set_defaults(call=get_artifact)
    add_tracing_commands(commands)


def add_tracing_commands(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add what follows lineage."""
    trace = commands.add_parser("trace", help="what a record formed, or what formed a model")
    trace.add_argument("what", help="PMID:123, PMC456, a folder of data/, or one that get brought")
    trace.set_defaults(call=trace_lineage)
    recall = commands.add_parser(
        "recall", help="records withdrawn since models read them, and what they touched"
    )
    recall.add_argument("--to", metavar="FILE", type=Path, help="a JSON file for all of it")
    recall.set_defaults(call=recall_records)
    again = commands.add_parser(
        "reproduce", help="run again what made a number, elsewhere, and compare"
    )
    again.add_argument(
        "metric", help="SIZE/DATASET, zero_shot/SIZE/DATASET, or a file of data/metrics"
    )
    again.set_defaults(call=reproduce_metric)


def list_artifacts(arguments: argparse.Namespace) -> int:
    """Print a line for each version, the newest of a name last; status 1 where one is damaged."""
    from components.artifacts.places import open_place
    from components.artifacts.versions import list_names, read_version

    place = open_place(arguments.place)
    names, num_damaged = list_names(place), 0
    for name, versions in names.items():
        for number in versions:
            try:
                of = read_version(place, name, number)
            except UserError as error:  # it hides none of the others
                num_damaged += 1
                show(f"{f'{name}@v{number}':<28} cannot be read: {error.why or error.what}")
                continue
            classes = ", ".join(of.access) or "made up"
            show(f"{of.label:<28} {of.kind:<12} {of.num_bytes:>14,} bytes  {of.licence}; {classes}")
            show(f"{'':<28} {of.title}; commit {of.circumstances.git_commit[:12] or 'not known'}")
    if not names:
        show(f"nothing is published at {place.address}")
    return 1 if num_damaged else 0


def publish_artifact(arguments: argparse.Namespace) -> int:
    """Publish a product, and say how it is fetched."""
    from components.artifacts.address import parse_address
    from components.artifacts.publishing import publish
    from components.config import load_params
    from components.tracing.products import read_products

    check_project()
    address = parse_address(arguments.address)
    done = publish(arguments.folder, address, read_products(), load_params(), show)
    manifest = done.manifest
    show(f"{manifest.label} {'is published' if done.is_new else 'holds the very same already'}")
    show(f"  terms   {manifest.licence}")
    show(f"next: biomedgpt get {address.place}/{manifest.label}")
    return 0


def get_artifact(arguments: argparse.Namespace) -> int:
    """Bring a version here, and say what may be done with it."""
    from components.artifacts.address import parse_address
    from components.artifacts.fetching import fetch

    folder, manifest = fetch(parse_address(arguments.address), arguments.to, tell=show)
    show(f"{folder} is {manifest.label}, whole and checked: {len(manifest.files)} files")
    show(f"  terms   {manifest.licence}")
    if manifest.kind == "model":
        show(f"next: biomedgpt predict --model {folder} --image FILE --question TEXT")
    return 0


def trace_lineage(arguments: argparse.Namespace) -> int:
    """Print where a record went, or where a product came from; status 1 for an unknown record."""
    from components.artifacts.fetching import read_own
    from components.artifacts.manifest import OWN
    from components.tracing import words
    from components.tracing.corpus import parse_document
    from components.tracing.products import read_products
    from components.tracing.trace import trace_product, trace_record

    if (Path(arguments.what) / OWN).is_file():
        lines = words.tell_artifact(read_own(Path(arguments.what)).model_dump())
        for line in lines:
            show(line)
        return 0
    check_project()
    document, products = parse_document(arguments.what), read_products()
    if document is None and arguments.what.lower().startswith(("pmid", "pmcid")):
        raise UserError(
            f"{arguments.what} is no number of an article",
            next_command="biomedgpt trace PMID:12345678, or PMC1234567",
        )
    if document is None:
        lines = words.tell_product(trace_product(products, arguments.what))
    else:
        found = trace_record(products, document)
        lines = words.tell_record(found)
    for line in lines:
        show(line)
    return 0 if document is None or found.is_known else 1


def recall_records(arguments: argparse.Namespace) -> int:
    """Print each withdrawn record that formed something, and what it formed."""
    from components.tracing import words
    from components.tracing.products import read_products
    from components.tracing.retractions import recall_records

    check_project()
    found = recall_records(read_products())
    for line in words.tell_recall(found):
        show(line)
    if arguments.to:
        told = {"records": found.rows.to_dicts(), "touched": dict(found.touched),
                "unknown": found.unknown}  # fmt: skip
        arguments.to.parent.mkdir(parents=True, exist_ok=True)
        arguments.to.write_text(json.dumps(told, indent=1, sort_keys=True) + "\n")
        show(str(arguments.to))
    return 0


def reproduce_metric(arguments: argparse.Namespace) -> int:
    """Run a row again in a folder of its own; status 1 where a number is another."""
    from components.tracing.reproducing import reproduce

    check_project()
    found = reproduce(arguments.metric, show)
    for line in found.tell():
        show(line)
    return 0 if found.is_equal else 1
