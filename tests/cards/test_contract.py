"""One contract over every card: it parses, its files can be made, placed, read and phrased.

The golden prompts (tests/golden/prompts/<card>.json) hold the first row of each set as a model
sees it. After a change that is meant to change them, write them anew and read the difference:

    REGENERATE_GOLDEN=1 python -m pytest -n 0 tests/cards && git diff tests/golden

tests/golden/rows.json holds a hash over all that is told by the rows of each set, and by the
articles and figures of the corpora. Pictures are left out: how they are encoded is the libraries'.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Callable, Iterable
from dataclasses import asdict
from pathlib import Path

import pytest

from components.acquire.place import place_local
from components.cards import PRETRAINING_TASKS, SOURCE_TASKS, Card, load_card
from components.config import PrepareParams, load_params
from components.evaluation.metrics import METRICS
from components.evaluation.predict import MAX_OPTIONS
from components.examples import build_examples
from components.instructions.conversations import read_conversations
from components.instructions.conversion import convert
from components.lineage import hash_bytes
from components.readers.images import check_image
from components.readers.registry import READERS, read_rows
from components.records import OUTSIDE, SPLITS, UNSPLIT, RawRow, Reject
from components.report.published import SUPPORTED, find_measure
from components.sample.world import MAKERS
from components.tasks.registry import TASKS
from components.training_config import FinetuneParams
from tests.components.pubmed.reading import build, plain_params

ROOT = Path(__file__).resolve().parents[2]
NAMES = sorted(path.stem for path in (ROOT / "data/cards").glob("*.yaml"))
GOLDEN_ROWS = ROOT / "tests/golden/rows.json"
TOLD = ("id", "split", "origin", "group", "category", "boxes", "documents", "attributes")
OF_FILES = ("image_id", "origin_sha256")  # hashes of files, which libraries compress
CORPORA = {"pubmed": "medline", "pmc_oa": "jats"}
INSTRUCTIONS = {"biomed_vital": "biomed_vital"}
VOCABULARIES = {"bpe": "bpe"}
TASK_NAMES = [name for name in NAMES if name not in {**CORPORA, **VOCABULARIES}]
MADE = [name for name in NAMES if name not in VOCABULARIES]  # a vocabulary is learnt, not made up
EVIDENCE = re.compile(r"\[[FMD](: [^\]]+)?\] \S")  # [F: source], [D: source] or [M]
CANDIDATES = {"candidates": {"fixed", "train"}, "options": {"options", "fixed"}, "text": {"none"}}
# What the field reports of each kind of task, the headline first.
REPORTED = {
    "vqa": ["vqa_accuracy", "weighted_f1"],
    "caption": ["rouge_l", "cider", "meteor_exact_stem"],
    "classify": ["accuracy"],
    "understand": ["accuracy"],
    "summarize": ["rouge_l", "rouge_1", "rouge_2"],
    "answer": ["accuracy"],
}
MODALITIES = {
    "", "xray", "ct", "mr", "ultrasound", "oct", "histology", "microscopy", "fundus", "gross",
    "dermatoscopy", "photo",
}  # fmt: skip

each_card = pytest.mark.parametrize("name", NAMES)
each_made = pytest.mark.parametrize("name", MADE)
each_task = pytest.mark.parametrize("name", TASK_NAMES)
Make = Callable[[str], Path]


def read(card: Card, root: Path) -> list[RawRow | Reject]:
    """Everything that the card's reader finds."""
    return list(read_instructions(card, root) if card.task == "instruct" else read_rows(card, root))


def read_instructions(card: Card, root: Path) -> Iterable[RawRow | Reject]:
    for talk in read_conversations(card, root):
        yield from [talk] if isinstance(talk, Reject) else convert(talk, "single_turn", 2)


def read_all(card: Card, root: Path) -> list[RawRow]:
    """The rows of a set that nothing may be wrong with."""
    items = read(card, root)
    rows = [item for item in items if isinstance(item, RawRow)]
    assert {item.reason for item in items if isinstance(item, Reject)} <= {OUTSIDE}
    assert rows
    return rows


def hold_to_golden(name: str, rows: Iterable[object]) -> None:
    """What was read is what was read when the golden hash was taken, to the last letter."""
    lines = [json.dumps(row, sort_keys=True) for row in rows]
    found = {"rows": len(lines), "sha256": hash_bytes("\n".join(lines).encode())}
    golden = json.loads(GOLDEN_ROWS.read_text()) if GOLDEN_ROWS.is_file() else {}
    if os.environ.get("REGENERATE_GOLDEN"):
        golden[name] = found
        GOLDEN_ROWS.write_text(json.dumps(golden, indent=1, sort_keys=True) + "\n")
    assert golden[name] == found


def summarize(row: RawRow) -> tuple[object, ...]:
    """A row without the place where its image lies."""
    image = row.image.name if isinstance(row.image, Path) else row.image
    return row.id, row.split, dict(row.fields), row.origin, image, row.group, row.category


@each_card
def test_task_reader_and_metrics_exist(card: Card) -> None:
    assert set(card.metrics) <= set(METRICS)
    assert bool(card.metrics) == (card.task not in (*SOURCE_TASKS, *PRETRAINING_TASKS))
    if card.task in ("corpus", "vocabulary"):
        reader = {**CORPORA, **VOCABULARIES}[card.name]
        assert (card.reader, card.benchmark, card.candidates) == (reader, False, "none")
    elif card.task == "instruct":
        assert (card.reader, card.benchmark) == (INSTRUCTIONS[card.name], False)
    else:
        assert card.reader in READERS
    if card.name in TASK_NAMES:
        assert card.candidates in CANDIDATES[TASKS[card.task].answer]
        assert (card.candidates == "fixed") == bool(card.answers)


@each_task
def test_metrics_are_what_the_field_reports(card: Card) -> None:
    reported = REPORTED.get(card.task, [])
    if card.name.startswith("cbis_ddsm"):
        reported = ["macro_f1"]  # most of three classes is one of them
    assert card.metrics[: len(reported)] == reported
    assert ("auc" in card.metrics) or not card.name.endswith("mnist")  # as MedMNIST's evaluator
    if "auc" in card.metrics:  # of every class a probability is kept
        assert card.candidates == "fixed" and len(card.answers) <= MAX_OPTIONS


@each_card
def test_published_figures_can_stand_beside_ours(card: Card) -> None:
    for figure in card.published:
        assert SUPPORTED.match(figure.evidence), "a figure from memory is none"
        assert find_measure(card, figure.metric)[0] in card.metrics
        assert figure.zero_shot == ("zero-shot" in figure.model)


@each_card
def test_facts_are_told_whole(card: Card) -> None:
    source = card.source
    assert all((card.title, source.url, source.version, source.licence, source.citation))
    assert "acquire.mode to local" in source.how_to_get
    assert any(folder in source.how_to_get for folder in card.folders)
    figures = [*card.published, *card.releases]
    assert all(EVIDENCE.match(figure.evidence) for figure in figures)
    assert all(re.fullmatch("[0-9a-f]{32}", digest) for digest in source.md5.values())
    assert set(card.recipe) <= set(FinetuneParams.model_fields)
    assert card.modality in MODALITIES


@each_task
def test_no_answer_begins_with_another_where_none_is_closed(card: Card) -> None:
    if TASKS[card.task].decoder_prompt == "source":
        answers = [f"{answer} " for answer in card.answers.values()]
        assert not [(a, b) for a in answers for b in answers if a != b and b.startswith(a)]


def test_params_name_cards_and_every_card_can_be_made() -> None:
    params = load_params(ROOT / "params.yaml")
    assert set(params.datasets) <= set(TASK_NAMES) - set(INSTRUCTIONS)
    alone = set(params.pretraining_sources)
    assert set(params.sources) - alone <= {*CORPORA, *INSTRUCTIONS, *VOCABULARIES}
    assert all(load_card(name, ROOT / "data/cards").trains_only for name in alone)
    assert sorted(MAKERS) == MADE


@each_card
def test_listed_files_are_pinned_and_match_a_role(card: Card, tmp_path: Path) -> None:
    for file in card.source.downloads:
        assert len(file.sha256) == 64
        (tmp_path / file.path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / file.path).touch()
    if card.source.downloads:
        found = {path for role in card.files for path in card.find(tmp_path, role)}
        assert found == {tmp_path / file.path for file in card.source.downloads}


@each_made
def test_sample_files_fill_every_role_under_any_folder_name(
    card: Card, make: Make, tmp_path: Path
) -> None:
    made = make(card.name)
    assert all(card.find(made, role) for role, files in card.files.items() if files.required)
    for folder in card.folders:
        user = tmp_path / folder.replace("/", "-")
        (user / folder).parent.mkdir(parents=True)
        (user / folder).symlink_to(made)
        copies = place_local(card, user, tmp_path / f"{user.name}-raw")
        found = {path for role in card.files for path in card.find(made, role)}
        assert [path.relative_to(tmp_path / f"{user.name}-raw") for path in copies] == sorted(
            path.relative_to(made) for path in found
        )


@each_task
def test_every_row_is_read_and_whole(card: Card, make: Make) -> None:
    rows, task = read_all(card, make(card.name)), TASKS[card.task]
    assert len({row.id for row in rows}) == len(rows)
    for row in rows:
        assert set(row.fields) == set(task.fields)
        assert "#" in row.origin
        assert (row.modality or card.modality) in MODALITIES
        if task.needs_image:
            looked_at = row.image is not None or row.frames or row.signal
            assert looked_at and row.group + row.id
            for image in row.frames or [row.image]:
                content = image.read_bytes() if isinstance(image, Path) else image
                assert content is None or check_image(content, 10_000).width > 0
        assert len(row.boxes) == len(row.fields.get("labels", []))
        if card.task == "vqa":
            assert row.category in ("open", "closed")
    if card.task != "instruct":
        dealt = set(SPLITS) if "fold" in card.options else {UNSPLIT}
        official: set[str] = set(card.official_splits) or dealt
        found = {row.split for row in rows}
        optional = {role for role, files in card.files.items() if not files.required}
        assert found <= official
        assert official - found <= optional - {"train", "test"}


@each_task
def test_what_local_mode_places_reads_the_same(card: Card, make: Make, tmp_path: Path) -> None:
    (tmp_path / "user").mkdir()
    (tmp_path / "user" / card.name).symlink_to(make(card.name))
    by_name = card.model_copy(update={"folders": [card.name]})
    place_local(by_name, tmp_path / "user", tmp_path / "raw")
    copied = [summarize(row) for row in read_all(card, tmp_path / "raw")]
    assert copied == [summarize(row) for row in read_all(card, make(card.name))]


@each_task
def test_prepare_takes_every_row(card: Card, make: Make) -> None:
    params = PrepareParams(
        max_train=1000, max_validation=1000, max_test=1000, derived_validation=0.2,
        derived_test=0.2, max_image_pixels=10_000, max_quarantined=0.0,
    )  # fmt: skip
    rows = read_all(card, make(card.name))
    prepared = build_examples(card, TASKS[card.task], rows, params, seed=1)
    assert prepared.rejects == []
    for example in prepared.examples:
        assert example.source.strip()
        assert example.target.strip() or card.task == "infill_image"
        assert example.references or card.task in PRETRAINING_TASKS
        assert len(example.boxes) == (len(example.references) if card.task == "detect" else 0)
        assert example.split == "train" or not card.trains_only
        assert example.source.startswith(" ")
        if card.candidates == "options":
            assert example.target in example.candidates
        if card.candidates == "fixed":
            assert example.references[0] in [text.lower() for text in card.answers.values()]


@each_task
def test_the_first_row_becomes_the_golden_prompt(card: Card, make: Make) -> None:
    rendered = TASKS[card.task].render(read_all(card, make(card.name))[0].fields)
    prompt = {
        "source": rendered.source, "prefix": rendered.prefix, "target": rendered.target,
    }  # fmt: skip
    path = ROOT / "tests/golden/prompts" / f"{card.name}.json"
    if os.environ.get("REGENERATE_GOLDEN"):
        path.write_text(json.dumps(prompt, indent=2, ensure_ascii=False) + "\n")
    assert json.loads(path.read_text()) == prompt


@each_task
def test_the_rows_are_the_golden_ones(card: Card, make: Make) -> None:
    rows = read_all(card, make(card.name))
    hold_to_golden(
        card.name,
        (
            {
                **{name: getattr(row, name) for name in TOLD},
                "fields": dict(row.fields),
                "signal": [round(value, 6) for value in row.signal],
            }
            for row in rows
        ),
    )


def test_every_golden_prompt_has_its_card() -> None:
    found = sorted(path.stem for path in (ROOT / "tests/golden/prompts").glob("*.json"))
    assert found == TASK_NAMES


@pytest.mark.parametrize("name", sorted(CORPORA))
def test_a_corpus_is_read_without_a_fault(name: str, make: Make, tmp_path: Path) -> None:
    empty = tmp_path / "empty"
    empty.mkdir()
    folders = [make(name) if corpus == name else empty for corpus in ("pubmed", "pmc_oa")]
    params = plain_params(max_quarantined=0.0)
    corpus = build(folders[0], folders[1], tmp_path, params)
    assert corpus.faults == []
    counts = corpus.corpus.counts()
    assert counts["abstracts" if name == "pubmed" else "fulltexts"] > 3
    assert "superseded" in {reject.reason for reject in corpus.rejects}
    with_image = [figure for figure in corpus.figures if figure.image_id]
    assert all(figure.image_id in corpus.images for figure in with_image)
    assert len(corpus.figures) - len(with_image) <= 1  # the sample's one lacking picture
    assert bool(corpus.figures) == (name == "pmc_oa")
    told = [asdict(one) for one in [*corpus.articles, *corpus.figures]]
    hold_to_golden(name, ({k: v for k, v in one.items() if k not in OF_FILES} for one in told))


@each_card
def test_where_places_disagree_the_strictest_licence_is_taken(card: Card) -> None:
    stated = [statement.licence for statement in card.source.stated]
    strict = [licence for licence in stated if licence.endswith(("-NC 4.0", "-NC"))]
    if strict:
        assert card.source.licence.startswith(tuple(strict))
        assert card.source.access != "open"
    assert card.name != "biomed_vital" or {"Apache-2.0", "CC BY-NC 4.0"} <= set(stated)
