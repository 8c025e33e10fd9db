"""A source of each stream from its raw files to what pretraining draws."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from components.cards import load_card
from components.checks import check_card, check_pretraining_source
from components.dataset.left_out import FILE, LeftOut
from components.errors import UserError
from components.lineage import read_manifest
from components.pretraining import read_material
from components.records import (
    Article,
    Example,
    Figure,
    ImageCodes,
    ImageRecord,
    Overlap,
    count_records,
    read_records,
    write_records,
)
from components.stages import acquire, prepare
from tests.components.stages.conftest import Configure

STREAMS = ("deeplesion", "oia_ddr", "chexpert", "medicat", "blue_pubmed", "mimic_iii_notes")


@pytest.fixture
def folders(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, repository: Path, configure: Configure
) -> dict[str, Path]:
    """Small sources, prepared; the test works beside them."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "data").mkdir()
    (tmp_path / "data/cards").symlink_to(repository / "data/cards")
    params = configure(acquire={"sample_images": 20, "sample_texts": 12, "sample_image_px": 32})
    for name in STREAMS:
        acquire.run(params, name)
        prepare.run(params, name)
    return {name: Path("data/examples") / name for name in STREAMS}


def test_all_of_a_source_is_for_training_and_nothing_is_lost(folders: dict[str, Path]) -> None:
    for name, folder in folders.items():
        manifest = read_manifest(folder)
        counts = manifest["counts"]
        assert counts["in"] == counts["out"] + counts["quarantined"], name
        assert counts["train"] == counts["out"] == count_records(folder / "examples.parquet") > 0
        assert manifest["rules"] == list(manifest["quarantine"]), name  # no fault
        assert manifest["notes"]["derived_splits"] == []
    assert read_manifest(folders["deeplesion"])["counts"] == {
        "in": 20, "out": 8, "quarantined": 12, "images": 8, "train": 8, "validation": 0, "test": 0,
    }  # fmt: skip


def test_pretraining_draws_each_source_in_its_stream(folders: dict[str, Path]) -> None:
    articles = Path("data/articles")
    write_records(articles / "articles/a.parquet", Article, [])
    write_records(articles / "figures/a.parquet", Figure, [])
    films = [r.id for r in read_records(folders["chexpert"] / "images.parquet", ImageRecord)]
    codes = [ImageCodes(image, [1]) for image in films]
    write_records(Path("data/codes/codes/a.parquet"), ImageCodes, codes)
    write_records(FILE, Overlap, [])
    material = read_material(articles, Path("data/codes"), list(folders.values()), LeftOut(FILE))
    assert {e.dataset for e in material.detections} == {"deeplesion", "oia_ddr"}
    assert {e.dataset for e in material.pairs} == {"medicat"}
    assert [image for image, _ in material.codes] == films
    texts = [count_records(folders[name] / "examples.parquet") for name in STREAMS[-2:]]
    assert len(material.texts) == sum(texts)
    for example in material.detections:
        assert len(example.boxes) == len(example.references) > 0


def test_boxes_of_another_image_are_set_aside(
    folders: dict[str, Path], configure: Configure
) -> None:
    table = Path("data/raw/deeplesion/DL_info.csv")
    lines = table.read_text().splitlines()
    place = next(i for i, line in enumerate(lines) if line.endswith(",3"))
    cells = lines[place].split('"')
    box = next(i for i, cell in enumerate(cells) if cell.count(",") == 3)
    cells[box + 2] = "300, 300, 310, 310"
    lines[place] = '"'.join(cells)
    table.write_text("\n".join(lines))
    prepare.run(configure(prepare={"max_quarantined": 0.9}), "deeplesion")
    assert read_manifest(folders["deeplesion"])["quarantine"]["box-outside"] == 1


def test_a_source_without_a_usable_record_is_an_error(
    folders: dict[str, Path], configure: Configure
) -> None:
    shutil.rmtree("data/raw/oia_ddr/lesion_segmentation/train")
    with pytest.raises(UserError, match="missing-image"):
        prepare.run(configure(), "oia_ddr")


def test_only_sources_without_a_test_are_for_pretraining_alone(repository: Path) -> None:
    cards = {
        name: load_card(name, repository / "data/cards")
        for name in ("deeplesion", "medicat", "slake", "pubmed", "medqa")
    }
    for name in ("deeplesion", "medicat"):
        check_pretraining_source(cards[name])
        with pytest.raises(UserError, match="name it under sources and pretraining_sources"):
            check_card(cards[name], pretrained_on=False)
    for name in ("slake", "pubmed", "medqa"):
        with pytest.raises(UserError, match=f"names {name}, which is not for that alone"):
            check_pretraining_source(cards[name])


def test_examples_of_detection_survive_being_written(tmp_path: Path) -> None:
    box = [0.5, 1.0, 2.0, 3.0]
    boxed = Example("1", "s", "detect", "train", " what?", " rib", ["rib"], boxes=[box])
    path = tmp_path / "examples.parquet"
    write_records(path, Example, [boxed, Example("2", "s", "vqa", "", "", "")])
    assert [example.boxes for example in read_records(path, Example)] == [[box], []]
