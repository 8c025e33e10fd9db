"""Work spread over processes: the same result, and nothing lost when a worker dies."""

from __future__ import annotations

import os
import signal
from pathlib import Path

import polars as pl
import pytest
import ray

from components.config import IngestPubmedParams
from components.errors import UserError
from components.pubmed.scale import open_workers
from tests.components.pubmed.reading import build
from tests.components.pubmed.test_readings import files_of, first_files, update_files

pytestmark = pytest.mark.services


def double(number: int) -> int:
    if number < 0:
        raise UserError("a negative number", why="of the test")
    return 2 * number


def double_or_die(item: tuple[int, str]) -> int:
    """Dies by a signal the first time that it meets 3."""
    number, mark = item
    if number == 3 and not Path(mark).exists():
        Path(mark).touch()
        os.kill(os.getpid(), signal.SIGKILL)
    return 2 * number


@pytest.mark.parametrize("workers", [0, 2])
def test_results_come_in_the_order_of_the_items(workers: int) -> None:
    with open_workers(workers) as pool:
        assert pool.map(double, range(7), "doubling") == [0, 2, 4, 6, 8, 10, 12]
        with pytest.raises(UserError, match="a negative number"):
            pool.map(double, [1, -1], "doubling")


def test_a_worker_that_dies_is_replaced(tmp_path: Path) -> None:
    items = [(number, str(tmp_path / "died")) for number in range(6)]
    with open_workers(2) as pool:
        assert pool.map(double_or_die, items, "doubling") == [0, 2, 4, 6, 8, 10]
    assert (tmp_path / "died").exists()


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
