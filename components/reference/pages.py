"""The reference pages of the documentation: made of the code whenever the pages are built."""

from __future__ import annotations

import argparse
import inspect
from collections.abc import Iterator
from functools import partial
from typing import cast

from components.cards import ACCESS_NOTES, Card, load_cards
from components.config import Params
from components.evaluation.metrics import METRICS
from components.profiles.overlay import read_profile
from components.readers.registry import READERS
from components.records import SCHEMAS
from components.reference.sections import table_row, tell_sections
from components.tasks.registry import TASKS

WIDTH = 78  # letters of a line of help, so that it fits a page


def make_pages(parser: argparse.ArgumentParser) -> dict[str, str]:
    """Every reference page in Markdown, by its name; ``parser`` is that of the command line."""
    pages = {
        "params": tell_params(),
        "cards": tell_cards(),
        "records": tell_records(),
        "commands": tell_commands(parser),
    }
    return {name: "\n".join(lines) + "\n" for name, lines in pages.items()}


def tell_params() -> list[str]:
    """Every key of params.yaml, with its bounds, its value in the demo and its meaning."""
    return [
        "# params.yaml",
        "",
        "Every number that a person may change. `biomedgpt use demo` writes the file; DVC runs "
        "again what a change touches. An unknown or mistyped key is an error that names the "
        "allowed ones. Write `1.0e-4`: YAML reads `1e-4` as text.",
        "",
        *tell_sections(Params, read_profile("demo")),
    ]


def tell_cards() -> list[str]:
    """The keys of a card, the words that they may hold, and every card there is."""
    lines = ["# Cards", "", inspect.getdoc(Card) or "", ""]
    lines += [
        "A card is `data/cards/NAME.yaml`. `biomedgpt new-dataset NAME --task vqa` begins one."
    ]
    lines += ["", *tell_sections(Card)]
    lines += ["", "## Tasks", "", *_table(["task", "fields of a row", "how it is answered"])]
    for name, task in TASKS.items():
        lines += [table_row([f"`{name}`", ", ".join(task.fields), task.answer])]
    lines += ["", "## Readers", "", *_table(["reader", "what it reads"])]
    for name, reader in READERS.items():
        lines += [table_row([f"`{name}`", (inspect.getdoc(reader) or "").split("\n\n")[0]])]
    lines += ["", "## Metrics", "", *_table(["metric", "title", "version", "definition"])]
    for metric in METRICS.values():
        cells = [f"`{metric.name}`", metric.title, metric.version, metric.definition]
        lines += [table_row(cells)]
    lines += ["", "## Access", "", *_table(["class", "meaning"])]
    lines += [table_row([f"`{name}`", words]) for name, words in ACCESS_NOTES.items()]
    lines += ["", "## All cards", "", *_table(["card", "title", "task", "access", "licence"])]
    for card in load_cards():
        source = card.source
        cells = [f"`{card.name}`", card.title, card.task, source.access, source.licence]
        lines += [table_row(cells)]
    return lines


def tell_records() -> list[str]:
    """The columns of every Parquet file that one stage hands to another."""
    lines = [
        "# Schemas",
        "",
        "What stages hand to each other are Parquet files with these columns, none of them null; "
        "they are read by name. `components/records.py` holds them.",
    ]
    for kind, schema in SCHEMAS.items():
        lines += ["", f"## {kind.__name__}", "", inspect.getdoc(kind) or "", ""]
        lines += _table(["column", "type"])
        lines += [table_row([f"`{field.name}`", f"`{field.type}`"]) for field in schema]
    return lines


def tell_commands(parser: argparse.ArgumentParser) -> list[str]:
    """The help of every command, as the terminal shows it."""
    lines = ["# Commands", ""]
    for command in _find_parsers(parser):
        shape = cast(type[argparse.HelpFormatter], command.formatter_class)
        command.formatter_class = partial(shape, width=WIDTH)
        lines += [f"## `{command.prog}`", "", "```text", command.format_help().rstrip(), "```", ""]
    lines += [
        "A command ends with status 0; 1 where what it was asked for failed; 2 after an error that "
        "says what happened, why, and the next command."
    ]
    return lines


def _find_parsers(parser: argparse.ArgumentParser) -> Iterator[argparse.ArgumentParser]:
    yield parser
    for action in parser._actions:
        if isinstance(action, argparse._SubParsersAction):
            for below in action.choices.values():
                yield from _find_parsers(below)


def _table(titles: list[str]) -> list[str]:
    return [table_row(titles), "|---" * len(titles) + "|"]
