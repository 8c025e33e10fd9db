"""Multiple-choice questions as JSON lines, in MedMCQA's own columns or the normalised ones.

MedMCQA: ``opa`` to ``opd`` and ``cop``, the right one's number from 1. Normalised (MedQA,
MedAgentsBench): ``options`` by letter, ``answer_idx`` the letter, ``answer`` the text.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from components.cards import Card
from components.readers.files import find_split_files
from components.readers.json_rows import read_json_records
from components.readers.values import BadValue, as_text
from components.records import RawRow, Reject

COLUMNS = ("opa", "opb", "opc", "opd")


def read_multiple_choice_rows(card: Card, root: Path) -> Iterator[RawRow | Reject]:
    """Yield a row per question: its options in order, and the text of the right one.

    Explanations are not read: they give the answer away. ``options.category`` names the column
    of the subject. A question without a label, with an empty option, or with a label that names
    no option is a Reject.
    """
    for file in find_split_files(card, root):
        for number, record in read_json_records(file.path, file.name):
            origin = f"{file.name}#{number}"
            if isinstance(record, Reject):
                yield record
                continue
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
                category=str(record.get(card.options.get("category", "")) or "").strip(),
            )


def _read_fields(record: Mapping[str, Any]) -> dict[str, str | list[str]]:
    question = as_text(record.get("question"), "question")
    options, answer = _read_normalised(record) if "options" in record else _read_medmcqa(record)
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
