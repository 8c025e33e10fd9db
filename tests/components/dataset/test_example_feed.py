"""What fine-tuning draws: closed answer sets, noise before the target, examples of like length."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from itertools import chain

import numpy as np
import pytest
import torch

from components.dataset.collate import Batch
from components.dataset.example_feed import Drawing, ExampleFeed
from components.dataset.feeds import Limits
from components.dataset.images import ImageStore
from components.dataset.order import GROUP_BATCHES, batch_indices
from components.errors import UserError
from components.model.config import model_config
from components.model.model import UnifiedModel
from components.model.specials import EOS, PAD
from components.records import Example
from components.tokenization.vocabulary import Vocabulary
from components.training.objective import Objective, batch_loss

LIMITS = Limits(
    effective_batch=8, micro_batch=8, max_source_tokens=40, max_target_tokens=16, seed=5
)


def one_batch(feed: ExampleFeed, step: int = 1) -> Batch:
    (batch,) = feed.parts(step)[0]
    return batch


@pytest.fixture
def answers(examples: list[Example]) -> list[list[str]]:
    return [sorted({e.target for e in examples})] * len(examples)


def test_each_position_may_have_what_continues_an_answer(
    examples: list[Example], vocabulary: Vocabulary, store: ImageStore, answers: list[list[str]]
) -> None:
    batch = one_batch(ExampleFeed(examples, vocabulary, store, LIMITS, Drawing(answers=answers)))
    known = [[*vocabulary.encode(text), EOS] for text in answers[0]]
    assert batch.allowed_BTK is not None
    for labels, allowed in zip(batch.labels_BT.tolist(), batch.allowed_BTK.tolist(), strict=True):
        begin = next(i for i, label in enumerate(labels) if label != PAD)
        answer = [label for label in labels if label != PAD]
        for i in range(len(answer)):
            beginning = answer[:i]
            expected = {k[i] for k in known if k[:i] == beginning and len(k) > i}
            assert set(allowed[begin + i]) == expected


def test_a_closed_set_is_normalised_over_its_answers_alone(
    examples: list[Example], vocabulary: Vocabulary, store: ImageStore, answers: list[list[str]]
) -> None:
    """Of a set with two answers that part at one token, that token alone is learnt."""
    pair = [replace(e, target=f" answer {i % 2}") for i, e in enumerate(examples)]
    sets = [[" answer 0", " answer 1"]] * len(pair)
    batch = one_batch(ExampleFeed(pair, vocabulary, store, LIMITS, Drawing(answers=sets)))
    torch.manual_seed(0)
    model = UnifiedModel(model_config("debug", vocabulary.size, code_image_size=8)).eval()
    with torch.no_grad():
        closed = batch_loss(model, batch, Objective())
        free = batch_loss(model, replace(batch, allowed_BTK=None), Objective())
    num = len(batch.source_BS)
    assert float(closed.loss) / num < 1.5 < float(free.loss) / num  # log 2 is 0.69
    assert closed.size == free.size


def test_an_answer_outside_its_set_is_refused(
    examples: list[Example], vocabulary: Vocabulary, store: ImageStore, answers: list[list[str]]
) -> None:
    lacking = [[text for text in row if text != examples[3].target] for row in answers]
    with pytest.raises(UserError, match="example 3 of set: its answer 'answer 3' is not one of"):
        ExampleFeed(examples, vocabulary, store, LIMITS, Drawing(answers=lacking))


def test_answers_are_cut_as_targets_are(
    examples: list[Example], vocabulary: Vocabulary, store: ImageStore, answers: list[list[str]]
) -> None:
    tight = replace(LIMITS, max_target_tokens=3)
    feed = ExampleFeed(examples, vocabulary, store, tight, Drawing(answers=answers))
    assert feed.num_cut
    for item in feed.items:
        assert item.allowed is not None
        assert all(t in a for t, a in zip(item.encoded.target, item.allowed, strict=True))


def test_noise_changes_what_the_decoder_reads_and_not_what_it_must_say(
    examples: list[Example], vocabulary: Vocabulary, store: ImageStore
) -> None:
    plain = one_batch(ExampleFeed(examples, vocabulary, store, LIMITS))
    drawing = Drawing(target_noise=0.5)
    noisy = one_batch(ExampleFeed(examples, vocabulary, store, LIMITS, drawing))
    again = one_batch(ExampleFeed(examples, vocabulary, store, LIMITS, drawing))
    assert torch.equal(plain.labels_BT, noisy.labels_BT)
    assert torch.equal(noisy.prev_BT, again.prev_BT)
    changed = plain.prev_BT != noisy.prev_BT
    # The first token that is to be said is read by the position after it.
    said = torch.cat([torch.zeros(8, 1).bool(), (plain.labels_BT != PAD)[:, :-1]], 1)
    assert bool(changed.any()) and not bool(changed[~said].any())
    assert int(noisy.prev_BT.max()) < 4 + vocabulary.num_text
    later = ExampleFeed(examples, vocabulary, store, LIMITS, drawing)
    assert not torch.equal(one_batch(later, 1).prev_BT, one_batch(later, 2).prev_BT)


@pytest.mark.parametrize("num", [7, 50, 1000])
def test_groups_of_like_length_show_the_same_examples(num: int) -> None:
    lengths = np.random.default_rng(0).integers(1, 200, num)
    steps = range(1, 6 * GROUP_BATCHES + 1)  # whole groups of 16 batches, of 6 (50 examples), of 1
    plain = [batch_indices(num, 8, 3, step) for step in steps]
    grouped = [batch_indices(num, 8, 3, step, lengths=lengths) for step in steps]
    assert grouped == [batch_indices(num, 8, 3, step, lengths=lengths) for step in steps]
    assert sorted(chain.from_iterable(plain)) == sorted(chain.from_iterable(grouped))
    spread = [np.ptp(lengths[batch]) for batch in grouped]
    if num == 1000:
        assert np.mean(spread) < 0.25 * np.mean([np.ptp(lengths[batch]) for batch in plain])
        longest = [int(lengths[batch].max()) for batch in grouped[:GROUP_BATCHES]]
        assert longest != sorted(longest)  # not from short to long


@pytest.mark.parametrize("num", [3, 8, 20, 60])
def test_in_a_small_set_no_example_fills_the_batches_of_its_length(num: int) -> None:
    """Two epochs may meet in a batch, as they may where nothing is grouped; more never do."""
    lengths = np.arange(num)
    for step in range(1, 40):
        counts = Counter(batch_indices(num, 8, 3, step, lengths=lengths))
        assert max(counts.values()) <= -(-8 // num) + 1, step


def test_padding_changes_no_sample_s_loss(examples: list[Example], vocabulary: Vocabulary) -> None:
    """What a sample costs does not depend on what it is drawn with."""
    texts = [replace(e, image_id="") for e in examples]
    torch.manual_seed(0)
    model = UnifiedModel(model_config("debug", vocabulary.size, code_image_size=8)).eval()

    def nll(micro: int) -> float:
        feed = ExampleFeed(texts, vocabulary, None, replace(LIMITS, micro_batch=micro))
        with torch.no_grad():
            return sum(float(batch_loss(model, b, Objective()).nll) for b in feed.parts(1)[0])

    assert nll(1) == pytest.approx(nll(8), rel=1e-5)


def test_a_rank_sees_the_images_of_its_own_batches(
    examples: list[Example], vocabulary: Vocabulary, store: ImageStore
) -> None:
    def parts(rank: int, world: int) -> list[Batch]:
        limits = replace(LIMITS, micro_batch=2, rank=rank, world=world)
        return ExampleFeed(examples, vocabulary, store, limits).parts(1)[0]

    whole = parts(0, 1)
    for rank in (0, 1):
        for number, (batch, full) in enumerate(zip(parts(rank, 2), whole, strict=True)):
            assert torch.equal(batch.labels_BT, full.labels_BT)
            assert (batch.images_B3HW is not None) == (number % 2 == rank)
            if batch.images_B3HW is not None:
                assert full.images_B3HW is not None
                assert torch.equal(batch.images_B3HW, full.images_B3HW)


def test_jitter_shows_views_that_seed_and_step_decide(
    examples: list[Example], vocabulary: Vocabulary, store: ImageStore
) -> None:
    plain = one_batch(ExampleFeed(examples, vocabulary, store, LIMITS))
    feed = ExampleFeed(examples, vocabulary, store, LIMITS, Drawing(jitter=True))
    again = ExampleFeed(examples, vocabulary, store, LIMITS, Drawing(jitter=True))
    first, same, later = one_batch(feed), one_batch(again), one_batch(feed, step=12)
    assert first.images_B3HW is not None
    assert plain.images_B3HW is not None
    assert later.images_B3HW is not None
    assert torch.equal(first.images_B3HW, same.images_B3HW)  # type: ignore[arg-type]
    assert first.images_B3HW.shape == plain.images_B3HW.shape
    for view, image in zip(first.images_B3HW, plain.images_B3HW, strict=True):
        assert not torch.equal(view, image)
    assert torch.equal(first.labels_BT, plain.labels_BT)
    assert not torch.equal(later.images_B3HW[0], first.images_B3HW[0])


def test_jitter_leaves_examples_without_an_image_alone(
    examples: list[Example], vocabulary: Vocabulary, store: ImageStore
) -> None:
    mixed = [replace(e, image_id="") if i % 2 else e for i, e in enumerate(examples)]
    batch = one_batch(ExampleFeed(mixed, vocabulary, store, LIMITS, Drawing(jitter=True)))
    assert batch.images_B3HW is not None
    assert batch.image_mask_B is not None
    assert not batch.image_mask_B.all()
    assert not batch.images_B3HW[~batch.image_mask_B].any()  # grey is zero
