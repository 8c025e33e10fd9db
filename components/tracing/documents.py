"""Examples that are about an article: which data set, which split, how many."""

from __future__ import annotations

from pathlib import Path

import polars as pl

from components.tracing.corpus import Document, scan
from components.tracing.products import Products

FILE = "examples.parquet"


def count_examples(products: Products, document: Document) -> dict[str, dict[str, int]]:
    """Items that name an article, by the folder of examples and the split."""
    found: dict[str, dict[str, int]] = {}
    for path in _list_examples(products):
        rows = scan([Path(path) / FILE], ("split", "documents")).filter(
            pl.col("documents").list.eval(pl.element().is_in(document.names)).list.any()
        )
        counts = rows.group_by("split").len().collect()
        if len(counts):
            found[path] = dict(sorted(counts.iter_rows()))
    return found


def _list_examples(products: Products) -> list[str]:
    stages = ("prepare", "prepare_biomed_vital")
    made = [path for path, product in products.by_path.items() if product.stage in stages]
    return [path for path in made if (Path(path) / FILE).is_file()]


def find_examples(products: Products, withdrawn: pl.DataFrame) -> dict[str, pl.DataFrame]:
    """Of withdrawn records those that items are about, by the folder of examples."""
    named = pl.concat([
        withdrawn.filter(pl.col("pmid") != "").with_columns(name=pl.format("PMID {}", "pmid")),
        withdrawn.filter(pl.col("pmcid") != "").with_columns(name=pl.col("pmcid")),
    ])  # fmt: skip
    found: dict[str, pl.DataFrame] = {}
    for path in _list_examples(products):
        names = scan([Path(path) / FILE], ("documents",)).select(name=pl.col("documents").explode())
        rows = named.lazy().join(names.unique(), on="name", how="semi").drop("name").collect()
        if len(rows):
            found[path] = rows.unique(maintain_order=True)
    return found
