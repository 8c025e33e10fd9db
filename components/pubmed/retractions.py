"""Who is retracted or doubted: by a record's own word, or by a notice about it.

Whoever holds a copy of a record may be the only one to say so, thus all copies are heard, whichever
of them becomes text. Older versions are not, nor records that were deleted.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import polars as pl

from components.pubmed.rows import AT, BY, Readings

NAMES = ["pmid", "pmcid", "doi"]


@dataclass
class Signals:
    """PMIDs, PMCIDs and DOIs, in small letters, that some record calls retracted, or doubts."""

    retracted: set[str] = field(default_factory=set)
    doubted: set[str] = field(default_factory=set)


def is_named(names: set[str]) -> pl.Expr:
    """Whether one of a row's identifiers is among these."""
    listed = pl.lit(pl.Series(sorted(names), dtype=pl.String)).implode()
    return pl.any_horizontal(pl.col(name).str.to_lowercase().is_in(listed) for name in NAMES)


def gather_signals(readings: Readings, outdated: pl.DataFrame) -> Signals:
    """What the rows say that hold, and those of the ``outdated`` that are not silent."""
    tells = pl.col("retracted", "concern"), pl.col("retracts", "doubts").list.len() > 0
    told = pl.concat(
        readings.scan(number)
        .filter(pl.any_horizontal(*tells))
        .select(*AT, *NAMES, "retracted", "concern", "retracts", "doubts")
        .collect()
        for number in range(len(readings.units))
    )
    signals = Signals()
    for row in told.join(_find_silent(told, outdated), on=AT, how="anti").iter_rows(named=True):
        own = {row[name].lower() for name in NAMES if row[name]}
        signals.retracted.update(map(str.lower, row["retracts"]))
        signals.doubted.update(map(str.lower, row["doubts"]))
        signals.retracted.update(own if row["retracted"] else ())
        signals.doubted.update(own if row["concern"] else ())
    return signals


def _find_silent(told: pl.DataFrame, outdated: pl.DataFrame) -> pl.DataFrame:
    """Those of the rows that a deletion or a newer version silences.

    It may stand further on: a copy yields to one that is deleted later.
    """
    silent = [told.select(AT).clear()]
    waiting = told.select(*AT, by_unit="unit", by_row="row")
    while len(waiting):
        steps = waiting.rename({"by_unit": "at_unit", "by_row": "at_row"}).join(
            outdated, left_on=["at_unit", "at_row"], right_on=AT
        )
        silent.append(steps.filter("silent").select(AT))
        waiting = steps.filter(~pl.col("silent")).select(*AT, *BY)
    return pl.concat(silent)
