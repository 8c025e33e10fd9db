"""SEER*Stat case listings: an exported table, and the dictionary (.dic) that is written beside it.

Each case becomes a text of the columns that the card lists, and a label out of one column.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from components.cards import Card
from components.errors import UserError
from components.readers.columns import ExpectedColumns, read_attributes
from components.readers.csv_rows import read_csv_records
from components.readers.folds import deal_splits
from components.readers.values import BadValue, as_label, as_text
from components.records import OUTSIDE, UNSPLIT, RawRow, Reject

DELIMITERS = {"comma": ",", "tab": "\t", "semicolon": ";"}
UNTOLD = {"blank(s)", "unknown", "na", "."}  # values that say nothing about a case
NEEDED = ("facts", "label", "group", "hypothesis")
SETTING = re.compile(r"^(Variable format|Field delimiter|Variable names included)=(.*)$")


def read_seer_rows(card: Card, root: Path) -> Iterator[RawRow | Reject]:
    """Yield a row per case: ``options.facts`` in words, the question, and the label.

    Facts are columns with ``;`` between them, and each column may be written as alternatives with
    ``|``, since names change with the yearly submission; ``options.attributes`` names those by
    which scores may be taken apart. A label listed in ``options.outside`` is outside the set, and
    counted; one that the card does not know is a Reject. The patient
    (``options.group``) is the group; ``options.fold`` (``3/10``) makes that fold of the patients
    the test, the next validation. Raises UserError where the export has codes for labels, no
    header, or lacks a column.
    """
    absent = [option for option in NEEDED if not card.options.get(option)]
    if absent:
        raise UserError(
            f"data/cards/{card.name}.yaml: options lacks {', '.join(absent)}",
            why="the reader seer tells a case by its facts and asks for its label",
            next_command="name the columns of your export there",
        )
    found = [row for path in card.find(root, "export") for row in _read_export(card, root, path)]
    splits = deal_splits(card, (row.group for row in found if isinstance(row, RawRow)))
    for row in found:
        if isinstance(row, Reject):
            yield row
        else:
            yield replace(row, split=splits.get(row.group, UNSPLIT))


def _read_export(card: Card, root: Path, path: Path) -> Iterator[RawRow | Reject]:
    facts = [column.strip() for column in card.options["facts"].split(";")]
    named = {f"facts {column}": column for column in facts}
    named |= {option: card.options[option] for option in ("label", "group")}
    name, delimiter = path.relative_to(root).as_posix(), _read_dictionary(path)
    expected = ExpectedColumns(named)
    for number, record in read_csv_records(path, name, delimiter):
        origin = f"{name}#{number}"
        if isinstance(record, Reject):
            yield record
            continue
        expected.see(record)
        try:
            yield _read_case(card, facts, record, origin)
        except BadValue as bad:
            yield Reject(origin, bad.reason, bad.detail)
    expected.check(path, card.name)


def _read_dictionary(path: Path) -> str:
    """The delimiter of an export, from its dictionary where there is one, else from its header."""
    dictionary = path.with_suffix(".dic")
    lines = dictionary.read_bytes().decode("utf-8", "replace") if dictionary.is_file() else ""
    matches = (SETTING.match(line.strip()) for line in lines.splitlines())
    settings = {match.group(1): match.group(2).strip().lower() for match in matches if match}
    if settings.get("Variable names included", "true") != "true":
        raise _exported_wrongly(path, "without the names of its variables")
    if settings.get("Variable format", "labels") not in ("labels", "quotedlabels"):
        raise _exported_wrongly(path, "with codes in place of labels")
    if settings.get("Field delimiter", "comma") not in DELIMITERS:
        raise _exported_wrongly(path, f"with {settings['Field delimiter']} as field delimiter")
    if "Field delimiter" in settings:
        return DELIMITERS[settings["Field delimiter"]]
    with path.open("rb") as file:
        header = file.readline(1 << 16).decode("utf-8", "replace")
    return max(DELIMITERS.values(), key=header.count)


def _exported_wrongly(path: Path, how: str) -> UserError:
    return UserError(
        f"{path} was exported {how}",
        why="labels and names are what a case is told by; its .dic file says how it was exported",
        next_command="export it anew from SEER*Stat with variable names, labels, and comma or tab",
    )


def _read_case(card: Card, facts: list[str], record: Mapping[str, Any], origin: str) -> RawRow:
    raw = as_text(_pick(record, card.options["label"]), "label")
    if raw in card.options.get("outside", "").split(";"):
        raise BadValue(OUTSIDE, f"label is {raw!r}")
    told = [(column.split("|")[0], _pick(record, column)) for column in facts]
    words = [f"{column}: {value}" for column, value in told if value.lower() not in UNTOLD | {""}]
    return RawRow(
        id=origin.rpartition(".")[0] + "/" + origin.rpartition("#")[2],
        split=UNSPLIT,
        fields={
            "premise": as_text("; ".join(words), "facts"),
            "hypothesis": card.options["hypothesis"],
            "label": as_label(raw, "label", card.answers),
        },
        origin=origin,
        group=as_text(_pick(record, card.options["group"]), "group"),
        attributes=read_attributes(card.attribute_columns, record),
    )


def _pick(record: Mapping[str, Any], column: str) -> str:
    """The first of a column's names that holds something; "" where none does."""
    values = (record.get(name) for name in column.split("|"))
    return next((str(value).strip() for value in values if value is not None), "")
