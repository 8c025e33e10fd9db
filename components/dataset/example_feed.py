"""Fine-tuning and instruction tuning: examples of one split, one part a step."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np

from components.dataset.augment import Augment, rand_augment
from components.dataset.balance import Balance
from components.dataset.collate import Batch, Item, collate
from components.dataset.constraint import AnswerConstraint
from components.dataset.feeds import Limits, cut, encode_item, share_with_image
from components.dataset.images import ImageStore
from components.dataset.jitter import flip_and_jitter
from components.dataset.order import batch_indices, example_rng
from components.errors import UserError
from components.model.specials import NUM_SPECIALS
from components.records import Example
from components.tokenization.vocabulary import Vocabulary

# Their random numbers are of their own, as those of the streams of pretraining.
NOISE_STREAM, JITTER_STREAM = 3, 5


@dataclass(frozen=True)
class Drawing:
    """How examples are drawn and shown; by default each once in an epoch, as it is.

    ``kinds`` names the kind of each, whose loss is told apart. ``target_noise`` is the share of the
    tokens given to the decoder that are others than what it ought to have said (OFA's noise ratio
    of summarization). ``answers`` lists, for each example, what its answer is chosen from.
    ``jitter`` shows a view of each image, mirrored, enlarged and cropped at random; ``augment``
    changes its geometry and contrast (components/dataset/augment.py).
    """

    balance: Balance | None = None
    kinds: Sequence[str] = ()
    target_noise: float = 0.0
    answers: Sequence[Sequence[str]] = ()
    group_by_length: bool = False
    jitter: bool = False
    augment: Augment = "none"


PLAIN = Drawing()


class ExampleFeed:
    """Examples of one split, one part a step: fine-tuning and instruction tuning."""

    def __init__(
        self,
        examples: Sequence[Example],
        vocabulary: Vocabulary,
        store: ImageStore | None,
        limits: Limits,
        drawing: Drawing = PLAIN,
    ) -> None:
        kinds = list(drawing.kinds) or ["examples"] * len(examples)
        self.part_names, self.stream_names = ["examples"], sorted(set(kinds))
        self.store, self.limits, self.drawing = store, limits, drawing
        self.num_text = vocabulary.num_text
        items = [encode_item(e, vocabulary, limits) for e in examples]
        self.items = [
            replace(item, stream=self.stream_names.index(kind))
            for item, kind in zip(items, kinds, strict=True)
        ]
        if drawing.answers:
            self.items = constrain_items(self.items, examples, drawing.answers, vocabulary, limits)
        self.image_shares = {"examples": share_with_image(examples)}
        self.num_cut = sum(item.encoded.num_cut > 0 for item in self.items)
        self.lengths = np.array([len(i.encoded.source) + len(i.encoded.prev) for i in self.items])

    def parts(self, step: int) -> list[list[Batch]]:
        """The effective batch of a step (counted from 1)."""
        limits, drawing = self.limits, self.drawing
        chosen = batch_indices(
            len(self.items),
            limits.effective_batch,
            limits.seed,
            step,
            balance=drawing.balance,
            lengths=self.lengths if drawing.group_by_length else None,
        )
        items = [self.items[index] for index in chosen]
        if drawing.target_noise:
            items = [self._disturb(item, step, place) for place, item in enumerate(items)]
        if self.store is not None and (drawing.jitter or drawing.augment != "none"):
            items = [self._alter(item, self.store, step, i) for i, item in enumerate(items)]
        return [cut(items, self.store, limits, 0)]

    def batches(self) -> Iterator[Batch]:
        """Every example once, whatever the step, without noise: for what is held out."""
        size = self.limits.micro_batch
        for begin in range(0, len(self.items), size):
            yield collate(self.items[begin : begin + size], self.store)

    def _disturb(self, item: Item, step: int, position: int) -> Item:
        """Some of the tokens that the decoder is given of the target become others of the text."""
        rng = example_rng(self.limits.seed + NOISE_STREAM, step, position)
        prev = np.array(item.encoded.prev)
        first = 1 + len(item.encoded.prefix)
        is_other = rng.random(len(prev)) < self.drawing.target_noise
        is_other[:first] = False
        others = rng.integers(NUM_SPECIALS, NUM_SPECIALS + self.num_text, len(prev))
        return replace(item, prev=np.where(is_other, others, prev).tolist())

    def _alter(self, item: Item, store: ImageStore, step: int, position: int) -> Item:
        """The item with another view of its image, which seed, step and position decide."""
        if not item.image_id:
            return item

        def view() -> np.ndarray:
            rng = example_rng(self.limits.seed + JITTER_STREAM, step, position)
            if self.drawing.jitter:  # of the image at its own size, which is decoded here alone
                whole = store.whole(item.image_id)
                pixels = flip_and_jitter(whole, [], store.image_px, rng).pixels
            else:
                pixels = store.pixels(item.image_id)
            return pixels if self.drawing.augment == "none" else rand_augment(pixels, rng)

        return replace(item, view=view)


def constrain_items(
    items: Sequence[Item],
    examples: Sequence[Example],
    answers: Sequence[Sequence[str]],
    vocabulary: Vocabulary,
    limits: Limits,
) -> list[Item]:
    """The items with what each position of their answers may be. Examples may share a set."""
    constraints: dict[tuple[str, tuple[str, ...]], AnswerConstraint] = {}
    constrained = []
    for item, example, texts in zip(items, examples, answers, strict=True):
        key = (example.task, tuple(texts))
        if key not in constraints:
            given = [replace(example, target=text) for text in texts]
            encoded = [encode_item(e, vocabulary, replace(limits, long_text="cut")) for e in given]
            constraints[key] = AnswerConstraint([e.encoded.target for e in encoded])
        allowed = constraints[key].allowed(item.encoded)
        if any(t not in ids for t, ids in zip(item.encoded.target, allowed, strict=True)):
            raise UserError(
                f"example {example.id} of {example.dataset}: its answer {example.target.strip()!r} "
                f"is not one of the {len(texts)} of its answer set",
                why="constrain_answers is set, so that nothing outside the set can be learnt",
                next_command="mend `answers` or `candidates` of the card, or unset it",
            )
        constrained.append(replace(item, allowed=allowed))
    return constrained
