"""What pretraining reads: whole texts with their sections apart, pairs of train splits only."""

from __future__ import annotations

from dataclasses import asdict, replace
from pathlib import Path

import pytest

from components.config import Params
from components.dataset.left_out import LeftOut
from components.errors import UserError
from components.pretraining import pretrain_worker, read_material
from components.profiles.overlay import read_profile
from components.records import Article, Example, Figure, ImageCodes, Overlap, write_records
from components.run_plan import plan_run
from components.schema import validate
from components.tokenization.vocabulary import train_vocabulary

ARTICLE = Article(
    pmid="1", pmcid="PMC1", version=1, kind="fulltext", title="A title", text="Aim\nOne.\nTwo.",
    sections=["Aim"], journal="J", year=2020, language="eng", mesh=[], publication_types=[], doi="",
    licence="CC BY", retracted=False, concern=False, origin="a#1", origin_sha256="0",
)  # fmt: skip
FIGURE = Figure("PMC1.1/F1", "PMC1", "Fig. 1", "A rib.", [], "f1", "i1", "CC BY", "", "a#1/F1")
EXAMPLE = Example("e", "set", "vqa", "train", " is it?", " yes", image_id="i2")


def leave_out(folder: Path, *rows: Overlap) -> LeftOut:
    write_records(folder / "left_out.parquet", Overlap, rows)
    return LeftOut(folder / "left_out.parquet")


def write(folder: Path, articles: list[Article]) -> tuple[Path, Path, list[Path], LeftOut]:
    write_records(folder / "articles" / "articles/a.parquet", Article, articles)
    write_records(folder / "articles" / "figures/a.parquet", Figure, [FIGURE])
    held = replace(EXAMPLE, id="t", split="test", image_id="i3")
    write_records(folder / "set" / "examples.parquet", Example, [EXAMPLE, held])
    for n in (1, 2, 3):  # a shard each
        shard = folder / f"codes/codes/{n:05d}.parquet"
        write_records(shard, ImageCodes, [ImageCodes(f"i{n}", [n, n])])
    return folder / "articles", folder / "codes", [folder / "set"], leave_out(folder)


def test_texts_are_whole_with_an_empty_line_between_sections(tmp_path: Path) -> None:
    labelled = replace(ARTICLE, text="AIM: One.\nMETHODS: Two.", sections=["AIM", "METHODS"])
    texts = read_material(*write(tmp_path, [ARTICLE, labelled])).texts
    assert [bytes(texts.content[a:b]).decode() for a, b in texts.spans()] == [
        "A title\nAim\nOne.\nTwo.",  # the title stays with what follows it
        "A title\nAIM: One.\n\nMETHODS: Two.",
    ]


def test_pairs_and_codes_of_held_out_images_stay_out(tmp_path: Path) -> None:
    material = read_material(*write(tmp_path, []))
    assert [pair.image_id for pair in material.pairs] == ["i2", "i1"]
    assert material.pairs[1].target == " A rib."
    assert [(name, list(codes)) for name, codes in material.codes] == [
        ("i1", [1, 1]),
        ("i2", [2, 2]),
    ]
    assert len(material.texts) == 0


def test_sources_give_texts_boxes_and_pairs_of_their_train_parts(tmp_path: Path) -> None:
    articles, codes, sets, left_out = write(tmp_path, [ARTICLE])
    text = replace(EXAMPLE, task="infill_text", source=" prompt", target=" a text", image_id="")
    boxed = replace(EXAMPLE, task="detect", references=["rib"], boxes=[[0.0, 1.0, 2.0, 3.0]])
    alone = replace(EXAMPLE, task="infill_image", target="", image_id="i1")
    caption = replace(EXAMPLE, task="caption", target=" a rib")
    for name, example in (("t", text), ("b", boxed), ("i", alone), ("c", caption)):
        held = replace(example, id="h", split="test", image_id="")
        write_records(tmp_path / name / "examples.parquet", Example, [example, held])
        sets.append(tmp_path / name)
    material = read_material(articles, codes, sets, left_out)
    assert bytes(material.texts.content) == b"A title\nAim\nOne.\nTwo.a text"
    assert len(material.texts) == 2
    assert material.detections == [boxed]
    assert [pair.target for pair in material.pairs] == [" yes", " a rib", " A rib."]


def test_the_corpus_in_shards_is_the_same_material(tmp_path: Path) -> None:
    articles = [replace(ARTICLE, pmid=str(i), title=f"title {i}") for i in range(5)]
    whole = read_material(*write(tmp_path / "whole", articles))
    folders = write(tmp_path / "cut", articles[:2])
    for unit, part in (("a1/x", articles[2:3]), ("b", articles[3:]), ("c", [])):
        write_records(folders[0] / f"articles/{unit}.parquet", Article, part)
    cut = read_material(*folders)
    assert bytes(cut.texts.content) == bytes(whole.texts.content)
    assert cut.texts.ends.tolist() == whole.texts.ends.tolist()
    assert cut.pairs == whole.pairs


def test_what_is_left_out_is_no_material_and_the_rest_is_the_same(tmp_path: Path) -> None:
    other = replace(ARTICLE, pmcid="PMC2", title="another")
    *folders, nothing = write(tmp_path, [ARTICLE, other])
    whole = read_material(*folders, nothing)
    rows = [
        Overlap("same_document", "q", "q/1", "pmc_oa", "PMC1", "", "PMC1"),
        Overlap("same_image", "q", "q/2", "pmc_oa", FIGURE.id, "i1", "equal"),
    ]
    material = read_material(*folders, leave_out(tmp_path, *rows))
    assert bytes(material.texts.content).startswith(b"another")
    assert (len(material.texts), len(whole.texts)) == (1, 2)
    assert material.pairs == [pair for pair in whole.pairs if pair.id != FIGURE.id]
    assert [(name, list(codes)) for name, codes in material.codes] == [("i2", [2, 2])]


def test_without_pairs_there_is_nothing_to_count_the_streams_by(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    articles, codes, _, _ = write(tmp_path, [ARTICLE])
    write_records(articles / "figures/a.parquet", Figure, [])
    leave_out(tmp_path / "data/audit")
    train_vocabulary([" a rib"] * 3, 20, num_codes=4, num_bins=4).save(tmp_path / "data/vocabulary")
    params = validate(Params, read_profile("demo"), "demo")
    plan = plan_run(
        params,
        "pretrain",
        "debug",
        params.pretrain,
        start_from=None,
        inputs=[articles, codes, tmp_path / "pretraining"],
        out=tmp_path / "out",
    )
    with pytest.raises(UserError, match="no image-text pair") as caught:
        pretrain_worker(asdict(plan))
    assert "pretrained_on" in caught.value.next_command
