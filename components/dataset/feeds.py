"""Where training batches come from: pure functions of the step, cut into micro-batches."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from components.dataset.balance import Balance
from components.dataset.collate import Batch, Item, collate
from components.dataset.images import ImageStore
from components.dataset.jitter import flip_and_jitter
from components.dataset.order import batch_indices, example_rng
from components.dataset.windows import Documents, Windows
from components.errors import UserError
from components.records import Box, Example, read_records
from components.tasks.encoding import EncodedExample, encode_example
from components.tasks.negatives import NegativePool
from components.tasks.pretraining import (
    EXTRA_WEIGHT,
    detect_objects,
    infill_codes,
    infill_window,
    is_caption_cut,
    match_example,
    pair_example,
    text_room,
)
from components.tasks.registry import TASKS
from components.tokenization.vocabulary import Vocabulary

TEXT_STREAM, DETECTION_STREAM = 1, 2  # their random numbers are not those of the pairs


@dataclass(frozen=True)
class Limits:
    """Sizes of what goes into a batch, and whether what is longer is cut or refused."""

    effective_batch: int
    micro_batch: int
    max_source_tokens: int
    max_target_tokens: int
    seed: int
    device: str
    long_text: str = "cut"


def load_examples(folder: Path, split: str) -> list[Example]:
    """The examples of one split; UserError when there is none."""
    path = folder / "examples.parquet"
    examples = [e for e in read_records(path, Example) if e.split == split]
    if not examples:
        raise UserError(f"{path} has no {split} examples", next_command="dvc repro prepare")
    return examples


def cut(items: Sequence[Item], store: ImageStore | None, limits: Limits, px: int) -> list[Batch]:
    """Micro-batches of at most ``micro_batch`` items, on the run's device."""
    size = limits.micro_batch
    chunks = [items[i : i + size] for i in range(0, len(items), size)]
    return [collate(chunk, store, px).to(limits.device) for chunk in chunks]


class ExampleFeed:
    """Examples of one split, one part a step: fine-tuning and instruction tuning.

    Without a ``balance`` each is drawn once in an epoch.
    """

    def __init__(
        self,
        examples: Sequence[Example],
        vocabulary: Vocabulary,
        store: ImageStore | None,
        limits: Limits,
        balance: Balance | None = None,
    ) -> None:
        self.part_names, self.balance = ["examples"], balance
        self.store, self.limits = store, limits
        self.items = [encode_item(e, vocabulary, limits) for e in examples]
        self.num_cut = sum(item.encoded.num_cut > 0 for item in self.items)
        self.image_shares = {"examples": share_with_image(examples)}

    def parts(self, step: int) -> list[list[Batch]]:
        """The effective batch of a step (counted from 1)."""
        limits, num = self.limits, len(self.items)
        chosen = batch_indices(num, limits.effective_batch, limits.seed, step, self.balance)
        return [cut([self.items[i] for i in chosen], self.store, limits, 0)]


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


@dataclass(frozen=True)
class PretrainMaterial:
    """What pretraining draws from: pairs, whole texts, images with codes, images with boxes."""

    pairs: list[Example]
    texts: Documents
    codes: Sequence[tuple[str, Sequence[int]]]
    detections: list[Example] = field(default_factory=list)


@dataclass(frozen=True)
class Mixing:
    """Shares of the streams, how much text is masked, and the side of the hidden middle."""

    shares: dict[str, int]
    mask_ratio: float
    code_px: int


class PretrainFeed:
    """The mixture of streams. Image-text pairs are one part of the loss, the rest the other.

    Every pair gives its own example and a matching example; text and images give infilling ones,
    images with boxes those of detection. The rest counts twice in the loss, as in the reference.
    Texts are drawn by their windows, so that a long one counts by its length.
    Shares follow the mixture (8 : 2 : 1 : 1 of pairs, texts, images, boxes). Random choices follow
    from (seed, step, position), never from a worker's state.
    """

    def __init__(
        self,
        material: PretrainMaterial,
        vocabulary: Vocabulary,
        store: ImageStore,
        limits: Limits,
        mixing: Mixing,
    ) -> None:
        self.part_names = ["vision_language", "infilling"]
        self.material, self.vocabulary, self.store = material, vocabulary, store
        self.limits, self.mixing = limits, mixing
        labels = (label for example in material.detections for label in example.references)
        self.pool = NegativePool.of(material.pairs, labels)
        self.num_pairs = limits.effective_batch
        room = text_room(vocabulary, limits.max_source_tokens)
        self.windows = Windows(material.texts, vocabulary, room) if len(material.texts) else None
        self.num_texts = self._count("text") if self.windows else 0
        self.num_images = self._count("image") if material.codes else 0
        self.num_boxed = self._count("detection") if material.detections else 0
        self.plain = [encode_item(pair_example(e), vocabulary, limits) for e in material.pairs]
        self.num_cut = sum(
            item.encoded.num_cut > 0 or is_caption_cut(pair)
            for item, pair in zip(self.plain, material.pairs, strict=True)
        )
        self.num_crowded = sum(
            self._name_objects(pair_objects(e)).num_cut > 0 for e in material.detections
        )
        self.made = replace(limits, long_text="cut")  # a prompt of ours around a pair's text
        self.image_shares = self._share_images()

    def parts(self, step: int) -> list[list[Batch]]:
        """Both parts of the effective batch of a step (counted from 1)."""
        px = self.mixing.code_px
        pairs = [
            item
            for position, index in enumerate(self._draw(len(self.plain), self.num_pairs, step))
            for item in (self.plain[index], self._match(index, step, position))
        ]
        rest = self._infill_texts(step)
        rest += [
            self._infill_image(index)
            for index in self._draw(len(self.material.codes), self.num_images, step)
        ]
        boxed = self._draw(len(self.material.detections), self.num_boxed, step)
        rest += [self._detect(index, step, position) for position, index in enumerate(boxed)]
        return [cut(pairs, self.store, self.limits, px), cut(rest, self.store, self.limits, px)]

    def _share_images(self) -> dict[str, float]:
        """By part, the share of samples that show something of an image.

        Where codes are the target of a whole image, all of it is hidden.
        """
        shown = self.num_boxed + (
            self.num_images if self.mixing.code_px < self.store.image_px else 0
        )
        num = self.num_texts + self.num_images + self.num_boxed
        return {
            "vision_language": share_with_image(self.material.pairs),
            "infilling": shown / max(num, 1),
        }

    def _count(self, stream: str) -> int:
        """Examples of a stream in a step: its share, and one at least unless the share is 0."""
        shares = self.mixing.shares
        exact = self.num_pairs * shares[stream] / shares["vision_language"]
        return max(round(exact), int(exact > 0))

    def _draw(self, available: int, wanted: int, step: int) -> list[int]:
        return batch_indices(available, wanted, self.limits.seed, step) if wanted else []

    def _match(self, index: int, step: int, position: int) -> Item:
        rng = example_rng(self.limits.seed, step, position)
        example = match_example(self.material.pairs[index], self.pool, rng)
        return encode_item(example, self.vocabulary, self.made)

    def _infill_texts(self, step: int) -> list[Item]:
        if self.windows is None:
            return []
        items = []
        indices = self._draw(len(self.windows), self.num_texts, step)
        for position, index in enumerate(indices):
            epoch = ((step - 1) * self.num_texts + position) // len(self.windows)
            encoded = infill_window(
                self.windows.tokens(index, epoch),
                self.vocabulary,
                self.mixing.mask_ratio,
                self.limits.max_source_tokens,
                example_rng(self.limits.seed + TEXT_STREAM, step, position),
            )
            items.append(Item(encoded, weight=EXTRA_WEIGHT))
        return items

    def _infill_image(self, index: int) -> Item:
        image_id, codes = self.material.codes[index]
        encoded = infill_codes(codes, self.vocabulary)
        return Item(encoded, image_id, is_code=True, weight=EXTRA_WEIGHT)

    def _detect(self, index: int, step: int, position: int) -> Item:
        example = self.material.detections[index]
        rng = example_rng(self.limits.seed + DETECTION_STREAM, step, position)
        image = self.store.whole(example.image_id)
        view = flip_and_jitter(image, pair_objects(example), self.store.image_px, rng)
        encoded = self._name_objects(view.objects)
        return Item(encoded, example.image_id, weight=EXTRA_WEIGHT, pixels=view.pixels)

    def _name_objects(self, objects: Sequence[tuple[Box, str]]) -> EncodedExample:
        return detect_objects(objects, self.vocabulary, self.limits.max_target_tokens)


def share_with_image(examples: Sequence[Example]) -> float:
    """The share of examples that have an image; 0 of none."""
    return sum(bool(example.image_id) for example in examples) / max(len(examples), 1)


def pair_objects(example: Example) -> list[tuple[Box, str]]:
    """The boxes of an example of detection with their labels."""
    return list(zip(example.boxes, example.references, strict=True))
