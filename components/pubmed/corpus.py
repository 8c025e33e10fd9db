"""One corpus out of citation files and articles: read what is new, judge all, write what holds.

Everything that is read comes out as a record or as a line of the quarantine, whatever the number
of workers; the same files give the same bytes, whatever was read before.
"""

from __future__ import annotations

import shutil
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

import polars as pl
import pyarrow as pa

from components.config import IngestPubmedParams
from components.errors import UserError
from components.lineage import QUARANTINE
from components.pubmed.judging import RULES, judge
from components.pubmed.outcome import Outcome, Verdict, write_unit
from components.pubmed.readings import REPORT, Report, read_unit
from components.pubmed.rows import Readings
from components.pubmed.shards import open_shard
from components.pubmed.units import Unit, find_units
from components.records import SCHEMAS, Article, Figure, ImageRecord, Reject
from components.scale import open_workers

PRODUCTS: dict[str, pa.Schema] = {
    "articles": SCHEMAS[Article],
    "figures": SCHEMAS[Figure],
    "images": SCHEMAS[ImageRecord],
    QUARANTINE: SCHEMAS[Reject],
}


@dataclass
class Corpus:
    """How many records came in, came out, and were not taken, by reason."""

    num_in: int = 0
    num_deletions: int = 0
    outcome: Outcome = field(default_factory=Outcome)

    @property
    def faults(self) -> Counter[str]:
        """Reasons that are faults of the record, not rules, with how many there are."""
        reasons = self.outcome.reasons
        return Counter({reason: n for reason, n in reasons.items() if reason not in RULES})

    def counts(self) -> dict[str, int]:
        """For the manifest; in = out + quarantined."""
        outcome = self.outcome
        return {
            "in": self.num_in,
            "out": outcome.abstracts + outcome.fulltexts + outcome.figures,
            "abstracts": outcome.abstracts,
            "fulltexts": outcome.fulltexts,
            "figures": outcome.figures,
            "images": outcome.images,
            "deletions": self.num_deletions,
        }


def build_corpus(
    pubmed: Path, pmc: Path, readings: Path, out: Path, params: IngestPubmedParams
) -> Corpus:
    """Read every citation file under ``pubmed`` and every article under ``pmc``; write the corpus.

    ``readings`` keeps what each file gave, so that the next run reads only what is new. Under
    ``out`` come articles/, figures/, images/ and quarantine.parquet/, a shard for each unit that
    has something for them. Raises UserError when more files than ``max_unreadable_files`` give
    nothing, after all others are read, or when neither folder holds one.
    """
    units = find_units(pubmed, pmc)
    _forget(readings, units)
    read = partial(
        read_unit, folder=readings, max_image_pixels=params.max_image_pixels,
        near_duplicates=params.near_duplicates,
    )  # fmt: skip
    with open_workers(params.workers) as workers:
        reports = workers.map(read, units, "ingest_pubmed reads")
        _check_readable(units, reports, params.max_unreadable_files)
        for name in PRODUCTS:
            _remove(out / name)
        kept = Readings(units, readings, [report.deletions for report in reports])
        parts = judge(kept, params).partition_by("unit", as_dict=True)
        verdicts = [
            Verdict(unit, readings, out, parts.get((number,), pl.DataFrame()), params.licences)
            for number, unit in enumerate(units)
        ]
        outcomes = workers.map(write_unit, verdicts, "ingest_pubmed writes")
    for name, schema in PRODUCTS.items():
        if not next((out / name).rglob("*.parquet"), None):  # readers want one, if of no rows
            with open_shard(out / name / "none.parquet", schema):
                pass
    return Corpus(
        num_in=sum(report.num_in for report in reports),
        num_deletions=sum(len(report.deletions) for report in reports),
        outcome=sum(outcomes, Outcome()),
    )


def _remove(path: Path) -> None:
    if path.is_file():
        path.unlink()
    elif path.exists():
        shutil.rmtree(path)


def _forget(readings: Path, units: Sequence[Unit]) -> None:
    """Remove the readings of files that are no longer there."""
    wanted = {readings / unit.name for unit in units}
    for report in list(readings.rglob(REPORT)):
        if report.parent not in wanted:
            shutil.rmtree(report.parent)


def _check_readable(units: Sequence[Unit], reports: Sequence[Report], limit: int) -> None:
    unreadable = [(u, r) for u, r in zip(units, reports, strict=True) if r.error]
    if len(unreadable) > limit:
        first = unreadable[0][1].error
        others = ", ".join(unit.files[0] for unit, _ in unreadable[1:10])
        more = f"; also {others}" if others else ""
        raise UserError(
            f"{len(unreadable)} of {len(units)} files or groups of files cannot be read{more}",
            why=f"the first: {first}",
            next_command="fetch them again and run this again: the others are not read a second "
            "time; or raise ingest_pubmed.max_unreadable_files in params.yaml",
        )
