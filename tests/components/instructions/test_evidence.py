"""The evidence check: what a reply asserts beyond its text, and what asserts nothing."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path

import pytest

from components.cards import Card
from components.instructions.conversations import Conversation, read_conversations
from components.instructions.evidence import find_unsupported
from components.instructions.survey import Survey
from components.sample.biomed_vital import INVENTED
from tests.components.instructions.conftest import make_world

TEXT = "Axial CT of the chest shows a 12 mm nodule in the left lung. No pleural effusion."


def terms(reply: str, text: str = TEXT, modality: str = "") -> list[tuple[str, str]]:
    return [(claim.rule, claim.term) for claim in find_unsupported(reply, text, modality)]


@pytest.mark.parametrize(
    ("reply", "expected"),
    [
        ("The MRI shows a nodule.", [("modality", "mr")]),
        ("The nodule lies in the right lung.", [("side", "right")]),
        ("There are bilateral nodules.", [("side", "bilateral")]),
        ("It measures 15 mm.", [("number", "15")]),
        ("A fracture of the rib is seen.", [("finding", "fracture")]),
        ("There is a pleural effusion.", [("finding", "effusion")]),  # which the caption denies
        ("The right lung has a FRACTURE \N{EN DASH} and an abscess.",
         [("side", "right"), ("finding", "abscess"), ("finding", "fracture")]),
        ("A fracture. Another fracture.", [("finding", "fracture")]),  # once
    ],
)  # fmt: skip
def test_what_the_text_does_not_hold_is_flagged(
    reply: str, expected: list[tuple[str, str]]
) -> None:
    assert terms(reply) == expected


@pytest.mark.parametrize(
    "reply",
    [
        "The CT scan shows a nodule of 12.0 mm in the left lung.",
        "Computed tomography shows a mass on the left.",  # another word for what is there
        "There is no fracture.",
        "The image does not show any signs of a fracture or an abscess.",
        "A fracture is not seen; an abscess is absent.",
        "It lies without a pneumothorax in the lung.",
        "This may indicate a fracture.",
        "A fracture may be present.",
        "It shows no fracture, abscess or embolism.",
        "The nodule is there, suggesting a malignancy.",
        "An MRI could confirm a metastasis.",
        "A fracture refers to a break of the bone.",
        "An embolism is a condition in which a vessel is blocked by a thrombus.",
        "It is visible in the left image, in the right panel and on the right side of the picture.",
        "See Figure 3, at C7-D2.",
        "That is right now unknown.",
        "Ask whether there is a fracture.",
    ],
)
def test_what_asserts_nothing_new_is_not_flagged(reply: str) -> None:
    assert terms(reply) == []


def test_denial_and_doubt_end_at_but() -> None:
    assert terms("There is no fracture, but an abscess.") == [("finding", "abscess")]
    assert terms("It may be a cyst; an abscess is seen.") == [("finding", "abscess")]
    assert terms("No fracture, and an abscess is seen.") == [("finding", "abscess")]


def test_a_caption_that_doubts_supports_and_one_that_denies_does_not() -> None:
    assert terms("A fracture is seen.", "There may be a fracture.") == []
    assert terms("A fracture is seen.", "No fracture. A nodule.") == [("finding", "fracture")]
    assert terms("An abscess is seen.", "No fracture. An abscess.") == []


def test_flags_speak_for_a_modality() -> None:
    assert terms("The X-ray shows a nodule.", "A nodule.", "xray") == []
    assert terms("The X-ray shows a nodule.", "A nodule.", "ct") == [("modality", "xray")]


def test_both_sides_speak_for_each_and_each_for_both() -> None:
    assert terms("On the left and on the right.", "Bilateral nodules.") == []
    assert terms("Bilateral nodules.", "Nodules in the left and in the right lung.") == []


def test_numbers_in_words_count() -> None:
    assert terms("There are 3 nodules of 2.5 cm.", "Three nodules, 2.50 cm.") == []


def test_a_flag_carries_its_sentence() -> None:
    (claim,) = find_unsupported("A nodule.  There is\na fracture here. It is small.", TEXT)
    assert claim.sentence == "there is a fracture here."


def test_the_planted_claims_of_the_sample_world_are_all_that_is_found(
    card: Card, tmp_path: Path
) -> None:
    survey, planted = Survey(), set()
    for talk in read_conversations(card, make_world(tmp_path)):
        assert isinstance(talk, Conversation)
        replies = [pair[1] if isinstance(pair, tuple) else "" for pair in talk.pairs]
        planted.update(
            f"{talk.origin}.{n}" for n, reply in enumerate(replies) if reply.startswith(INVENTED)
        )
        survey.add(talk)
    assert {claim["origin"] for claim in survey.claims} == planted
    assert len(planted) == 6
    assert Counter(claim["rule"] for claim in survey.claims) == {"finding": 4, "number": 2}


def test_the_real_demonstrations_hold_to_their_captions(shared_data: Path) -> None:
    """Clinicians chose them: two claims in 163 replies, both on a figure with a bare caption."""
    path = shared_data / "biomed_vital/doctor_few_shot_examples.json"
    found = []
    for record in json.loads(path.read_bytes()):
        mentions = [mention["tokens"] for mention in record["in_text_mention"]]
        text = " ".join([record["fig_caption"], *mentions])
        for turn in record["conversations"]:
            if turn["from"] == "gpt":
                found += [(record["id"], c.term) for c in find_unsupported(turn["value"], text)]
    assert [claim for claim in found if claim[1] not in ("ct", "mr", "xray")] == [
        (31, "consolidation"), (31, "pneumonia"),
    ]  # fmt: skip
