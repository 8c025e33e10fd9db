"""Conversations to rows: history, marks, images, and every way in which turns can be broken."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from components.cards import Card
from components.config import PrepareParams
from components.examples import build_examples
from components.instructions.conversations import (
    _pairs,
    name_article,
    read_conversations,
    read_domain,
)
from components.instructions.conversion import NO_IMAGE, Conversion, convert, lay_out
from components.records import OUTSIDE, RawRow, Reject
from components.tasks.registry import TASKS
from tests.components.instructions.conftest import FILE, Turn, turns


def convert_all(
    card: Card, root: Path, conversion: Conversion = "single_turn", history: int = 2
) -> list[RawRow | Reject]:
    rows: list[RawRow | Reject] = []
    for talk in read_conversations(card, root):
        rows += [talk] if isinstance(talk, Reject) else convert(talk, conversion, history)
    return rows


def read(
    card: Card,
    root: Path,
    *records: object,
    conversion: Conversion = "single_turn",
    history: int = 2,
) -> list[RawRow | Reject]:
    (root / FILE).write_text(json.dumps(records))
    return convert_all(card, root, conversion, history)


def rows_of(found: list[RawRow | Reject]) -> list[RawRow]:
    return [item for item in found if isinstance(item, RawRow)]


def test_a_row_for_each_request_with_its_reply(card: Card, tmp_path: Path) -> None:
    record = {"pair_id": "12_F1", "conversations": turns("h1", "g1", "h2", "g2")}
    found = read(card, tmp_path, record)
    first, second = rows_of(found)
    assert len(found) == 2
    assert first.fields == {"history": "", "question": "h1", "answer": "g1"}
    assert second.fields["question"] == "h2"
    assert (first.id, second.id) == ("12_F1/1.0", "12_F1/1.1")
    assert (first.origin, second.origin) == (f"{FILE}#1.0", f"{FILE}#1.1")
    assert {row.split for row in (first, second)} == {"train"}


@pytest.mark.parametrize(
    ("limit", "history"),
    [
        (0, ""),
        (1, "question: h2 answer: g2"),
        (2, "question: h2 answer: g2 question: h1 answer: g1"),
        (9, "question: h2 answer: g2 question: h1 answer: g1"),
    ],
)
def test_history_is_newest_first_and_limited(
    card: Card, tmp_path: Path, limit: int, history: str
) -> None:
    record = {"conversations": turns("h1", "g1", "h2", "g2", "h3", "g3")}
    last = rows_of(read(card, tmp_path, record, history=limit))[-1]
    assert last.fields["history"] == history


def test_history_is_in_lower_case() -> None:
    assert lay_out([("What IS it?", "A CT.")]) == "question: what is it? answer: a ct."


def test_the_image_mark_is_removed_wherever_it_stands(card: Card, tmp_path: Path) -> None:
    record = {"conversations": turns("h1\n<image>", "g1", "h <image>2", "g2")}
    first, second = rows_of(read(card, tmp_path, record))
    assert (first.fields["question"], second.fields["question"]) == ("h1", "h 2")
    assert "<image>" not in second.fields["history"]


NOT_A_TURN: Any = "words"
BROKEN = {
    "an odd number": (turns("h1", "g1", "h2"), ["g1", "unanswered-request"]),
    "two requests": (turns("h1", "h2", "g2"), ["unanswered-request", "g2"]),
    "signs for a reply": (
        [*turns("h1"), {"from": "gpt", "value": "..."}, *turns("h2", "g2")],
        ["empty-turn", "g2"],
    ),
    "a reply first": (turns("g0", "h1", "g1"), ["reply-without-request", "g1"]),
    "two replies": (turns("h1", "g1", "g2"), ["g1", "reply-without-request"]),
    "another speaker": (
        [*turns("h1", "g1"), {"from": "system", "value": "x"}],
        ["g1", "broken-turn"],
    ),
    "no text": ([{"from": "human", "value": 7}, *turns("h1", "g1")], ["broken-turn", "g1"]),
    "no turn": ([NOT_A_TURN, *turns("h1", "g1")], ["broken-turn", "g1"]),
    "an image alone": (
        [{"from": "human", "value": "<image>\n"}, *turns("g1", "h2", "g2")],
        ["empty-turn", "g2"],
    ),
    "an empty reply": (
        [*turns("h1"), {"from": "gpt", "value": " "}, *turns("h2", "g2")],
        ["empty-turn", "g2"],
    ),
}


@pytest.mark.parametrize("name", BROKEN)
def test_what_is_broken_is_refused_alone(card: Card, tmp_path: Path, name: str) -> None:
    conversation, expected = BROKEN[name]
    found = read(card, tmp_path, {"id": 5, "conversations": conversation})
    told = [item.reason if isinstance(item, Reject) else item.fields["answer"] for item in found]
    assert told == expected
    assert [item.origin for item in found] == [f"{FILE}#1.{i}" for i in range(len(found))]


def test_a_broken_pair_is_no_history(card: Card, tmp_path: Path) -> None:
    record = {"conversations": turns("h0", "h1", "g1", "g9", "h2", "g2")}
    assert rows_of(read(card, tmp_path, record))[-1].fields["history"] == "question: h1 answer: g1"


@pytest.mark.parametrize("record", [{}, {"conversations": []}, {"conversations": "h1"}])
def test_a_record_without_conversation_is_refused(card: Card, tmp_path: Path, record: Turn) -> None:
    found = read(card, tmp_path, record, ["not an object"], {"conversations": turns("h", "g")})
    assert [item.reason for item in found if isinstance(item, Reject)] == [
        "no-conversation",
        "not-an-object",
    ]
    assert len(rows_of(found)) == 1


@pytest.mark.parametrize("key", ["image", "imgs"])
def test_the_image_is_found_under_either_key(card: Card, tmp_path: Path, key: str) -> None:
    (tmp_path / "images").mkdir()
    (tmp_path / "images" / "a.jpg").write_bytes(b"picture")
    records = [{key: name, "conversations": turns("h", "g")} for name in ("a.jpg", "b.jpg")]
    there, gone = rows_of(read(card, tmp_path, *records))
    assert (there.image, there.category) == (tmp_path / "images" / "a.jpg", "")
    assert (gone.image, gone.category) == (None, NO_IMAGE)


@pytest.mark.parametrize("key", ["image", "imgs"])
def test_of_a_list_of_images_the_first_that_is_there_is_shown(
    card: Card, tmp_path: Path, key: str
) -> None:
    (tmp_path / "images").mkdir()
    for name in ("b.jpg", "c.jpg"):
        (tmp_path / "images" / name).write_bytes(b"picture")
    record = {key: ["a.jpg", "b.jpg", "c.jpg", 7], "conversations": turns("h", "g")}
    (tmp_path / FILE).write_text(json.dumps([record]))
    (talk,) = read_conversations(card, tmp_path)
    assert not isinstance(talk, Reject)
    assert (talk.image, talk.lacking, talk.key) == (tmp_path / "images/b.jpg", ["a.jpg"], "a")
    assert "more than one image: one is shown" in talk.variants


@pytest.mark.parametrize("name", [None, 7, [], [None], {"a": 1}, ""])
def test_what_is_no_name_is_no_image(card: Card, tmp_path: Path, name: object) -> None:
    (row,) = rows_of(read(card, tmp_path, {"image": name, "conversations": turns("h", "g")}))
    assert (row.image, row.category) == (None, NO_IMAGE)


def test_a_whole_conversation_is_one_example(card: Card, tmp_path: Path) -> None:
    record = {"pair_id": "12_F1", "conversations": turns("h1", "g1", "h2", "g9", "g2", "h3", "g3")}
    found = read(card, tmp_path, record, conversion="multi_turn")
    (row,) = rows_of(found)
    assert row.fields == {"history": "", "question": "h1", "answer": ["g1", "h2", "g9", "h3", "g3"]}
    assert [r.origin for r in found if isinstance(r, Reject)] == [f"{FILE}#1.2"]
    rendered = TASKS["instruct"].render(row.fields)
    assert (rendered.source, rendered.target) == (" h1", " g1\n h2\n g9\n h3\n g3")


def test_a_conversation_without_a_pair_is_no_example(card: Card, tmp_path: Path) -> None:
    (found,) = read(card, tmp_path, {"conversations": turns("h1")}, conversion="multi_turn")
    assert isinstance(found, Reject)


@pytest.mark.parametrize("conversion", ["single_turn", "multi_turn"])
def test_pairs_may_be_left_out_by_rule(card: Card, tmp_path: Path, conversion: Conversion) -> None:
    (tmp_path / FILE).write_text(json.dumps([{"conversations": turns("h1", "g1", "h2", "g2")}]))
    (talk,) = read_conversations(card, tmp_path)
    assert not isinstance(talk, Reject)
    left, row = convert(talk, conversion, 2, {0})
    assert isinstance(left, Reject) and left.reason == OUTSIDE
    assert isinstance(row, RawRow)
    assert (row.fields["history"], row.fields["question"]) == ("", "h2")


def test_files_that_are_read_together_have_ids_of_their_own(card: Card, tmp_path: Path) -> None:
    for name in ("one.json", "two.json"):
        (tmp_path / name).write_text(json.dumps([{"id": 1, "conversations": turns("h", "g")}]))
    assert [row.id for row in rows_of(convert_all(card, tmp_path))] == ["1/1.0", "1/1-1.0"]


def test_a_record_without_image_is_asked_without(card: Card, tmp_path: Path) -> None:
    (row,) = rows_of(read(card, tmp_path, {"conversations": turns("h", "g")}))
    assert (row.image, row.category) == (None, NO_IMAGE)


@pytest.mark.parametrize("name", ["../secret.jpg", "/etc/hostname", "C:\\secret.jpg", "link.jpg"])
def test_a_path_that_leads_outside_is_refused(card: Card, tmp_path: Path, name: str) -> None:
    root = tmp_path / "raw"
    (root / "images").mkdir(parents=True)
    (tmp_path / "secret.jpg").write_bytes(b"secret")
    (root / "images" / "link.jpg").symlink_to(tmp_path / "secret.jpg")
    (found,) = read(card, root, {"image": name, "conversations": turns("h", "g", "h", "g")})
    assert isinstance(found, Reject)
    assert (found.origin, found.reason) == (f"{FILE}#1", "path-outside")


def test_a_conversation_is_a_group_and_a_figure_too(card: Card, tmp_path: Path) -> None:
    """Two conversations about one figure must not part at a split."""
    talk = turns("h1", "g1", "h2", "g2")
    records = [
        {"pair_id": "12_F1", "id": 1, "conversations": talk},
        {"pair_id": "12_F1", "id": 2, "conversations": talk},
        {"id": 3, "conversations": talk},
        {"conversations": talk},
    ]
    rows = rows_of(read(card, tmp_path, *records))
    assert [row.group for row in rows[::2]] == ["12_F1", "12_F1", "3", f"{FILE}#4"]
    assert all(a.group == b.group for a, b in zip(rows[::2], rows[1::2], strict=True))
    assert len({row.id for row in rows}) == len(rows)


@pytest.mark.parametrize(
    ("domain", "modality", "why"),
    [
        ({"ct_scan": True, "mri": False}, "ct", ""),
        ({"ct_scan": True, "mri": True}, "", "several-flags"),
        ({"ct_scan": True, "ultrasound": True}, "", "several-flags"),
        ({"ct_scan": False}, "", "no-flag"),
        ({"ct_scan": "yes"}, "", "no-flag"),
        ({"ultrasound": True}, "", "unknown-flag"),
        ({}, "", "no-flag"),
        ("ct", "", "no-domain"),
        (None, "", "no-domain"),
    ],
)
def test_one_flag_names_the_modality(
    card: Card, tmp_path: Path, domain: object, modality: str, why: str
) -> None:
    (row,) = rows_of(read(card, tmp_path, {"domain": domain, "conversations": turns("h", "g")}))
    assert row.modality == modality
    assert read_domain(domain) == (modality, why)


TURN = st.fixed_dictionaries(
    {"from": st.sampled_from(["human", "gpt", "system"]), "value": st.sampled_from(["a", "", 1])}
)


@given(st.lists(TURN | st.integers(), max_size=12))
def test_no_turn_is_lost(conversation: list[Any]) -> None:
    """A pair or an empty turn takes two turns, any other fault one."""
    found = list(_pairs(conversation))
    taken = [2 if isinstance(item, tuple) or item == "empty-turn" else 1 for item in found]
    assert sum(taken) == len(conversation)


def prepare(card: Card, found: list[RawRow | Reject]) -> Counter[str]:
    """What ``prepare_biomed_vital`` would do with the rows: how many come out, and why not."""
    params = PrepareParams(
        max_train=10_000,
        max_validation=10_000,
        max_test=10_000,
        derived_validation=0.1,
        derived_test=0.1,
        max_image_pixels=10_000,
        max_quarantined=1.0,
    )
    prepared = build_examples(card, TASKS["instruct"], found, params, seed=7)
    assert prepared.num_in == len(found)
    assert len(prepared.examples) + len(prepared.rejects) == prepared.num_in
    splits = {example.group: set[str]() for example in prepared.examples}
    for example in prepared.examples:
        splits[example.group].add(example.split)
    assert all(len(found) == 1 for found in splits.values())
    return Counter(["out"] * len(prepared.examples) + [r.reason for r in prepared.rejects])


def test_in_is_out_and_rejects(card: Card, tmp_path: Path) -> None:
    (tmp_path / "images").mkdir()
    (tmp_path / "images" / "broken.jpg").write_bytes(b"no picture")
    records = [{"id": i, "conversations": BROKEN[name][0]} for i, name in enumerate(BROKEN)]
    records += [{}, {"image": "../x.jpg", "conversations": turns("h", "g")}]
    records += [{"image": "broken.jpg", "conversations": turns("h1", "g1", "h2", "g2")}]
    counts = prepare(card, read(card, tmp_path, *records))
    assert counts == {
        "out": len(BROKEN),
        "unanswered-request": 2,
        "reply-without-request": 2,
        "broken-turn": 3,
        "empty-turn": 3,
        "no-conversation": 1,
        "path-outside": 1,
        "unknown-image-format": 2,
    }


def test_the_real_demonstrations(card: Card, shared_data: Path) -> None:
    """42 records of 162 requests; one holds a second reply. Their images were not published."""
    found = convert_all(card, shared_data / "biomed_vital")
    assert Counter(type(item).__name__ for item in found) == {"RawRow": 162, "Reject": 1}
    assert prepare(card, found) == {"out": 162, "reply-without-request": 1}
    rows = rows_of(found)
    assert {row.category for row in rows} == {NO_IMAGE}
    assert len({row.group for row in rows}) == 42
    assert len({row.id for row in rows}) == 162
    assert {row.modality for row in rows} >= {"ct", "mr", "xray"}


@pytest.mark.parametrize(
    ("record", "image", "names"),
    [
        ({"pmid": "12", "graphic_ref": "b8/2b/PMC34/x.jpg"}, "99_F2.jpg", ["PMID 12", "PMC34"]),
        ({"pmid": None}, "28104940_F2.jpg", ["PMID 28104940"]),
        ({}, "figure.jpg", []),
    ],
)
def test_the_article_is_known_by_every_name(
    record: dict[str, Any], image: str, names: list[str]
) -> None:
    assert name_article(record, image) == names
