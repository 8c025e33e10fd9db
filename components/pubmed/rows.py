"""The rows that all units gave: read where they are wanted, named by where they stand."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import polars as pl

from components.pubmed.readings import bands_path
from components.pubmed.shards import ARTICLES
from components.pubmed.units import Unit

AT = ["unit", "row"]  # where a row stands: the number of its unit, and its number in the shard
BY = ["by_unit", "by_row"]  # where the row stands that another one yields to


@dataclass
class Readings:
    """The shards of all units, in the order of the units, and the deletions that each states."""

    units: Sequence[Unit]
    folder: Path
    deletions: Sequence[Sequence[tuple[str, int]]]

    def scan(self, number: int) -> pl.LazyFrame:
        """The articles of a unit, with where they stand."""
        return self._scan(number, self._own(number) / "articles.parquet")

    def scan_bands(self, number: int) -> pl.LazyFrame:
        """The fingerprints of a unit's texts, with where they stand."""
        return self._scan(number, bands_path(self._own(number)))

    def _own(self, number: int) -> Path:
        return self.folder / self.units[number].name

    def _scan(self, number: int, path: Path) -> pl.LazyFrame:
        at = pl.lit(number, dtype=pl.UInt32).alias("unit")
        rows = pl.scan_parquet(path, glob=False, hive_partitioning=False)
        return rows.with_row_index("row").with_columns(at)

    def load(self, columns: Sequence[str | pl.Expr], *, citations: bool) -> pl.DataFrame:
        """Some columns of all citations, or of all else."""
        numbers = [n for n, u in enumerate(self.units) if (u.kind == "citations") == citations]
        none = pl.LazyFrame(schema={**pl.Schema(ARTICLES), "unit": pl.UInt32, "row": pl.UInt32})
        frames = [none, *(self.scan(number) for number in numbers)]
        return pl.concat(pl.collect_all([frame.select(*AT, *columns) for frame in frames]))
