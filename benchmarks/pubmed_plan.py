"""What all of PubMed would take: the stage's three phases, measured on a few files and scaled.

    python benchmarks/pubmed_plan.py --files 3 --write

The files are those of benchmarks/ingest.py. Reading and writing are spread over cores file by
file; judging is one process that sees numbers and flags of all records. Disks and networks are not
in it: each line says how many bytes it moves.
"""

from __future__ import annotations

import argparse
import math
import os
import platform
import statistics
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from ingest import make_file
from results import show

from components.config import load_params
from components.pubmed.judging import judge
from components.pubmed.outcome import Verdict, write_unit
from components.pubmed.readings import read_unit
from components.pubmed.rows import Readings
from components.pubmed.units import find_units

NUM_FILES, NUM_RECORDS = 1_300, 38e6  # NLM's baseline of 2026, about
RECORDS_PER_FILE = 30_000
CORES = (1, 16, 256)
PARAMS_FILE = Path(__file__).parents[1] / "params.yaml"


@dataclass
class Measured:
    """Seconds of a phase (a file's, or of all files for judging), and bytes that a file leaves."""

    read_s: float
    judge_s: float
    write_s: float
    raw_bytes: float
    reading_bytes: float
    corpus_bytes: float
    num_taken: int


def clock(work: Callable[[], Any]) -> tuple[float, Any]:
    """Seconds that work took, and what it gave."""
    start = time.perf_counter()
    found = work()
    return time.perf_counter() - start, found


def size(folder: Path) -> int:
    """Bytes of all files under a folder."""
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())


def measure(root: Path, num_files: int) -> Measured:
    """Run the phases on this many files, one core."""
    for number in range(num_files):
        path = root / f"raw/pubmed26n{number + 1:04d}.xml.gz"
        make_file(path, RECORDS_PER_FILE, 1 + number * RECORDS_PER_FILE)
    units = find_units(root / "raw", root / "none")
    read = [clock(lambda unit=unit: read_unit(unit, root / "readings", 1, True)) for unit in units]
    params = load_params(PARAMS_FILE).ingest_pubmed
    readings = Readings(units, root / "readings", [report.deletions for _, report in read])
    judge_s, verdicts = clock(lambda: judge(readings, params))
    parts = verdicts.partition_by("unit", maintain_order=True)
    pairs = zip(units, parts, strict=True)
    jobs = [
        Verdict(unit, root / "readings", root / "out", rows, params.licences)
        for unit, rows in pairs
    ]
    write = [clock(lambda job=job: write_unit(job)) for job in jobs]
    return Measured(
        read_s=statistics.median(seconds for seconds, _ in read),
        judge_s=judge_s,
        write_s=statistics.median(seconds for seconds, _ in write),
        raw_bytes=size(root / "raw") / num_files,
        reading_bytes=size(root / "readings") / num_files,
        corpus_bytes=size(root / "out/articles") / num_files,
        num_taken=sum(outcome.abstracts for _, outcome in write),
    )


def table(found: Measured, num_files: int) -> str:
    """Markdown: hours on some numbers of cores, and bytes."""
    scale = NUM_RECORDS / (num_files * RECORDS_PER_FILE)
    rows = {
        "read every field, with fingerprints": (found.read_s, found.raw_bytes, found.reading_bytes),
        "write what holds": (found.write_s, found.reading_bytes, found.corpus_bytes),
    }
    today = datetime.now().astimezone().date().isoformat()
    lines = [
        f"### All of PubMed, {today}",
        "",
        f"`python benchmarks/pubmed_plan.py --files {num_files}`: {NUM_FILES:,} files with "
        f"{NUM_RECORDS / 1e6:.0f} million records, scaled from {num_files} files of "
        f"{RECORDS_PER_FILE:,} on one of {os.cpu_count()} cores "
        f"({platform.processor() or platform.machine()}); {found.num_taken:,} records were taken.",
        "",
        "| phase | one file | "
        + " | ".join(f"{n} cores" if n > 1 else "1 core" for n in CORES)
        + " | in | out |",
        "|---|---|" + "---|" * len(CORES) + "---|---|",
    ]
    for name, (seconds, bytes_in, bytes_out) in rows.items():
        hours = [math.ceil(NUM_FILES / cores) * seconds / 3600 for cores in CORES]
        cells = " | ".join(map(_told, hours))
        moved = " | ".join(f"{n * NUM_FILES / 1e9:.0f} GB" for n in (bytes_in, bytes_out))
        lines.append(f"| {name} | {seconds:.1f} s | {cells} | {moved} |")
    judged = _told(found.judge_s * scale / 3600)
    lines.append(f"| judge all | - | {' | '.join([judged] * len(CORES))} | - | - |")
    return "\n".join([*lines, ""])


def _cores(num: int) -> str:
    return f"{num} cores" if num > 1 else "1 core"


def _told(hours: float) -> str:
    return f"{hours:.1f} h" if hours >= 1 else f"{60 * hours:.1f} min"


def main() -> None:
    """Measure, print and, with --write, keep the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--files", type=int, default=3)
    parser.add_argument("--write", action="store_true", help="append to RESULTS.md")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        found = measure(Path(folder), given.files)
    show(table(found, given.files), given.write)


if __name__ == "__main__":
    main()
