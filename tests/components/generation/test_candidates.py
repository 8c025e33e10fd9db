"""Scores of closed answer sets: what decoding every candidate whole gives, and a distribution."""

from __future__ import annotations

import random
from collections.abc import Sequence

import pytest
import torch
from torch import Tensor

from components.generation.candidates import score_candidates
from components.model.config import model_config
from components.model.model import UnifiedModel
from components.model.specials import EOS

BOS, SIZE = 0, 16
Answers = list[list[int]]
SOURCES = [[0, 4, 5, 2, 1], [0, 9, 2, 1, 1], [0, 7, 8, 6, 2]]
PREFIXES = [[4], [], [6, 7, 5]]
SETS: dict[str, list[Answers]] = {
    "one a prefix of another": [[[5], [5, 6], [5, 6, 7], [9]]] * 3,
    "no answer at all among them": [[[], [5], [5, 5]]] * 3,
    "one answer": [[[5, 6]]] * 3,
    "a set for each, some without a fork": [
        [[5, 6, 7], [5, 6, 8]],
        [[9], [9, 9]],
        [[4, 5], [4, 5]],
    ],
}


def draw_sets(seed: int, num: int = 12) -> list[Answers]:
    """Three sets of distinct answers from few tokens, so that beginnings are often shared."""
    dice = random.Random(seed)
    sets = []
    for _ in SOURCES:
        answers: dict[tuple[int, ...], None] = {}
        while len(answers) < num:
            answers[tuple(dice.choices([4, 5, 6, 7], k=dice.randint(1, 5)))] = None
        sets.append([list(answer) for answer in answers])
    return sets


SETS |= {f"random {seed}": draw_sets(seed) for seed in range(5)}


@pytest.fixture(scope="module")
def model() -> UnifiedModel:
    torch.manual_seed(5)
    model = UnifiedModel(model_config("debug", SIZE)).eval()
    with torch.no_grad():
        model.encoder.embed_tokens.weight.mul_(4)
    return model


@torch.no_grad()
def decode_every_candidate(
    model: UnifiedModel, source: list[int], prefix: list[int], answers: Answers, end: bool
) -> Tensor:
    """One forward pass per answer; each token's logits against those of all that may stand there.

    What may stand after a beginning is what stands there in some answer, eos included.
    """
    closed = [[*answer, EOS] for answer in answers]
    scores = []
    for answer in closed if end else answers:
        logits_TV = model(torch.tensor([source]), torch.tensor([[BOS, *prefix, *answer]]))[0]
        score = torch.zeros(())
        for i, token in enumerate(answer):
            allowed = sorted({c[i] for c in closed if len(c) > i and c[:i] == answer[:i]})
            log_probs = logits_TV[len(prefix) + i, allowed].log_softmax(0)
            score = score + log_probs[allowed.index(token)]
        scores.append(score)
    return torch.stack(scores)


@torch.no_grad()
def score(
    model: UnifiedModel, sets: Sequence[Answers], *, chunk: int = 20, end: bool = True
) -> Tensor:
    encoded = model.encode(torch.tensor(SOURCES))
    return score_candidates(model, encoded, PREFIXES, sets, chunk=chunk, end=end)


@pytest.mark.parametrize("end", [True, False])
@pytest.mark.parametrize("name", SETS)
def test_scores_equal_those_of_decoding_every_candidate(
    model: UnifiedModel, name: str, end: bool
) -> None:
    scores = score(model, SETS[name], end=end)
    for row, (source, prefix, answers) in enumerate(
        zip(SOURCES, PREFIXES, SETS[name], strict=True)
    ):
        expected = decode_every_candidate(model, source, prefix, answers, end)
        torch.testing.assert_close(scores[row], expected, atol=1e-4, rtol=1e-4)


@pytest.mark.parametrize("name", [name for name in SETS if name[0] != "a"])
def test_scores_are_a_distribution(model: UnifiedModel, name: str) -> None:
    total = score(model, SETS[name]).logsumexp(1)
    torch.testing.assert_close(total, torch.zeros(len(SOURCES)), atol=1e-5, rtol=0)


def test_without_eos_they_are_one_where_no_answer_begins_another(model: UnifiedModel) -> None:
    answers = [[4, 5], [4, 6], [7], [5, 4, 4], [5, 4, 6]]
    total = score(model, [answers] * 3, end=False).logsumexp(1)
    torch.testing.assert_close(total, torch.zeros(len(SOURCES)), atol=1e-5, rtol=0)


@pytest.mark.parametrize("name", SETS)
@pytest.mark.parametrize("chunk", [1, 2, 5, 1000])
def test_the_chunk_changes_nothing(model: UnifiedModel, name: str, chunk: int) -> None:
    expected = score(model, SETS[name])
    assert torch.allclose(score(model, SETS[name], chunk=chunk), expected, atol=1e-5)


def test_the_order_of_answers_changes_nothing(model: UnifiedModel) -> None:
    (answers,) = draw_sets(9)[:1]
    order = random.Random(2).sample(range(len(answers)), len(answers))
    shuffled = score(model, [[answers[i] for i in order]] * 3)
    assert torch.allclose(shuffled, score(model, [answers] * 3)[:, order], atol=1e-5)


def test_equal_answers_score_equally(model: UnifiedModel) -> None:
    scores = score(model, [[[5, 6], [7], [5, 6]]] * 3)
    assert torch.equal(scores[:, 0], scores[:, 2])


def test_sets_of_other_sizes_are_refused(model: UnifiedModel) -> None:
    with pytest.raises(ValueError, match="same number"):
        score(model, [[[5]], [[5], [6]], [[5]]])


def test_thousands_of_candidates_take_no_more_memory(model: UnifiedModel) -> None:
    """What is decoded at a time is bounded by the chunk, and the encoder is not asked again."""
    dice = random.Random(1)
    answers = [list(t) for t in {tuple(dice.choices(range(4, SIZE), k=4)) for _ in range(6000)}]
    assert len(answers) > 4000
    rows: list[int] = []
    hook = model.decoder.register_forward_hook(lambda _, args, __: rows.append(len(args[1])))
    encodes: list[int] = []
    other = model.encoder.register_forward_hook(lambda *_: encodes.append(1))
    try:
        scores = score(model, [answers] * 3, chunk=50)
    finally:
        hook.remove()
        other.remove()
    assert max(rows) == 3 * 50
    assert len(rows) < len(answers) / 20
    assert len(encodes) <= 3
    assert torch.allclose(scores.exp().sum(1), torch.ones(3), atol=1e-4)
