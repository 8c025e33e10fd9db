"""What a search may generate next: tries, ranges, prefixes, lengths, repeated n-grams.

Shape letters: R rows, V vocabulary.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from components.generation.trie import Trie
from components.model.ids import check_ids
from components.model.specials import EOS, NUM_SPECIALS, PAD, UNK


@dataclass(frozen=True)
class SearchSettings:
    """How to search. ``trie_after_softmax`` keeps probabilities unnormalised (zero-shot)."""

    beam: int = 5
    max_length_a: float = 0.0
    max_length_b: int = 200
    min_length: int = 1
    length_penalty: float = 1.0
    normalise: bool = True
    temperature: float = 1.0
    no_repeat_ngram: int = 0
    unknown_penalty: float = 0.0
    token_range: tuple[int, int] | None = None
    codes: bool = False
    boxes: bool = False
    trie: Trie | None = None
    trie_after_softmax: bool = False

    def __post_init__(self) -> None:
        """ValueError for settings with which nothing could be found."""
        if self.beam < 1 or self.temperature <= 0 or self.max_length_b < 0:
            raise ValueError(
                f"beam {self.beam} must be at least 1, temperature {self.temperature} above 0, "
                f"max_length_b {self.max_length_b} not below 0"
            )


def constrain(
    logits_RV: Tensor,
    tokens_RT: Tensor,
    settings: SearchSettings,
    limit: int,
    prefixes: Sequence[Sequence[int]] | None,
) -> Tensor:
    """Log-probabilities (R, V) of the next token, -inf where it is not allowed.

    ``tokens_RT`` begins with bos; at ``limit`` generated tokens only eos may follow. UserError for
    an id of a prefix or of the trie that the model does not have, ValueError where there are not
    as many prefixes as sources.
    """
    step = tokens_RT.shape[1] - 1
    if settings.temperature != 1:
        logits_RV = logits_RV / settings.temperature
    forced = _forced(prefixes, settings.beam, step, logits_RV)
    barred = None
    if settings.trie is not None:
        barred = _outside_trie(logits_RV, tokens_RT, settings, prefixes)
        if not settings.trie_after_softmax:
            logits_RV = logits_RV.masked_fill(barred, -torch.inf)
    if settings.token_range is not None:
        logits_RV = logits_RV.clone()
        logits_RV[:, NUM_SPECIALS : settings.token_range[0]] = -torch.inf
        logits_RV[:, settings.token_range[1] :] = -torch.inf
    scores_RV = logits_RV.float().log_softmax(-1)
    if barred is not None and settings.trie_after_softmax:
        scores_RV = scores_RV.masked_fill(barred, -torch.inf)
    scores_RV.nan_to_num_(nan=-torch.inf, posinf=torch.inf, neginf=-torch.inf)
    scores_RV[:, PAD] = -torch.inf
    scores_RV[:, UNK] -= settings.unknown_penalty
    if (settings.codes or settings.boxes) and step < limit:
        scores_RV[:, :NUM_SPECIALS] = -torch.inf
    if step >= limit:
        scores_RV[:, :EOS] = -torch.inf
        scores_RV[:, EOS + 1 :] = -torch.inf
    elif forced is not None:
        _force(scores_RV, forced)
    elif step < settings.min_length:
        scores_RV[:, EOS] = -torch.inf
    if settings.no_repeat_ngram > 0:
        _bar_repeats(scores_RV, tokens_RT, settings.no_repeat_ngram, forced)
    return scores_RV


def check_prefixes(prefixes: Sequence[Sequence[int]], num_sources: int) -> None:
    """ValueError unless there are as many prefixes as sources."""
    if len(prefixes) != num_sources:
        raise ValueError(f"{len(prefixes)} prefixes for {num_sources} sources")


def _forced(
    prefixes: Sequence[Sequence[int]] | None, beam: int, step: int, logits_RV: Tensor
) -> Tensor | None:
    """The forced token of each row at this step (pad: free), or None past every prefix."""
    if prefixes is None:
        return None
    rows, num_ids = logits_RV.shape
    check_prefixes(prefixes, rows // beam)
    if all(step >= len(prefix) for prefix in prefixes):
        return None
    wanted = torch.tensor([p[step] if step < len(p) else PAD for p in prefixes])
    check_ids(wanted, num_ids, "prefix")  # a negative one would count from the vocabulary's end
    return wanted.to(logits_RV.device).repeat_interleave(beam)


def _force(scores_RV: Tensor, forced_R: Tensor) -> None:
    rows = (forced_R != PAD).nonzero().squeeze(1)
    kept = scores_RV[rows, forced_R[rows]]
    scores_RV[rows] = -torch.inf
    scores_RV[rows, forced_R[rows]] = kept


def _outside_trie(
    logits_RV: Tensor,
    tokens_RT: Tensor,
    settings: SearchSettings,
    prefixes: Sequence[Sequence[int]] | None,
) -> Tensor:
    """True where the trie does not allow a token; inside a forced prefix nothing is barred."""
    barred = torch.ones_like(logits_RV, dtype=torch.bool)
    if settings.trie is None:
        return ~barred
    for row, tokens in enumerate(tokens_RT.tolist()):
        skipped = 0 if prefixes is None else len(prefixes[row // settings.beam])
        if len(tokens) - 1 < skipped:
            barred[row] = False
        else:
            allowed = torch.tensor(settings.trie.allowed_next(tokens[1 + skipped :]))
            check_ids(allowed, barred.shape[1], "trie")
            barred[row, allowed] = False
    return barred


def _bar_repeats(scores_RV: Tensor, tokens_RT: Tensor, size: int, forced_R: Tensor | None) -> None:
    """Bar tokens that would complete an n-gram which the row (with bos) already holds.

    A forced prefix may repeat itself: barred, it would leave its source without any hypothesis.
    """
    for row, tokens in enumerate(tokens_RT.tolist()):
        if forced_R is not None and forced_R[row] != PAD:
            continue
        last = tokens[len(tokens) - size + 1 :]
        for begin in range(len(tokens) - size + 1):
            if tokens[begin : begin + size - 1] == last:
                scores_RV[row, tokens[begin + size - 1]] = -torch.inf
