"""Nothing is lost between the stages: what one says that it gave is what the next one took.

That each manifest's own sums add up is tested in test_demo.py. Here rows are counted in the files,
and names are followed from one product into the next.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from subprocess import CompletedProcess
from typing import Any

import polars as pl
import pytest

from components.config import load_params
from components.lineage import MANIFEST, QUARANTINE, hash_product, read_manifest
from components.records import count_records
from components.tracing.products import Product, Products, read_products
from components.training_config import SEED_FOLDER
from tests.pipeline.conftest import Project

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900), pytest.mark.xdist_group("demo")]


@pytest.fixture
def products(
    project: Project, first_run: CompletedProcess[str], monkeypatch: pytest.MonkeyPatch
) -> Products:
    """All products of the run; their paths are relative to the project."""
    monkeypatch.chdir(project.root)
    return read_products()


def made_by(products: Products, *stages: str) -> Iterator[tuple[Product, Path, dict[str, int]]]:
    """The products of some stages, with folder and counts; there must be some."""
    found = [product for product in products.by_path.values() if product.stage in stages]
    assert found, stages
    for product in found:
        yield product, Path(product.path), product.manifest["counts"]


def read_column(path: Path, name: str) -> list[Any]:
    """A column of a Parquet file or of a folder's shards, in order."""
    shards = sorted(path.rglob("*.parquet")) if path.is_dir() else [path]
    return [value for shard in shards for value in pl.read_parquet(shard)[name].to_list()]


def test_every_stage_left_a_product(products: Products) -> None:
    doors = {path.stem for path in Path("components/stages").glob("*.py")} - {"__init__", "door"}
    stages = {product.stage for product in products.by_path.values()}
    assert stages == doors
    gathered = read_manifest(Path("data/pretraining"))
    params = load_params()
    names = [*params.pretrained_on, *params.pretraining_sources]
    assert gathered["inputs"].keys() == {f"data/examples/{name}" for name in names}
    assert gathered["counts"]["out"] == len(names)


def test_no_product_was_made_of_anything_but_what_lies_there(products: Products) -> None:
    for product in products.by_path.values():
        for name, sha256 in product.inputs.items():
            assert hash_product(Path(name)) == sha256, (product.path, name)


def test_raw_files_are_those_that_were_acquired(products: Products) -> None:
    for product, folder, counts in made_by(products, "acquire"):
        files = {
            path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()
        }
        own = {MANIFEST, QUARANTINE}
        assert files - own == product.manifest["files"].keys() - own, folder
        assert len(files - own) == counts["files"], folder


def test_every_record_that_was_read_is_in_the_corpus_or_its_quarantine(products: Products) -> None:
    ((_, folder, counts),) = made_by(products, "ingest_pubmed")
    reports = [json.loads(path.read_text()) for path in Path("data/readings").rglob("unit.json")]
    assert sum(report["num_in"] for report in reports) == counts["in"]
    assert sum(len(report["deletions"]) for report in reports) == counts["deletions"]
    kinds = Counter(read_column(folder / "articles", "kind"))
    assert kinds == {"abstract": counts["abstracts"], "fulltext": counts["fulltexts"]}
    figures = read_column(folder / "figures", "image_id")
    assert len(figures) == counts["figures"]
    assert kinds.total() + len(figures) == counts["out"]
    assert count_records(folder / QUARANTINE) == counts["quarantined"]
    assert {name for name in figures if name} <= set(read_column(folder / "images", "id"))
    assert count_records(folder / "images") == counts["images"]


def test_examples_are_counted_by_split_and_have_their_images(products: Products) -> None:
    for _, folder, counts in made_by(products, "prepare", "prepare_biomed_vital"):
        splits = Counter(read_column(folder / "examples.parquet", "split"))
        told = {name: counts[name] for name in ("train", "validation", "test") if counts[name]}
        assert splits == told and splits.total() == counts["out"], folder
        images = read_column(folder / "images.parquet", "id")
        shown = set(read_column(folder / "examples.parquet", "image_id")) - {""}
        assert sorted(images) == sorted(shown) and len(images) == counts["images"], folder


def test_every_image_for_training_has_its_codes_or_a_reason(products: Products) -> None:
    ((_, folder, counts),) = made_by(products, "tokenize_images")
    wanted, barred = set(read_column(Path("data/articles/images"), "id")), set()
    params = load_params()
    for name in [*params.pretrained_on, *params.pretraining_sources]:
        examples = pl.read_parquet(Path("data/examples") / name / "examples.parquet")
        wanted |= set(examples.filter(pl.col("task") != "detect")["image_id"])
        barred |= set(examples.filter(pl.col("split") != "train")["image_id"])
    coded = read_column(folder / "codes", "image_id")
    assert len(coded) == len(set(coded)) == counts["out"]
    assert counts["in"] == len(wanted - barred - {""}) == len(coded) + counts["quarantined"]
    assert set(coded) <= wanted - barred


def test_tuning_read_every_training_example(products: Products) -> None:
    for product, folder, _ in made_by(products, "finetune", "instruct"):
        dataset = product.manifest["identity"].get("dataset")
        examples = Path("data/examples") / dataset if dataset else Path("data/instructions")
        notes = product.manifest["notes"]
        (counted,) = [of["examples"] for of in (notes.get("lengths"), notes.get("material")) if of]
        given = products.by_path[examples.as_posix()].manifest["counts"]["train"]
        assert counted + notes["left_out"] == given, folder


def test_every_test_item_was_asked_under_every_condition(products: Products) -> None:
    for product, folder, counts in made_by(products, "evaluate", "evaluate_zero_shot"):
        dataset = product.manifest["identity"]["dataset"]
        examples = pl.read_parquet(Path("data/examples") / dataset / "examples.parquet")
        wanted = examples.filter(pl.col("split") == "test")["id"].to_list()
        files = [path for path in folder.glob("*.parquet") if path.name != QUARANTINE]
        assert sum(map(count_records, files)) == counts["out"], folder
        for path in files:
            asked: dict[str, list[str]] = {}
            for row in pl.read_parquet(path).iter_rows(named=True):
                asked.setdefault(row["condition"], []).append(row["id"])
            assert "full" in asked, path
            assert all(sorted(ids) == sorted(wanted) for ids in asked.values()), path


def test_every_answer_to_a_probe_is_listed(products: Products) -> None:
    for _, folder, counts in made_by(products, "probe"):
        assert count_records(folder / "predictions.parquet") == counts["out"] > 0, folder


def test_every_overlap_that_was_counted_is_listed(products: Products) -> None:
    ((_, folder, counts),) = made_by(products, "audit")
    assert count_records(folder / "overlaps.parquet") == counts["out"]
    assert count_records(folder / "left_out.parquet") == counts["left_out"]


def test_the_report_read_every_product(products: Products) -> None:
    ((report, _, counts),) = made_by(products, "report")
    others = {path for path, product in products.by_path.items() if product.stage != "report"}
    seeds = {path for path in others if f"/{SEED_FOLDER}" in path}  # read where they are evaluated
    assert set(report.inputs) == others - seeds
    assert counts["in"] == len(report.inputs)
