"""The search finds what was planted, and nothing where nothing was planted."""

from __future__ import annotations

import io
import json
from dataclasses import replace
from typing import Any, get_args

import numpy as np
import pytest
from PIL import Image

from components.audit.kinds import KINDS
from components.audit.material import (
    Item,
    item_of_article,
    item_of_example,
    item_of_figure,
    name_retracted,
)
from components.audit.search import Audit, search
from components.audit.summary import draw_evidence, summarize
from components.config import AuditParams
from components.records import Article, Example, Figure, ImageRecord, Reject
from components.report.flags import AUDIT_FLAGS

PARAMS = AuditParams(ngram_words=5, min_alike=0.9, drop=["similar_image"])


def make_picture(seed: int, num_px: int = 64) -> Image.Image:
    noise = np.random.default_rng(seed).integers(0, 256, (6, 6), np.uint8)
    return Image.fromarray(noise).resize((num_px, num_px), Image.Resampling.BICUBIC)


def make_record(name: str, picture: Image.Image, kind: str = "PNG") -> ImageRecord:
    stream = io.BytesIO()
    picture.save(stream, kind)
    return ImageRecord(name, stream.getvalue(), kind, *picture.size, "", "o")


def example(
    name: str,
    split: str,
    source: str,
    target: str = "yes",
    image: str = "",
    group: str = "",
    documents: tuple[str, ...] = (),
) -> Example:
    return Example(
        id=f"{name}/{split}/{source}", dataset=name, task="vqa", split=split, source=source,
        target=target, image_id=image, group=group, documents=list(documents),
    )  # fmt: skip


def article(text: str, **changes: object) -> Article:
    made = Article(
        pmid="7", pmcid="", version=1, kind="abstract", title="Title", text=text, sections=[],
        journal="j", year=2000, language="eng", mesh=[], publication_types=[], doi="", licence="",
        retracted=False, concern=False, origin="o", origin_sha256="0",
    )  # fmt: skip
    return replace(made, **changes)  # type: ignore[arg-type]


LONG = "patients with chronic knee pain were given either drug or placebo for weeks"
ASKED = f"is it true that {LONG}?"


def world() -> list[Example]:
    return [
        example("one", "train", "is it a?", image="shared"),
        example("one", "train", "is it b?", image="own"),
        example("one", "train", "What is that?", image="own"),
        example("one", "test", "is it c?", image="fresh"),
        example("two", "test", "what is this?", image="shared"),
        example("two", "test", "what is that?", image="rescaled"),
        example("two", "test", "what is flat?", image="flat"),
        example("texts", "train", "What is  twice?"),
        example("texts", "train", "who was it?", group="patient 1"),
        example("texts", "test", "what is twice?"),
        example("texts", "test", "what is twice?", target="no"),
        example("texts", "test", ASKED, documents=("PMID 8",)),
        example("texts", "test", "who is it?", group="patient 1"),
        example("talk", "train", "tell me", target=f"we saw that {LONG} or so"),
        example("talk", "train", "and then?", documents=("PMID 8",)),
        example("talk", "train", "and now?", documents=("PMID 9",)),
    ]


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


def material() -> list[Item]:
    articles = [
        article(f"Here {LONG.upper()}."),
        article("else", pmid="8", pmcid="PMC8", kind="fulltext"),
    ]
    figures = [
        Figure("fig1", "PMC1", "1", "a caption", [], "g", "figure", "CC BY", "", "o"),
        Figure("fig2", "PMC8", "1", "a caption", [], "g", "broken", "CC BY", "", "o"),
    ]
    trained = [row for row in world() if row.split == "train"]
    return [
        *map(item_of_article, articles),
        *map(item_of_figure, figures),
        *(item_of_example(row, is_prose=row.dataset == "talk") for row in trained),
    ]


def held_out() -> list[Example]:
    return [row for row in world() if row.split == "test"]


@pytest.fixture(scope="module")
def audit() -> Audit:
    return search(held_out(), material, look, PARAMS, ["PMID 9"])


def test_finds_what_was_planted_and_nothing_else(audit: Audit) -> None:
    rows = [finding.overlap for finding in audit.findings.list_all()]
    assert {(row.kind, row.test_id, row.train, row.train_id) for row in rows} == {
        ("same_image", "two/test/what is this?", "one", "one/train/is it a?"),
        ("similar_image", "two/test/what is that?", "one", "one/train/is it b?"),
        ("similar_image", "one/test/is it c?", "pmc_oa", "fig1"),
        ("same_pair", "two/test/what is that?", "one", "one/train/What is that?"),
        ("same_text", "texts/test/what is twice?", "texts", "texts/train/What is  twice?"),
        ("near_text", f"texts/test/{ASKED}", "pubmed", "PMID 7"),
        ("near_text", f"texts/test/{ASKED}", "talk", "talk/train/tell me"),
        ("same_document", f"texts/test/{ASKED}", "pmc_oa", "PMC8"),
        ("same_document", f"texts/test/{ASKED}", "talk", "talk/train/and then?"),
        ("same_group", "texts/test/who is it?", "texts", "texts/train/who was it?"),
    }
    (first,) = (f for f in audit.findings.list_all() if f.overlap.train == "pubmed")
    assert "\N{LEFT-POINTING DOUBLE ANGLE QUOTATION MARK} patients with chronic" in first.passage


def test_every_training_item_of_a_dropped_kind_is_left_out(audit: Audit) -> None:
    assert {key[1:] for key in audit.findings.left_out} == {
        ("one", "one/train/is it b?"), ("one", "one/train/What is that?"), ("pmc_oa", "fig1"),
    }  # fmt: skip
    nothing = search(held_out(), material, look, PARAMS.model_copy(update={"drop": []}))
    assert nothing.findings.left_out == {}


def test_the_summary_counts_and_its_evidence_has_pictures(audit: Audit) -> None:
    summary = summarize(audit, held_out(), PARAMS)
    assert summary["counts"] == {
        "images": 7, "flat_images": 1, "unreadable_images": 1, "training_items": 12,
        "test_items": 8, "left_out": 3,
    }  # fmt: skip
    (pair,) = (row for row in summary["overlaps"] if row["kind"] == "same_image")
    assert (pair["test"], pair["train"], pair["num_test"], pair["of_test"]) == ("two", "one", 1, 3)
    assert summary["retracted"] == {"talk": 1}
    json.dumps(summary, allow_nan=False)
    shown = {record.id for record in draw_evidence(summary, look)}
    assert shown == {"shared", "own", "rescaled", "fresh", "figure"}


def test_a_pmcid_and_a_pmid_of_one_article_are_one_document() -> None:
    held = [example("q", "test", "does it?", documents=("PMID 8",))]
    other = Figure("f", "PMC8", "", "c", [], "g", "", "", "", "o")
    known = article("else", pmid="8", pmcid="PMC8")
    rows = search(held, lambda: [item_of_article(known), item_of_figure(other)], list, PARAMS)
    assert {(f.overlap.kind, f.overlap.train) for f in rows.findings.list_all()} == {
        ("same_document", "pubmed"), ("same_document", "pmc_oa"),
    }  # fmt: skip


def test_every_kind_can_be_dropped_and_is_a_flag() -> None:
    (allowed,) = get_args(AuditParams.model_fields["drop"].annotation)
    assert set(get_args(allowed)) == set(KINDS) == {kind for kind, _, _ in AUDIT_FLAGS}


def test_the_answer_makes_a_text_another_text() -> None:
    rows = [example("a", "train", "is it?", "yes"), example("a", "test", "is it?", "no")]
    items = [item_of_example(rows[0], is_prose=False)]
    assert search(rows[1:], lambda: items, list, PARAMS).findings.list_all() == []


def test_a_course_that_was_measured_is_part_of_a_text() -> None:
    def course(split: str, *values: float) -> Example:
        return replace(example("vital", split, "how does it go on?"), signal=list(values))

    tests = [course("test", 36.5, 37.25, 38)]
    for values, kinds in (((36.5, 37.25, 38.0), ["same_text"]), ((36.5, 37.25, 39.0), [])):
        items = [item_of_example(course("train", *values), is_prose=False)]
        found = search(tests, items.copy, list, PARAMS).findings.list_all()
        assert [finding.overlap.kind for finding in found] == kinds


def test_nothing_at_all_is_no_overlap() -> None:
    found: Any = search([], list, list, PARAMS)
    assert found.findings.list_all() == []
    assert summarize(found, [], PARAMS)["overlaps"] == []


def test_retracted_articles_are_known_by_where_they_stood() -> None:
    rejects = [
        Reject("baseline/pubmed26n1.xml.gz#41578200.1", "retracted", "a title"),
        Reject("PMC7.1/PMC7.1.xml#1", "retracted", ""),
        Reject("baseline/pubmed26n1.xml.gz#5.1", "too-short", ""),
    ]
    assert list(name_retracted(rejects)) == ["PMID 41578200", "PMC7"]
