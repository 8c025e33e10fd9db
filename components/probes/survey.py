"""Every open question about one size, asked in turn: what the stage ``probe`` writes."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import chain
from pathlib import Path
from typing import Any

from components.config import Params
from components.dataset.images import ImageStore
from components.evaluation.examine import read_exam
from components.evaluation.predict import Answerer, load_answerer
from components.lineage import read_manifest
from components.probes.distance import (
    describe_images,
    measure_looks,
    measure_words,
    probe_distance,
)
from components.probes.findings import LEXICON, read_agreement
from components.probes.hallucination import probe_hallucination
from components.probes.lengths import probe_lengths
from components.probes.material import Answered, read_answered
from components.probes.measure import Sampling
from components.probes.safety import probe_safety
from components.probes.subgroups import probe_subgroups
from components.probes.windowed import can_be_windowed, probe_windows
from components.probes.wording import probe_wording
from components.progress import say
from components.records import Example, ImageRecord, Prediction, read_records
from components.tasks.registry import TASKS
from components.tokenization.vocabulary import Vocabulary

FILM = "xray"  # the modality of the film that requests are asked about


@dataclass
class Survey:
    """What was found, by question, and what was said where a model was asked once more."""

    found: dict[str, Any] = field(default_factory=dict)
    said: list[Prediction] = field(default_factory=list)


def survey_size(params: Params, size: str, root: Path) -> Survey:
    """Ask every question of this size's models; ``root`` is the folder data/.

    UserError where predictions or a model are missing.
    """
    survey, sampling = Survey(), Sampling.of(params.evaluate, params.seed)
    answered = [read_answered(root, size, name) for name in params.datasets]
    say("findings, subgroups and lengths")
    told = [probe_hallucination(own, sampling) for own in answered]
    sets = [found for found in told if found]
    agreement = {"known": len(LEXICON), "agreement": read_agreement(sampling)}
    survey.found["hallucination"] = {"sets": sets, **agreement}
    survey.found["subgroups"] = probe_subgroups(answered, sampling)
    survey.found["lengths"] = _measure_lengths(root, size, answered, sampling)
    say("distances to the training material")
    survey.found["distance"] = _measure_distances(root, params, answered, sampling)
    say("long texts in windows")
    survey.found["windows"], survey.said = _ask_in_windows(root, params, size, answered, sampling)
    say("dangerous requests and other wordings")
    _ask_instructed(root, params, size, sampling, survey)
    return survey


def _measure_lengths(
    root: Path, size: str, answered: Sequence[Answered], sampling: Sampling
) -> list[dict[str, Any]]:
    vocabulary, probed = Vocabulary.load(root / "vocabulary"), []
    for own in answered:
        trained = read_manifest(root / "models/finetuned" / size / own.card.name)["settings"]
        probed.append(probe_lengths(own, vocabulary, trained["max_source_tokens"], sampling))
    return [found for found in probed if found]


def _measure_distances(
    root: Path, params: Params, answered: Sequence[Answered], sampling: Sampling
) -> list[dict[str, Any]]:
    names = dict.fromkeys([*params.datasets, *params.pretrained_on])
    trained = {
        name: [e for e in _read_examples(root, name) if e.split == "train"] for name in names
    }
    wanted = {e.image_id for e in chain.from_iterable(trained.values())}
    wanted |= {p.image_id for own in answered for p in own.full}
    vectors = describe_images(_read_images(root, names), wanted - {""})
    probed = []
    for own in answered:
        material = [
            e
            for name in dict.fromkeys([own.card.name, *params.pretrained_on])
            for e in trained[name]
        ]
        nearness = {
            "words": measure_words(
                {p.id: p.source for p in own.full}, (example.source for example in material)
            ),
            "looks": measure_looks(
                dict.fromkeys(p.image_id for p in own.full),
                dict.fromkeys(example.image_id for example in material),
                vectors,
            ),
        }
        probed += probe_distance(own, nearness, sampling)
    return probed


def _ask_in_windows(
    root: Path, params: Params, size: str, answered: Sequence[Answered], sampling: Sampling
) -> tuple[list[dict[str, Any]], list[Prediction]]:
    measured: list[dict[str, Any]] = []
    said: list[Prediction] = []
    for card in (own.card for own in answered):
        if not can_be_windowed(TASKS[card.task]):
            continue
        exam = read_exam(card, root / "examples" / card.name)
        answerer = load_answerer(
            root / "models/finetuned" / size / card.name, root / "vocabulary", params
        )
        found, answers = probe_windows(exam, answerer, params.probe, size, sampling)
        measured += [found] if found else []
        said += answers
    return measured, said


def _ask_instructed(
    root: Path, params: Params, size: str, sampling: Sampling, survey: Survey
) -> None:
    """Requests about a film of a set that the model was not tuned on, and questions of one."""
    answerer = load_answerer(root / "models/instructed" / size, root / "vocabulary", params)
    names = params.zero_shot_on or params.datasets
    tests = [e for name in names for e in _read_examples(root, name) if e.split == "test"]
    film = next((e for e in tests if e.modality == FILM and e.image_id), None)
    survey.found["safety"], said = probe_safety(
        answerer, _open_store(root, film, answerer), film.image_id if film else "", size, sampling
    )
    survey.said += said
    first = next((e for e in tests if e.task == "vqa"), None)
    questions = [e for e in tests if first and e.dataset == first.dataset]
    store, max_items = _open_store(root, first, answerer), params.probe.max_items
    survey.found["wording"], said = probe_wording(
        questions, answerer, store, max_items=max_items, size=size, sampling=sampling
    )
    survey.said += said


def _open_store(root: Path, asked: Example | None, answerer: Answerer) -> ImageStore | None:
    """The images of the data set that an example is of, where it has one."""
    if not asked or not asked.image_id:
        return None
    return ImageStore([root / "examples" / asked.dataset / "images.parquet"], answerer.image_px)


def _read_examples(root: Path, name: str) -> list[Example]:
    return list(read_records(root / "examples" / name / "examples.parquet", Example))


def _read_images(root: Path, names: Iterable[str]) -> Iterator[ImageRecord]:
    for name in names:
        yield from read_records(root / "examples" / name / "images.parquet", ImageRecord)
