"""Search and candidate scoring: the reference's hypotheses, and brute force on a small model."""

from __future__ import annotations

import itertools
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from components.errors import UserError
from components.generation.beam import search
from components.generation.candidates import score_candidates
from components.generation.constraints import SearchSettings
from components.generation.trie import Trie
from components.model.config import model_config
from components.model.model import UnifiedModel
from components.model.specials import BOS, EOS
from tests.components.model.parity import Case, reference_model

NAMES = {
    "beam_size": "beam",
    "max_len_a": "max_length_a",
    "max_len_b": "max_length_b",
    "min_len": "min_length",
    "len_penalty": "length_penalty",
    "normalize_scores": "normalise",
    "temperature": "temperature",
    "no_repeat_ngram_size": "no_repeat_ngram",
    "unk_penalty": "unknown_penalty",
    "gen_code": "codes",
    "zero_shot": "trie_after_softmax",
}
TEXT = ["text_beam5", "text_greedy", "text_beam5_ng3", "text_lenpen0.7", "text_unnorm_t0.7"]
TEXT += ["text_maxlen_a", "code_greedy256"]
IMAGE = ["image_beam5", "image_greedy", "image_bins", "trie_beam5", "trie_beam5_norm", "trie_beam1"]
IMAGE += ["prefix_trie_beam3", "prefix_beam3", "zero_shot_trie"]


def generating_model(parity: Path) -> UnifiedModel:
    model = reference_model(parity)
    row = np.load(parity / "generation_eos_row.npy", allow_pickle=False)
    with torch.no_grad():
        model.encoder.embed_tokens.weight[EOS] = torch.from_numpy(row)
    return model


def read_settings(entry: dict[str, Any], name: str, answers: list[list[int]]) -> SearchSettings:
    arguments = dict(entry["args"])
    span = arguments.pop("constraint_range", None)
    values = {NAMES[key]: value for key, value in arguments.items()}
    if span:
        values["token_range"] = tuple(int(part) for part in span.split(","))
    if "trie" in name:
        values["trie"] = Trie(answers)
    return SearchSettings(**values)


@pytest.mark.parametrize("name", TEXT + IMAGE)
def test_hypotheses_equal_the_reference(shared_parity: Path, name: str) -> None:
    saved = json.loads((shared_parity / "generation.json").read_text())
    case = Case.load(shared_parity, "text" if name in TEXT else "image")
    model, entry = generating_model(shared_parity), saved[name]
    with torch.no_grad():
        encoded = case.encode(model)
    prefixes = entry["prefix"] and [[t for t in row if t != 1] for row in entry["prefix"]]
    found = search(
        model,
        encoded,
        read_settings(entry, name, saved["answers"]),
        num_source_tokens=case.source.shape[1],
        prefixes=prefixes,
    )
    for ours, theirs in zip(found, entry["hyps"], strict=True):
        assert [h.tokens for h in ours] == [h["tokens"] for h in theirs]
        for mine, other in zip(ours, theirs, strict=True):
            assert mine.score == pytest.approx(other["score"], abs=1e-4)
            assert mine.token_scores == pytest.approx(other["pos"], abs=1e-4)


def test_candidate_scores_equal_the_reference(shared_parity: Path) -> None:
    saved = json.loads((shared_parity / "generation.json").read_text())
    model, case = generating_model(shared_parity), Case.load(shared_parity, "image")
    with torch.no_grad():
        encoded = case.encode(model)
    scores = score_candidates(model, encoded, [[]] * 3, [saved["answers"]] * 3)
    assert np.abs(scores.numpy() - np.array(saved["allcand_scores"])).max() < 1e-4
    assert scores.argmax(1).tolist() == saved["allcand_argmax"]


def small_model() -> UnifiedModel:
    torch.manual_seed(3)
    model = UnifiedModel(model_config("debug", 12)).eval()
    with torch.no_grad():
        model.encoder.embed_tokens.weight.mul_(20)
    return model


ANSWERS = [[5], [5, 6], [7, 8], [9]]


@torch.no_grad()
def test_a_wide_beam_finds_what_scoring_all_candidates_finds() -> None:
    model = small_model()
    encoded = model.encode(torch.tensor([[0, 4, 5, 2], [0, 9, 2, 1]]))
    prefixes = [[4], [6, 7]]
    scores = score_candidates(model, encoded, prefixes, [ANSWERS] * 2, chunk=3)
    assert scores.exp().sum(1).tolist() == pytest.approx([1, 1], abs=1e-5), "a distribution"
    settings = SearchSettings(beam=4, max_length_b=8, normalise=False, trie=Trie(ANSWERS))
    found = search(model, encoded, settings, prefixes=prefixes)
    for row, (hypotheses, prefix) in enumerate(zip(found, prefixes, strict=True)):
        best = hypotheses[0].tokens[len(prefix) : -1]
        assert best == ANSWERS[int(scores[row].argmax())]


@torch.no_grad()
def test_own_candidates_per_source_equal_one_source_at_a_time() -> None:
    model = small_model()
    encoded = model.encode(torch.tensor([[0, 4, 5, 2], [0, 9, 2, 1]]))
    sets = [[[5], [6]], [[7, 8], [9]]]
    both = score_candidates(model, encoded, [[], []], sets)
    for row in range(2):
        alone = score_candidates(model, encoded.select(torch.tensor([row])), [[]], [sets[row]])
        torch.testing.assert_close(both[row], alone[0], atol=1e-5, rtol=1e-5)


@torch.no_grad()
def test_greedy_follows_the_most_likely_token() -> None:
    model, source = small_model(), torch.tensor([[0, 4, 5, 2]])
    settings = SearchSettings(beam=1, max_length_b=5)
    tokens = search(model, model.encode(source), settings)[0][0].tokens
    prev = [0]
    for token in tokens[:-1]:
        logits = model(source, torch.tensor([prev]))[0, -1]
        logits[[1] + ([EOS] if len(prev) == 1 else [])] = -torch.inf
        assert int(logits.argmax()) == token
        prev.append(token)


@torch.no_grad()
def test_a_forced_prefix_may_repeat_itself() -> None:
    model, prefixes = small_model(), [[5, 6, 5, 6, 5, 6], []]
    encoded = model.encode(torch.tensor([[0, 4, 5, 2], [0, 9, 2, 1]]))
    settings = SearchSettings(beam=2, max_length_b=9, no_repeat_ngram=2)
    repeating, free = search(model, encoded, settings, prefixes=prefixes)
    assert repeating[0].tokens[:6] == prefixes[0]
    for tokens in ([BOS, *hypothesis.tokens] for hypothesis in free):
        pairs = list(itertools.pairwise(tokens))
        assert len(set(pairs)) == len(pairs)


@pytest.mark.parametrize("beam", [1, 3])
@pytest.mark.parametrize("num_forced", [1, 2, 7, 9, 12])
@torch.no_grad()
def test_a_prefix_read_in_one_pass_is_scored_as_one_forced_step_by_step(
    beam: int, num_forced: int
) -> None:
    model, limit = small_model(), 9
    prefix = [5, 6, 3, 7, 4, 9, 11, 8, 5, 6, 10, 7][:num_forced]
    settings = SearchSettings(beam=beam, max_length_b=limit, no_repeat_ngram=2, unknown_penalty=0.5)
    encoded = model.encode(torch.tensor([[0, 4, 5, 2], [0, 9, 2, 1]]))
    steps, _ = search(model, encoded, settings, prefixes=[prefix, []])  # what all share is nothing
    (at_once,) = search(model, encoded.select(torch.tensor([0])), settings, prefixes=[prefix])
    assert [one.tokens for one in at_once] == [one.tokens for one in steps]
    for one, other in zip(at_once, steps, strict=True):
        assert one.score == pytest.approx(other.score, rel=1e-5)
        assert one.token_scores == pytest.approx(other.token_scores, rel=1e-5, abs=1e-4)


@pytest.mark.parametrize("token", [-1, 12])
@torch.no_grad()
def test_an_id_that_the_model_does_not_have_is_named(token: int) -> None:
    model = small_model()
    encoded = model.encode(torch.tensor([[0, 4, 5, 2]]))
    with pytest.raises(UserError, match=f"prefix id {token} is out of range"):
        search(model, encoded, SearchSettings(beam=2), prefixes=[[4, token]])
    with pytest.raises(UserError, match=f"trie id {token} is out of range"):
        search(model, encoded, SearchSettings(beam=2, trie=Trie([[4, token]])))


@torch.no_grad()
def test_every_source_needs_its_prefix() -> None:
    model = small_model()
    encoded = model.encode(torch.tensor([[0, 4, 5, 2], [0, 9, 2, 1]]))
    with pytest.raises(ValueError, match="1 prefixes for 2 sources"):
        search(model, encoded, SearchSettings(beam=2), prefixes=[[4]])


@torch.no_grad()
def test_answers_longer_than_the_limit_are_no_silent_nothing() -> None:
    model = small_model()
    encoded = model.encode(torch.tensor([[0, 4, 5, 2]]))
    longer = SearchSettings(beam=2, max_length_b=3, trie=Trie([[4, 5, 6, 7]]))
    with pytest.raises(UserError, match="ends within 3 tokens") as caught:
        search(model, encoded, longer)
    assert caught.value.why and caught.value.next_command
    found = search(model, encoded, replace(longer, max_length_b=4))[0]
    assert found[0].tokens == [4, 5, 6, 7, EOS]


@torch.no_grad()
def test_a_model_whose_weights_are_no_numbers_is_told() -> None:
    model = small_model()
    model.encoder.embed_tokens.weight.fill_(float("nan"))
    encoded = model.encode(torch.tensor([[0, 4, 5, 2]]))
    with pytest.raises(UserError, match="no answer ends within 3 tokens"):
        search(model, encoded, SearchSettings(beam=2, max_length_b=3))


def test_trie_says_what_may_follow() -> None:
    trie = Trie(ANSWERS)
    assert trie.allowed_next([]) == [5, 7, 9]
    assert trie.allowed_next([5]) == [EOS, 6]
    assert trie.allowed_next([5, 6]) == [EOS]
    assert trie.allowed_next([4]) == [EOS]
