"""Feeds: a step's batch is the same whatever ran before it and however it is cut."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from components.dataset.augment import Augment
from components.dataset.collate import Batch
from components.dataset.example_feed import Drawing, ExampleFeed
from components.dataset.feeds import Limits, load_examples
from components.dataset.images import ImageStore
from components.dataset.pretrain_feed import Mixing, PretrainFeed, PretrainMaterial
from components.dataset.windows import Documents
from components.errors import UserError
from components.model.specials import PAD
from components.records import Example, write_records
from components.tokenization.vocabulary import Vocabulary

SHARES = {"vision_language": 8, "text": 2, "image": 1, "detection": 1}
Feed = ExampleFeed | PretrainFeed


def limits(micro: int = 3, seed: int = 5) -> Limits:
    return Limits(8, micro, 40, 16, seed)


def rows(batches: Sequence[Batch]) -> list[Any]:
    """Every sample of a part, without padding."""
    found = []
    for batch in batches:
        for i in range(len(batch.source_BS)):
            image = None if batch.images_B3HW is None else batch.images_B3HW[i]
            ids = [
                tuple(strip(rows_BT[i].tolist()))
                for rows_BT in (batch.source_BS, batch.prev_BT, batch.labels_BT)
            ]
            has_image = batch.image_mask_B is not None and bool(batch.image_mask_B[i])
            seen = tuple(image.flatten().tolist()) if has_image and image is not None else ()
            is_code = batch.code_mask_B is not None and bool(batch.code_mask_B[i])
            found.append((ids, seen, is_code, float(batch.weight_B[i])))
    return found


def strip(ids: list[int]) -> list[int]:
    while ids and ids[-1] == PAD:
        ids.pop()
    return ids


@pytest.fixture(params=["examples", "pretraining", "examples altered", "pretraining altered"])
def make(  # type: ignore[no-untyped-def]
    request: pytest.FixtureRequest,
    examples: list[Example],
    material: PretrainMaterial,
    vocabulary: Vocabulary,
    image_file: Path,
):
    """A function that makes a fresh feed of one kind."""

    def fresh(**changes: int) -> Feed:
        store = ImageStore([image_file], 16)
        kind, _, altered = request.param.partition(" ")
        augment: Augment = "rand" if altered else "none"
        if kind == "examples":
            drawing = Drawing(jitter=bool(altered), augment=augment)
            return ExampleFeed(examples, vocabulary, store, limits(**changes), drawing)
        mixing = Mixing(SHARES, 0.3, 8, augment)
        return PretrainFeed(material, vocabulary, store, limits(**changes), mixing)

    return fresh


def test_a_step_is_the_same_whatever_ran_before(make) -> None:  # type: ignore[no-untyped-def]
    used, late = make(), make()
    steps = {step: [rows(part) for part in used.parts(step)] for step in range(1, 6)}
    torch.manual_seed(9)
    for step in (5, 2, 2, 4):
        assert [rows(part) for part in late.parts(step)] == steps[step]
    assert steps[1] != steps[2]
    assert [rows(part) for part in make(seed=6).parts(1)] != steps[1]


@pytest.mark.parametrize("micro", [1, 2, 5, 100])
def test_cutting_changes_nothing_but_padding(make, micro: int) -> None:  # type: ignore[no-untyped-def]
    whole, cut = make(micro=8).parts(3), make(micro=micro).parts(3)
    for first, second in zip(whole, cut, strict=True):
        assert sorted(map(str, rows(first))) == sorted(map(str, rows(second)))
    assert all(len(batch.source_BS) <= micro for part in cut for batch in part)


def test_only_images_of_pairs_are_altered_and_each_time_anew(
    material: PretrainMaterial, vocabulary: Vocabulary, image_file: Path
) -> None:
    store = ImageStore([image_file], 16)
    plain, altered = (
        PretrainFeed(material, vocabulary, store, limits(micro=100), Mixing(SHARES, 0.3, 8, kind))
        for kind in ("none", "rand")
    )
    (pairs,), (rest,) = plain.parts(1)
    (changed,), (same,) = altered.parts(1)
    assert rows([rest]) == rows([same])
    assert torch.equal(pairs.labels_BT, changed.labels_BT)
    before, after = pairs.images_B3HW, changed.images_B3HW
    assert before is not None and after is not None
    differ = [not torch.equal(a, b) for a, b in zip(before, after, strict=True)]
    assert sum(differ) > len(differ) / 2  # two of ten operations may both leave it as it is
    steps = {altered.parts(s)[0][0].images_B3HW.numpy().tobytes() for s in range(1, 5)}  # type: ignore[union-attr]
    assert len(steps) == 4


def test_an_epoch_of_examples_shows_each_once(
    examples: list[Example], vocabulary: Vocabulary, store: ImageStore
) -> None:
    feed = ExampleFeed(examples, vocabulary, store, limits(micro=8))
    shown = [row for step in range(1, 12) for row in rows(feed.parts(step)[0])]
    for begin in range(0, len(shown), len(examples)):
        epoch = shown[begin : begin + len(examples)]
        assert len({str(ids) for ids, *_ in epoch}) == len(examples)


def test_examples_that_were_cut_are_counted(
    examples: list[Example], vocabulary: Vocabulary
) -> None:
    generous = Limits(8, 3, 200, 200, 5)
    assert ExampleFeed(examples, vocabulary, None, generous).num_cut == 0
    tight = Limits(8, 3, 200, 2, 5)
    assert ExampleFeed(examples, vocabulary, None, tight).num_cut == len(examples)


def test_examples_that_are_too_long_are_refused_where_that_is_set(
    examples: list[Example], vocabulary: Vocabulary
) -> None:
    strict = Limits(8, 3, 200, 200, 5, "refuse")
    assert ExampleFeed(examples, vocabulary, None, strict).num_cut == 0
    with pytest.raises(UserError, match="example 0 of set"):
        ExampleFeed(examples, vocabulary, None, Limits(8, 3, 200, 2, 5, "refuse"))


def test_pairs_that_are_too_long_are_counted_or_refused(
    material: PretrainMaterial, vocabulary: Vocabulary, store: ImageStore
) -> None:
    def make_feed(longest: int, long_text: str) -> PretrainFeed:
        tight = Limits(8, 3, longest, 200, 5, long_text)
        return PretrainFeed(no_texts, vocabulary, store, tight, Mixing(SHARES, 0.3, 8))

    no_texts = replace(material, texts=Documents([]))
    lengths = [len(vocabulary.encode(pair.source)) + 2 for pair in material.pairs]
    longest = max(lengths)
    assert make_feed(longest - 1, "cut").num_cut == lengths.count(longest)
    with pytest.raises(UserError, match="tokens over the limits"):
        make_feed(longest - 1, "refuse")
    parts = make_feed(longest, "refuse").parts(1)  # its own prompts around a pair are cut
    assert max(batch.source_BS.shape[1] for batch in parts[0]) == longest


def test_shares_of_the_mixture(
    material: PretrainMaterial, vocabulary: Vocabulary, store: ImageStore
) -> None:
    feed = PretrainFeed(material, vocabulary, store, limits(100), Mixing(SHARES, 0.3, 8))
    assert feed.part_names == ["vision_language", "infilling"]
    pairs, rest = (rows(part) for part in feed.parts(1))
    assert len(pairs) == 2 * 8
    assert [is_code for *_, is_code, _ in rest] == [False, False, True, False]
    assert {weight for *_, weight in pairs} == {1.0}
    assert {weight for *_, weight in rest} == {2.0}
    first_code = vocabulary.code_id(0)
    ids, _, _, _ = rest[2]
    assert len([token for token in ids[2] if token >= first_code]) == 4


def test_feeds_tell_the_share_of_samples_with_images(
    material: PretrainMaterial, examples: list[Example], vocabulary: Vocabulary, store: ImageStore
) -> None:
    texts = [replace(example, image_id="") for example in examples]
    shown = [example for example in examples if example.image_id]
    half = ExampleFeed([*shown[:3], *texts[:3]], vocabulary, store, limits())
    assert half.image_shares == {"examples": 0.5}
    assert ExampleFeed(texts, vocabulary, None, limits()).image_shares == {"examples": 0.0}
    feed = PretrainFeed(material, vocabulary, store, limits(), Mixing(SHARES, 0.3, 8))
    assert feed.image_shares["vision_language"] == 1.0
    assert feed.image_shares["infilling"] == 0.5  # two texts, an image with codes, one with boxes
    whole = PretrainFeed(material, vocabulary, store, limits(), Mixing(SHARES, 0.3, 16))
    assert whole.image_shares["infilling"] == 0.25  # the one with codes is hidden altogether


def test_detection_names_what_a_new_view_of_an_image_shows(
    material: PretrainMaterial, vocabulary: Vocabulary, store: ImageStore
) -> None:
    feed = PretrainFeed(material, vocabulary, store, limits(100), Mixing(SHARES, 0.3, 8))
    assert (feed.num_boxed, feed.num_crowded) == (1, 0)
    views = [rows(feed.parts(step)[1])[-1] for step in range(1, 10)]
    first_bin, found = vocabulary.bin_id(0), set()
    for ids, image, _, _ in views:
        assert vocabulary.decode(ids[0]) == " what are the objects in the image?"
        words = vocabulary.decode([token for token in ids[2] if token < first_bin])
        bins = [token for token in ids[2] if token >= first_bin]
        found.add(words)
        assert len(bins) == 4 * len(words.split())
        assert len(image) == 3 * 16 * 16
    assert " rib lung" in found
    assert len({image for _, image, _, _ in views}) == len(views)  # three images, no view twice


def test_images_with_more_boxes_than_fit_are_counted(
    material: PretrainMaterial, vocabulary: Vocabulary, store: ImageStore
) -> None:
    tight = Limits(8, 3, 40, 8, 5)
    feed = PretrainFeed(material, vocabulary, store, tight, Mixing(SHARES, 0.3, 8))
    assert feed.num_crowded == len(material.detections) == 3


def test_every_window_of_every_text_is_restored_once_in_an_epoch(
    material: PretrainMaterial, vocabulary: Vocabulary, store: ImageStore
) -> None:
    long = " ".join(f"rib{i}" for i in range(60))
    texts = PretrainMaterial(material.pairs, Documents([long, "a short rib"]), [])
    roomy = Limits(8, 3, 60, 16, 5)
    feed = PretrainFeed(texts, vocabulary, store, roomy, Mixing(SHARES, 0.3, 8))
    assert feed.windows is not None and len(feed.windows) > 8
    num_steps = 2 * len(feed.windows)  # as many epochs as there are texts in a step
    shown = [vocabulary.decode(ids[2]) for s in range(num_steps) for ids, *_ in
             rows(feed.parts(s + 1)[1])]  # fmt: skip
    for begin in range(0, len(shown), len(feed.windows)):
        words = [word for text in shown[begin : begin + len(feed.windows)] for word in text.split()]
        assert sorted(words) == sorted([*long.split(), "a", "short", "rib"])


def test_every_pair_comes_with_a_matching_example(
    material: PretrainMaterial, vocabulary: Vocabulary, store: ImageStore
) -> None:
    feed = PretrainFeed(material, vocabulary, store, limits(100), Mixing(SHARES, 0.3, 8))
    pairs = rows(feed.parts(2)[0])
    for (_, image, *_), (ids, same_image, *_) in zip(pairs[::2], pairs[1::2], strict=True):
        assert image == same_image
        assert vocabulary.decode(ids[0]).startswith(" what is the answer to question")
        assert vocabulary.decode(ids[2]) in (" yes", " no")


def test_streams_without_material_are_left_out(
    material: PretrainMaterial, vocabulary: Vocabulary, store: ImageStore
) -> None:
    only_texts = PretrainMaterial(material.pairs, material.texts, [])
    feed = PretrainFeed(only_texts, vocabulary, store, limits(), Mixing(SHARES, 0.3, 8))
    assert (feed.num_texts, feed.num_images) == (2, 0)
    assert not any(is_code for *_, is_code, _ in rows(feed.parts(1)[1]))


def test_one_split_is_read_and_an_empty_one_is_named(
    tmp_path: Path, examples: list[Example]
) -> None:
    write_records(tmp_path / "examples.parquet", Example, examples)
    assert load_examples(tmp_path, "test") == examples[-2:]
    with pytest.raises(UserError, match="has no validation examples"):
        load_examples(tmp_path, "validation")
