"""Answers: what a model says to test items, with their images or with others in their place.

A closed set of answers is scored, every candidate of it; without one the answer is searched for.
Method: OFA's all-candidate inference and beam search (components/generation).
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Hashable, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import torch

from components.config import Params
from components.dataset.collate import pad
from components.dataset.images import ImageStore
from components.devices import pick_device
from components.evaluation.cache import Answer, AnswerCache, batch_key, make_key
from components.evaluation.conditions import draw
from components.generation.beam import search
from components.generation.candidates import score_candidates
from components.generation.constraints import SearchSettings
from components.lineage import MANIFEST, check_files, read_manifest
from components.model.encoder import Encoded
from components.model.model import UnifiedModel
from components.model.weights import load_model
from components.progress import say
from components.records import Example
from components.tasks.base import Task
from components.tasks.encoding import EncodedExample, encode_example, ends_with_eos
from components.tokenization.vocabulary import Vocabulary

MAX_OPTIONS = 16  # kept of a closed set, for areas under curves and for a reader's eye


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
    num_options: int = MAX_OPTIONS
    key: str = ""  # stands for all that decides an answer beside what is asked (cache.make_key)


def load_answerer(folder: Path, vocabulary: Path, params: Params) -> Answerer:
    """A finished training product, asked at the resolution and length that it was trained at."""
    manifest, settings = read_manifest(folder), params.evaluate
    check_files(folder / MANIFEST, manifest["files"])
    trained = manifest["settings"]
    device = pick_device(params.compute.device)
    model = load_model(folder).to(device).eval()
    model.encoder.embed_images.fold_batch_norm()
    search = SearchSettings(
        beam=settings.beam,
        max_length_b=settings.max_target_tokens,
        length_penalty=settings.length_penalty,
        no_repeat_ngram=settings.no_repeat_ngram,
    )
    asked_at = {name: trained[name] for name in ("image_px", "max_source_tokens", "long_text")}
    decoding = {**asdict(search), **asked_at, "batch": settings.batch, "device": device}
    return Answerer(
        model=model,
        vocabulary=Vocabulary.load(vocabulary),
        image_px=trained["image_px"],
        max_source_tokens=trained["max_source_tokens"],
        batch=settings.batch,
        device=device,
        search=search,
        long_text=trained["long_text"],
        key=make_key(folder, vocabulary, decoding),
    )


def answer_all(
    answerer: Answerer,
    task: Task,
    examples: Sequence[Example],
    candidates: Sequence[list[str]],
    *,
    store: ImageStore | None,
    cache: AnswerCache | None = None,
    warn: bool = True,
    advance: Callable[[int], None] = lambda _: None,
) -> list[Answer]:
    """One answer per example, in their order; ``advance`` hears how many are done.

    Images are pictures as conditions.show names them. What is asked twice is answered once, and
    what ``cache`` knows is not computed. With ``warn`` it is said how many questions were cut.
    """
    encoded = [_encode(answerer, task, example) for example in examples]
    num_cut = sum(item.num_cut > 0 for item in encoded)
    if num_cut and warn:
        longest = answerer.max_source_tokens
        say(f"{num_cut} of {len(examples)} questions were cut to {longest} tokens")
    asked = [
        Asked(item.source, item.prefix, own, example.image_id)
        for item, own, example in zip(encoded, candidates, examples, strict=True)
    ]
    alike: defaultdict[Hashable, list[int]] = defaultdict(list)
    for index, one in enumerate(asked):
        alike[one.identity].append(index)
    answers: dict[int, Answer] = {}
    for batch in _batches([asked[same[0]] for same in alike.values()], answerer.batch):
        found = _recall(answerer, task, batch, store, cache)
        for one, answer in zip(batch, found, strict=True):
            answers |= dict.fromkeys(alike[one.identity], answer)
        advance(len(answers))
    return [answers[index] for index in range(len(examples))]


@dataclass(frozen=True, slots=True)
class Asked:
    """What a model is given: ids for encoder and decoder, what it may answer, a picture or none."""

    source: list[int]
    prefix: list[int]
    candidates: list[str]
    picture: str

    @property
    def identity(self) -> Hashable:
        """Equal where the answer is; candidates that many items share are one list."""
        return tuple(self.source), tuple(self.prefix), id(self.candidates), self.picture


def _encode(answerer: Answerer, task: Task, example: Example) -> EncodedExample:
    longest, asked = answerer.max_source_tokens, replace(example, target="")
    return encode_example(
        asked, task, answerer.vocabulary, longest, longest, long_text=answerer.long_text
    )


def _batches(asked: Sequence[Asked], size: int) -> list[list[Asked]]:
    """What can be answered together, sources of like length side by side."""
    alike: defaultdict[tuple[int, bool, int], list[Asked]] = defaultdict(list)
    for one in asked:
        # A search stops all its sources at one length, which counts what they are given.
        given = 0 if one.candidates else len(one.prefix)
        alike[len(one.candidates), bool(one.picture), given].append(one)
    batches: list[list[Asked]] = []
    for group in alike.values():
        ordered = sorted(group, key=lambda one: len(one.source))
        batches += [ordered[begin : begin + size] for begin in range(0, len(ordered), size)]
    return batches


def _recall(
    answerer: Answerer,
    task: Task,
    batch: Sequence[Asked],
    store: ImageStore | None,
    cache: AnswerCache | None,
) -> list[Answer]:
    """The answers to a batch from the cache, or computed and kept."""
    if cache is None:
        return _answer(answerer, task, batch, store)
    sets = {id(one.candidates): one.candidates for one in batch}
    place = {name: index for index, name in enumerate(sets)}
    items = [(one.source, one.prefix, place[id(one.candidates)], one.picture) for one in batch]
    key = batch_key(answerer.key, task.name, items, list(sets.values()))
    known = cache.read(key)
    if known is None:
        known = _answer(answerer, task, batch, store)
        cache.write(key, known)
    return known


@torch.no_grad()
def _answer(
    answerer: Answerer, task: Task, batch: Sequence[Asked], store: ImageStore | None
) -> list[Answer]:
    states = _run_encoder(answerer, batch, store)
    prefixes, sets = [one.prefix for one in batch], [one.candidates for one in batch]
    if sets[0]:
        return _choose(answerer, task, states, prefixes, sets)
    return _search(answerer, states, prefixes)


def _run_encoder(answerer: Answerer, batch: Sequence[Asked], store: ImageStore | None) -> Encoded:
    source_BS = pad([one.source for one in batch]).to(answerer.device)
    if not batch[0].picture:
        return answerer.model.encode(source_BS)
    if store is None:
        raise ValueError("examples with images need an image store")
    images_B3HW = store.batch([draw(one.picture, store.image_px) for one in batch])
    return answerer.model.encode(source_BS, images_B3HW.to(answerer.device))


def _choose(
    answerer: Answerer,
    task: Task,
    states: Encoded,
    prefixes: Sequence[Sequence[int]],
    sets: Sequence[list[str]],
) -> list[Answer]:
    known = {id(own): own for own in sets}
    ids = {name: answerer.vocabulary.encode_many(own) for name, own in known.items()}
    scores_BC = score_candidates(
        answerer.model, states, prefixes, [ids[id(own)] for own in sets], end=ends_with_eos(task)
    )
    ordered = scores_BC.sort(stable=True, dim=1, descending=True)  # of equals, the set's first
    values_BK, best_BK = (part[:, : answerer.num_options].tolist() for part in ordered)
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
