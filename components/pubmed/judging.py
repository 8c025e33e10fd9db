"""Which rows of the readings become text, and why the others do not.

Of one PMID (or PMCID) the highest version wins, and of one version its newest file; a deletion
holds for the files before it. What is called retracted is so in whatever form it is there. Only
numbers and flags of all rows are in memory at once, about 0.2 kB a row.
"""

from __future__ import annotations

from collections.abc import Sequence

import polars as pl

from components.config import IngestPubmedParams
from components.pubmed.licences import may_be_used
from components.pubmed.near_duplicates import BANDS, find_near_duplicates
from components.pubmed.retractions import Signals, gather_signals, is_named, is_notice
from components.pubmed.rows import AT, BY, Readings
from components.pubmed.units import is_dated

# Reasons that are rules about what becomes text, not faults of the record: the stage's limit on
# quarantined records does not count them.
RULES = frozenset({
    "book", "deleted", "duplicate", "language", "licence", "near-duplicate", "no-abstract",
    "no-caption", "no-image", "not-read", "retracted", "retraction-notice", "superseded",
    "too-short", "unused-article",
})  # fmt: skip
REASON = pl.Enum(["", *sorted(RULES)])
FLAGS = ["retracted", "concern"]
DELETION = 2**32 - 1  # row of a deletion, which comes after all citations of its file


def judge(readings: Readings, params: IngestPubmedParams) -> pl.DataFrame:
    """A row for each row of the readings, in their order.

    Columns: unit, row, reason, by, retracted, concern. ``reason`` is "" where the row is taken;
    ``by`` is the origin of the record that stands in its place, or that withdraws it.
    """
    current, outdated = _find_current(readings)
    signals = gather_signals(readings, outdated)
    rows = pl.concat(
        _apply_rules(readings.scan(n), signals, params) for n in range(len(readings.units))
    )
    passed = current.join(rows.filter(pl.col("reason") == ""), on=AT, maintain_order="left")
    same = _find_duplicates(passed)
    similar = same.clear()
    if params.near_duplicates:
        similar = _find_similar(readings, passed.join(same, on=AT, how="anti"))
    lost = _name_winners(readings, pl.concat([outdated, same, similar]))
    judged = rows.select(*AT, "reason", *FLAGS).join(lost, on=AT, how="left", maintain_order="left")
    return judged.with_columns(
        pl.coalesce("lost", "reason").alias("reason"), pl.col("by").fill_null("")
    ).drop("lost")


def _find_current(readings: Readings) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Where the rows stand that hold, in the order of the corpus, and the outdated ones.

    Articles come before citations, each by number: of a text that is in both, the copy with
    figures and a licence stays. Outdated rows have a reason, whom they yield to, and whether that
    makes them ``silent``: a deletion and a newer state of the record do, another copy does not.
    """
    citations, outdated = _replay(readings)
    articles, older = _newest_articles(readings)
    # The same abstract of the source that keeps it up to date, where both are there.
    held = citations.select(pl.col("pmid").cast(pl.String), by_unit="unit", by_row="row")
    copies = _lose(articles.filter(pl.col("kind") == "abstract").join(held, on="pmid"))
    articles = articles.join(copies, on=AT, how="anti")
    current = pl.concat([articles.select(AT), citations.select(AT)])
    return current, pl.concat([outdated, older, copies])


def _replay(readings: Readings) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Citations that hold (unit, row, pmid) by PMID, and those that do not.

    What happens next to a version of a PMID decides: a newer copy, a deletion, or nothing.
    """
    pmid = pl.col("pmid").cast(pl.UInt32)
    events = pl.concat(
        [readings.load([pmid, "version"], citations=True), _deletion_events(readings)]
    ).sort("pmid", "version", *AT)
    events = _yields_to_next(events, "pmid", "version").filter(pl.col("row") != DELETION)
    gone = events.filter(pl.col("by_row").is_not_null())
    gone = _lose(gone, silent=_is_revised(readings) | (pl.col("by_row") == DELETION))
    held = _yields_to_next(events.filter(pl.col("by_row").is_null()), "pmid")
    older = _lose(held.filter(pl.col("by_row").is_not_null()), silent=True)
    return held.filter(pl.col("by_row").is_null()).drop(BY), pl.concat([gone, older])


def _is_revised(readings: Readings) -> pl.Expr:
    """Whether a newer file says what has become of a citation: one without a date is never newer.

    Between copies without a date, or in one file, nobody knows which is the newer.
    """
    undated = [n for n, unit in enumerate(readings.units) if not is_dated(unit.files[0])]
    return (pl.col("unit") != pl.col("by_unit")) & ~pl.col("unit").is_in(undated)


def _yields_to_next(rows: pl.DataFrame, *names: str) -> pl.DataFrame:
    """Sorted rows, with where the next row of the same names stands."""
    same = pl.all_horizontal(pl.col(name) == pl.col(name).shift(-1) for name in names)
    return rows.with_columns(
        by_unit=pl.when(same).then(pl.col("unit").shift(-1)),
        by_row=pl.when(same).then(pl.col("row").shift(-1)),
    )


def _deletion_events(readings: Readings) -> pl.DataFrame:
    rows = [
        (number, DELETION, int(pmid), version)
        for number, gone in enumerate(readings.deletions)
        for pmid, version in gone
    ]
    schema = {"unit": pl.UInt32, "row": pl.UInt32, "pmid": pl.UInt32, "version": pl.Int32}
    return pl.DataFrame(rows, schema, orient="row")


def _newest_articles(readings: Readings) -> tuple[pl.DataFrame, pl.DataFrame]:
    """The highest version of each article by number; and the others.

    A PMCID has one version, be it a text or an abstract; of equals the text holds, then the last.
    Of abstracts with the same PMID one is left.
    """
    columns: list[str | pl.Expr] = [
        "kind", "pmid", "version", "origin",
        pl.when(pl.col("pmcid") != "").then("pmcid").otherwise("origin").alias("name"),
        pl.col("pmcid").str.extract(r"^PMC([0-9]+)$").cast(pl.Int64).fill_null(0).alias("number"),
    ]  # fmt: skip
    articles = readings.load(columns, citations=False).sort("name", "version", "kind", *AT)
    # BioC states no version: none of its rows is older than one of JATS.
    bioc = [n for n, unit in enumerate(readings.units) if unit.kind == "bioc"]
    highest = pl.col("version").max().over("name", pl.col("unit").is_in(bioc))
    newest, older = _keep_last(articles.with_columns(highest=highest), "name")
    has_pmid = (pl.col("kind") == "abstract") & (pl.col("pmid") != "")
    _, copies = _keep_last(newest.filter(has_pmid).sort("pmid", "version", *AT), "pmid")
    newest = newest.join(copies, on=AT, how="anti").sort("number", "origin")
    is_older = pl.col("version") < pl.col("highest")
    return newest, pl.concat([_lose(older, silent=is_older), _lose(copies)])


def _keep_last(rows: pl.DataFrame, name: str) -> tuple[pl.DataFrame, pl.DataFrame]:
    """The last row of each name, and the others with where it stands."""
    rows = rows.with_columns(pl.col(part).last().over(name).alias(f"by_{part}") for part in AT)
    is_last = (pl.col("unit") == pl.col("by_unit")) & (pl.col("row") == pl.col("by_row"))
    return rows.filter(is_last).drop(BY), rows.filter(~is_last)


def _lose(
    rows: pl.DataFrame, reason: str = "superseded", *, silent: bool | pl.Expr = False
) -> pl.DataFrame:
    is_deleted = pl.col("by_row") == DELETION
    why = pl.when(is_deleted).then(pl.lit("deleted")).otherwise(pl.lit(reason))
    return rows.select(*AT, why.cast(REASON).alias("reason"), *BY, silent=silent)


def _apply_rules(
    articles: pl.LazyFrame, signals: Signals, params: IngestPubmedParams
) -> pl.DataFrame:
    """unit, row, reason (of the first rule that a row meets), FLAGS, digest, num_chars."""
    languages = pl.col("language").str.split(",").list.set_intersection(pl.lit(params.languages))
    rules = {
        "retraction-notice": is_notice(signals),
        "retracted": pl.col("retracted") & (not params.keep_retracted),
        "no-abstract": pl.col("num_chars") == 0,
        "language": languages.list.len() == 0,
        "licence": ~may_be_used(params.licences),
        "too-short": pl.col("num_chars") < params.min_text_chars,
    }
    reasons = [pl.when(met).then(pl.lit(reason)) for reason, met in rules.items()]
    marked = articles.with_columns(
        retracted=pl.col("retracted") | is_named(signals.retracted),
        concern=pl.col("concern") | is_named(signals.doubted),
    )
    reason = pl.coalesce(*reasons, pl.lit("")).cast(REASON).alias("reason")
    # 64 bits of the digest: no two of 38 million texts share them by chance (1 in 25,000)
    digest = pl.col("digest").bin.slice(0, 8).bin.reinterpret(dtype=pl.UInt64, endianness="little")
    return marked.select(*AT, reason, *FLAGS, digest, "num_chars").collect()


def _find_duplicates(passed: pl.DataFrame) -> pl.DataFrame:
    """Rows whose text an earlier one has, in the order of the corpus."""
    alike = passed.select("digest", *AT).with_row_index("order").sort("digest", "order")
    is_again = (pl.col("digest") == pl.col("digest").shift(1)).fill_null(value=False)
    first = [pl.when(~is_again).then(part).forward_fill().alias(f"by_{part}") for part in AT]
    return _lose(alike.with_columns(*first, again=is_again).filter("again"), "duplicate")


def _find_similar(readings: Readings, distinct: pl.DataFrame) -> pl.DataFrame:
    """Rows whose text is nearly that of an earlier one, in the order of the corpus."""
    order = distinct.select(*AT, "num_chars").with_row_index("order").cast({"order": pl.Int64})
    bands = [readings.scan_bands(number) for number in range(len(readings.units))]

    def read_texts(orders: Sequence[int]) -> dict[int, str]:
        wanted = order[list(orders)]
        texts = pl.collect_all([
            readings.scan(number).join(rows.lazy(), on=AT).select("order", "text")
            for (number,), rows in wanted.partition_by("unit", as_dict=True).items()
        ])  # fmt: skip
        return dict(pl.concat(texts).iter_rows())

    ordered = pl.concat(bands).join(order.lazy(), on=AT).select("order", "num_chars", *BANDS)
    similar = find_near_duplicates(ordered, read_texts)
    kept = order[similar["kept"]].select(by_unit="unit", by_row="row")
    return _lose(order[similar["order"]].select(AT).hstack(kept), "near-duplicate")


def _name_winners(readings: Readings, lost: pl.DataFrame) -> pl.DataFrame:
    """unit, row, lost (the reason), by: the origin of what stands where the row yields to."""
    wanted = lost.select(unit="by_unit", row="by_row").unique()
    numbers = wanted["unit"].unique().sort().to_list()
    origins = pl.collect_all([readings.scan(n).select(*AT, by="origin") for n in numbers])
    deletions = pl.DataFrame(
        {
            "unit": numbers,
            "row": [DELETION] * len(numbers),
            "by": [f"{readings.units[n].files[0]}#DeleteCitation" for n in numbers],
        },
        schema={"unit": pl.UInt32, "row": pl.UInt32, "by": pl.String},
    )
    named = pl.concat([deletions, *origins]).join(wanted, on=AT, how="semi")
    return lost.join(named, left_on=["by_unit", "by_row"], right_on=AT).select(
        *AT, pl.col("reason").alias("lost"), "by"
    )
