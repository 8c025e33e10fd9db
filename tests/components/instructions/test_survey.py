"""What the survey counts, and the lists that it writes."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from components.cards import Card
from components.instructions.conversations import Conversation, read_conversations
from components.instructions.parts import Parts
from components.instructions.survey import Survey, start_survey
from components.records import Reject, write_records
from tests.components.instructions.conftest import FILE, make_world, turns

TALK = turns("h1", "g A fracture is seen.", "h2", "g2")


def survey(card: Card, root: Path, *records: Any) -> tuple[Survey, list[set[int]]]:
    (root / FILE).write_text(json.dumps(records))
    seen = start_survey(root)
    talks = [talk for talk in read_conversations(card, root) if isinstance(talk, Conversation)]
    return seen, [seen.add(talk) for talk in talks]


def lines(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text().splitlines()]


def test_missing_images_are_listed_with_why_and_where(card: Card, tmp_path: Path) -> None:
    lost = Reject("images/b.jpg", "not-in-bucket", "PMC1 b")
    write_records(tmp_path / "quarantine.parquet", Reject, [lost])
    (tmp_path / "images").mkdir()
    (tmp_path / "images/a.jpg").write_bytes(b"picture")
    (tmp_path / "image_keys.jsonl").write_text('{"image": "a.jpg", "licence": "CC BY"}\n')
    place = {"pair_id": "1_F1", "graphic_ref": "b8/2b/PMC1/b.jpg"}
    records = [{"image": "a.jpg"}, {"image": "b.jpg", **place}, {"image": ["a.jpg", "c.jpg"]}, {}]
    records.append({"imgs": "b.jpg"})
    seen, _ = survey(card, tmp_path, *[{**record, "conversations": TALK} for record in records])
    summary = seen.write(tmp_path / "out", Parts([], []), {"a page": "CC BY"})
    assert summary["images"] == {
        "with_image": 2, "without_image": 3, "missing": 2,
        "reasons": {"not-at-hand": 1, "not-in-bucket": 1}, "licences": {"CC BY": 1},
    }  # fmt: skip
    first, second = lines(tmp_path / "out/missing_images.jsonl")
    assert first == {
        "image": "b.jpg", **place, "reason": "not-in-bucket", "detail": "PMC1 b",
        "origin": f"{FILE}#2", "conversations": 2,
    }  # fmt: skip
    assert (second["image"], second["conversations"]) == ("c.jpg", 1)
    assert json.loads((tmp_path / "out/summary.json").read_text()) == summary
    assert summary["licences"] == {"a page": "CC BY"}


def test_replies_without_a_text_are_not_judged(card: Card, tmp_path: Path) -> None:
    domain = {"ct_scan": True}
    bare, told = {"conversations": TALK}, {"fig_caption": "A rib.", "domain": domain}
    seen, claims = survey(card, tmp_path, bare, {**told, "conversations": TALK})
    assert claims == [set(), {0}]
    found = seen.summarize(Parts([], []), {})["unsupported"]
    assert (found["replies"], found["checked"], found["flagged"]) == (4, 2, 1)
    assert found["by_modality"] == {"ct": {"checked": 2, "flagged": 1}}
    assert found["examples"] == [
        {"origin": f"{FILE}#2.0", "modality": "ct", "rule": "finding", "term": "fracture",
         "sentence": "g a fracture is seen.", "text": "A rib."}
    ]  # fmt: skip


def test_mentions_are_read_in_every_form(card: Card, tmp_path: Path) -> None:
    forms: list[Any] = [
        [{"tokens": "A fracture ."}], ["A fracture."], [{"tokens": None}], None, "x", [7], {},
    ]  # fmt: skip
    records = [{"in_text_mention": form, "conversations": TALK} for form in forms]
    _, claims = survey(card, tmp_path, *records)
    assert claims == [set()] * len(forms)


def test_every_way_of_writing_is_counted(card: Card, tmp_path: Path) -> None:
    records = [
        {"image": "a.jpg", "conversations": turns("h\n<image>", "g"), "type": "conversation"},
        {"imgs": ["a.jpg"], "conversations": turns("h", "g", "h")},
        {"image": None, "conversations": turns("h", "g"), "fig_caption": "A rib."},
    ]
    seen, _ = survey(card, tmp_path, *records)
    assert seen.variants == {
        "image under image, a text": 2, "image under imgs, a list": 1,
        "key for an image without a name": 1, "<image> in a turn": 1,
        "no <image> in any turn": 2, "even number of turns": 2, "odd number of turns": 1,
        "neither caption nor mention": 2, "further key: type": 1,
    }  # fmt: skip


def test_the_sample_world_has_every_variant(card: Card, tmp_path: Path) -> None:
    seen = start_survey(make_world(tmp_path))
    for talk in read_conversations(card, tmp_path):
        assert isinstance(talk, Conversation)
        seen.add(talk)
    assert set(seen.unlabelled) == {"no-domain", "no-flag", "several-flags"}
    assert {
        "image under image, a text", "image under image, a list", "image under imgs, a text",
        "image under imgs, a list", "more than one image: one is shown", "odd number of turns",
        "<image> in a turn",
    } <= set(seen.variants)  # fmt: skip
    assert seen.missing and seen.num["without_image"]
