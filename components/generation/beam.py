"""Beam search (and greedy search, a beam of one) with the reference's constraints.

Method: fairseq's sequence generator as OFA changed it; candidates end when eos is among the best
``beam``, and a source is done when ``beam`` hypotheses have ended or at the maximum length.

Shape letters: B sources, K beams, R = B * K rows, V vocabulary.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from components.generation.constraints import SearchSettings, constrain
from components.model.encoder import Encoded
from components.model.model import UnifiedModel
from components.model.specials import BOS, EOS


@dataclass(frozen=True)
class Hypothesis:
    """Tokens with eos (and prefix), without bos; the score; each token's log-probability."""

    tokens: list[int]
    score: float
    token_scores: list[float]


@dataclass
class Beams:
    """The state of a search: tokens (R, 1 + step), cumulative scores (R, step), what ended."""

    tokens: Tensor
    scores: Tensor
    ignored: Tensor
    ended: list[list[Hypothesis]]


@torch.no_grad()
def search(
    model: UnifiedModel,
    encoded: Encoded,
    settings: SearchSettings,
    *,
    num_source_tokens: int = 0,
    prefixes: Sequence[Sequence[int]] | None = None,
) -> list[list[Hypothesis]]:
    """Best hypotheses of each source, best first.

    ``prefixes`` are forced first tokens per source. ``num_source_tokens`` matters only where
    ``max_length_a`` ties the length to the source's. Raises ValueError where nothing that the
    constraints allow ends within the length, as with a trie of longer answers.
    """
    num, beam, device = encoded.states.shape[0], settings.beam, encoded.states.device
    limit = int(settings.max_length_a * num_source_tokens + settings.max_length_b)
    codes = torch.ones(num, dtype=torch.bool, device=device) if settings.codes else None
    cache = model.start_cache(encoded, limit + 1, codes)
    state = Beams(
        tokens=torch.full((num * beam, 1), BOS, device=device),
        scores=torch.zeros(num * beam, 0, device=device),
        ignored=torch.zeros(num, beam, dtype=torch.bool, device=device),
        ended=[[] for _ in range(num)],
    )
    for step in range(limit + 1):
        features_R1D = model.decode(state.tokens, encoded, codes, cache)
        logits_RV = model.project(features_R1D[:, -1])
        log_probs_RV = constrain(logits_RV, state.tokens, settings, limit, prefixes)
        rows = _advance(state, log_probs_RV.view(num, beam, -1), settings)
        if all(len(hypotheses) >= beam for hypotheses in state.ended) or step == limit:
            break
        cache.reorder(rows)
    if not all(state.ended):
        raise ValueError(f"no allowed answer ends within {limit} tokens: allow more of them")
    return [sorted(h, key=lambda one: -one.score) for h in state.ended]


def _advance(state: Beams, log_probs_BKV: Tensor, settings: SearchSettings) -> Tensor:
    """Extend every beam by one token, finish those that end; returns the rows gone on from."""
    num, beam, size = log_probs_BKV.shape
    if state.scores.shape[1] > 0:
        log_probs_BKV = log_probs_BKV + state.scores[:, -1].view(num, beam, 1)
    else:
        log_probs_BKV = log_probs_BKV[:, :1]
    width = min(2 * beam, log_probs_BKV[0].numel() - 1)
    # The best of all are among the best of each beam, which are found in parallel.
    best_BKW, tokens_BKW = log_probs_BKV.topk(min(width, size), dim=2)
    scores_BC, picked_BC = best_BKW.flatten(1).topk(width, dim=1)
    beams_BC = picked_BC // best_BKW.shape[2]
    tokens_BC = tokens_BKW.flatten(1).gather(1, picked_BC)
    ends_BC = (tokens_BC == EOS) & (scores_BC != -torch.inf)
    ends_BC[:, :beam] &= ~state.ignored
    _finish(state, ends_BC[:, :beam], beams_BC, scores_BC, settings)
    ends_BC[:, :beam] |= state.ignored
    order = ends_BC.long() * width + torch.arange(width, device=ends_BC.device)
    ranks, active = order.topk(min(beam, width), dim=1, largest=False)
    if active.shape[1] < beam:
        pad = beam - active.shape[1]
        active = torch.cat([active, active[:, -1:].expand(-1, pad)], 1)
        ranks = torch.cat([ranks, torch.full_like(ranks[:, :1], width).expand(-1, pad)], 1)
    state.ignored = ranks >= width
    offsets = torch.arange(num, device=active.device)[:, None] * beam
    rows = (beams_BC.gather(1, active) + offsets).flatten()
    chosen, scores = tokens_BC.gather(1, active), scores_BC.gather(1, active)
    state.tokens = torch.cat([state.tokens[rows], chosen.flatten()[:, None]], 1)
    state.scores = torch.cat([state.scores[rows], scores.flatten()[:, None]], 1)
    return rows


def _finish(
    state: Beams,
    ends_BK: Tensor,
    beams_BC: Tensor,
    scores_BC: Tensor,
    settings: SearchSettings,
) -> None:
    """Record the hypotheses that ended at this step, up to ``beam`` per source."""
    beam = settings.beam
    for b, k in ends_BK.nonzero().tolist():
        if len(state.ended[b]) >= beam:
            continue
        row = b * beam + int(beams_BC[b, k])
        cumulative = [*state.scores[row].tolist(), float(scores_BC[b, k])]
        previous = [0.0, *cumulative[:-1]]
        score = cumulative[-1]
        if settings.normalise:
            score /= len(cumulative) ** settings.length_penalty
        state.ended[b].append(
            Hypothesis(
                tokens=[*state.tokens[row, 1:].tolist(), EOS],
                score=score,
                token_scores=[
                    now - before for now, before in zip(cumulative, previous, strict=True)
                ],
            )
        )
