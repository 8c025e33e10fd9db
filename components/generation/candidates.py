"""Scoring a closed set of answers: the log-probability of each, given source and prompt.

Method: OFA's all-candidate inference. Probabilities are renormalised over the tokens that lead
to some candidate, summed over an answer's tokens and eos, and not divided by length. Where only
one token leads on, its renormalised probability is 1; so only the forks of the candidates' prefix
tree are decoded, not every candidate, which changes no score.

Shape letters: B sources, C candidates each, F forks, R = B * F rows, T positions, W branches,
V vocabulary.
"""

from __future__ import annotations

from collections import defaultdict
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

    ``steps`` (3, N) holds fork, branch and candidate of each choice that a candidate makes, the
    forks ascending. ``sources`` are those whose answers these are.
    """

    before: list[tuple[int, ...]]
    branches: list[list[int]]
    steps: Tensor
    sources: Tensor

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
    ``end=False`` leaves eos out of the sum (prompts whose answer is one token). ``chunk`` bounds
    the forks decoded at a time, and so the memory, however many candidates there are.
    """
    num = len(candidates[0])
    if any(len(own) != num for own in candidates):
        raise ValueError("every source needs the same number of candidates")
    sources: defaultdict[int, list[int]] = defaultdict(list)
    for place, own in enumerate(candidates):
        sources[id(own)].append(place)
    sets = [_find_forks(candidates[same[0]], end, same) for same in sources.values()]
    scores_BC = torch.zeros(len(candidates), num, device=encoded.states.device)
    num_forks = max(len(own.before) for own in sets)
    for begin in range(0, num_forks, chunk):
        forks = range(begin, min(begin + chunk, num_forks))
        log_probs_BFW = _branch_log_probs(model, encoded, prefixes, sets, forks)
        for own_forks in sets:
            at, branch, answer = own_forks.steps_in(forks).to(scores_BC.device)
            rows = own_forks.sources.to(scores_BC.device)[:, None]
            said = log_probs_BFW[rows, at - begin, branch]
            scores_BC.index_put_((rows, answer), said, accumulate=True)
    return scores_BC


def _find_forks(candidates: Candidates, end: bool, sources: Sequence[int]) -> _Forks:
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
    return _Forks(before, branches, ordered, torch.tensor(sources))


def _branch_log_probs(
    model: UnifiedModel,
    encoded: Encoded,
    prefixes: Sequence[Sequence[int]],
    sets: Sequence[_Forks],
    chunk: range,
) -> Tensor:
    """Log-probability of each branch at each fork, renormalised over the branches, (B, F, W).

    Every source has as many forks here; one with fewer gets some that nobody asks.
    """
    num, device = len(prefixes), encoded.states.device
    columns = [own.columns(chunk) for own in sets]
    width = max(own_FW.shape[1] for own_FW in columns)
    columns_BFW = torch.full((num, len(chunk), width), -1)
    columns_BFW[..., 0] = EOS
    rows = [[BOS]] * (num * len(chunk))
    for own, own_FW in zip(sets, columns, strict=True):
        columns_BFW[own.sources, : len(own_FW), : own_FW.shape[1]] = own_FW
        for source in own.sources.tolist():
            for place, before in enumerate(own.before[chunk.start : chunk.stop]):
                rows[source * len(chunk) + place] = [BOS, *prefixes[source], *before]
    check_ids(columns_BFW.clamp_min(0), model.config.vocabulary_size, "candidate")
    columns_BFW = columns_BFW.to(device)
    logits_BFV = _last_logits(model, encoded, rows).view(num, len(chunk), -1)
    chosen_BFW = logits_BFV.gather(2, columns_BFW.clamp_min(0))
    return chosen_BFW.masked_fill(columns_BFW < 0, -torch.inf).log_softmax(2)


def _last_logits(model: UnifiedModel, encoded: Encoded, rows: Sequence[Sequence[int]]) -> Tensor:
    """Logits after each row's last token, (R, V); a source's rows stand side by side."""
    device, length = encoded.states.device, max(len(row) for row in rows)
    prev_RT = torch.tensor([[*row, *[PAD] * (length - len(row))] for row in rows], device=device)
    last_R = torch.tensor([len(row) - 1 for row in rows], device=device)
    features_RTD = model.decode(prev_RT, encoded)
    return model.project(features_RTD[torch.arange(len(rows), device=device), last_R]).float()
