"""Who is retracted or doubted: by a record's own word, or by a notice about it.

Whoever holds a copy of a record may be the only one to say so, thus all copies are heard, whichever
of them becomes text. Older versions are not, nor records that were deleted. And what is said of one
form of an article holds for the others: its citation, its full text, their copies.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Any

import polars as pl

from components.pubmed.rows import AT, BY, Readings

NAMES = ["pmid", "pmcid", "doi"]
IDENTIFIER = re.compile(r"[1-9][0-9]*|pmc[0-9]+|10\.[^/]+/.+")  # no filler, such as "n/a"

# How often names lead to rows and these to more names. An article has three names, and its records
# few gaps: what is further away is another one, to which a chain of mistakes leads.
MAX_STEPS = 10


@dataclass
class Signals:
    """PMIDs, PMCIDs and DOIs, in small letters, that some record calls retracted, or doubts.

    ``notices`` are PMIDs and PMCIDs of records that are retraction notices: some publishers give a
    notice the DOI of what it retracts.
    """

    retracted: set[str] = field(default_factory=set)
    doubted: set[str] = field(default_factory=set)
    notices: set[str] = field(default_factory=set)

    def __sub__(self, other: Signals) -> Signals:
        """What is retracted or doubted and was not by the other."""
        return Signals(self.retracted - other.retracted, self.doubted - other.doubted)

    def add(self, names: set[str], *, retracted: bool, doubted: bool) -> None:
        """Take these names for what is said of them."""
        self.retracted.update(names if retracted else ())
        self.doubted.update(names if doubted else ())


def is_named(names: set[str]) -> pl.Expr:
    """Whether one of a row's identifiers is among these."""
    listed = pl.lit(pl.Series(sorted(names), dtype=pl.String)).implode()
    return pl.any_horizontal(pl.col(name).str.to_lowercase().is_in(listed) for name in NAMES)


def is_notice(signals: Signals) -> pl.Expr:
    """Whether a row is a retraction notice, by its own word or that of another form of it."""
    return pl.col("is_notice") | is_named(signals.notices)


def gather_signals(readings: Readings, outdated: pl.DataFrame) -> Signals:
    """Who is named by the rows that hold, or by the ``outdated`` that are not silent."""
    signals = _hear(readings, outdated)
    fresh = signals
    for _ in range(MAX_STEPS):
        if not fresh.retracted and not fresh.doubted:
            break
        fresh = _find_other_names(readings, fresh, signals) - signals
        signals.add(fresh.retracted, retracted=True, doubted=False)
        signals.add(fresh.doubted, retracted=False, doubted=True)
    return signals


def _hear(readings: Readings, outdated: pl.DataFrame) -> Signals:
    """Names as the records and the notices state them."""
    flags = ["retracted", "concern", "is_notice"]
    tells = pl.col(flags), pl.col("retracts", "doubts").list.len() > 0
    told = pl.concat(
        readings.scan(number)
        .filter(pl.any_horizontal(*tells))
        .select(*AT, *NAMES, *flags, "retracts", "doubts")
        .collect()
        for number in range(len(readings.units))
    )
    signals = Signals()
    for row in told.join(_find_silent(told, outdated), on=AT, how="anti").iter_rows(named=True):
        signals.retracted.update(map(str.lower, row["retracts"]))
        signals.doubted.update(map(str.lower, row["doubts"]))
        names = _identifiers(row)
        signals.add(names, retracted=row["retracted"], doubted=row["concern"])
        # BioC tells a notice by its title alone: enough for itself, not for others
        if row["is_notice"] and readings.units[row["unit"]].kind != "bioc":
            signals.notices |= names - {row["doi"].lower()}
    return signals


def _find_other_names(readings: Readings, known: Signals, all_known: Signals) -> Signals:
    """All identifiers of the rows that have a known one; a notice is not what it speaks of."""
    found = Signals()
    flags = {"retracted": is_named(known.retracted), "doubted": is_named(known.doubted)}
    for number in range(len(readings.units)):
        articles = readings.scan(number).filter(~is_notice(all_known))
        named = articles.select(*NAMES, **flags).filter(pl.any_horizontal(*flags)).collect()
        for row in named.iter_rows(named=True):
            found.add(_identifiers(row), retracted=row["retracted"], doubted=row["doubted"])
    return found


def _identifiers(row: dict[str, Any]) -> set[str]:
    names = (row[name].lower() for name in NAMES)
    return {name for name in names if IDENTIFIER.fullmatch(name)}


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
