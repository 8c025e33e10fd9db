"""Scoring a closed set of answers: the log-probability of each, given source and prompt.

Method: OFA's all-candidate inference. Probabilities are renormalised over the tokens that lead
to some candidate, summed over an answer's tokens and eos, and not divided by length. Where only
one token leads on, its renormalised probability is 1; so only the forks of the candidates' prefix
tree are decoded, not every candidate, which changes no score.

Shape letters: B sources, C candidates each, F forks, R = B * F rows, T positions, W branches,
U distinct branches, D width.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from components.generation.trie import Trie
from components.model.decoder import Cache
from components.model.encoder import Encoded
from components.model.ids import check_ids
from components.model.model import UnifiedModel
from components.model.specials import BOS, EOS, PAD

Candidates = Sequence[Sequence[int]]


@dataclass(frozen=True)
class _Forks:
    """Where candidates part: the tokens before each fork, and those that may follow it.

    ``steps`` (3, N) holds fork, branch and candidate of each choice that a candidate makes, the
    forks ascending.
    """

    before: list[tuple[int, ...]]
    branches: list[list[int]]
    steps: Tensor

    def columns(self, chunk: range) -> Tensor:
        """The branches of these forks, (F, W), filled up with -1."""
        own = self.branches[chunk.start : chunk.stop]
        width = max(map(len, own), default=0)
        filled = [[*tokens, *[-1] * (width - len(tokens))] for tokens in own]
        return torch.tensor(filled, dtype=torch.long).reshape(len(own), width)

    def steps_in(self, chunk: range) -> Tensor:
        """The choices that candidates make at these forks, (3, n)."""
        begin, end = torch.searchsorted(self.steps[0], torch.tensor([chunk.start, chunk.stop]))
        return self.steps[:, begin:end]


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
    source's answers, without eos, as many for every source, and one list where sources share it.
    ``end=False`` leaves eos out of the sum (prompts whose answer is one token). ``chunk`` times
    as many rows as there are sources are decoded at a time, however many candidates there are.
    """
    num = len(candidates[0])
    if any(len(own) != num for own in candidates):
        raise ValueError("every source needs the same number of candidates")
    known: dict[int, _Forks] = {}
    for own in candidates:
        if id(own) not in known:
            known[id(own)] = _find_forks(own, end)
    forks = [known[id(own)] for own in candidates]
    alike: defaultdict[int, list[int]] = defaultdict(list)
    for place, prefix in enumerate(prefixes):
        alike[len(prefix)].append(place)
    scores_BC = torch.zeros(len(candidates), num, device=encoded.states.device)
    for places in alike.values():
        rows = torch.tensor(places, device=scores_BC.device)
        asked = _Asked(
            encoded.select(rows), [[BOS, *prefixes[i]] for i in places], [forks[i] for i in places]
        )
        scores_BC[rows] = _score_alike(model, asked, num, chunk * len(candidates) // len(places))
    return scores_BC


@dataclass(frozen=True)
class _Asked:
    """Sources whose prompts (with bos) are of one length, each with the forks of its answers."""

    encoded: Encoded
    prompts: list[list[int]]
    forks: list[_Forks]

    def sets(self) -> list[tuple[_Forks, Tensor]]:
        """Each set of answers with the sources that share it."""
        sources: defaultdict[int, list[int]] = defaultdict(list)
        for place, own in enumerate(self.forks):
            sources[id(own)].append(place)
        return [(self.forks[same[0]], torch.tensor(same)) for same in sources.values()]


def _score_alike(model: UnifiedModel, asked: _Asked, num: int, chunk: int) -> Tensor:
    """Scores (B, C). All of a prompt but its last token is decoded once, and not for every fork."""
    device = asked.encoded.states.device
    scores_BC = torch.zeros(len(asked.prompts), num, device=device)
    num_forks = max(len(own.before) for own in asked.forks)
    if not num_forks:
        return scores_BC
    deepest = max(len(before) for own in asked.forks for before in own.before)
    cache = model.start_cache(asked.encoded, len(asked.prompts[0]) + deepest)
    if len(asked.prompts[0]) > 1:
        prompts_BT = torch.tensor([prompt[:-1] for prompt in asked.prompts], device=device)
        model.decode(prompts_BT, asked.encoded, cache=cache)
    for begin in range(0, num_forks, chunk):
        forks = range(begin, min(begin + chunk, num_forks))
        log_probs_BFW = _branch_log_probs(model, asked, cache, forks)
        for own, sources in asked.sets():
            at, branch, answer = own.steps_in(forks).to(device)
            rows = sources.to(device)[:, None]
            said = log_probs_BFW[rows, at - begin, branch]
            scores_BC.index_put_((rows, answer), said, accumulate=True)
    return scores_BC


def _find_forks(candidates: Candidates, end: bool) -> _Forks:
    root = Trie(candidates).root
    known: dict[int, int] = {}  # the tree's node, by its identity, to the fork there
    before: list[tuple[int, ...]] = []
    branches: list[list[int]] = []
    places: list[dict[int, int]] = []
    steps: list[tuple[int, int, int]] = []
    for index, candidate in enumerate(candidates):
        node, answer = root, [*candidate, EOS] if end else candidate
        for i, token in enumerate(answer):
            if len(node) > 1:
                fork = known.setdefault(id(node), len(before))
                if fork == len(before):
                    before.append(tuple(answer[:i]))
                    branches.append(sorted(node))
                    places.append({branch: at for at, branch in enumerate(branches[fork])})
                steps.append((fork, places[fork][token], index))
            node = node[token]
    ordered = torch.tensor(sorted(steps), dtype=torch.long).reshape(-1, 3).T.contiguous()
    return _Forks(before, branches, ordered)


def _branch_log_probs(model: UnifiedModel, asked: _Asked, cache: Cache, chunk: range) -> Tensor:
    """Log-probability of each branch at each fork, renormalised over the branches, (B, F, W).

    Every source has as many forks here; one with fewer gets some that nobody asks.
    """
    num, device = len(asked.prompts), asked.encoded.states.device
    sets = [(own, sources, own.columns(chunk)) for own, sources in asked.sets()]
    columns_BFW = torch.full((num, len(chunk), max(own_FW.shape[1] for *_, own_FW in sets)), -1)
    columns_BFW[..., 0] = EOS
    for _, sources, own_FW in sets:
        columns_BFW[sources, : len(own_FW), : own_FW.shape[1]] = own_FW
    check_ids(columns_BFW.clamp_min(0), model.config.vocabulary_size, "candidate")
    columns_BFW = columns_BFW.to(device)
    features_RD = _fork_features(model, asked, cache, chunk)
    # Only the branches' rows of the token matrix are multiplied, not the vocabulary's.
    branches_U, places_BFW = torch.unique(columns_BFW.clamp_min(0), return_inverse=True)
    logits_RU = F.linear(features_RD, model.token_matrix()[branches_U]).float()
    chosen_BFW = logits_RU.view(num, len(chunk), -1).gather(2, places_BFW)
    return chosen_BFW.masked_fill(columns_BFW < 0, -torch.inf).log_softmax(2)


def _fork_features(model: UnifiedModel, asked: _Asked, cache: Cache, chunk: range) -> Tensor:
    """Features of each fork's last token, (R, D); a source's forks stand side by side."""
    device = asked.encoded.states.device
    rows = [
        [*prompt, *(own.before[fork] if fork < len(own.before) else ())]
        for prompt, own in zip(asked.prompts, asked.forks, strict=True)
        for fork in chunk
    ]
    length = max(len(row) for row in rows)
    # What fills up a row stands behind what is asked of it, where nothing before can see it.
    prev_RT = torch.tensor([[*row, *[PAD] * (length - len(row))] for row in rows], device=device)
    last_R = torch.tensor([len(row) - 1 for row in rows], device=device) - cache.length
    spread = Cache(
        cache.biases,
        cache.memory,
        [(k.repeat_interleave(len(chunk), 0), v.repeat_interleave(len(chunk), 0))
         for k, v in cache.own],
        cache.length,
    )  # fmt: skip
    features_RTD = model.decode(prev_RT, asked.encoded, cache=spread)
    return features_RTD[torch.arange(len(rows), device=device), last_R]
