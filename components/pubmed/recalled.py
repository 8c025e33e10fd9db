"""Which records of a corpus have been retracted since it was built, for a flow that updates it."""

from __future__ import annotations

from pathlib import Path

import polars as pl

from components.lineage import QUARANTINE
from components.records import read_footer

NAME = "name"


def read_taken(corpus: Path) -> pl.Series:
    """PMIDs and PMCIDs of the records that a corpus holds and that nobody calls retracted.

    A column and not a set of Python's: of all of PubMed a set takes some gigabytes.
    """
    rows = _scan(corpus / "articles")
    return _names([] if rows is None else [rows.filter(~pl.col("retracted"))])


def find_recalled(taken: pl.Series, corpus: Path) -> list[str]:
    """Those of ``taken`` that the corpus, as it is now, calls retracted; sorted."""
    found = []
    if (rows := _scan(corpus / "articles")) is not None:  # where retracted ones are kept
        found.append(rows.filter(pl.col("retracted")))
    if (rows := _scan(corpus / QUARANTINE)) is not None:
        found.append(rows.filter(pl.col("reason") == "retracted"))
    retracted = _names(found).to_frame()
    return retracted.join(taken.to_frame(), on=NAME, how="semi")[NAME].sort().to_list()


def _scan(folder: Path) -> pl.LazyFrame | None:
    shards = sorted(path for path in folder.rglob("*.parquet") if path.is_file())
    for shard in shards:
        read_footer(shard)
    return pl.scan_parquet(shards, glob=False, hive_partitioning=False) if shards else None


def _names(found: list[pl.LazyFrame]) -> pl.Series:
    """Each number once. An origin ends in #PMID.VERSION or #PMCID.VERSION; a new version is still
    the same article."""
    number = pl.col("origin").str.extract(r"#([^#.]+)(?:\.\d+)?$").alias(NAME)
    none = pl.LazyFrame(schema={NAME: pl.String})
    named = pl.concat([none, *(rows.select(number) for rows in found)])
    return named.drop_nulls().unique().collect()[NAME]
