"""Answers: what a model says to test items, with their images or with blank ones.

A closed set of answers is scored, every candidate of it; without one the answer is searched for.
Method: OFA's all-candidate inference and beam search (components/generation).
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import torch

from components.config import Params
from components.dataset.collate import pad
from components.dataset.images import ImageStore, blank_images
from components.devices import pick_device
from components.evaluation.conditions import BLANK
from components.generation.beam import search
from components.generation.candidates import score_candidates
from components.generation.constraints import SearchSettings
from components.lineage import read_manifest
from components.model.encoder import Encoded
from components.model.model import UnifiedModel
from components.model.weights import load_model
from components.progress import say
from components.records import Example
from components.tasks.base import Task
from components.tasks.encoding import EncodedExample, encode_example, ends_with_eos
from components.tokenization.vocabulary import Vocabulary

MAX_OPTIONS = 16  # kept of a closed set, for areas under curves and for a reader's eye


@dataclass(frozen=True, slots=True)
class Answer:
    """What was said. The log-probability is among the candidates, or of the text searched for,
    divided by its length as the search does. ``options`` are the MAX_OPTIONS most probable
    candidates, the best first, with ``option_log_probabilities``; none where text was free."""

    text: str
    log_probability: float
    options: list[str] = field(default_factory=list)
    option_log_probabilities: list[float] = field(default_factory=list)


@dataclass(frozen=True)
class Answerer:
    """A model, what it needs to read an example, and how it is asked."""

    model: UnifiedModel
    vocabulary: Vocabulary
    image_px: int
    max_source_tokens: int
    batch: int
    device: str
    search: SearchSettings
    long_text: str = "cut"


def load_answerer(folder: Path, vocabulary: Path, params: Params) -> Answerer:
    """A finished training product, asked at the resolution and length that it was trained at."""
    trained, settings = read_manifest(folder)["settings"], params.evaluate
    device = pick_device(params.compute.device)
    model = load_model(folder).to(device).eval()
    model.encoder.embed_images.fold_batch_norm()
    return Answerer(
        model=model,
        vocabulary=Vocabulary.load(vocabulary),
        image_px=trained["image_px"],
        max_source_tokens=trained["max_source_tokens"],
        batch=settings.batch,
        device=device,
        search=SearchSettings(
            beam=settings.beam,
            max_length_b=settings.max_target_tokens,
            length_penalty=settings.length_penalty,
            no_repeat_ngram=settings.no_repeat_ngram,
        ),
        long_text=trained["long_text"],
    )


def answer_all(
    answerer: Answerer,
    task: Task,
    examples: Sequence[Example],
    candidates: Sequence[list[str]],
    *,
    store: ImageStore | None,
    condition: str,
    advance: Callable[[int], None] = lambda _: None,
) -> list[Answer]:
    """One answer per example, in their order; ``advance`` hears how many are done.

    Under the condition ``blank`` every image is grey.
    """
    encoded = [_encode(answerer, task, example) for example in examples]
    num_cut = sum(item.num_cut > 0 for item in encoded)
    if num_cut and condition != BLANK:
        longest = answerer.max_source_tokens
        say(f"{num_cut} of {len(examples)} questions were cut to {longest} tokens")
    answers: dict[int, Answer] = {}
    for chosen in _batches(encoded, candidates, examples, answerer.batch):
        states = _run_encoder(
            answerer,
            [encoded[i].source for i in chosen],
            [examples[i].image_id for i in chosen],
            store,
            condition,
        )
        prefixes = [encoded[i].prefix for i in chosen]
        sets = [candidates[i] for i in chosen]
        if sets[0]:
            found = _choose(answerer, task, states, prefixes, sets)
        else:
            found = _search(answerer, states, prefixes)
        answers.update(zip(chosen, found, strict=True))
        advance(len(answers))
    return [answers[i] for i in range(len(examples))]


def _encode(answerer: Answerer, task: Task, example: Example) -> EncodedExample:
    longest, asked = answerer.max_source_tokens, replace(example, target="")
    return encode_example(
        asked, task, answerer.vocabulary, longest, longest, long_text=answerer.long_text
    )


def _batches(
    encoded: Sequence[EncodedExample],
    candidates: Sequence[list[str]],
    examples: Sequence[Example],
    size: int,
) -> list[list[int]]:
    """Indices of examples that can be answered together, sources of like length side by side."""
    alike: dict[tuple[int, bool, int], list[int]] = defaultdict(list)
    for index, example in enumerate(examples):
        # A search stops all its sources at one length, which counts what they are given.
        given = 0 if candidates[index] else len(encoded[index].prefix)
        alike[len(candidates[index]), bool(example.image_id), given].append(index)
    batches: list[list[int]] = []
    for indices in alike.values():
        ordered = sorted(indices, key=lambda index: len(encoded[index].source))
        batches += [ordered[begin : begin + size] for begin in range(0, len(ordered), size)]
    return batches


@torch.no_grad()
def _run_encoder(
    answerer: Answerer,
    sources: Sequence[Sequence[int]],
    image_ids: Sequence[str],
    store: ImageStore | None,
    condition: str,
) -> Encoded:
    source_BS = pad(sources).to(answerer.device)
    if not image_ids[0]:
        return answerer.model.encode(source_BS)
    if store is None:
        raise ValueError("examples with images need an image store")
    images_B3HW = store.batch(image_ids)
    if condition == BLANK:
        images_B3HW = blank_images(images_B3HW)
    return answerer.model.encode(source_BS, images_B3HW.to(answerer.device))


def _choose(
    answerer: Answerer,
    task: Task,
    states: Encoded,
    prefixes: Sequence[Sequence[int]],
    sets: Sequence[list[str]],
) -> list[Answer]:
    known: dict[int, list[list[int]]] = {}
    ids = [
        known.setdefault(id(own), [answerer.vocabulary.encode(text) for text in own])
        for own in sets
    ]
    scores_BC = score_candidates(answerer.model, states, prefixes, ids, end=ends_with_eos(task))
    ordered = scores_BC.sort(stable=True, dim=1, descending=True)  # of equals, the set's first
    values_BK, best_BK = (part[:, :MAX_OPTIONS].tolist() for part in ordered)
    return [
        _rank([own[index].strip() for index in best], values)
        for own, best, values in zip(sets, best_BK, values_BK, strict=True)
    ]


def _rank(options: list[str], values: list[float]) -> Answer:
    return Answer(options[0], values[0], options, values)


def _search(answerer: Answerer, states: Encoded, prefixes: Sequence[Sequence[int]]) -> list[Answer]:
    """The best answer of each source; all prefixes are of one length, and leave the answers'."""
    forced = prefixes if any(prefixes) else None
    longest = answerer.search.max_length_b + len(prefixes[0])
    longest = min(longest, answerer.model.config.max_positions - 1)
    settings = replace(answerer.search, max_length_b=longest)
    found = search(answerer.model, states, settings, prefixes=forced)
    return [
        Answer(answerer.vocabulary.decode(best.tokens[len(prefix) :]).strip(), best.score)
        for (best, *_), prefix in zip(found, prefixes, strict=True)
    ]
