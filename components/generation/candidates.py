"""Scoring a closed set of answers: the log-probability of each, given source and prompt.

Method: OFA's all-candidate inference. Probabilities are renormalised over the tokens that lead
to some candidate, summed over an answer's tokens and eos, and not divided by length. Where only
one token leads on, its renormalised probability is 1; so only the forks of the candidates' prefix
tree are decoded, not every candidate, which changes no score.

Shape letters: B sources, C candidates each, F forks, R = B * F rows, T positions, W branches.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from components.generation.trie import Trie
from components.model.encoder import Encoded
from components.model.ids import check_ids
from components.model.model import UnifiedModel
from components.model.specials import BOS, EOS, PAD

Candidates = Sequence[Sequence[int]]


@dataclass(frozen=True)
class _Forks:
    """Where candidates part: the tokens before each fork, and those that may follow it.

    ``paths`` holds, for each candidate, the (fork, branch) pairs that it takes.
    """

    before: list[tuple[int, ...]]
    branches: list[list[int]]
    paths: list[list[tuple[int, int]]]


@torch.no_grad()
def score_candidates(
    model: UnifiedModel,
    encoded: Encoded,
    prefixes: Sequence[Sequence[int]],
    candidates: Sequence[Candidates],
    *,
    chunk: int = 20,
    end: bool = True,
) -> Tensor:
    """Log-probabilities (B, C).

    ``prefixes`` are the decoder's prompt ids of each source, after bos; ``candidates`` are each
    source's answers, without eos, as many for every source. ``end=False`` leaves eos out of the
    sum (prompts whose answer is one token). ``chunk`` bounds the forks decoded at a time.
    """
    num = len(candidates[0])
    if any(len(own) != num for own in candidates):
        raise ValueError("every source needs the same number of candidates")
    known: dict[int, _Forks] = {}
    for own in candidates:
        if id(own) not in known:
            known[id(own)] = _find_forks(own, end)
    forks = [known[id(own)] for own in candidates]
    scores_BC = torch.zeros(len(candidates), num, device=encoded.states.device)
    for begin in range(0, max(len(own.before) for own in forks), chunk):
        scores_BC += _chunk_scores(model, encoded, prefixes, forks, range(begin, begin + chunk))
    return scores_BC


def _find_forks(candidates: Candidates, end: bool) -> _Forks:
    trie = Trie(candidates)
    places: dict[tuple[int, ...], int] = {}
    branches: list[list[int]] = []
    paths: list[list[tuple[int, int]]] = []
    for candidate in candidates:
        answer = [*candidate, EOS] if end else list(candidate)
        path: list[tuple[int, int]] = []
        for i, token in enumerate(answer):
            allowed = trie.allowed_next(answer[:i])
            if len(allowed) > 1:
                before = tuple(answer[:i])
                if before not in places:
                    places[before] = len(branches)
                    branches.append(allowed)
                path.append((places[before], allowed.index(token)))
        paths.append(path)
    return _Forks(list(places), branches, paths)


def _chunk_scores(
    model: UnifiedModel,
    encoded: Encoded,
    prefixes: Sequence[Sequence[int]],
    forks: Sequence[_Forks],
    chunk: range,
) -> Tensor:
    """What the forks of this chunk say about each candidate, (B, C).

    Every source has as many rows; a source with fewer forks gets rows that nobody asks.
    """
    width = min(chunk.stop, max(len(own.before) for own in forks)) - chunk.start
    rows: list[list[int]] = []
    branches: list[list[int]] = []
    for prefix, own in zip(prefixes, forks, strict=True):
        for fork in range(chunk.start, chunk.start + width):
            asked = fork < len(own.before)
            rows.append([BOS, *prefix, *own.before[fork]] if asked else [BOS])
            branches.append(own.branches[fork] if asked else [EOS])
    log_probs_RW = _branch_log_probs(model, encoded, rows, branches)
    taken = [
        (b, c, b * width + fork - chunk.start, branch)
        for b, own in enumerate(forks)
        for c, path in enumerate(own.paths)
        for fork, branch in path
        if fork in chunk
    ]
    sources, answers, places, columns = torch.tensor(taken, device=log_probs_RW.device).T
    scores_BC = torch.zeros(len(forks), len(forks[0].paths), device=log_probs_RW.device)
    said = log_probs_RW[places, columns]
    return scores_BC.index_put_((sources, answers), said, accumulate=True)


def _branch_log_probs(
    model: UnifiedModel, encoded: Encoded, rows: list[list[int]], branches: list[list[int]]
) -> Tensor:
    """Log-probability of each branch after each row, renormalised over the branches, (R, W)."""
    device, length = encoded.states.device, max(len(row) for row in rows)
    prev_RT = torch.tensor([[*row, *[PAD] * (length - len(row))] for row in rows], device=device)
    features_RTD = model.decode(prev_RT, encoded)
    last_R = torch.tensor([len(row) - 1 for row in rows], device=device)
    every_R = torch.arange(len(rows), device=device)
    logits_RV = model.project(features_RTD[every_R, last_R]).float()
    width = max(len(own) for own in branches)
    columns_RW = torch.tensor([[*own, *[-1] * (width - len(own))] for own in branches])
    check_ids(columns_RW.clamp_min(0), model.config.vocabulary_size, "candidate")
    columns_RW = columns_RW.to(device)
    chosen_RW = logits_RV.gather(1, columns_RW.clamp_min(0))
    return chosen_RW.masked_fill(columns_RW < 0, -torch.inf).log_softmax(1)
