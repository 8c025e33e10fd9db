"""A new data set of the user's own: a card, and a file of rows to be replaced."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import yaml
from PIL import Image

from components.cards import CARDS
from components.checking.examples import PLACEHOLDER
from components.errors import UserError
from components.tasks.registry import TASKS

OWN_DATA = "my_data"  # where a data set begins while acquire.root is empty; git leaves it out
ROWS, IMAGES = "rows.jsonl", "images"
NAME = re.compile(r"[a-z][a-z0-9_]*")
IMAGE_PX = 64
CLASSES = (f"{PLACEHOLDER}: first class", f"{PLACEHOLDER}: second class")
# Two rows of each kind of task, and what scores it. ``group`` names what rows share (a patient, a
# document): rows of one group never end on both sides of a split.
TEMPLATES: dict[str, list[dict[str, Any]]] = {
    "vqa": [
        {"image": "1.png", "question": f"{PLACEHOLDER}: is the lung clear?", "answer": "yes",
         "group": "patient-1"},
        {"image": "2.png", "question": f"{PLACEHOLDER}: which organ is shown?", "answer": "lung",
         "group": "patient-2"},
    ],
    "caption": [
        {"image": "1.png", "caption": f"{PLACEHOLDER}: what the image shows", "group": "patient-1"},
        {"image": "2.png", "caption": f"{PLACEHOLDER}: of another one", "group": "patient-2"},
    ],
    "classify": [
        {"image": "1.png", "label": "0", "group": "patient-1"},
        {"image": "2.png", "label": "1", "group": "patient-2"},
    ],
    "understand": [
        {"premise": f"{PLACEHOLDER}: the patient has a cough", "hypothesis": "the patient is ill",
         "label": "0", "group": "patient-1"},
        {"premise": f"{PLACEHOLDER}: a long note", "hypothesis": "will the patient return?",
         "label": "1", "group": "patient-2"},
    ],
    "summarize": [
        {"text": f"{PLACEHOLDER}: a long text", "summary": "a short one", "group": "patient-1"},
        {"text": f"{PLACEHOLDER}: another", "summary": "its summary", "group": "patient-2"},
    ],
    "answer": [
        {"question": f"{PLACEHOLDER}: which vitamin prevents scurvy?",
         "options": {"A": "vitamin C", "B": "vitamin D"}, "answer_idx": "A"},
        {"question": f"{PLACEHOLDER}: another question", "options": {"A": "yes", "B": "no"},
         "answer_idx": "B"},
    ],
}  # fmt: skip
METRICS = {
    "vqa": ["vqa_accuracy", "weighted_f1", "token_f1"],
    "caption": ["rouge_l", "cider", "meteor_exact_stem"],
    "classify": ["accuracy", "balanced_accuracy"],
    "understand": ["accuracy", "balanced_accuracy"],
    "summarize": ["rouge_l", "rouge_1", "rouge_2"],
    "answer": ["accuracy"],
}
CANDIDATES = {
    "vqa": "train", "caption": "none", "classify": "fixed", "understand": "fixed",
    "summarize": "none", "answer": "options",
}  # fmt: skip
HEADER = """\
# A data set of your own. Its rows: {rows}, one JSON object a line.
# Rows without official splits are parted by group; to give your own splits, write train.jsonl,
# validation.jsonl and test.jsonl instead of {name}.
# Then: biomedgpt check {card}
"""


def write_template(name: str, task: str, folder: Path, cards: Path = CARDS) -> list[Path]:
    """Write the card, the rows and, where the task has some, two images; returns the files.

    UserError for a name that is none, for an unknown task, and where a file is already there:
    nothing is overwritten.
    """
    if not NAME.fullmatch(name):
        raise UserError(
            f"{name!r} cannot name a data set",
            why="a name is lower-case letters, digits and _, and begins with a letter",
        )
    if task not in TEMPLATES:
        raise UserError(f"no template for the task {task!r}", why=f"known: {', '.join(TEMPLATES)}")
    card, rows, images = cards / f"{name}.yaml", folder / ROWS, folder / IMAGES
    for path in (card, folder):
        if path.exists():
            begun = f"biomedgpt check {name}"
            free = f"give another name, or move {folder} away and its files into the new one"
            raise UserError(
                f"{path} is already there", next_command=begun if card.exists() else free
            )
    folder.mkdir(parents=True)
    rows.write_text("".join(f"{json.dumps(row)}\n" for row in TEMPLATES[task]))
    written = [card, rows]
    if TASKS[task].needs_image:
        images.mkdir()
        written += [_draw(images / row["image"]) for row in TEMPLATES[task]]
    header = HEADER.format(rows=rows, name=ROWS, card=name)
    body = yaml.safe_dump(describe(name, task), sort_keys=False, allow_unicode=True, width=100)
    card.write_text(header + body)
    return written


def describe(name: str, task: str) -> dict[str, Any]:
    """The card's content, in the order of the other cards."""
    sees, asked = TASKS[task].needs_image, task == "answer"
    files: dict[str, Any] = {
        split: {"patterns": [f"{split}.jsonl"], "required": False}
        for split in ("train", "validation", "test")
    }
    files["all"] = {"patterns": [ROWS], "required": False}
    if sees:
        files["images"] = {"patterns": [f"{IMAGES}/**/*"], "required": False}
    options = {"group": "group"} | ({"image": "image", "image_folder": IMAGES} if sees else {})
    fixed = CANDIDATES[task] == "fixed"
    return {
        "name": name,
        "title": name.replace("_", " "),
        "task": task,
        "benchmark": False,
        "source": {
            "url": "our own",
            "version": "1",
            "licence": "our own",
            "access": "private",
            "how_to_get": f"put it under acquire.root in a folder {name}; where the others are not "
            "made up, set acquire.mode to local",
            "citation": "our own",
            "downloads": [],
        },
        "folders": [name],
        "files": files,
        "reader": "multiple_choice" if asked else "table",
        "options": {} if asked else options,
        "official_splits": [],
        "answers": dict(zip("01", CLASSES, strict=True)) if fixed else {},
        "candidates": CANDIDATES[task],
        "modality": "",
        "metrics": METRICS[task],
        "recipe": {},
    }


def _draw(path: Path) -> Path:
    Image.new("L", (IMAGE_PX, IMAGE_PX), 64 * int(path.stem)).save(path)
    return path
