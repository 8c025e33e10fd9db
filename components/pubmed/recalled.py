"""Which records of a corpus have been retracted since it was built, for a flow that updates it."""

from __future__ import annotations

from pathlib import Path

import polars as pl

from components.lineage import QUARANTINE


def read_taken(corpus: Path) -> set[str]:
    """PMIDs and PMCIDs of the records that a corpus holds and that nobody calls retracted."""
    rows = _scan(corpus / "articles")
    if rows is None:
        return set()
    return _names(rows.filter(~pl.col("retracted")))


def find_recalled(taken: set[str], corpus: Path) -> list[str]:
    """Those of ``taken`` that the corpus, as it is now, calls retracted; sorted."""
    retracted: set[str] = set()
    if (rows := _scan(corpus / "articles")) is not None:  # where retracted ones are kept
        retracted |= _names(rows.filter(pl.col("retracted")))
    if (rows := _scan(corpus / QUARANTINE)) is not None:
        retracted |= _names(rows.filter(pl.col("reason") == "retracted"))
    return sorted(taken & retracted)


def _scan(folder: Path) -> pl.LazyFrame | None:
    if next(folder.rglob("*.parquet"), None) is None:
        return None
    return pl.scan_parquet(folder / "**/*.parquet")


def _names(rows: pl.LazyFrame) -> set[str]:
    """An origin ends in #PMID or #PMCID.VERSION; a new version is still the same article."""
    named = rows.select(pl.col("origin").str.extract(r"#([^#.]+)(?:\.\d+)?$"))
    return set(named.collect().to_series().drop_nulls())
