"""Multiple-choice questions as JSON lines, in MedMCQA's own columns or the normalised ones.

MedMCQA: ``opa`` to ``opd`` and ``cop``, the right one's number from 1. Normalised (MedQA,
MedAgentsBench): ``options`` by letter, ``answer_idx`` the letter, ``answer`` the text.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from components.cards import Card
from components.readers.columns import ExpectedColumns
from components.readers.files import find_split_files
from components.readers.json_rows import read_json_records
from components.readers.values import BadValue, as_text, pick
from components.records import RawRow, Reject

COLUMNS = ("opa", "opb", "opc", "opd")


def read_multiple_choice_rows(card: Card, root: Path) -> Iterator[RawRow | Reject]:
    """Yield a row per question: its options in order, and the text of the right one.

    Explanations are not read: they give the answer away. ``options.category`` names the column
    of the subject, and MedMCQA's own files must have it: UserError where none of a file's records
    does. A question without a label, with an empty option, or with a label that names no option is
    a Reject.
    """
    category = card.options.get("category", "")
    for file in find_split_files(card, root):
        expected = ExpectedColumns({"category": category} if category else {})
        for number, record in read_json_records(file.path, file.name):
            origin = f"{file.name}#{number}"
            if isinstance(record, Reject):
                yield record
                continue
            if not _is_normalised(record):
                expected.see(record)
            try:
                fields = _read_fields(record)
            except BadValue as bad:
                yield Reject(origin, bad.reason, bad.detail)
                continue
            yield RawRow(
                id=f"{Path(file.name).with_suffix('').as_posix()}/{number}",
                split=file.split,
                fields=fields,
                origin=origin,
                category=str(pick(record, category) or "").strip(),
            )
        expected.check(file.path, card.name)


def _is_normalised(record: Mapping[str, Any]) -> bool:
    return "options" in record


def _read_fields(record: Mapping[str, Any]) -> dict[str, str | list[str]]:
    question = as_text(record.get("question"), "question")
    options, answer = _read_normalised(record) if _is_normalised(record) else _read_medmcqa(record)
    return {"question": question, "context": "", "options": options, "answer": answer}


def _read_normalised(record: Mapping[str, Any]) -> tuple[list[str], str]:
    given = record["options"]
    if not isinstance(given, dict) or len(given) < 2:
        raise BadValue("wrong-type", "options is not an object of two or more")
    options = {letter: as_text(given[letter], "option") for letter in sorted(given)}
    letter = as_text(record.get("answer_idx"), "answer")
    if letter not in options:
        raise BadValue("answer-out-of-range", f"{letter!r} is none of {', '.join(options)}")
    answer = as_text(record.get("answer", options[letter]), "answer")
    if answer != options[letter]:
        raise BadValue("answers-disagree", f"option {letter} is not the answer's text")
    return list(options.values()), answer


def _read_medmcqa(record: Mapping[str, Any]) -> tuple[list[str], str]:
    options = [as_text(record.get(column), "option") for column in COLUMNS]
    number = record.get("cop")
    if number is None:
        raise BadValue("missing-answer", "no cop: the official test file carries no labels")
    if isinstance(number, bool) or number not in (1, 2, 3, 4):
        raise BadValue("answer-out-of-range", f"cop is {number!r}; options count from 1")
    return options, options[int(number) - 1]
