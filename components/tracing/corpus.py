"""Records of the corpus by number, read off its Parquet shards: taken, left out, or withdrawn."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import polars as pl

from components.errors import UserError
from components.lineage import QUARANTINE
from components.records import read_footer

ARTICLES = Path("data/articles")
DOCUMENT = re.compile(
    r"(?:PMID:?\s*)?([1-9]\d{0,8})|(?:PMCID:?\s*)?(PMC[1-9]\d{0,11})", re.IGNORECASE
)
PMID_AT_END, PMCID_IN = r"#(\d+)(?:\.\d+)?$", r"#(PMC\d+)"
COLUMNS = ("pmid", "pmcid", "version", "kind", "title", "licence", "retracted", "concern", "origin")
SHARD = "shard"
WITHDRAWN = ("retracted", "deleted")  # reasons of the quarantine


@dataclass(frozen=True, slots=True)
class Document:
    """An article by its number: ``pmid`` without letters, ``pmcid`` with PMC; one may be ""."""

    pmid: str
    pmcid: str

    @property
    def names(self) -> list[str]:
        """As examples call it (``documents``)."""
        return [f"PMID {self.pmid}"] * bool(self.pmid) + [self.pmcid] * bool(self.pmcid)


def parse_document(text: str) -> Document | None:
    """The document that a text like PMID:123 or PMC456 names; None where it names none."""
    found = DOCUMENT.fullmatch(text.strip())
    return Document(found[1] or "", (found[2] or "").upper()) if found else None


def scan(files: Sequence[Path], columns: Iterable[str]) -> pl.LazyFrame:
    """Some columns of shards, with the path of each row's shard; paths are no patterns.

    UserError for a shard whose footer is damaged, or of a newer package's.
    """
    for file in files:
        read_footer(file)
    rows = pl.scan_parquet(
        list(files), glob=False, hive_partitioning=False, include_file_paths=SHARD
    )
    return rows.select(SHARD, *columns)


def list_shards(folder: Path) -> list[Path]:
    """The shards below a folder in the order of their paths; none where there is no folder."""
    return sorted(path for path in folder.rglob("*.parquet") if path.is_file())


def find_taken(document: Document, articles: Path = ARTICLES) -> pl.DataFrame:
    """Rows of the corpus that are this article, in every form, without their text.

    UserError where there is no corpus.
    """
    shards = list_shards(articles / "articles")
    if not shards:
        raise UserError(f"{articles} holds no corpus", next_command="dvc repro ingest_pubmed")
    return scan(shards, COLUMNS).filter(_is(document)).collect()


def _is(document: Document) -> pl.Expr:
    pairs = (("pmid", document.pmid), ("pmcid", document.pmcid))
    return pl.any_horizontal(pl.col(name) == value for name, value in pairs if value)


def find_left_out(document: Document, articles: Path = ARTICLES) -> pl.DataFrame:
    """Lines of the quarantine about this article: shard, origin, reason, detail."""
    shards = list_shards(articles / QUARANTINE)
    if not shards:
        return pl.DataFrame(schema=dict.fromkeys((SHARD, "origin", "reason", "detail"), pl.String))
    return (
        scan(shards, ("origin", "reason", "detail")).with_columns(*_numbers())
        .filter(_is(document)).drop("pmid", "pmcid").collect()
    )  # fmt: skip


def _numbers() -> Iterable[pl.Expr]:
    """PMID and PMCID out of an origin, "" where it tells none."""
    origin = pl.col("origin")
    yield origin.str.extract(PMID_AT_END).fill_null("").alias("pmid")
    yield origin.str.extract(PMCID_IN).fill_null("").alias("pmcid")


def count_figures(document: Document, articles: Path = ARTICLES) -> int:
    """Figures of the article in the corpus."""
    shards = list_shards(articles / "figures")
    if not shards or not document.pmcid:
        return 0
    rows = scan(shards, ("pmcid",)).filter(pl.col("pmcid") == document.pmcid)
    return int(rows.select(pl.len()).collect().item())


def list_withdrawn(articles: Path = ARTICLES) -> pl.DataFrame:
    """pmid, pmcid, state, origin of every record that is retracted, deleted, or of concern now.

    A number that is left out in one form and stands in the corpus in another is not withdrawn.
    """
    held = scan(list_shards(articles / "articles"), COLUMNS)
    state = (
        pl.when("retracted").then(pl.lit("retracted")).when("concern").then(pl.lit("concern"))
    )  # fmt: skip
    names = ("pmid", "pmcid", "state", "origin")
    found = [held.with_columns(state=state).filter(pl.col("state").is_not_null()).select(names)]
    shards = list_shards(articles / QUARANTINE)
    if shards:
        rows = scan(shards, ("origin", "reason", "detail")).filter(
            pl.col("reason").is_in(WITHDRAWN)
        )
        lost = rows.with_columns(*_numbers(), state="reason").select(names)
        for name in ("pmid", "pmcid"):
            stands = held.filter(pl.col(name) != "").select(name)
            lost = lost.join(stands, on=name, how="anti")
        found.append(lost)
    return pl.concat(found).unique(("pmid", "pmcid", "state"), keep="first").sort(names).collect()
