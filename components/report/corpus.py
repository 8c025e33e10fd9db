"""Counts the corpus: its texts, figures, licences and sources, from its shards, column by column.

Memory holds counts, never the texts.
"""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import polars as pl

from components.config import Params
from components.errors import damage_told
from components.pubmed.licences import name_kind
from components.records import find_shards, read_footer
from components.report.inputs import Corpus, SourceFile
from components.report.lengths import measure_lengths

MAX_SOURCES = 20  # files that are named, the largest; the rest is counted together
FILE = pl.col("origin").str.replace(r"#[^#]*$", "")  # an origin is file#record


def count_corpus(folder: Path, vocabulary: Path, params: Params) -> Corpus | None:
    """What stands in ``folder``; None where there are no articles.

    Without a finished ``vocabulary`` the texts' tokens are not counted. Raises UserError where a
    shard cannot be read.
    """
    if not (folder / "articles").exists():
        return None
    with damage_told(folder / "articles", pl.exceptions.PolarsError):
        return _count_all(folder, vocabulary, params)


def _count_all(folder: Path, vocabulary: Path, params: Params) -> Corpus:
    articles = scan(folder / "articles")
    figures = scan(folder / "figures") if (folder / "figures").exists() else None
    states = _count(articles.select(state=_name_state()), "state")
    sources, num_sources = _list_sources(articles)
    return Corpus(
        articles_by_year=_count_years(articles),
        publication_types=_count_types(articles),
        languages=_count(articles.select(pl.col("language").str.split(",").explode()), "language"),
        licences=_count_licences(articles, figures),
        states=states,
        num_journals=len(_count(articles.filter(pl.col("journal") != ""), "journal")),
        num_figures=_num_rows(figures) if figures is not None else 0,
        figure_modalities=_count(figures, "modality") if figures is not None else {},
        sources=sources,
        num_sources=num_sources,
        lengths=measure_lengths(articles, figures, vocabulary, params),
    )


def scan(path: Path) -> pl.LazyFrame:
    """A Parquet file or a folder of shards as one table, in the order of the corpus.

    UserError for one that is damaged, or of a newer package's.
    """
    shards = find_shards(path)
    for shard in shards:
        read_footer(shard)
    return pl.scan_parquet(shards, glob=False)


def count_by_split(path: Path, column: str) -> dict[str, dict[str, int]]:
    """Split of examples to the value of a column to their number, the most frequent first.

    UserError where the file cannot be read.
    """
    with damage_told(path, pl.exceptions.PolarsError):
        table = scan(path)
        splits = sorted(_count(table, "split"))
        return {split: _count(table.filter(pl.col("split") == split), column) for split in splits}


def _num_rows(table: pl.LazyFrame) -> int:
    return int(table.select(pl.len()).collect().item())


def _count(table: pl.LazyFrame, column: str) -> dict[str, int]:
    """Rows by the value of a column, the most frequent first."""
    counted = table.group_by(column).len().sort(["len", column], descending=[True, False])
    return dict(counted.collect(engine="streaming").iter_rows())


def _name_state() -> pl.Expr:
    """What notices say of an article: the gravest that holds."""
    concern = pl.when("concern").then(pl.lit("concern")).otherwise(pl.lit("sound"))
    return pl.when("retracted").then(pl.lit("retracted")).otherwise(concern)


def _count_years(articles: pl.LazyFrame) -> dict[str, dict[int, int]]:
    counted = articles.group_by("kind", "year").len().sort("kind", "year")
    by_year: dict[str, dict[int, int]] = {}
    for kind, year, count in counted.collect(engine="streaming").iter_rows():
        by_year.setdefault(kind, {})[year] = count
    return by_year


def _count_types(articles: pl.LazyFrame) -> dict[str, int]:
    """Articles by publication type; one of several types counts for each, one of none for ""."""
    types = pl.col("publication_types")
    counts = _count(articles.select(types.list.unique().explode()), "publication_types")
    num_bare = _num_rows(articles.filter(types.list.len() == 0))
    return {**counts, **({"": num_bare} if num_bare else {})}


def _count_licences(
    articles: pl.LazyFrame, figures: pl.LazyFrame | None
) -> dict[str, dict[str, int]]:
    """Kind of record to kind of licence to count, the most frequent first."""
    stated = {
        kind: _count(articles.filter(pl.col("kind") == kind), "licence")
        for kind in ("abstract", "fulltext")
    }
    if figures is not None:
        stated["figure"] = _count(figures, "licence")
    return {kind: _group_licences(counts) for kind, counts in stated.items() if counts}


def _group_licences(counts: dict[str, int]) -> dict[str, int]:
    grouped: Counter[str] = Counter()
    for licence, count in counts.items():
        grouped[name_kind(licence)] += count
    return dict(grouped.most_common())


def _list_sources(articles: pl.LazyFrame) -> tuple[list[SourceFile], int]:
    """The files that most articles are from, and how many files there are."""
    is_abstract, year = pl.col("kind") == "abstract", pl.col("year")
    grouped = articles.group_by(file=FILE, sha256="origin_sha256").agg(
        is_abstract.sum().alias("abstracts"),
        (~is_abstract).sum().alias("fulltexts"),
        year.filter(year > 0).min().fill_null(0).alias("first_year"),
        year.max().alias("last_year"),
        pl.len().alias("num"),
    )
    found = grouped.sort(["num", "file"], descending=[True, False]).collect(engine="streaming")
    rows = found.head(MAX_SOURCES).drop("num").iter_rows(named=True)
    return [SourceFile(**row) for row in rows], len(found)
