"""Pretraining: the mixture of streams, two parts a step, pure functions of the step."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from components.dataset.augment import Augment, rand_augment
from components.dataset.collate import Batch, Item
from components.dataset.feeds import Limits, cut, encode_item, share_with_image
from components.dataset.images import ImageStore
from components.dataset.jitter import flip_and_jitter
from components.dataset.order import batch_indices, example_rng
from components.dataset.windows import Documents, Windows
from components.records import Box, Example
from components.tasks.encoding import EncodedExample
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
from components.tokenization.vocabulary import Vocabulary

# Random numbers of their own: those of texts and boxes are not those of the pairs.
TEXT_STREAM, DETECTION_STREAM, AUGMENT_STREAM = 1, 2, 6
STREAMS = ("caption", "vqa", "matching", "text", "image", "detection")


@dataclass(frozen=True)
class PretrainMaterial:
    """What pretraining draws from: pairs, whole texts, images with codes, images with boxes."""

    pairs: list[Example]
    texts: Documents
    codes: Sequence[tuple[str, Sequence[int]]]
    detections: list[Example] = field(default_factory=list)


@dataclass(frozen=True)
class Mixing:
    """Shares of the streams, how much text is masked, the side of the hidden middle, and whether
    the images of pairs are altered (components/dataset/augment.py)."""

    shares: dict[str, int]
    mask_ratio: float
    hidden_px: int
    augment: Augment = "none"


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
        self.stream_names = list(STREAMS)
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
        self.plain = [
            replace(encode_item(pair_example(e), vocabulary, limits), stream=STREAMS.index(e.task))
            for e in material.pairs
        ]
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
        px = self.mixing.hidden_px
        pairs = [
            item
            for position, index in enumerate(self._draw(len(self.plain), self.num_pairs, step))
            for item in (self.plain[index], self._match(index, step, position))
        ]
        if self.mixing.augment != "none":
            pairs = [self._alter(item, step, place) for place, item in enumerate(pairs)]
        rest = self._infill_texts(step)
        rest += [
            self._infill_image(index)
            for index in self._draw(len(self.material.codes), self.num_images, step)
        ]
        boxed = self._draw(len(self.material.detections), self.num_boxed, step)
        rest += [self._detect(index, step, position) for position, index in enumerate(boxed)]
        first = cut(pairs, self.store, self.limits, px)
        return [first, cut(rest, self.store, self.limits, px, len(first))]

    def _share_images(self) -> dict[str, float]:
        """By part, the share of samples that show something of an image.

        Where codes are the target of a whole image, all of it is hidden.
        """
        shown = self.num_boxed
        shown += self.num_images if self.mixing.hidden_px < self.store.image_px else 0
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
        item = encode_item(example, self.vocabulary, self.made)
        return replace(item, stream=STREAMS.index("matching"))

    def _alter(self, item: Item, step: int, place: int) -> Item:
        """The item with its image altered: a pair and its matching example see two views."""

        def view() -> np.ndarray:
            rng = example_rng(self.limits.seed + AUGMENT_STREAM, step, place)
            return rand_augment(self.store.pixels(item.image_id), rng)

        return replace(item, view=view)

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
            items.append(Item(encoded, weight=EXTRA_WEIGHT, stream=STREAMS.index("text")))
        return items

    def _infill_image(self, index: int) -> Item:
        image_id, codes = self.material.codes[index]
        encoded = infill_codes(codes, self.vocabulary)
        stream = STREAMS.index("image")
        return Item(encoded, image_id, is_code=True, weight=EXTRA_WEIGHT, stream=stream)

    def _detect(self, index: int, step: int, position: int) -> Item:
        example = self.material.detections[index]
        rng = example_rng(self.limits.seed + DETECTION_STREAM, step, position)
        image = self.store.whole(example.image_id)
        view = flip_and_jitter(image, pair_objects(example), self.store.image_px, rng)
        encoded = self._name_objects(view.objects)
        stream = STREAMS.index("detection")
        return Item(encoded, example.image_id, False, EXTRA_WEIGHT, lambda: view.pixels, stream)

    def _name_objects(self, objects: Sequence[tuple[Box, str]]) -> EncodedExample:
        return detect_objects(objects, self.vocabulary, self.limits.max_target_tokens)


def pair_objects(example: Example) -> list[tuple[Box, str]]:
    """The boxes of an example of detection with their labels."""
    return list(zip(example.boxes, example.references, strict=True))
