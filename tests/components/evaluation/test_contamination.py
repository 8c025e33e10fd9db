"""The audit finds what was planted, and nothing where nothing was planted."""

from __future__ import annotations

import io
import json
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from components.cards import Card, Files, Source
from components.config import AuditParams
from components.evaluation.contamination import audit
from components.evaluation.lookalikes import difference_hash, find_nearest
from components.evaluation.wordruns import RunIndex, hash_runs
from components.records import Article, Example, Figure, ImageRecord

PARAMS = AuditParams(ngram_words=5, image_hash_bits=4)


def make_card(name: str, task: str) -> Card:
    source = Source(
        url="u",
        version="1",
        licence="CC0",
        access="open",
        how_to_get="h",
        citation="c",
        downloads=[],
    )
    return Card(
        name=name, title=name, task=task, benchmark=True, source=source, folders=[name],  # type: ignore[arg-type]
        files={"rows": Files(patterns=["*"])}, reader="r", official_splits=[],
        candidates="none", metrics=["accuracy"], options={}, answers={}, modality="", recipe={},
    )  # fmt: skip


def make_picture(seed: int, num_px: int = 64) -> Image.Image:
    noise = np.random.default_rng(seed).integers(0, 256, (6, 6), np.uint8)
    return Image.fromarray(noise).resize((num_px, num_px), Image.Resampling.BICUBIC)


def make_record(name: str, picture: Image.Image, kind: str = "PNG") -> ImageRecord:
    stream = io.BytesIO()
    picture.save(stream, kind)
    return ImageRecord(name, stream.getvalue(), kind, *picture.size, "", "o")


def example(name: str, split: str, source: str, target: str = "yes", image: str = "") -> Example:
    return Example(
        id=f"{name}/{split}/{source}", dataset=name, task="vqa", split=split, source=source,
        target=target, image_id=image,
    )  # fmt: skip


def article(text: str, **changes: object) -> Article:
    made = Article(
        pmid="7", pmcid="", version=1, kind="abstract", title="Title", text=text, sections=[],
        journal="j", year=2000, language="eng", mesh=[], publication_types=[], doi="", licence="",
        retracted=False, concern=False, origin="o", origin_sha256="0",
    )  # fmt: skip
    return replace(made, **changes)  # type: ignore[arg-type]


LONG = "patients with chronic knee pain were given either drug or placebo for weeks"


def world() -> dict[str, list[Example]]:
    return {
        "one": [
            example("one", "train", "is it a?", image="shared"),
            example("one", "train", "is it b?", image="own"),
            example("one", "test", "is it c?", image="fresh"),
        ],
        "two": [
            example("two", "test", "what is this?", image="shared"),
            example("two", "test", "what is that?", image="rescaled"),
            example("two", "test", "what is flat?", image="flat"),
        ],
        "texts": [
            example("texts", "train", "What is  twice?"),
            example("texts", "test", "what is twice?"),
            example("texts", "test", "what is twice?", target="no"),
            example("texts", "test", f"is it true that {LONG}?"),
        ],
        "talk": [example("talk", "train", "tell me", target=f"we saw that {LONG} or so")],
    }


def look() -> list[ImageRecord]:
    return [
        make_record("shared", make_picture(1)),
        make_record("own", make_picture(2)),
        make_record("fresh", make_picture(3)),
        make_record("rescaled", make_picture(2, 150), "JPEG"),
        make_record("flat", Image.new("L", (64, 64), 90)),
        ImageRecord("broken", b"\x89PNG nonsense", "PNG", 1, 1, "", "o"),
        make_record("figure", make_picture(3, 90)),
    ]


@pytest.fixture(scope="module")
def result() -> tuple[dict[str, object], list[dict[str, object]]]:
    cards = {name: make_card(name, "instruct" if name == "talk" else "vqa") for name in world()}
    articles = [article(f"Here {LONG.upper()}."), article("else", retracted=True, concern=True)]
    figures = [Figure("fig1", "PMC1", "1", "a caption", [], "g", "figure", "CC BY", "", "o")]
    return audit(world(), iter(look()), iter(articles), cards, PARAMS, figures=figures)


def test_finds_what_was_planted_and_nothing_else(result) -> None:  # type: ignore[no-untyped-def]
    _, rows = result
    assert {(row["kind"], row["test_id"], row["train"]) for row in rows} == {
        ("same_image", "two/test/what is this?", "one"),
        ("similar_image", "two/test/what is that?", "one"),
        ("similar_image", "one/test/is it c?", "pmc_oa"),
        ("same_text", "texts/test/what is twice?", "texts"),
        ("shared_text", f"texts/test/is it true that {LONG}?", "pubmed"),
        ("shared_text", f"texts/test/is it true that {LONG}?", "talk"),
    }
    train_ids = {(row["kind"], row["train"]): row["train_id"] for row in rows}
    assert train_ids["similar_image", "one"] == "one/train/is it b?"
    assert train_ids["similar_image", "pmc_oa"] == "fig1"
    assert train_ids["shared_text", "pubmed"] == "PMID 7"
    runs = {row["train"]: row["evidence"] for row in rows if row["kind"] == "shared_text"}
    assert "patients with chronic knee pain" in runs["pubmed"]


def test_the_summary_counts(result) -> None:  # type: ignore[no-untyped-def]
    summary, _ = result
    assert summary["counts"] == {
        "images": 7, "flat_images": 1, "unreadable_images": 1, "texts": 4, "test_items": 7
    }  # fmt: skip
    assert summary["retractions"] == {"articles": 2, "retracted": 1, "concern": 1}
    pair = {"kind": "same_image", "test": "two", "train": "one", "num_test": 1, "of_test": 3}
    assert pair in summary["overlaps"]
    assert [licence["name"] for licence in summary["licences"]] == list(world())
    json.dumps(summary, allow_nan=False)


def test_the_answer_makes_a_text_another_text() -> None:
    rows = {"a": [example("a", "train", "is it?", "yes"), example("a", "test", "is it?", "no")]}
    assert audit(rows, [], [], {}, PARAMS)[1] == []


def test_nothing_at_all_is_no_overlap() -> None:
    summary, rows = audit({}, [], [], {}, PARAMS)
    assert rows == [] and summary["overlaps"] == []


@pytest.mark.parametrize("change", ["smaller", "brighter", "jpeg"])
def test_a_look_survives_what_copies_go_through(change: str) -> None:
    picture = make_picture(11, 200)
    changed = {
        "smaller": lambda: picture.resize((77, 77)),
        "brighter": lambda: picture.point(lambda value: value * 0.8 + 30),
        "jpeg": lambda: Image.open(io.BytesIO(make_record("x", picture, "JPEG").bytes)),
    }[change]()
    first, second = difference_hash(picture), difference_hash(changed)
    assert first is not None and second is not None
    assert (first ^ second).bit_count() <= 4


def test_unlike_pictures_are_far_apart() -> None:
    hashes = [difference_hash(make_picture(seed)) for seed in range(20)]
    gaps = [(a ^ b).bit_count() for i, a in enumerate(hashes) for b in hashes[i + 1 :] if a and b]
    assert len(gaps) == 190 and min(gaps) > 8


@settings(max_examples=30)
@given(
    st.lists(st.integers(0, 2**64 - 1), max_size=20),
    st.lists(st.integers(0, 2**64 - 1), min_size=1, max_size=20),
)
def test_the_nearest_is_the_nearest(wanted: list[int], known: list[int]) -> None:
    nearest, distance = find_nearest(np.array(wanted, np.uint64), np.array(known, np.uint64))
    for value, place, bits in zip(wanted, nearest, distance, strict=True):
        gaps = [(value ^ other).bit_count() for other in known]
        assert bits == min(gaps) == gaps[place]


words = st.lists(st.sampled_from("abcde"), max_size=15)


@given(words, words, st.integers(2, 4))
def test_shared_runs_agree_with_a_plain_search(
    test: list[str], train: list[str], length: int
) -> None:
    def runs(text: list[str]) -> set[tuple[str, ...]]:
        return {tuple(text[i : i + length]) for i in range(len(text) - length + 1)}

    index = RunIndex(["unrelated words here", " ".join(test)], length)
    found = index.find(" ".join(train))
    common = runs(test) & runs(train)
    if not common:
        assert found == []
    else:
        (shared,) = found
        assert shared.item == 1
        assert shared.share == pytest.approx(len(common) / len(runs(test)))
        assert tuple(shared.run.split()) in common


def test_runs_of_other_order_are_other_runs() -> None:
    assert len(hash_runs(["a", "b", "c", "d", "e"], 3)) == 3
    assert hash_runs(["a", "b"], 2) != hash_runs(["b", "a"], 2)
    assert len(hash_runs(["a"], 2)) == 0
