"""A model's folder for transformers, which this project still asks: weights, tokenizer, a card.

The card ends with a proof that both compute the same, whose numbers were measured on the very files
that were written.
"""

from __future__ import annotations

import errno
import json
import shutil
import tempfile
from collections.abc import Sequence
from pathlib import Path

from components.errors import UserError
from components.evaluation.calibration import write_calibration
from components.generation.constraints import SearchSettings
from components.huggingface.parity import Ours, Parity, compare, write_pretrained
from components.lineage import MANIFEST
from components.model.weights import load_model
from components.serving.asking import ASKING
from components.serving.finding import FoundModel, find_model
from components.serving.versions import PRODUCT
from components.tokenization.vocabulary import Vocabulary

CARD, PROOF, UNFINISHED = "README.md", "parity.json", ".exporting-"
TOLERANCE = 1e-3  # of a logit: above, the folder is not left behind
PIPELINE_TAGS = {
    "vqa": "visual-question-answering",
    "caption": "image-to-text",
    "classify": "image-classification",
    "understand": "text-classification",
    "summarize": "summarization",
    "answer": "question-answering",
    "instruct": "image-text-to-text",
}
FRONT = """---
library_name: transformers
pipeline_tag: {tag}
license: other
tags: [biomedgpt, medical, research-only]
---

"""


def export_transformers(folder: Path, to: Path, card: str = "") -> tuple[list[Path], Parity]:
    """Write a model for transformers; the files, and how far both lie apart.

    ``card`` is Markdown of the model; without it the folder's own card is taken. UserError where
    there is something at ``to`` already, the folder has no model that can be asked, or the two do
    not compute the same: then nothing is left behind.
    """
    if to.exists():
        raise _taken(to)
    found = find_model(folder)
    to.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=to.parent, prefix=UNFINISHED) as place:
        unfinished = Path(place) / to.name
        parity = _write(found, card, unfinished)
        try:
            unfinished.replace(to)
        except OSError as error:
            if error.errno in (errno.ENOTEMPTY, errno.EEXIST):  # another has brought it meanwhile
                raise _taken(to) from None
            raise
    return sorted(path for path in to.rglob("*") if path.is_file()), parity


def _taken(to: Path) -> UserError:
    return UserError(f"{to} is there already", next_command="name another after --to")


def _write(found: FoundModel, card: str, unfinished: Path) -> Parity:
    asking, vocabulary = found.asking, Vocabulary.load(found.vocabulary)
    write_pretrained(
        found.folder, found.vocabulary, asking.image_px, asking.max_source_tokens, unfinished
    )
    search = SearchSettings(
        beam=asking.beam,
        max_length_b=asking.max_target_tokens,
        length_penalty=asking.length_penalty,
        no_repeat_ngram=asking.no_repeat_ngram,
    )
    ours = Ours(load_model(found.folder), vocabulary, asking.image_px, search)
    parity = compare(ours, unfinished)
    _check(parity)
    _write_words(found, parity, card, unfinished)
    return parity


def _check(parity: Parity) -> None:
    same = parity.num_same_answers == parity.num_inputs
    if same and parity.largest_difference <= TOLERANCE:
        return
    raise UserError(
        "the exported folder does not compute what the model computes",
        why=f"logits differ by up to {parity.largest_difference:.2g}, {parity.num_same_answers} of "
        f"{parity.num_inputs} answers are the same (transformers {parity.transformers})",
        next_command="make install, which brings the versions that this was tested with",
    )


def _write_words(found: FoundModel, parity: Parity, card: str, to: Path) -> None:
    """What is told of the model beside its weights: how it is asked, who made it, the proof."""
    (to / ASKING).write_text(found.asking.dump(), encoding="utf-8")
    (to / PROOF).write_text(json.dumps(parity.to_dict(), indent=1, sort_keys=True) + "\n")
    if found.calibration:
        write_calibration(found.calibration, to)
    for name in (PRODUCT, MANIFEST):
        if (found.folder / name).is_file():
            shutil.copyfile(found.folder / name, to / PRODUCT)
            break
    own = found.folder / CARD
    words = card or (own.read_text("utf-8") if own.is_file() else f"# {found.version.name}\n")
    usage = "\n".join(tell_usage(found))
    front = FRONT.format(tag=PIPELINE_TAGS.get(found.asking.task, "image-text-to-text"))
    (to / CARD).write_text(f"{front}{words.rstrip()}\n\n{usage}\n{tell_parity(parity)}", "utf-8")


def tell_usage(found: FoundModel) -> Sequence[str]:
    """How the folder is used, as Markdown."""
    return (
        "## How it is used", "",
        f"`biomedgpt predict --model FOLDER` asks it (task: {found.asking.task}), and so does",
        "`components.serving.load(FOLDER)`. With transformers, `register()` of",
        "`components.huggingface.register` makes the Auto classes know it; no code is in this",
        "folder, and none is fetched.", "",
    )  # fmt: skip


def tell_parity(parity: Parity) -> str:
    """The proof as Markdown."""
    return f"""## Parity

When this folder was written it was read back with transformers {parity.transformers} (torch
{parity.torch}, CPU, float32) and asked {parity.num_inputs} questions about drawn images, beside the
model that it was made of:

| what | result |
|---|---|
| logits compared | {parity.num_logits:,} |
| largest difference of two logits | {parity.largest_difference:.3g} |
| largest logit | {parity.largest_logit:.3g} |
| same answer, token by token (beam {parity.beam}) | \
{parity.num_same_answers} of {parity.num_inputs} |
"""
