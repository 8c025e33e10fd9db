"""The benchmarks as tasks of two harnesses, with their data and a small adapter.

``FOLDER/lm-eval`` holds the tasks of the LM Evaluation Harness, ``FOLDER/lmms-eval`` those of
lmms-eval, which are of images (task_files.py). Both read the JSON lines and images beside them, and
call this project's metrics by the adapter. The hyphens keep the folders from being importable: a
harness is run from FOLDER, and must find itself.
"""

from __future__ import annotations

import errno
import json
import shutil
import tempfile
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from components.cards import RESTRICTED, Card
from components.config import EvaluateParams
from components.errors import UserError
from components.evaluation.examine import Exam, read_exam
from components.interop.task_files import CHOSEN, PREFIX, describe_task, describe_visual_task, dump
from components.records import Example, ImageRecord, read_records

ADAPTER, IMAGES, UNFINISHED = "adapter.py", "images", ".exporting-"
TEXT, VISUAL = "lm-eval", "lmms-eval"  # the harnesses' names, and those of their folders


@dataclass(frozen=True, slots=True)
class Exported:
    """A task that was written, or why it was not (``reason``)."""

    dataset: str
    num: int
    reason: str = ""
    harnesses: tuple[str, ...] = ()


def export_tasks(
    cards: Iterable[Card], examples: Path, settings: EvaluateParams, folder: Path
) -> list[Exported]:
    """Write every data set that is prepared, and may be handed on, as a task into ``folder``.

    It is there once all of it is. UserError where another has put something there meanwhile.
    """
    folder.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=folder.parent, prefix=UNFINISHED) as place:
        unfinished = Path(place) / "tasks"
        for harness in (TEXT, VISUAL):
            (unfinished / harness).mkdir(parents=True)
            shutil.copyfile(Path(__file__).with_name(ADAPTER), unfinished / harness / ADAPTER)
        exported = [_export(card, examples / card.name, settings, unfinished) for card in cards]
        try:
            unfinished.replace(folder)
        except OSError as error:
            if error.errno not in (errno.ENOTEMPTY, errno.EEXIST):
                raise
            raise UserError(f"{folder} is not empty", next_command="name a new folder") from None
    return exported


def _export(card: Card, source: Path, settings: EvaluateParams, folder: Path) -> Exported:
    if card.source.access in RESTRICTED:
        return Exported(card.name, 0, f"its records may not be passed on ({card.source.access})")
    if not (source / "examples.parquet").is_file():
        return Exported(card.name, 0, "it is not prepared: dvc repro prepare")
    exam = read_exam(card, source)
    lines = [
        json.dumps(_lay_out(card, example, candidates), ensure_ascii=False)
        for example, candidates in zip(exam.test, exam.candidates, strict=True)
    ]
    (folder / f"{card.name}.jsonl").write_text("\n".join(lines) + "\n", encoding="utf-8")
    tasks = {TEXT: describe_task(exam, settings)}
    if any(example.image_id for example in exam.test):
        tasks[VISUAL] = describe_visual_task(exam, settings)
        _write_images(exam, folder / IMAGES)
    for harness, config in tasks.items():
        path = folder / harness / f"{PREFIX}{card.name}.yaml"
        path.write_text(dump(config), encoding="utf-8")
    return Exported(card.name, len(lines), harnesses=tuple(tasks))


def _lay_out(card: Card, example: Example, candidates: Sequence[str]) -> dict[str, Any]:
    """A test item as a row. ``gold`` is the choice that is right, -1 where none is."""
    chosen = card.candidates in CHOSEN
    row: dict[str, Any] = {
        "id": example.id,
        "source": example.source,
        "target": example.target.strip(),
        "references": example.references or [example.target.strip()],
        "category": example.category,
        "group": example.group,
        "metrics": card.metrics,
    }
    if chosen:
        row["choices"] = list(candidates)
        right = [i for i, text in enumerate(candidates) if text.strip() == example.target.strip()]
        row["gold"] = right[0] if right else -1
    if example.image_id:
        row["image"] = f"{IMAGES}/{example.image_id}"
    return row


def _write_images(exam: Exam, folder: Path) -> None:
    wanted = {example.image_id for example in exam.test}
    folder.mkdir(exist_ok=True)
    for record in read_records(exam.images, ImageRecord):
        if record.id in wanted:
            (folder / record.id).write_bytes(record.bytes)
