"""Texts of a pretraining source, from rows to a file, as they come: memory holds few of them.

They are not drawn to a number, as records of a data set are: how many are read is said by the
mixture and the steps of pretraining, which draws windows of them.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path

from components.cards import Card
from components.examples import Prepared, render_row
from components.records import SPLITS, Example, ImageRecord, RawRow, Reject, write_records
from components.tasks.base import Task


def write_texts(
    card: Card, task: Task, rows: Iterable[RawRow | Reject], folder: Path
) -> tuple[Prepared, dict[str, int]]:
    """Write an example per row; returns what was refused, without examples, and the counts."""
    prepared = Prepared()

    def take() -> Iterator[Example]:
        for row in rows:
            prepared.num_in += 1
            if isinstance(row, Reject):
                prepared.rejects.append(row)
                continue
            prepared.num_read[row.split] += 1
            yield render_row(card, task, row, "", prepared.cut)

    num = write_records(folder / "examples.parquet", Example, take())
    write_records(folder / "images.parquet", ImageRecord, [])
    counts = {"in": prepared.num_in, "out": num, "images": 0, **dict.fromkeys(SPLITS, 0)}
    return prepared, {**counts, "train": num}
