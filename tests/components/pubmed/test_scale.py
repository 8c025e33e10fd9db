"""The corpus made by several processes: the same bytes, and shards that other readers read."""

from __future__ import annotations

from pathlib import Path

import polars as pl
import pytest
import ray

from components.config import IngestPubmedParams
from components.scale import open_workers
from tests.components.pubmed.reading import build
from tests.components.pubmed.test_readings import files_of, first_files, update_files

pytestmark = pytest.mark.services


def test_the_corpus_is_the_same_byte_for_byte_whatever_the_workers(
    tmp_path: Path, params: IngestPubmedParams
) -> None:
    params = params.model_copy(update={"near_duplicates": True})
    first_files(tmp_path)
    update_files(tmp_path)
    found = {
        workers: build(
            tmp_path / "pubmed", tmp_path / "pmc", tmp_path / str(workers),
            params.model_copy(update={"workers": workers}),
        )
        for workers in (0, 2)
    }  # fmt: skip
    assert found[0] == found[2]
    assert files_of(tmp_path / "0") == files_of(tmp_path / "2")


@pytest.mark.slow
def test_the_shards_are_read_by_polars_and_by_ray_data(
    tmp_path: Path, params: IngestPubmedParams
) -> None:
    first_files(tmp_path)
    found = build(tmp_path / "pubmed", tmp_path / "pmc", tmp_path / "work", params)
    folder = tmp_path / "work/out/articles"
    titles = pl.scan_parquet(folder / "**/*.parquet").select("origin", "title").collect()
    with open_workers(1):
        rows = ray.data.read_parquet(str(folder), file_extensions=["parquet"]).take_all()
    assert len(rows) == len(titles) == len(found.articles)
    assert {row["origin"] for row in rows} == set(titles["origin"])
