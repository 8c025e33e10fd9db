"""What a step is planned to be, against what the feeds make."""

from __future__ import annotations

from pathlib import Path

import pytest

from components.cards import load_card
from components.config import Params
from components.dataset.feeds import Limits
from components.dataset.images import ImageStore
from components.dataset.pretrain_feed import Mixing, PretrainFeed, PretrainMaterial
from components.planning.streams import pretraining_streams, step_batches, tuning_stream
from components.profiles.overlay import read_profile
from components.schema import validate
from components.tokenization.vocabulary import Vocabulary


def settings(name: str = "demo") -> Params:
    return validate(Params, read_profile(name), name)


@pytest.mark.parametrize(("effective", "micro"), [(8, 3), (8, 32), (13, 4), (3, 2)])
def test_a_planned_step_has_the_batches_of_the_feed(
    effective: int,
    micro: int,
    material: PretrainMaterial,
    vocabulary: Vocabulary,
    image_file: Path,
) -> None:
    changes = {"effective_batch": effective, "micro_batch": micro, "image_px": 16}
    planned_for = settings().pretrain.model_copy(update=changes)
    shares = planned_for.mixture.model_dump()
    limits = Limits(effective, micro, 56, 48, 5)
    store, mixing = ImageStore([image_file], 16), Mixing(shares, 0.3, 8)
    feed = PretrainFeed(material, vocabulary, store, limits, mixing)
    made = [batch for part in feed.parts(1) for batch in part]
    planned = step_batches(pretraining_streams(planned_for, 8, has_boxes=True), micro)
    assert [len(batch.source_BS) for batch in made] == [batch.samples for batch in planned]
    for batch, expected in zip(made, planned, strict=True):
        px = 0 if batch.images_B3HW is None else batch.images_B3HW.shape[-1]
        assert px == expected.image_px


def test_a_stream_with_no_share_and_boxes_without_a_source_are_left_out() -> None:
    pretrain = settings().pretrain
    mixture = pretrain.mixture.model_copy(update={"text": 0})
    streams = pretraining_streams(
        pretrain.model_copy(update={"mixture": mixture}), 32, has_boxes=False
    )
    assert [stream.name for stream in streams] == ["examples of pairs", "images"]


def test_only_pairs_have_their_patches_sampled() -> None:
    streams = pretraining_streams(settings("xlarge").pretrain, 128, has_boxes=True)
    assert [stream.shape.sampled_patches for stream in streams] == [196, 0, 0, 0]
    assert [stream.shape.target_tokens for stream in streams] == [258, 272, 257, 258]


@pytest.mark.parametrize(
    ("dataset", "target", "px"), [("vqa_rad", 640, 384), ("meqsum", 128, 0), ("iu_xray", 128, 384)]
)
def test_a_decoder_that_reads_the_question_first_is_longer(
    dataset: str, target: int, px: int, repository: Path
) -> None:
    finetune = settings("base").finetune
    stream = tuning_stream(finetune, load_card(dataset, repository / "data/cards"))
    assert (stream.shape.target_tokens, stream.shape.learnt_tokens) == (target, 128)
    assert (stream.shape.image_px, stream.samples) == (px, 256)
