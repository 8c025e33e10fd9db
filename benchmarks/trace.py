"""How long it takes to trace one record, and to recall, in a corpus of a million.

    python benchmarks/trace.py [--records 1000000] [--write]

A second is aimed at. The corpus is made up: shards of 30,000 abstracts as ingest_pubmed writes
them, with text of a usual length, a quarantine of a fifth of them, and one data set of 100,000
questions about articles. Each time is the median of REPEATS in one process and one thread, its
imports not counted; what the command itself takes with them is measured as well.
"""

from __future__ import annotations

import argparse
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
from results import show

from components.lineage import QUARANTINE, write_manifest
from components.pubmed.shards import open_shard
from components.records import SCHEMAS, Article, Example, Reject, write_records
from components.tracing.corpus import Document
from components.tracing.ledger import keep_ledger
from components.tracing.products import read_products
from components.tracing.retractions import recall_records
from components.tracing.trace import trace_record

SHARD_ROWS, GROUP_ROWS, REPEATS = 30_000, 5_000, 5
NUM_WORDS = 20_000  # different ones, so that texts take about the space that abstracts do
FIRST_PMID = 10_000_000


def main() -> None:
    """Make the corpus, measure, print a table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--records", type=int, default=1_000_000)
    parser.add_argument("--write", action="store_true", help="add the table to RESULTS.md")
    arguments = parser.parse_args()
    here = Path(__file__).resolve().parents[1]
    with tempfile.TemporaryDirectory() as folder:
        os.chdir(folder)
        Path("dvc.yaml").touch()
        num_bytes = make_corpus(arguments.records)
        middle = Document(str(FIRST_PMID + arguments.records // 2), "")
        rows = [
            measure("trace a record", lambda: trace_record(read_products(), middle)),
            measure("trace one that is not there", lambda: trace_record(read_products(), ABSENT)),
            measure("recall", lambda: recall_records(read_products())),
            measure("`biomedgpt trace`, imports and all", lambda: run(middle, here)),
        ]
    title = (
        f"trace, {datetime.now().astimezone():%Y-%m-%d}: {arguments.records:,} records in "
        f"{-(-arguments.records // SHARD_ROWS)} shards, {num_bytes / 1e9:.1f} GB"
    )
    lines = ["| what | median | slowest of five |", "| --- | ---: | ---: |", *rows]
    show(f"### {title}\n\n" + "\n".join(lines) + "\n", arguments.write)


ABSENT = Document("9", "")


def make_corpus(num: int) -> int:
    """Write articles, quarantine, examples and manifests; how many bytes the articles take."""
    generator = np.random.default_rng(1)
    words = [f"{number:x}" for number in generator.integers(1 << 16, 1 << 24, NUM_WORDS)]
    texts = [" ".join(generator.choice(words, 200)) for _ in range(GROUP_ROWS)]
    for number, first in enumerate(range(0, num, SHARD_ROWS)):
        name = f"pubmed/baseline/pubmed26n{number + 1:04d}.xml.gz"
        pmids = range(FIRST_PMID + first, FIRST_PMID + min(first + SHARD_ROWS, num))
        with open_shard(Path(f"data/articles/articles/{name}.parquet"), SCHEMAS[Article]) as shard:
            for begin in range(0, len(pmids), GROUP_ROWS):
                shard.add(make_rows(pmids[begin : begin + GROUP_ROWS], name, texts))
        path = Path(f"data/articles/{QUARANTINE}/{name}.parquet")
        with open_shard(path, SCHEMAS[Reject]) as shard:
            lost = [f"{name}#{pmid + 20_000_000}.1" for pmid in pmids[::5]]
            reasons = ["retracted" if i % 50 == 0 else "superseded" for i in range(len(lost))]
            shard.add(pl.DataFrame({"origin": lost, "reason": reasons, "detail": "by another"}))
    finish("articles", "ingest_pubmed", [])
    keep_ledger(Path("data/articles"))
    examples = (
        Example(str(i), "pubmedqa", "answer", "train", "a question", "yes",
                documents=[f"PMID {FIRST_PMID + i * num // 100_000}"])
        for i in range(100_000)
    )  # fmt: skip
    write_records(Path("data/examples/pubmedqa/examples.parquet"), Example, examples)
    finish("examples/pubmedqa", "prepare", [])
    finish("models/pretrained/base", "pretrain", ["articles", "examples/pubmedqa"])
    return sum(p.stat().st_size for p in Path("data/articles/articles").rglob("*.parquet"))


def make_rows(pmids: range, name: str, texts: list[str]) -> pl.DataFrame:
    """Articles with all columns; those that tell nothing here are of one value."""
    kinds = pl.Schema(SCHEMAS[Article])
    rows = pl.DataFrame({"pmid": [str(pmid) for pmid in pmids], "text": texts[: len(pmids)]})
    fixed: dict[str, Any] = {
        "pmcid": "", "version": 1, "kind": "abstract", "title": "A study of the lung",
        "sections": [], "journal": "J", "year": 2020, "language": "eng", "mesh": ["Lung"],
        "publication_types": ["Journal Article"], "doi": "", "licence": "NLM terms",
        "retracted": False, "concern": False, "origin_sha256": "0" * 64,
    }  # fmt: skip
    columns = [pl.lit(value, dtype=kinds[key]).alias(key) for key, value in fixed.items()]
    return rows.with_columns(*columns, origin=pl.format(f"{name}#{{}}.1", "pmid"))


def finish(folder: str, stage: str, inputs: list[str]) -> None:
    """Write a product's manifest."""
    write_manifest(
        Path("data") / folder, stage=stage, identity={}, settings={},
        inputs=[Path("data") / name for name in inputs], counts={"in": 0, "out": 0}, reasons={},
    )  # fmt: skip


def measure(name: str, call: Callable[[], object]) -> str:
    """A row: the median and the slowest of some calls, after one that is not counted."""
    call()
    took = []
    for _ in range(REPEATS):
        started = time.perf_counter()
        call()
        took.append(time.perf_counter() - started)
    return f"| {name} | {statistics.median(took):.2f} s | {max(took):.2f} s |"


def run(document: Document, here: Path) -> None:
    """The command itself, in a process of its own."""
    command = [sys.executable, "-m", "flows.cli", "trace", f"PMID:{document.pmid}"]
    around = {**os.environ, "PYTHONPATH": str(here)}
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL, env=around)


if __name__ == "__main__":
    main()
