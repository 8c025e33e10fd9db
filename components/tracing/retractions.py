"""Which records were withdrawn after a model had read them, and what they touched."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

import polars as pl
import pyarrow.parquet as pq

from components.errors import check_metadata, damage_told
from components.records import BROKEN
from components.tracing.corpus import list_shards, list_withdrawn, scan
from components.tracing.documents import find_examples
from components.tracing.ledger import LEDGERS, NUMBERS, keep_ledger, ledger_path
from components.tracing.products import Product, Products

CORPUS = "data/articles"


def count_retractions(products: Iterable[Product]) -> dict[str, int]:
    """Of the corpus among these products: records that stand in it though they are retracted or of
    concern, and those that were left out as retracted. Nothing where there is no corpus."""
    corpus = next((product for product in products if product.path == CORPUS), None)
    if corpus is None:
        return {}
    rows = scan(list_shards(Path(corpus.path) / "articles"), ("retracted", "concern"))
    kept = rows.select(pl.col("retracted", "concern").sum()).collect().row(0, named=True)
    left_out = corpus.manifest["quarantine"].get("retracted", 0)
    return {"retracted": kept["retracted"], "concern": kept["concern"], "left_out": left_out}


@dataclass(frozen=True, slots=True)
class Recall:
    """Withdrawn records that formed something. ``rows``: pmid, pmcid, state, origin, corpus.

    ``touched`` maps what read them (a corpus' hash, or a folder of examples) to the products that
    it formed; ``unknown`` are models whose corpus has no ledger here.
    """

    rows: pl.DataFrame
    num_withdrawn: int
    touched: Mapping[str, list[str]]
    unknown: list[str]


def recall_records(products: Products, folder: Path = LEDGERS) -> Recall:
    """What the present corpus says is withdrawn, of what the products that are here were made of.

    Of a corpus that a product names by an earlier hash: what it held as sound and is withdrawn
    now. Of a data set: items about an article that is retracted now.
    """
    keep_ledger(folder=folder)
    withdrawn = list_withdrawn()
    touched: dict[str, list[str]] = {}
    found, unknown = [], []
    for sha256, direct in sorted(_list_readers(products).items()):
        ledger = ledger_path(sha256, folder)
        if not ledger.is_file():
            unknown += direct
            continue
        rows = _match(withdrawn, ledger).with_columns(read_by=pl.lit(f"{CORPUS} {sha256[:12]}"))
        if len(rows):
            found.append(rows)
            touched[f"{CORPUS} {sha256[:12]}"] = _list_formed(products, direct)
    for folder_name, rows in find_examples(products, withdrawn).items():
        found.append(rows.with_columns(read_by=pl.lit(folder_name)))
        formed = _list_formed(products, [folder_name])
        touched[folder_name] = [path for path in formed if path != folder_name]
    none = withdrawn.clear().with_columns(read_by=pl.lit(""))
    return Recall(pl.concat([none, *found]), len(withdrawn), touched, sorted(unknown))


def _list_readers(products: Products) -> dict[str, list[str]]:
    """Products that were made of a corpus, by the hash that it had then."""
    readers: dict[str, list[str]] = {}
    for product in products.by_path.values():
        if CORPUS in product.inputs and product.stage != "report":
            readers.setdefault(product.inputs[CORPUS], []).append(product.path)
    return readers


def _list_formed(products: Products, direct: list[str]) -> list[str]:
    return sorted({*direct, *(product.path for product in products.list_after(direct))})


def _match(withdrawn: pl.DataFrame, ledger: Path) -> pl.DataFrame:
    """Withdrawn records that a ledger holds in a better state than they have now."""
    with damage_told(ledger, *BROKEN):
        check_metadata(pq.read_schema(ledger).metadata, ledger)
    held = pl.scan_parquet(ledger, glob=False, hive_partitioning=False).select(NUMBERS)
    matches = [
        withdrawn.lazy().filter(pl.col(name) != "").join(
            # a number may stand there twice (citation and full text): sound in one form is sound
            held.group_by(name).agg(
                was_retracted=pl.col("retracted").all(), was_concern=pl.col("concern").all()
            ),
            on=name,
        )
        for name in ("pmid", "pmcid")
    ]  # fmt: skip
    known = pl.col("was_retracted") | ((pl.col("state") == "concern") & pl.col("was_concern"))
    return (
        pl.concat(matches).filter(~known).select(withdrawn.columns)
        .unique(maintain_order=True).collect()
    )  # fmt: skip
