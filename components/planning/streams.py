"""What a training step consists of, as far as settings tell it: streams, and their batches.

Texts are taken to be as long as the limits allow, so that memory is what the longest batch needs,
and time is an upper bound.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from components.cards import Card
from components.model.flops import BatchShape
from components.tasks.registry import TASKS
from components.training_config import CODE_PX, PretrainParams, TrainingParams

PROMPT_TOKENS = 16  # of the prompts of image infilling and detection, which hold no text


@dataclass(frozen=True)
class Stream:
    """Samples of one kind in a step, with the shape of one. Streams of one ``part`` of the loss
    follow each other into its micro-batches."""

    name: str
    part: int
    samples: int
    shape: BatchShape


def step_batches(streams: Sequence[Stream], micro_batch: int) -> list[BatchShape]:
    """The micro-batches of a step, cut and padded as components/dataset/feeds.py does.

    Where a part makes several, samples of like lengths share one.
    """
    batches = []
    for part in sorted({stream.part for stream in streams}):
        rows = [s.shape for s in streams if s.part == part for _ in range(s.samples)]
        if len(rows) > micro_batch:
            rows.sort(key=lambda r: (r.image_px > 0, r.source_tokens, r.target_tokens))
        batches += [_join(rows[i : i + micro_batch]) for i in range(0, len(rows), micro_batch)]
    return batches


def _join(rows: Sequence[BatchShape]) -> BatchShape:
    """Samples in one batch: padded to the longest, and with images for all if one has some."""
    return BatchShape(
        samples=len(rows),
        source_tokens=max(row.source_tokens for row in rows),
        target_tokens=max(row.target_tokens for row in rows),
        learnt_tokens=sum(row.learnt_tokens for row in rows),
        image_px=max(row.image_px for row in rows),
        sampled_patches=rows[0].sampled_patches,
    )


def pretraining_streams(settings: PretrainParams, code_px: int, *, has_boxes: bool) -> list[Stream]:
    """Pairs, each with its matching example, then texts, images and boxes by the mixture."""
    px, source, target = settings.image_px, settings.max_source_tokens, settings.max_target_tokens
    codes = (code_px // CODE_PX) ** 2 + 1
    pair = BatchShape(1, source, target, target, px, settings.sampled_patches)
    streams = [
        Stream("examples of pairs", 0, 2 * settings.effective_batch, pair),
        Stream("texts", 1, _share(settings, "text"), BatchShape(1, source, source, source)),
        Stream(
            "images", 1, _share(settings, "image"), BatchShape(1, PROMPT_TOKENS, codes, codes, px)
        ),
    ]
    if has_boxes:
        boxes = BatchShape(1, PROMPT_TOKENS, target, target, px)
        streams.append(Stream("boxes", 1, _share(settings, "detection"), boxes))
    return [stream for stream in streams if stream.samples]


def tuning_stream(settings: TrainingParams, card: Card) -> Stream:
    """Examples of one data set; where its decoder reads the source first, with it before them."""
    task = TASKS[card.task]
    source, target = settings.max_source_tokens, settings.max_target_tokens
    read = target if task.decoder_prompt in ("none", "turns") else source + target
    px = settings.image_px if task.needs_image or card.task == "instruct" else 0
    shape = BatchShape(1, source, read, target, px)
    return Stream("examples", 0, settings.effective_batch, shape)


def _share(settings: PretrainParams, name: str) -> int:
    """As components/dataset/pretrain_feed.py counts a stream beside the pairs."""
    shares = settings.mixture
    exact: float = settings.effective_batch * getattr(shares, name) / shares.vision_language
    return max(round(exact), int(exact > 0))
