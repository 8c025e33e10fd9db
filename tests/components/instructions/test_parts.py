"""Which conversations stand in which file, and which stand twice in one."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from components.cards import Card
from components.instructions.parts import compare_parts, fingerprint
from tests.components.instructions.conftest import make_world, turns


def talk(word: str, image: str = "a.jpg", **more: Any) -> dict[str, Any]:
    return {"image": image, "conversations": turns(f"h {word}", f"g {word}"), **more}


def write(folder: Path, **files: list[Any]) -> list[Path]:
    paths = [folder / f"{name}.json" for name in files]
    for path, records in zip(paths, files.values(), strict=True):
        path.write_text(json.dumps(records))
    return paths


def test_a_conversation_is_known_by_images_and_turns() -> None:
    one = talk("one", id=1, fig_caption="A")
    assert fingerprint(one) == fingerprint(talk("one", id=2, domain={}))
    marked = {"imgs": ["a.jpg"], "conversations": turns("h  one\n<image>", "g one")}
    assert fingerprint(one) == fingerprint(marked)
    assert len({fingerprint(t) for t in (one, talk("two"), talk("one", "b.jpg"))}) == 3


def test_records_are_placed_in_all_their_files(tmp_path: Path) -> None:
    a, b, c = talk("a"), talk("b"), talk("c")
    parts = compare_parts(write(tmp_path, large=[a, b, a, a], middle=[b, {}, "x", c], small=[c]))
    summary = parts.summarize()
    files = [tuple(of.values()) for of in summary["files"]]
    assert files == [
        ("small.json", 1, 1, 0, []),
        ("middle.json", 4, 2, 0, []),
        ("large.json", 4, 2, 2, ["large.json#1 and #3"]),
    ]
    assert {tuple(p["files"]): p["conversations"] for p in summary["shared"]} == {
        ("small.json", "middle.json"): 1,
        ("small.json", "large.json"): 0,
        ("middle.json", "large.json"): 1,
    }
    assert {tuple(h["files"]): h["conversations"] for h in summary["held_by"]} == {
        ("large.json",): 1,
        ("middle.json", "large.json"): 1,
        ("small.json", "middle.json"): 1,
    }
    assert [row["records"] for row in parts.rows()] == [
        {"small.json": [1], "middle.json": [4]},
        {"middle.json": [1], "large.json": [2]},
        {"large.json": [1, 3, 4]},
    ]


def test_turns_of_any_kind_have_a_fingerprint() -> None:
    for turn in (7, None, "x", {"from": "gpt"}, {"value": "\ud800"}, {"value": 1}):
        assert len(fingerprint({"conversations": [turn]})) == 16


def test_the_sample_world_has_parts_as_the_published_ones(card: Card, tmp_path: Path) -> None:
    """210K holds all; 150K holds 80K and lacks 60K; 60K holds one conversation twice."""
    files = card.find(make_world(tmp_path, 100), "parts")
    summary = compare_parts(files).summarize()
    by_part = {tuple(name.split("-")[-1].removesuffix(".json") for name in held["files"]):
               held["conversations"] for held in summary["held_by"]}  # fmt: skip
    assert by_part == {("80K", "150K", "210K"): 19, ("150K", "210K"): 17, ("60K", "210K"): 14}
    assert {of["file"]: of["repeated"] for of in summary["files"]} == {
        f"BioMed-VITAL-instructions-{part}.json": int(part == "60K")
        for part in ("60K", "80K", "150K", "210K")
    }
