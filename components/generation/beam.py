"""Beam search (and greedy search, a beam of one) with the reference's constraints.

Method: fairseq's sequence generator as OFA changed it; candidates end when eos is among the best
``beam``, and a source is done when ``beam`` hypotheses have ended or at the maximum length.

Shape letters: B sources, K beams, R = B * K rows, V vocabulary.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from components.errors import UserError
from components.generation.constraints import SearchSettings, check_prefixes, constrain
from components.model.encoder import Encoded
from components.model.ids import check_ids
from components.model.model import UnifiedModel
from components.model.specials import BOS, EOS

PROJECTED = 64  # positions of forced tokens that are compared with the vocabulary at once


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

    ``prefixes`` are forced first tokens per source; as many as all sources have are read in one
    pass. ``num_source_tokens`` matters only where ``max_length_a`` ties the length to the source's.
    Raises UserError where nothing that the constraints allow ends within the length, as with a
    trie of longer answers, and where the weights are no numbers.
    """
    num, beam, device = encoded.states.shape[0], settings.beam, encoded.states.device
    limit = int(settings.max_length_a * num_source_tokens + settings.max_length_b)
    codes = torch.ones(num, dtype=torch.bool, device=device) if settings.codes else None
    cache = model.start_cache(encoded, limit + 1, codes)
    tokens_BT = _shared_start(prefixes, num, limit, model.config.vocabulary_size).to(device)
    scores_BT = torch.zeros(num, 0, device=device)
    if tokens_BT.shape[1] > 1:
        features_BTD = model.decode(tokens_BT[:, :-1], encoded, codes, cache)
        scores_BT = _score_start(
            model, features_BTD, tokens_BT, settings, limit=limit, prefixes=prefixes
        )
        cache.reorder(torch.arange(num, device=device).repeat_interleave(beam))
    state = _open(tokens_BT, scores_BT, beam)
    for step in range(tokens_BT.shape[1] - 1, limit + 1):
        features_R1D = model.decode(state.tokens, encoded, codes, cache)
        logits_RV = model.project(features_R1D[:, -1])
        log_probs_RV = constrain(logits_RV, state.tokens, settings, limit, prefixes)
        rows = _advance(state, log_probs_RV.view(num, beam, -1), settings)
        if all(len(hypotheses) >= beam for hypotheses in state.ended) or step == limit:
            break
        cache.reorder(rows)
    if not all(state.ended):
        raise UserError(
            f"no answer ends within {limit} tokens",
            why="those that are allowed are longer, or the weights give no probabilities (nan)",
            next_command="raise max_target_tokens, or train the model again: its loss is in its "
            "log.jsonl",
        )
    return [sorted(h, key=lambda one: -one.score) for h in state.ended]


def _shared_start(
    prefixes: Sequence[Sequence[int]] | None, num: int, limit: int, num_ids: int
) -> Tensor:
    """Bos and as many forced tokens as every source has, (B, 1 + n)."""
    length = min([limit, *map(len, prefixes)]) if prefixes is not None else 0
    forced = torch.tensor([prefix[:length] for prefix in prefixes or ()], dtype=torch.long)
    if prefixes is not None:
        check_prefixes(prefixes, num)
        check_ids(forced, num_ids, "prefix")
    return torch.cat([torch.full((num, 1), BOS), forced.view(num, length)], 1)


def _score_start(
    model: UnifiedModel,
    features_BTD: Tensor,
    tokens_BT: Tensor,
    settings: SearchSettings,
    *,
    limit: int,
    prefixes: Sequence[Sequence[int]] | None,
) -> Tensor:
    """Cumulative log-probabilities of forced tokens (B, n), as if each had been searched for."""
    num, length, _ = features_BTD.shape
    alone, found = replace(settings, beam=1), []
    at_once = max(1, PROJECTED // num)
    for begin in range(0, length, at_once):
        logits_BTV = model.project(features_BTD[:, begin : begin + at_once])
        for step, logits_BV in enumerate(logits_BTV.unbind(1), begin):
            seen = tokens_BT[:, : step + 1]
            log_probs_BV = constrain(logits_BV, seen, alone, limit, prefixes)
            found.append(log_probs_BV.gather(1, tokens_BT[:, step + 1, None]))
    return torch.cat(found, 1).cumsum(1)


def _open(tokens_BT: Tensor, scores_BT: Tensor, beam: int) -> Beams:
    """Beams at the start: the first of each source goes on from it, the others are empty."""
    num, device = tokens_BT.shape[0], tokens_BT.device
    scores_RT = scores_BT.repeat_interleave(beam, 0)
    scores_RT[torch.arange(num * beam, device=device) % beam > 0] = -torch.inf
    return Beams(
        tokens=tokens_BT.repeat_interleave(beam, 0),
        scores=scores_RT,
        ignored=torch.zeros(num, beam, dtype=torch.bool, device=device),
        ended=[[] for _ in range(num)],
    )


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
