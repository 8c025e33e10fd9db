"""``generate`` finds what our own search finds: on the reference's cases and on random models."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from components.generation.beam import Hypothesis, search
from components.generation.constraints import SearchSettings
from components.generation.trie import Trie
from components.huggingface.generation import allowed_tokens, generation_arguments
from components.huggingface.modeling import BiomedGptForConditionalGeneration
from components.model.model import UnifiedModel
from components.model.specials import EOS
from tests.components.generation.test_generation import (
    IMAGE,
    TEXT,
    generating_model,
    read_settings,
)
from tests.components.huggingface.conftest import small_model, wrap
from tests.components.model.parity import Case

SOURCE = torch.tensor([[0, 5, 6, 7, 2], [0, 9, 2, 1, 1]])
ANSWERS = [[5], [5, 6], [7, 8, 10], [9]]
NOTHING_FOUND = -1e8
# Where transformers lets a late hypothesis replace a worse one: (case, source).
REPLACED = {
    ("text_beam5", 0),
    ("text_beam5_ng3", 0),
    ("image_beam5", 1),
    ("prefix_beam3", 0),
    ("prefix_beam3", 1),
}
Found = list[list[tuple[list[int], float]]]


def until_end(tokens: list[int]) -> list[int]:
    return tokens[: tokens.index(EOS) + 1] if EOS in tokens else tokens


def generated(
    model: BiomedGptForConditionalGeneration, sources: torch.Tensor, **arguments: Any
) -> Found:
    """Tokens after the start and scores of every hypothesis of every source, best first."""
    output = model.generate(sources, return_dict_in_generate=True, output_scores=True, **arguments)
    rows = [until_end(row) for row in output.sequences[:, 1:].tolist()]
    if arguments.get("num_beams", 5) > 1:
        scores = output.sequences_scores.tolist()
    else:
        each = model.compute_transition_scores(output.sequences, output.scores)
        scores = [float(e[: len(row)].mean()) for e, row in zip(each, rows, strict=True)]
    pairs = list(zip(rows, scores, strict=True))
    width = len(rows) // len(sources)
    return [
        [pair for pair in pairs[begin : begin + width] if pair[1] > NOTHING_FOUND]
        for begin in range(0, len(rows), width)
    ]


@pytest.fixture(scope="module")
def reference(shared_parity: Path) -> tuple[BiomedGptForConditionalGeneration, dict[str, Any]]:
    saved = json.loads((shared_parity / "generation.json").read_text())
    return wrap(generating_model(shared_parity)), saved


def case_inputs(parity: Path, name: str, codes: bool) -> tuple[Case, dict[str, Any]]:
    case = Case.load(parity, "text" if name in TEXT else "image")
    inputs = {
        "pixel_values": case.tensor("patch_images"),
        "image_mask": case.tensor("patch_masks"),
        "code_mask": torch.ones(len(case.source), dtype=torch.bool) if codes else None,
    }
    return case, inputs


@pytest.mark.parametrize("name", TEXT + IMAGE)
def test_hypotheses_equal_the_reference(
    shared_parity: Path, reference: tuple[Any, Any], name: str
) -> None:
    model, saved = reference
    entry, wanted = saved[name], read_settings(saved[name], name, saved["answers"])
    case, inputs = case_inputs(shared_parity, name, wanted.codes)
    arguments = generation_arguments(
        wanted,
        num_source_tokens=case.source.shape[1],
        prefixes=entry["prefix"] and [[t for t in row if t != 1] for row in entry["prefix"]],
        num_return_sequences=wanted.beam,
    )
    found = generated(model, case.source, **inputs, **arguments)
    for source, (ours, theirs) in enumerate(zip(found, entry["hyps"], strict=True)):
        assert ours[0][0] == theirs[0]["tokens"]
        known = {tuple(h["tokens"]): h["score"] for h in theirs}
        for tokens, score in ours:
            if tuple(tokens) in known:
                assert score == pytest.approx(known[tuple(tokens)], abs=1e-4)
        same = [tokens for tokens, _ in ours] == [h["tokens"] for h in theirs]
        assert same == ((name, source) not in REPLACED)
        assert len(ours) == len(theirs)
        assert ours[-1][1] > theirs[-1]["score"] - 1e-4, "only a better one replaces"


PLAIN = ["text_beam5", "text_greedy", "text_beam5_ng3", "text_lenpen0.7", "text_maxlen_a"]
TRIES = ["trie_beam5", "trie_beam5_norm", "trie_beam1", "zero_shot_trie"]


@pytest.mark.parametrize("name", PLAIN + TRIES)
def test_arguments_of_transformers_alone_find_the_best_one(
    shared_parity: Path, reference: tuple[Any, Any], name: str
) -> None:
    model, saved = reference
    wanted = read_settings(saved[name], name, saved["answers"])
    case, inputs = case_inputs(shared_parity, name, codes=False)
    limit = int(wanted.max_length_a * case.source.shape[1] + wanted.max_length_b)
    arguments: dict[str, Any] = {"num_beams": wanted.beam, "max_length": limit + 2}
    arguments["min_length"] = wanted.min_length + 1
    arguments["no_repeat_ngram_size"] = wanted.no_repeat_ngram
    if wanted.beam > 1:
        arguments["length_penalty"] = wanted.length_penalty if wanted.normalise else 0.0
    if wanted.unknown_penalty:
        arguments["sequence_bias"] = {(3,): -wanted.unknown_penalty}
    if wanted.trie is not None:
        arguments["prefix_allowed_tokens_fn"] = allowed_tokens(wanted.trie)
        arguments["renormalize_logits"] = not wanted.trie_after_softmax
    found = generated(model, case.source, **inputs, **arguments)
    for (best, *_), theirs in zip(found, saved[name]["hyps"], strict=True):
        assert best[0] == theirs[0]["tokens"]
        if wanted.beam > 1:
            assert best[1] == pytest.approx(theirs[0]["score"], abs=1e-4)


def test_a_prompt_finds_the_same_and_leaves_its_score_out(
    shared_parity: Path, reference: tuple[Any, Any]
) -> None:
    """Without normalisation the scores differ by the prompt's log-probability, nothing else."""
    model, saved = reference
    entry, row = saved["prefix_trie_beam3"], 1
    wanted = read_settings(entry, "prefix_trie_beam3", saved["answers"])
    case, inputs = case_inputs(shared_parity, "prefix_trie_beam3", codes=False)
    prompt = torch.tensor([[0, *entry["prefix"][row]]])
    found = generated(
        model,
        case.source[row : row + 1],
        decoder_input_ids=prompt,
        pixel_values=inputs["pixel_values"][row : row + 1],
        image_mask=inputs["image_mask"][row : row + 1] if "patch_masks" in case.arrays else None,
        **generation_arguments(wanted, num_prompt_tokens=prompt.shape[1], num_return_sequences=3),
    )[0]
    for (tokens, score), other in zip(found, entry["hyps"][row], strict=True):
        assert tokens == other["tokens"]
        assert score == pytest.approx(other["score"] - sum(other["pos"][:4]), abs=1e-4)


def own_search(model: UnifiedModel, wanted: SearchSettings, **more: Any) -> list[list[Hypothesis]]:
    with torch.no_grad():
        return search(model, model.encode(SOURCE), wanted, **more)


def assert_best_equal(found: Found, expected: list[list[Hypothesis]]) -> None:
    for ours, theirs in zip(found, expected, strict=True):
        assert ours[0][0] == theirs[0].tokens
        assert ours[0][1] == pytest.approx(theirs[0].score, abs=1e-4)


def test_the_default_is_our_own_search(
    ours: UnifiedModel, theirs: BiomedGptForConditionalGeneration
) -> None:
    assert_best_equal(generated(theirs, SOURCE), own_search(ours, SearchSettings()))


@settings(max_examples=15, deadline=None)
@given(
    seed=st.integers(0, 3),
    beam=st.integers(2, 6),
    limit=st.integers(3, 9),
    length_penalty=st.sampled_from([0.0, 0.7, 1.0, 2.0]),
    ngram=st.integers(0, 3),
    temperature=st.sampled_from([0.5, 1.0]),
    num_answers=st.integers(0, len(ANSWERS)),
    prefixes=st.sampled_from([None, [[4], [6, 7]], [[], [5, 5]]]),
)
def test_any_search_finds_the_same_best_one(
    seed: int,
    beam: int,
    limit: int,
    length_penalty: float,
    ngram: int,
    temperature: float,
    num_answers: int,
    prefixes: list[list[int]] | None,
) -> None:
    """Tries of fewer answers than beams are among them."""
    model = small_model(seed)
    wanted = SearchSettings(
        beam=beam,
        max_length_b=limit + 3,
        length_penalty=length_penalty,
        no_repeat_ngram=ngram if not num_answers else 0,
        temperature=temperature,
        trie=Trie(ANSWERS[:num_answers]) if num_answers else None,
    )
    found = generated(wrap(model), SOURCE, **generation_arguments(wanted, prefixes=prefixes))
    assert_best_equal(found, own_search(model, wanted, prefixes=prefixes))


def test_a_wide_beam_returns_every_answer_of_a_small_trie(
    ours: UnifiedModel, theirs: BiomedGptForConditionalGeneration
) -> None:
    wanted = SearchSettings(beam=6, max_length_b=8, normalise=False, trie=Trie(ANSWERS))
    arguments = generation_arguments(wanted, num_return_sequences=6)
    for hypotheses in generated(theirs, SOURCE, **arguments):
        assert sorted(tokens[:-1] for tokens, _ in hypotheses) == sorted(ANSWERS)


def test_the_cache_changes_nothing(theirs: BiomedGptForConditionalGeneration) -> None:
    with_cache = generated(theirs, SOURCE, max_length=12, num_return_sequences=5)
    without = generated(theirs, SOURCE, max_length=12, num_return_sequences=5, use_cache=False)
    for ours, others in zip(with_cache, without, strict=True):
        assert [tokens for tokens, _ in ours] == [tokens for tokens, _ in others]


def test_each_source_may_have_a_trie_of_its_own(theirs: BiomedGptForConditionalGeneration) -> None:
    tries = [Trie([[5], [6]]), Trie([[7, 8], [9]])]
    found = generated(
        theirs, SOURCE, num_beams=2, prefix_allowed_tokens_fn=allowed_tokens(tries), max_length=6
    )
    for (best, *_), trie in zip(found, tries, strict=True):
        assert best[0][0] in trie.allowed_next([])
        assert best[0][-1] == EOS


def test_sampling_follows_the_seed_and_the_trie(theirs: BiomedGptForConditionalGeneration) -> None:
    wanted = SearchSettings(beam=1, max_length_b=8, trie=Trie(ANSWERS))
    arguments = generation_arguments(wanted, num_return_sequences=8)
    drawn = []
    for seed in (1, 1, 2):
        torch.manual_seed(seed)
        drawn.append(theirs.generate(SOURCE, do_sample=True, **arguments)[:, 1:].tolist())
    assert drawn[0] == drawn[1] != drawn[2]
    assert all(until_end(row)[:-1] in ANSWERS for row in drawn[0])


def test_a_prompt_counts_towards_the_lengths(theirs: BiomedGptForConditionalGeneration) -> None:
    prompt = torch.tensor([[0, 5, 6], [0, 7, 8]])
    wanted = replace(SearchSettings(), beam=3, max_length_b=6)
    arguments = generation_arguments(wanted, num_prompt_tokens=3)
    tokens = theirs.generate(SOURCE, decoder_input_ids=prompt, **arguments)
    assert torch.equal(tokens[:, :3], prompt)
    assert tokens.shape[1] <= 6 + 2
