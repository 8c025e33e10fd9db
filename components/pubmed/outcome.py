"""What becomes of one unit: its share of the corpus, and the records that were not taken, why."""

from __future__ import annotations

from collections import Counter
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path

import polars as pl
import pyarrow as pa

from components.errors import UserError
from components.lineage import QUARANTINE, hash_bytes
from components.pubmed.licences import may_be_used
from components.pubmed.shards import REJECTS, Shard, open_shard, read_shard, row_groups
from components.pubmed.units import Unit
from components.records import SCHEMAS, Article, Figure, ImageRecord

IMAGE_BYTES = 16 << 20  # of images in a row group
DETAIL_CHARS = 200
NAMES = ("origin", "reason", "detail")


@dataclass
class Outcome:
    """Numbers of records taken, reasons of those not taken, and an example of each reason."""

    abstracts: int = 0
    fulltexts: int = 0
    figures: int = 0
    images: int = 0
    reasons: Counter[str] = field(default_factory=Counter)
    examples: dict[str, str] = field(default_factory=dict)

    def __add__(self, other: Outcome) -> Outcome:
        """Of two units together."""
        return Outcome(
            self.abstracts + other.abstracts,
            self.fulltexts + other.fulltexts,
            self.figures + other.figures,
            self.images + other.images,
            self.reasons + other.reasons,
            {**other.examples, **self.examples},
        )


@dataclass(frozen=True)
class Verdict:
    """A unit whose readings are under ``readings``, what was judged of its rows, and where to.

    ``licences`` is the setting that figures are held to, each by its own licence.
    """

    unit: Unit
    readings: Path
    out: Path
    rows: pl.DataFrame
    licences: str

    @property
    def own(self) -> Path:
        """The folder of the unit's readings."""
        return self.readings / self.unit.name


def write_unit(verdict: Verdict) -> Outcome:
    """Write a unit's shards of the corpus; a shard without rows is not written."""
    outcome = Outcome()
    with ExitStack() as stack:

        def shard(folder: str, schema: pa.Schema) -> Shard:
            path = verdict.out / folder / f"{verdict.unit.name}.parquet"
            return stack.enter_context(open_shard(path, schema, may_be_empty=False))

        rejects = shard(QUARANTINE, REJECTS)
        _reject(read_shard(verdict.own / "rejects.parquet"), rejects, outcome)
        _write_articles(verdict, shard("articles", SCHEMAS[Article]), rejects, outcome)
        figures, images = shard("figures", SCHEMAS[Figure]), shard("images", SCHEMAS[ImageRecord])
        _write_figures(verdict, figures, images, rejects, outcome)
    return outcome


def _reject(rows: pl.DataFrame, rejects: Shard, outcome: Outcome) -> None:
    rejects.add(rows)
    outcome.reasons.update(dict(rows["reason"].value_counts().iter_rows()))
    for origin, reason, detail in rows.unique("reason", keep="first").select(*NAMES).iter_rows():
        outcome.examples.setdefault(reason, f"{origin}: {detail}")


def _write_articles(verdict: Verdict, articles: Shard, rejects: Shard, outcome: Outcome) -> None:
    begin = 0
    for read in row_groups(verdict.own / "articles.parquet"):
        judged = verdict.rows.slice(begin, len(read)).drop("unit", "row")
        judged = judged.cast({"reason": pl.String})
        rows = read.drop("retracted", "concern").hstack(judged)
        begin += len(read)
        taken = rows.filter(pl.col("reason") == "")
        articles.add(taken)
        num_abstracts = int((taken["kind"] == "abstract").sum())
        outcome.abstracts += num_abstracts
        outcome.fulltexts += len(taken) - num_abstracts
        lost = rows.filter(pl.col("reason") != "")
        _reject(lost.with_columns(_detail().alias("detail")), rejects, outcome)


def _detail() -> pl.Expr:
    """What of a record the reason speaks of."""
    reason = pl.col("reason")
    return (
        pl.when(reason == "duplicate").then(pl.format("same text as {}", "by"))
        .when(reason == "near-duplicate").then(pl.format("nearly the text of {}", "by"))
        .when(pl.col("by") != "").then(pl.format("by {}", "by"))
        .when(reason == "language").then("language")
        .when(reason == "licence").then(pl.col("licence").str.head(DETAIL_CHARS))
        .when(reason == "too-short").then(pl.format("{} characters", "num_chars"))
        .otherwise(pl.col("title").str.head(DETAIL_CHARS))
    )  # fmt: skip


def _write_figures(
    verdict: Verdict, figures: Shard, images: Shard, rejects: Shard, outcome: Outcome
) -> None:
    """Figures with caption, image and fit licence of the articles that were taken."""
    rows = read_shard(verdict.own / "figures.parquet")
    if not len(rows):
        return
    judged = verdict.rows.select("row", "by", lost=pl.col("reason") != "")
    origins = read_shard(verdict.own / "articles.parquet", "origin")
    names = origins.with_row_index("row").rename({"origin": "article"})
    rows = rows.with_columns(pl.col("row").cast(pl.UInt32)).join(
        judged.join(names, on="row"), on="row", maintain_order="left"
    )
    is_lost = pl.col("lost")
    # an article's licence is not that of a figure which it took over from elsewhere
    is_barred = (pl.col("reason") == "") & ~may_be_used(verdict.licences)
    rows = rows.with_columns(
        reason=pl.when(is_lost).then(pl.lit("unused-article"))
        .when(is_barred).then(pl.lit("licence")).otherwise("reason"),
        detail=pl.when(is_lost).then(pl.format("of {}", "article"))
        .when(is_barred).then(pl.col("licence").str.head(DETAIL_CHARS)).otherwise("detail"),
    )  # fmt: skip
    taken = rows.filter(pl.col("reason") == "")
    figures.add(taken)
    outcome.figures += len(taken)
    _reject(rows.filter(pl.col("reason") != ""), rejects, outcome)
    _write_images(taken.unique("image_id", keep="first", maintain_order=True), verdict, images)
    outcome.images += images.num_rows


def _write_images(rows: pl.DataFrame, verdict: Verdict, images: Shard) -> None:
    """Each image once, some megabytes together."""
    batch: list[dict[str, object]] = []
    num_bytes = 0
    for row in rows.iter_rows(named=True):
        path = verdict.unit.root / row["path"]
        content = path.read_bytes() if path.is_file() else b""
        if hash_bytes(content) != row["image_id"]:
            raise UserError(
                f"{path} has changed since it was read", next_command="dvc repro ingest_pubmed"
            )
        batch.append({**row, "id": row["image_id"], "bytes": content})
        num_bytes += len(content)
        if num_bytes >= IMAGE_BYTES:
            images.add(pl.DataFrame(batch, schema=pl.Schema(SCHEMAS[ImageRecord])))
            batch, num_bytes = [], 0
    images.add(pl.DataFrame(batch, schema=pl.Schema(SCHEMAS[ImageRecord])))
