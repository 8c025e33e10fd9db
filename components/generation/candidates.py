"""Scoring a closed set of answers: the log-probability of each, given source and prompt.

Method: OFA's all-candidate inference. Probabilities are renormalised over the tokens that lead
to some candidate, summed over an answer's tokens and eos, and not divided by length.

Shape letters: B sources, C candidates each, R = B * C rows, T positions, N answer tokens.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from components.generation.trie import EOS, Trie
from components.model.encoder import PAD, Encoded
from components.model.model import UnifiedModel

BOS = 0
Candidates = Sequence[Sequence[int]]


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
    sum (prompts whose answer is one token). ``chunk`` bounds the candidates decoded at a time.
    """
    num = len(candidates[0])
    if any(len(own) != num for own in candidates):
        raise ValueError("every source needs the same number of candidates")
    known: dict[int, list[list[list[int]]]] = {}
    allowed = [known.setdefault(id(own), _allowed_tokens(own, end)) for own in candidates]
    parts = []
    for begin in range(0, num, chunk):
        stop = min(begin + chunk, num)
        rows = [
            (list(prefix), _answer(own[c], end), tokens[c])
            for prefix, own, tokens in zip(prefixes, candidates, allowed, strict=True)
            for c in range(begin, stop)
        ]
        parts.append(_score_rows(model, encoded, rows).view(len(prefixes), stop - begin))
    return torch.cat(parts, 1)


def _answer(candidate: Sequence[int], end: bool) -> list[int]:
    return [*candidate, EOS] if end else list(candidate)


def _allowed_tokens(candidates: Candidates, end: bool) -> list[list[list[int]]]:
    """For each candidate and each of its tokens: the tokens that some candidate allows there."""
    trie = Trie(candidates)
    return [
        [trie.allowed_next(answer[:i]) for i in range(len(answer))]
        for answer in (_answer(candidate, end) for candidate in candidates)
    ]


def _score_rows(
    model: UnifiedModel,
    encoded: Encoded,
    rows: list[tuple[list[int], list[int], list[list[int]]]],
) -> Tensor:
    """Sum of renormalised log-probabilities of each row's answer, (R,)."""
    device = encoded.states.device
    length = max(len(prefix) + len(answer) for prefix, answer, _ in rows)
    prev_RT = torch.full((len(rows), length), PAD)
    positions, targets, owners, allowed = [], [], [], []
    for r, (prefix, answer, tokens) in enumerate(rows):
        prev = [BOS, *prefix, *answer[:-1]]
        prev_RT[r, : len(prev)] = torch.tensor(prev)
        positions += [r * length + len(prefix) + i for i in range(len(answer))]
        targets += answer
        owners += [r] * len(answer)
        allowed += tokens
    features_RTD = model.decode(prev_RT.to(device), encoded)
    logits_NV = model.project(features_RTD.flatten(0, 1)[torch.tensor(positions, device=device)])
    log_probs_N = _normalised(logits_NV.float(), targets, allowed)
    scores_R = torch.zeros(len(rows), device=device)
    return scores_R.index_add(0, torch.tensor(owners, device=device), log_probs_N)


def _normalised(logits_NV: Tensor, targets: list[int], allowed: list[list[int]]) -> Tensor:
    """Log-probability of each target among its allowed tokens, (N,)."""
    device, width = logits_NV.device, max(len(tokens) for tokens in allowed)
    columns_NW = torch.zeros(len(allowed), width, dtype=torch.long)
    open_NW = torch.zeros(len(allowed), width, dtype=torch.bool)
    for i, tokens in enumerate(allowed):
        columns_NW[i, : len(tokens)] = torch.tensor(tokens)
        open_NW[i, : len(tokens)] = True
    chosen_NW = logits_NV.gather(1, columns_NW.to(device))
    total_N = chosen_NW.masked_fill(~open_NW.to(device), -torch.inf).logsumexp(1)
    targets_N1 = torch.tensor(targets, device=device)[:, None]
    return logits_NV.gather(1, targets_N1).squeeze(1) - total_N
