"""Examples in batches: limits, encoded items, and a step's items cut into micro-batches."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from components.dataset.collate import Batch, Item, collate
from components.dataset.images import ImageStore
from components.errors import UserError
from components.records import Example, read_records
from components.tasks.encoding import encode_example
from components.tasks.registry import TASKS
from components.tokenization.vocabulary import Vocabulary


@dataclass(frozen=True)
class Limits:
    """Sizes of what goes into a batch, and whether what is longer is cut or refused.

    Of the micro-batches of a step, rank r of ``world`` gets the images of every world-th; of the
    others the labels are all that it needs.
    """

    effective_batch: int
    micro_batch: int
    max_source_tokens: int
    max_target_tokens: int
    seed: int
    long_text: str = "cut"
    rank: int = 0
    world: int = 1


def load_examples(folder: Path, split: str) -> list[Example]:
    """The examples of one split; UserError when there is none."""
    path = folder / "examples.parquet"
    examples = [e for e in read_records(path, Example) if e.split == split]
    if not examples:
        raise UserError(f"{path} has no {split} examples", next_command="dvc repro prepare")
    return examples


def cut(
    items: Sequence[Item], store: ImageStore | None, limits: Limits, px: int, num_before: int = 0
) -> list[Batch]:
    """Micro-batches of at most ``micro_batch`` items, ``num_before`` of the same step before them.

    Where there are several, items of like lengths share one: less is padded.
    """
    size = limits.micro_batch
    if len(items) > size:
        items = sorted(items, key=_lengths)
    chunks = [items[i : i + size] for i in range(0, len(items), size)]
    return [
        collate(chunk, store, px, with_images=number % limits.world == limits.rank)
        for number, chunk in enumerate(chunks, num_before)
    ]


def share_with_image(examples: Sequence[Example]) -> float:
    """The share of examples that have an image; 0 of none."""
    return sum(bool(example.image_id) for example in examples) / max(len(examples), 1)


def _lengths(item: Item) -> tuple[bool, int, int]:
    return bool(item.image_id), len(item.encoded.source), len(item.encoded.labels)


def encode_item(example: Example, vocabulary: Vocabulary, limits: Limits) -> Item:
    """An example as token ids, cut to the limits; UserError where they say ``refuse``."""
    encoded = encode_example(
        example,
        TASKS[example.task],
        vocabulary,
        limits.max_source_tokens,
        limits.max_target_tokens,
        long_text=limits.long_text,
    )
    return Item(encoded, example.image_id, weight=example.weight)
