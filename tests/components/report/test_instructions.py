"""The section on instruction data, made from a survey of the sample world."""

from __future__ import annotations

import copy
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from components.cards import load_card
from components.instructions.conversations import Conversation, read_conversations
from components.instructions.parts import compare_parts
from components.instructions.survey import Survey
from components.report.flags import find_flags
from components.report.inputs import ReportInputs
from components.report.instructions import view_instructions
from components.report.page import build_report
from tests.components.instructions.conftest import make_world
from tests.components.report.test_page import EVIL, Outline, words

STATED = {"tag on Hugging Face": "Apache-2.0", "project page": "CC BY-NC 4.0"}
REPLIES = {"texts": 900, "tokens": 20_000, "median": 18, "longest": 90, "texts_cut": 30,
           "tokens_lost": 400}  # fmt: skip


def material(target: int = 64, lost: int = 400) -> dict[str, Any]:
    request = REPLIES | {"texts_cut": 0, "tokens_lost": 0}
    return {
        "examples": 900, "without_image": 9, "sampling": "balanced",
        "modalities": {"": {"examples": 100, "drawn": 100}, "ct": {"examples": 700, "drawn": 400},
                       "gross": {"examples": 100, "drawn": 400}},
        "lengths": {"limits": {"source": 128, "target": target}, "longest_target": 91,
                    "first_cut": "x",
                    "kinds": {"request": request, "reply": REPLIES | {"tokens_lost": lost}}},
    }  # fmt: skip


@pytest.fixture(scope="module")
def summary(tmp_path_factory: pytest.TempPathFactory, repository: Path) -> dict[str, Any]:
    card = load_card("biomed_vital", repository / "data/cards")
    folder, survey = tmp_path_factory.mktemp("raw"), Survey()
    for talk in read_conversations(card, make_world(folder, 120)):
        assert isinstance(talk, Conversation)
        survey.add(talk)
    return survey.summarize(compare_parts(card.find(folder, "parts")), STATED)


@pytest.fixture
def told(inputs: ReportInputs, summary: dict[str, Any], repository: Path) -> ReportInputs:
    manifests = copy.deepcopy(inputs.manifests)
    settings = {"conversion": "single_turn", "history_turns": 2}
    manifests["data/instructions"]["settings"] = settings
    manifests["data/instructions"]["notes"] = {"cut": {"examples": 3, "words": 70}}
    for size in inputs.params.sizes:
        manifests[f"data/models/instructed/{size}"]["notes"] = {"material": material()}
    cards = inputs.cards | {"biomed_vital": load_card("biomed_vital", repository / "data/cards")}
    return replace(inputs, instructions=summary, manifests=manifests, cards=cards)


def test_the_section_tells_all_that_was_surveyed(told: ReportInputs) -> None:
    page = build_report(told)
    assert Outline(page).open == []
    shown = words(page)
    for text in (
        "Each reply is an example: the request with up to 2 earlier pairs",
        "60 conversations", "What training draws: balanced over modalities",
        "gross 100 11.1 % 400 44.4 %", "reply debug, micro 900 18 90 64 30 3.3 % 400 2.0 %",
        "cost 3 examples 70 words", "trained on without an image: 1.", "that are missing: 3 (",
        "more than one image: one is shown", "the record has no flags", "several flags are true",
        "60K 18 1 #1 and #18", "22 in 80K, 150K, 210K", "tag on Hugging Face Apache-2.0",
        "taken here CC BY-NC 4.0", "2 (0.", "the largest measures 34 mm.",
        "a pneumothorax is seen.",
    ):  # fmt: skip
        assert text in shown, text


def test_without_balancing_the_bars_say_it(told: ReportInputs) -> None:
    for size in told.params.sizes:
        folder = f"data/models/instructed/{size}"
        told.manifests[folder]["notes"]["material"] = material() | {"sampling": "as_is"}
    assert "What training draws" not in words(build_report(told))


def test_sizes_with_other_limits_have_rows_of_their_own(told: ReportInputs) -> None:
    small, large = told.params.sizes[0], told.params.sizes[-1]
    told.manifests[f"data/models/instructed/{large}"]["notes"]["material"] = material(91, 0)
    view = view_instructions(told)
    assert view is not None
    assert [(sizes, kind, limit) for sizes, kind, _, limit in view.lengths] == [
        (small, "request", 128), (small, "reply", 64),
        (large, "request", 128), (large, "reply", 91),
    ]  # fmt: skip


def test_the_square_is_that_of_the_pairs(told: ReportInputs) -> None:
    view = view_instructions(told)
    assert view is not None
    names = [part["name"] for part in view.parts]
    place = {name: names.index(name) for name in ("60K", "80K", "150K", "210K")}
    assert view.shared[place["60K"]][place["210K"]] == 17
    assert view.shared[place["80K"]][place["60K"]] == 0
    assert view.shared == [list(column) for column in zip(*view.shared, strict=True)]


def test_losses_and_disagreement_are_a_note(told: ReportInputs, inputs: ReportInputs) -> None:
    (flag,) = [flag for flag in find_flags(told, [], []) if flag.section == "instructions"]
    assert flag.level == "note"
    assert "2.0 % of the reply tokens are cut off (debug)" in flag.detail
    assert "1 conversations (1.7 %) lack their image" in flag.detail
    assert "different licences" in flag.detail
    assert not [f for f in find_flags(inputs, [], []) if f.section == "instructions"]


def test_one_file_and_no_training_are_shown_too(told: ReportInputs) -> None:
    parts = {"files": told.instructions["parts"]["files"][:1], "shared": [], "held_by": []}
    bare = replace(told, instructions=told.instructions | {"parts": parts, "unlabelled": {}})
    for size in told.params.sizes:
        del bare.manifests[f"data/models/instructed/{size}"]["notes"]["material"]
    shown = words(build_report(bare))
    assert "What training draws" not in shown and "Every record's flags name one." in shown


def test_text_of_records_stays_text(told: ReportInputs) -> None:
    summary = copy.deepcopy(told.instructions)
    summary["variants"][EVIL] = 1
    summary["unlabelled"]["no-flag"]["examples"] = [EVIL]
    summary["images"]["licences"] = {EVIL: 1}
    summary["images"]["reasons"] = {EVIL: 1}
    summary["parts"]["files"][0]["examples"] = [EVIL]
    for claim in summary["unsupported"]["examples"]:
        claim |= {"sentence": EVIL, "text": EVIL, "origin": EVIL}
    outline = Outline(build_report(replace(told, instructions=summary)))
    assert outline.open == [] and outline.count("script") == 1
    assert not any("onerror" in attrs for _, attrs in outline.found)
