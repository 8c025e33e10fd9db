"""``generate`` with this project's search: defaults, constraints, tries.

transformers' beam search and ours (components/generation/beam.py) take the same steps: twice as
many candidates as beams, an end counted among the best ``beam`` only, a source finished when as
many hypotheses have ended. What it takes to coincide:

- ``early_stopping=True``; ``length_penalty`` as it is, or 0 for scores that are not normalised;
- lengths count the start token: at most ``limit`` tokens and eos is ``max_length = limit + 2``;
- pad is never generated, and eos never first;
- what ``constrain`` decides comes in through ``SearchConstraints``, so no rule is written twice.

Where they cannot coincide:

- n-best lists below the best one: when more hypotheses end in one step than are still wanted,
  transformers lets a new one replace an older and worse one; the reference never does. The best
  hypothesis is the same, as those that end together are equally long. Of the 36 lists of the
  reference's beam cases 5 differ so, in one hypothesis each.
- a prompt given as ``decoder_input_ids``: transformers scores what follows it, and divides by the
  length of that; the reference counts the prompt in both (its unnormalised scores are lower by
  the prompt's log-probability). Forced ``prefixes`` do coincide.
- hypotheses that the search could not find (a trie of fewer answers than beams) are not left out
  but filled up with a score of -1e9 or less.
- greedy search has no score of its own; ``compute_transition_scores`` gives each token's.
- without ``SearchConstraints``, the eos that ends a hypothesis at ``max_length`` costs nothing,
  and beams that have ended or are copies of the first go on at a score of -1e9, so that with a
  trie of few answers they can count as ended before the true answers are: on small random models
  and tries of two to four answers, 53 of 432 best hypotheses were other than the reference
  search's, and none with it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor
from transformers import GenerationConfig, LogitsProcessor, LogitsProcessorList

from components.generation.constraints import SearchSettings, constrain
from components.generation.trie import Trie
from components.model.specials import BOS, EOS, PAD

DEFAULTS = SearchSettings()
DEFAULT_LENGTH = DEFAULTS.max_length_b + 2


def search_defaults() -> GenerationConfig:
    """The search of ``SearchSettings()`` in transformers' words: five beams.

    Its length, 200 tokens and eos, is set by ``SearchGenerationMixin`` where no other is named.
    """
    return GenerationConfig(
        bos_token_id=BOS,
        pad_token_id=PAD,
        eos_token_id=EOS,
        decoder_start_token_id=BOS,
        num_beams=DEFAULTS.beam,
        early_stopping=True,
        length_penalty=DEFAULTS.length_penalty,
        min_length=DEFAULTS.min_length + 1,
        suppress_tokens=[PAD],
        forced_eos_token_id=EOS,
    )


def generation_arguments(
    settings: SearchSettings,
    *,
    num_source_tokens: int = 0,
    prefixes: Sequence[Sequence[int]] | None = None,
    num_return_sequences: int = 1,
    num_prompt_tokens: int = 1,
) -> dict[str, Any]:
    """Arguments of ``generate`` that make it the search of ``settings``.

        answers = Trie(tokenizer.encode_answers([" yes", " no"]))
        settings = SearchSettings(beam=2, max_length_b=8, trie=answers, normalise=False)
        model.generate(**inputs, **generation_arguments(settings))

    ``prefixes`` are forced first tokens per source, without bos. ``num_prompt_tokens`` is the
    width of ``decoder_input_ids``, bos included, where a prompt is given so.
    """
    limit = int(settings.max_length_a * num_source_tokens + settings.max_length_b)
    rule = SearchConstraints(
        settings,
        limit,
        prefixes=prefixes,
        rows_per_source=settings.beam if settings.beam > 1 else num_return_sequences,
        num_prompt_tokens=num_prompt_tokens,
    )
    arguments: dict[str, Any] = {
        "num_beams": settings.beam,
        "num_return_sequences": num_return_sequences,
        "max_length": limit + 2,
        "min_length": 0,
        "no_repeat_ngram_size": 0,
        "suppress_tokens": None,  # pad is barred after the softmax, not before
        "forced_eos_token_id": None,  # the last eos has a score of its own
        "logits_processor": LogitsProcessorList([rule]),
    }
    if settings.beam > 1:
        arguments["early_stopping"] = True
        arguments["length_penalty"] = settings.length_penalty if settings.normalise else 0.0
    return arguments


class SearchConstraints(LogitsProcessor):
    """``constrain`` as a logits processor: what comes out are log-probabilities.

    It may get logits or log-probabilities, since both give the same after its own softmax.
    """

    def __init__(
        self,
        settings: SearchSettings,
        limit: int,
        *,
        prefixes: Sequence[Sequence[int]] | None = None,
        rows_per_source: int | None = None,
        num_prompt_tokens: int = 1,
    ) -> None:
        self.searches = settings.beam > 1
        self.settings = replace(settings, beam=rows_per_source or settings.beam)
        self.limit, self.prefixes, self.num_prompt_tokens = limit, prefixes, num_prompt_tokens

    def __call__(self, input_ids: Tensor, scores: Tensor) -> Tensor:
        """Rows of tokens (R, T) and scores (R, V) to log-probabilities (R, V)."""
        rows, length = input_ids.shape
        prefixes = self.prefixes
        if prefixes is None and self.num_prompt_tokens > 1:
            prompt = [PAD] * (self.num_prompt_tokens - 1)
            prefixes = [prompt] * (rows // self.settings.beam)
        allowed = constrain(scores, input_ids, self.settings, self.limit, prefixes)
        if self.searches:
            # transformers keeps these two kinds of rows alive at a score of -1e9.
            if length == self.num_prompt_tokens:
                dead = torch.arange(rows, device=scores.device) % self.settings.beam > 0
            else:
                dead = input_ids[:, -1] == EOS
            allowed[dead] = -torch.inf
        return allowed


def allowed_tokens(
    tries: Trie | Sequence[Trie], num_prompt_tokens: int = 1
) -> Callable[[int, Tensor], list[int]]:
    """A ``prefix_allowed_tokens_fn``: what a trie allows, one for all sources or one for each.

    As transformers applies it after the softmax, scores are those of ``trie_after_softmax``; with
    ``renormalize_logits=True`` they are those of the trie as the reference trains with it.
    """

    def allowed(source: int, tokens_T: Tensor) -> list[int]:
        trie = tries if isinstance(tries, Trie) else tries[source]
        return trie.allowed_next(tokens_T[num_prompt_tokens:].tolist())

    return allowed
